"""``yunzhuo desktop``: desktops, as an administrator or on behalf of a person (``--as``)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.follow import follow
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.changes import OperationView
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.guests import PIECE_BYTES
from yunzhuo.services.rules.lifecycle import ACTIVE, Action, OperationStatus

FAILED = 1


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Act as this person; else as the first administrator.")
@click.pass_context
def desktop(context: click.Context, email: str | None) -> None:
    """Desktops."""
    context.meta["yunzhuo.as"] = email


@desktop.command()
@click.option("--name", help="What it is called.")
@click.option("--image", help="Name or id; else the default image.")
@click.option("--flavor", help="Name or id; else the smallest flavor.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow it until it is available.")
@pass_context
def create(context: CommandContext, name: str | None, image: str | None, flavor: str | None, wait: bool) -> int:
    """Make a desktop for the person."""
    with _acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        flavors = {each.id: each.name for each in all_services.catalog.flavors(actor)}
        accepted = all_services.desktops.request(
            actor, image_id=_chosen("image", images, image), flavor_id=_chosen("flavor", flavors, flavor), name=name
        )
        return _accepted(context, all_services, actor, accepted.operation, wait=wait)


@desktop.command("list")
@click.option("--search", metavar="TEXT", help="Only names with this in them.")
@pass_context
def list_desktops(context: CommandContext, search: str | None) -> None:
    """Show the desktops that the person can see."""
    with _acting(context) as (all_services, actor):
        found = list(_all_desktops(all_services, actor, search))
    rows = [(each.id, each.name, each.state, each.owner_email, each.image_name, each.flavor_name) for each in found]
    text = table(("ID", "NAME", "STATE", "OWNER", "IMAGE", "FLAVOR"), rows)
    print_answer({"items": [as_data(each) for each in found]}, text, as_json=context.json_output)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def show(context: CommandContext, reference: str) -> None:
    """Show one desktop."""
    with _acting(context) as (all_services, actor):
        found = _found(all_services, actor, reference)
    data = as_data(found)
    lines = [(name, value) for name, value in data.items() if not isinstance(value, dict)]
    lines.append(("operation", _sentence(found.operation)))
    print_answer(data, table(("FIELD", "VALUE"), lines), as_json=context.json_output)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def wait(context: CommandContext, reference: str) -> int:
    """Follow a desktop's operation to its end."""
    with _acting(context) as (all_services, actor):
        return _accepted(context, all_services, actor, _found(all_services, actor, reference).operation, wait=True)


def _add_verb(action: Action, summary: str) -> None:
    @click.argument("reference", metavar="ID|NAME")
    @click.option("--wait/--no-wait", "follow_it", default=True, show_default=True, help="Follow it to its end.")
    @pass_context
    def command(context: CommandContext, reference: str, follow_it: bool) -> int:
        with _acting(context) as (all_services, actor):
            found = _found(all_services, actor, reference)
            accepted = all_services.desktops.act(actor, found.id, action)
            return _accepted(context, all_services, actor, accepted.operation, wait=follow_it)

    desktop.command(action.value, help=summary)(command)


_add_verb(Action.START, "Switch on.")
_add_verb(Action.STOP, "Shut down.")
_add_verb(Action.REBOOT, "Restart.")
_add_verb(Action.DELETE, "Delete for good.")


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_context
def put(context: CommandContext, reference: str, file: Path) -> None:
    """Put a file into the desktop's download folder (of your own desktop: --as)."""
    size = file.stat().st_size
    with _acting(context) as (all_services, actor), file.open("rb") as content:
        found, offset, whole = _found(all_services, actor, reference), 0, None
        while whole is None:
            piece = content.read(PIECE_BYTES)
            if not piece and offset < size:
                raise InvalidInput("The file became shorter while it was read.")
            whole = all_services.guests.write_piece(actor, found.id, file.name, piece, offset=offset, size_bytes=size)
            offset += len(piece)
    data: dict[str, object] = {"name": whole.name, "size_bytes": whole.size_bytes}
    print_answer(data, f"{whole.name}: {whole.size_bytes} bytes", as_json=context.json_output)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("name", metavar="FILE")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Where it goes; else the present folder.")
@pass_context
def get(context: CommandContext, reference: str, name: str, target: Path | None) -> None:
    """Get a file out of the desktop's download folder (of your own desktop: --as)."""
    with _acting(context) as (all_services, actor):
        found = _found(all_services, actor, reference)
        piece = all_services.guests.read_piece(actor, found.id, name, offset=0)
        path = target / name if target and target.is_dir() else target or Path(name)
        with path.open("wb") as content:
            content.write(piece.content)
            while content.tell() < piece.size_bytes:
                piece = all_services.guests.read_piece(actor, found.id, name, offset=content.tell())
                if not piece.content:
                    raise Conflict("file_changed", "The file became shorter while it was read.")
                content.write(piece.content)
    print_answer(
        {"path": str(path), "size_bytes": piece.size_bytes}, f"{path}: {piece.size_bytes} bytes", as_json=context.json_output
    )


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--set", "text", metavar="TEXT", help="Put this into it instead of reading it; - is standard input.")
@pass_context
def clipboard(context: CommandContext, reference: str, text: str | None) -> None:
    """Read or set the desktop's clipboard (of your own desktop: --as)."""
    with _acting(context) as (all_services, actor):
        found = _found(all_services, actor, reference)
        if text is not None:
            all_services.guests.set_clipboard(actor, found.id, sys.stdin.read() if text == "-" else text)
            return
        held = all_services.guests.get_clipboard(actor, found.id)
    print_answer({"text": held}, held, as_json=context.json_output)


def as_data(desktop: DesktopView) -> dict[str, object]:
    """A desktop for programs."""
    return {
        "id": desktop.id,
        "name": desktop.name,
        "hostname": desktop.hostname,
        "owner": desktop.owner_email,
        "image": desktop.image_name,
        "flavor": desktop.flavor_name,
        "state": desktop.state,
        "wanted": desktop.wanted,
        "fault": desktop.fault,
        "observed_at": desktop.observed_at.isoformat() if desktop.observed_at else None,
        "created_at": desktop.created_at.isoformat(),
        "operation": operation_data(desktop.operation),
    }


def operation_data(operation: OperationView) -> dict[str, object]:
    """An operation for programs."""
    return {
        "id": operation.id,
        "desktop_id": operation.desktop_id,
        "action": operation.action,
        "status": operation.status,
        "steps": [{"name": step.name, "status": step.status, "detail": step.detail} for step in operation.steps],
        "error": {"code": operation.error.code, "message": operation.error.message} if operation.error else None,
    }


@contextmanager
def _acting(context: CommandContext) -> Iterator[tuple[Services, Actor]]:
    email = click.get_current_context().meta.get("yunzhuo.as")
    with services(context.settings()) as all_services:
        if email is not None:
            yield all_services, all_services.accounts.by_email(email).actor()
            return
        administrators = [each for each in all_services.accounts.all() if each.role is Role.ADMINISTRATOR]
        if not administrators:
            raise NotFound("no_administrator", "There is no administrator yet; `yunzhuo user add` makes one.")
        yield all_services, min(administrators, key=lambda each: each.created_at).actor()


def _chosen(what: str, known: dict[str, str], wish: str | None) -> str:
    """The id of what was wished for by id or name; without a wish, the first."""
    fitting = [each for each, name in known.items() if wish is None or wish in (each, name)]
    if not fitting:
        if not known:
            raise InvalidInput(f"There is no {what} yet; is Yunzhuo running?")
        raise InvalidInput(f"There is no {what} {wish}; there are: {', '.join(known.values())}.")
    return fitting[0]


def _all_desktops(all_services: Services, actor: Actor, search: str | None) -> Iterator[DesktopView]:
    cursor = None
    while True:
        page = all_services.desktops.list(actor, limit=200, cursor=cursor, search=search)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _found(all_services: Services, actor: Actor, reference: str) -> DesktopView:
    try:
        return all_services.desktops.get(actor, reference)
    except NotFound:
        named = [each for each in _all_desktops(all_services, actor, reference) if each.name == reference]
    if not named:
        raise NotFound("desktop_not_found", f"There is no desktop {reference}.")
    if len(named) > 1:
        raise Conflict("name_not_unique", f"{len(named)} desktops are called {reference}; say the id instead.")
    return named[0]


def _accepted(context: CommandContext, all_services: Services, actor: Actor, operation: OperationView, *, wait: bool) -> int:
    if wait and operation.status in ACTIVE:
        quiet = context.json_output or not sys.stderr.isatty()
        operation = follow(all_services, actor, operation, quiet=quiet)
    print_answer(operation_data(operation), _sentence(operation), as_json=context.json_output)
    return FAILED if operation.status is OperationStatus.FAILED else 0


def _sentence(operation: OperationView) -> str:
    sentence = f"{operation.action} of {operation.desktop_id} {operation.status}"
    return f"{sentence}: {operation.error.message}" if operation.error else sentence
