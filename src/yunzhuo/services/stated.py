"""What methods of services need, stated where they stand, asked for before they begin, and put on record when refused."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from yunzhuo.phoenix.common.errors import Broken, Forbidden, Refused, YunzhuoError
from yunzhuo.services.access import Actor, forbidden, scope_of

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class KeepsRecord(Protocol):
    """What writes down wishes that were not granted, in a transaction of its own."""

    def record_unfulfilled(self, actor: Actor, verb: str, object_id: str | None, error: YunzhuoError) -> None: ...


_Method = Callable[Concatenate[Any, Actor, _Arguments], _Answer]


def needs(*verbs: str) -> Callable[[_Method[_Arguments, _Answer]], _Method[_Arguments, _Answer]]:
    """States what a service's method needs, and asks for it before the method begins.

    Of several verbs one is needed, and the method says which. What is refused, and what fails, goes into the audit log of
    the service (``self._audit``): of reading only what is forbidden, of everything else all. A test finds public methods
    that take an actor and state nothing.
    """

    def stating(method: _Method[_Arguments, _Answer]) -> _Method[_Arguments, _Answer]:
        @wraps(method)
        def checked(self: Any, actor: Actor, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
            try:
                if all(scope_of(actor, verb) is None for verb in verbs):
                    raise forbidden(verbs[0])
                return method(self, actor, *args, **kwargs)
            except (Refused, Broken) as error:
                verb = str(error.details.get("verb", verbs[0]))
                if isinstance(error, Forbidden) or not verb.endswith(":read"):
                    _keep(self, actor, verb, args, error)
                raise

        checked.__verbs__ = verbs  # type: ignore[attr-defined]  # what the test reads
        return checked

    return stating


def _keep(service: Any, actor: Actor, verb: str, args: tuple[object, ...], error: YunzhuoError) -> None:
    """Write down once what was not granted, however many stated methods it passes on its way."""
    if error.is_on_record:
        return
    error.is_on_record = True
    log: KeepsRecord | None = getattr(service, "_audit", None)
    if log is not None:
        named = args[0] if args else None
        is_id = isinstance(named, str) and _ID.fullmatch(named)
        log.record_unfulfilled(actor, verb, str(named) if is_id else None, error)
