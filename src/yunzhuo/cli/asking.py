"""What the commands about desktops share: who asks, which desktop is meant, and what is told of an operation."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, print_answer
from yunzhuo.cli.follow import follow
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.agent_book import AgentView
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.changes import OperationView
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.pools import PoolView
from yunzhuo.services.rules.lifecycle import ACTIVE, Action, OperationStatus

FAILED = 1
_RUN_IT = (Role.OPERATOR, Role.ADMINISTRATOR)

following = click.option("--wait/--no-wait", "follow_it", default=True, show_default=True, help="Follow it to its end.")


def sure(question: str) -> Callable[[Any], Any]:
    """Asks before something is lost, unless ``--yes`` is given; ``{}`` in the question is what the command is about."""

    def answered(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if not value and not context.resilient_parsing:
            click.confirm(question.format(context.params.get("reference", "it")), abort=True, err=True)

    return click.option("--yes", is_flag=True, expose_value=False, callback=answered, help="Do not ask.")


def as_data(desktop: DesktopView) -> dict[str, object]:
    """A desktop for programs."""
    return {
        "id": desktop.id,
        "name": desktop.name,
        "hostname": desktop.hostname,
        "owner": desktop.owner_email,
        "image": desktop.image_name,
        "flavor": desktop.flavor_name,
        "address": desktop.address,
        "state": desktop.state,
        "wanted": desktop.wanted,
        "fault": desktop.fault,
        "fault_code": desktop.fault_code,
        "observed_at": desktop.observed_at.isoformat() if desktop.observed_at else None,
        "created_at": desktop.created_at.isoformat(),
        "ends_at": desktop.ends_at.isoformat() if desktop.ends_at else None,
        "bin_until": desktop.bin_until.isoformat() if desktop.bin_until else None,
        "idle_until": desktop.idle_until.isoformat() if desktop.idle_until else None,
        "agent": _agent_data(desktop.agent),
        "operation": operation_data(desktop.operation),
    }


def _agent_data(agent: AgentView | None) -> dict[str, object] | None:
    if agent is None:
        return None
    times = {"heard_at": agent.heard_at.isoformat(), "signed_in_since": _when(agent.signed_in_since)}
    return {**asdict(agent), **times}


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def operation_data(operation: OperationView) -> dict[str, object]:
    """An operation for programs."""
    return {
        "id": operation.id,
        "desktop_id": operation.desktop_id,
        "action": operation.action,
        "status": operation.status,
        "steps": [{"name": step.name, "status": step.status, "detail": step.detail} for step in operation.steps],
        "error": {"code": operation.error.code, "message": operation.error.message} if operation.error else None,
        "note_code": operation.note_code,
        "queue": {
            "position": operation.queue.position,
            "length": operation.queue.length,
            "expected_seconds": operation.queue.expected_seconds,
        }
        if operation.queue
        else None,
    }


@contextmanager
def acting(context: CommandContext) -> Iterator[tuple[Services, Actor]]:
    email = click.get_current_context().meta.get("yunzhuo.as")
    with services(context.settings()) as all_services:
        if email is not None:
            yield all_services, all_services.accounts.by_email(email).actor()
            return
        administrators = [each for each in all_services.accounts.all() if each.role in _RUN_IT]
        if not administrators:
            raise NotFound("no_administrator", "There is no administrator yet; `yunzhuo user add` makes one.")
        yield all_services, min(administrators, key=lambda each: each.created_at).actor()


def all_desktops(all_services: Services, actor: Actor, search: str | None) -> Iterator[DesktopView]:
    cursor = None
    while True:
        page = all_services.desktops.list(actor, limit=200, cursor=cursor, search=search)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def found(all_services: Services, actor: Actor, reference: str) -> DesktopView:
    try:
        return all_services.desktops.get(actor, reference)
    except NotFound:
        named = [each for each in all_desktops(all_services, actor, reference) if each.name == reference]
    if not named:
        raise NotFound("desktop_not_found", f"There is no desktop {reference}.")
    if len(named) > 1:
        raise Conflict("name_not_unique", f"{len(named)} desktops are called {reference}; say the id instead.")
    return named[0]


def told(context: CommandContext, all_services: Services, actor: Actor, operation: OperationView, *, wait: bool) -> int:
    if wait and operation.status in ACTIVE:
        quiet = context.json_output or not sys.stderr.isatty()
        operation = follow(all_services, actor, operation, quiet=quiet)
    print_answer(operation_data(operation), sentence(operation), as_json=context.json_output)
    return FAILED if operation.status is OperationStatus.FAILED else 0


def sentence(operation: OperationView) -> str:
    """An operation for people."""
    words = f"{operation.action} of {operation.desktop_id} {operation.status}"
    if operation.error:
        return f"{words}: {operation.error.message}"
    if operation.action is Action.FORCE_DELETE and operation.status is OperationStatus.SUCCEEDED:
        return f"{words}. {operation.steps[-1].detail}"
    return words


def chosen(what: str, known: dict[str, str], wish: str | None) -> str:
    """The id of what was wished for by id or name; without a wish, the first."""
    fitting = [each for each, name in known.items() if wish is None or wish in (each, name)]
    if not fitting:
        if not known:
            raise InvalidInput(f"There is no {what} yet; is Yunzhuo running?")
        raise InvalidInput(f"There is no {what} {wish}; there are: {', '.join(known.values())}.")
    return fitting[0]


def pool_named(all_services: Services, actor: Actor, reference: str) -> PoolView:
    """The pool of this name or id. Raises NotFound."""
    found = next((one for one in all_services.pools.list(actor) if reference in (one.name, one.id)), None)
    if found is None:
        raise NotFound("pool_not_found", f"There is no pool {reference}.")
    return found
