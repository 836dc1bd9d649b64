"""What administrators do to one desktop's server beside its owner's day: its console log, pause, shelve, lock, rescue.

No operations: each is one call, refused while an operation goes on, and what becomes of it the reconciler sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.db.models import Desktop, Image, Operation
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.services import fitting
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import ChangeFeed, state_of
from yunzhuo.services.desktop_views import DesktopView, visible_desktop
from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import State, Wanted
from yunzhuo.services.stated import needs
from yunzhuo.services.wishes import require_unlocked

_VERB = "desktop:care"
#: The end of a console log that is shown.
LOG_BYTES = 64 * 1024


class CareDeed(StrEnum):
    """What is done. A paused desktop is suspended, and resumed; a shelved one is stopped, and started."""

    PAUSE = "pause"
    SHELVE = "shelve"
    LOCK = "lock"
    UNLOCK = "unlock"
    RESCUE = "rescue"
    UNRESCUE = "unrescue"


# What is wanted from then on: it counts against its owner's quota so.
_WANTED_AFTER: Mapping[CareDeed, Wanted] = {
    CareDeed.PAUSE: Wanted.SUSPENDED,
    CareDeed.SHELVE: Wanted.STOPPED,
    CareDeed.RESCUE: Wanted.RUNNING,
    CareDeed.UNRESCUE: Wanted.RUNNING,
}
_OF_LOCKED = frozenset({CareDeed.LOCK, CareDeed.UNLOCK})
# In which states a cloud does it. The cloud itself decides; this is what is worth offering.
_FITS: Mapping[CareDeed, frozenset[State]] = {
    CareDeed.PAUSE: frozenset({State.AVAILABLE}),
    CareDeed.SHELVE: frozenset({State.AVAILABLE, State.STOPPED, State.SUSPENDED}),
    CareDeed.RESCUE: frozenset({State.AVAILABLE, State.STOPPED, State.ERROR}),
    CareDeed.UNRESCUE: frozenset({State.RESCUED}),
    CareDeed.LOCK: frozenset({State.AVAILABLE, State.STOPPED, State.SUSPENDED, State.RESCUED, State.ERROR}),
}


def fitting_deeds(desktop: DesktopView) -> Sequence[CareDeed]:
    """What can be asked for a desktop as it is now."""
    if desktop.operation.status in lifecycle.ACTIVE:
        return ()
    if desktop.is_locked:
        return (CareDeed.UNLOCK,)
    return [deed for deed, states in _FITS.items() if desktop.state in states]


@dataclass(frozen=True, slots=True)
class _Target:
    server_id: str
    rescue_image: str | None


class CareService:
    """Every method raises NotFound for a desktop that does not exist for the actor, and the cloud's errors."""

    def __init__(self, db: Database, cloud: Cloud, feed: ChangeFeed, audit: AuditLog) -> None:
        self._db = db
        self._cloud = cloud
        self._feed = feed
        self._audit = audit

    @needs(_VERB)
    def do(self, actor: Actor, desktop_id: str, deed: CareDeed, *, image_id: str | None = None) -> None:
        """Ask the cloud for it; accepted when this returns. ``image_id`` is the system to rescue it with, None: the cloud's.

        Raises Conflict while an operation goes on, in the bin, when it is locked, or when the server's state does not allow it;
        CloudNotOffered; InvalidInput when there is no such image.
        """
        target = self._target(actor, desktop_id, deed, image_id)
        care = self._cloud.care
        asking: Mapping[CareDeed, Callable[[str], None]] = {
            CareDeed.PAUSE: care.pause,
            CareDeed.SHELVE: care.shelve,
            CareDeed.LOCK: care.lock,
            CareDeed.UNLOCK: care.unlock,
            CareDeed.RESCUE: lambda server_id: care.rescue(server_id, target.rescue_image),
            CareDeed.UNRESCUE: care.unrescue,
        }
        asking[deed](target.server_id)
        self._write_down(actor, desktop_id, deed, image_id)

    @needs("desktop:console_log")
    def console_log(self, actor: Actor, desktop_id: str) -> str:
        """The end of what the server has written to its serial console since it was switched on."""
        log = self._cloud.care.console_log(self._server_id(actor, desktop_id, "desktop:console_log"), max_bytes=LOG_BYTES)
        self._record(actor, desktop_id, "desktop:console_log", {"bytes": len(log.encode())})
        return log

    @needs("network:read")
    def security_groups(self, actor: Actor, desktop_id: str) -> Sequence[str]:
        """The ids of the security groups that the server is in."""
        return self._cloud.care.security_groups(self._server_id(actor, desktop_id, "desktop:read"))

    @needs("network:change")
    def set_security_groups(self, actor: Actor, desktop_id: str, group_ids: Sequence[str]) -> Sequence[str]:
        """Put it into exactly these, and answer them; with none at all nothing reaches it. Raises NotFound for a group."""
        server_id = self._server_id(actor, desktop_id, "desktop:read")
        before = self._cloud.care.security_groups(server_id)
        self._cloud.care.set_security_groups(server_id, group_ids)
        after = self._cloud.care.security_groups(server_id)
        self._record(actor, desktop_id, "network:change", {"before": list(before), "security_groups": list(after)})
        return after

    @retried_when_contended
    def _target(self, actor: Actor, desktop_id: str, deed: CareDeed, image_id: str | None) -> _Target:
        with self._db.transaction() as tx:
            desktop, latest = visible_desktop(tx, actor, desktop_id, _VERB)
            if deed not in _OF_LOCKED:
                require_unlocked(desktop)
            _require_at_rest(desktop, latest)
            image = fitting.image_to_rebuild_from(tx, desktop, image_id).cloud_id if image_id is not None else None
            return _Target(_server_of(desktop), image)

    @retried_when_contended
    def _server_id(self, actor: Actor, desktop_id: str, verb: str) -> str:
        with self._db.transaction() as tx:
            return _server_of(visible_desktop(tx, actor, desktop_id, verb)[0])

    @retried_when_contended
    def _write_down(self, actor: Actor, desktop_id: str, deed: CareDeed, image_id: str | None) -> None:
        with self._db.transaction() as tx:
            desktop = tx.get_one(Desktop, desktop_id, with_for_update=True)
            latest = tx.get_one(Operation, desktop.operation_id)
            before = {"wanted": desktop.wanted, "locked": desktop.is_locked}
            if deed in _OF_LOCKED:
                desktop.is_locked = deed is CareDeed.LOCK
            if latest.status not in lifecycle.ACTIVE:  # what was wished for since then counts
                desktop.wanted = _WANTED_AFTER.get(deed, desktop.wanted)
            after = {"deed": deed.value, "wanted": desktop.wanted, "locked": desktop.is_locked}
            image = _image_name(tx, image_id)
            self._audit.record(
                tx,
                actor,
                _VERB,
                "desktop",
                desktop.id,
                owner_id=desktop.owner_id,
                before=before,
                after=after | ({"image": image} if image else {}),
            )
            self._feed.desktop_changed(tx, desktop, latest)

    @retried_when_contended
    def _record(self, actor: Actor, desktop_id: str, verb: str, after: Mapping[str, object]) -> None:
        with self._db.transaction() as tx:
            owner_id = tx.get_one(Desktop, desktop_id).owner_id
            self._audit.record(tx, actor, verb, "desktop", desktop_id, owner_id=owner_id, after=after)


def _require_at_rest(desktop: Desktop, latest: Operation) -> None:
    state = state_of(desktop, latest)
    if latest.status in lifecycle.ACTIVE:
        raise Conflict("operation_in_progress", "Another change to this desktop is still going on.", state=state)
    if state is State.BINNED or desktop.wanted == Wanted.GONE:
        raise Conflict("not_possible_now", f"A desktop that is {state} cannot do this.", state=state)


def _server_of(desktop: Desktop) -> str:
    if desktop.server_id is None:
        raise Conflict("no_server", "This desktop has no virtual machine.")
    return desktop.server_id


def _image_name(tx: Transaction, image_id: str | None) -> str | None:
    return tx.get_one(Image, image_id).name if image_id is not None else None
