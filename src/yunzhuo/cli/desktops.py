"""``yunzhuo desktop``: desktops, as an administrator or on behalf of a person (``--as``)."""

import click

from yunzhuo.cli import addresses, care
from yunzhuo.cli.asking import acting, all_desktops, as_data, chosen, following, found, sentence, sure, told
from yunzhuo.cli.bulk import bulk, create_many
from yunzhuo.cli.carrying import clipboard, get, put
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.snapshots import entry_data, entry_row, snapshot
from yunzhuo.cli.tables import table
from yunzhuo.services.desktops import RebootKind
from yunzhuo.services.rules.lifecycle import Action


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Act as this person; else as the first administrator.")
@click.pass_context
def desktop(context: click.Context, email: str | None) -> None:
    """Desktops."""
    context.meta["yunzhuo.as"] = email


@desktop.command()
@click.option("--name", help="What it is called.")
@click.option("--image", help="Name or id; else the default image.")
@click.option("--flavor", help="Name or id; else the smallest flavor that fits the image.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow it until it is available.")
@pass_context
def create(context: CommandContext, name: str | None, image: str | None, flavor: str | None, wait: bool) -> int:
    """Make a desktop for the person."""
    with acting(context) as (all_services, actor):
        images = {each.id: each for each in all_services.catalog.images(actor)}
        image_id = chosen("image", {each.id: each.name for each in images.values()}, image)
        flavors = all_services.catalog.flavors(actor)
        # Who names one gets it, or is told why not.
        fitting = [each for each in flavors if flavor is not None or each.fits(images[image_id])]
        flavor_id = chosen("flavor", {each.id: each.name for each in fitting}, flavor)
        accepted = all_services.desktops.request(actor, image_id=image_id, flavor_id=flavor_id, name=name)
        return told(context, all_services, actor, accepted.operation, wait=wait)


@desktop.command("list")
@click.option("--search", metavar="TEXT", help="Only names with this in them.")
@pass_context
def list_desktops(context: CommandContext, search: str | None) -> None:
    """Show the desktops that the person can see."""
    with acting(context) as (all_services, actor):
        listed = list(all_desktops(all_services, actor, search))
    rows = [(each.id, each.name, each.state, each.owner_email, each.image_name, each.flavor_name) for each in listed]
    text = table(("ID", "NAME", "STATE", "OWNER", "IMAGE", "FLAVOR"), rows)
    print_answer({"items": [as_data(each) for each in listed]}, text, as_json=context.json_output)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def show(context: CommandContext, reference: str) -> None:
    """Show one desktop."""
    with acting(context) as (all_services, actor):
        shown = found(all_services, actor, reference)
    data = as_data(shown)
    lines = [(name, value) for name, value in data.items() if not isinstance(value, dict)]
    agent = data["agent"]
    lines += [(f"agent.{name}", value) for name, value in agent.items()] if isinstance(agent, dict) else []
    lines.append(("operation", sentence(shown.operation)))
    print_answer(data, table(("FIELD", "VALUE"), lines), as_json=context.json_output)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def wait(context: CommandContext, reference: str) -> int:
    """Follow a desktop's operation to its end."""
    with acting(context) as (all_services, actor):
        return told(context, all_services, actor, found(all_services, actor, reference).operation, wait=True)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("name")
@pass_context
def rename(context: CommandContext, reference: str, name: str) -> None:
    """Give another name."""
    with acting(context) as (all_services, actor):
        renamed = all_services.desktops.rename(actor, found(all_services, actor, reference).id, name)
    print_answer(as_data(renamed), f"{renamed.id} is called {renamed.name}", as_json=context.json_output)


def _add_verb(action: Action, summary: str) -> None:
    @click.argument("reference", metavar="ID|NAME")
    @following
    @pass_context
    def command(context: CommandContext, reference: str, follow_it: bool) -> int:
        with acting(context) as (all_services, actor):
            accepted = all_services.desktops.act(actor, found(all_services, actor, reference).id, action)
            return told(context, all_services, actor, accepted.operation, wait=follow_it)

    desktop.command(action.value, help=summary)(command)


_add_verb(Action.START, "Switch on.")
_add_verb(Action.STOP, "Shut down.")
_add_verb(Action.SUSPEND, "Put memory to disk; resume goes on from there.")
_add_verb(Action.RESUME, "Go on where suspend stopped.")


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--hard", is_flag=True, help="Pull the plug instead of asking the system inside.")
@following
@pass_context
def reboot(context: CommandContext, reference: str, hard: bool, follow_it: bool) -> int:
    """Restart."""
    kind = RebootKind.HARD if hard else RebootKind.SOFT
    with acting(context) as (all_services, actor):
        asked = all_services.desktops.act(actor, found(all_services, actor, reference).id, Action.REBOOT, reboot_kind=kind)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--image", help="Name or id of another image; else the desktop's own.")
@sure("Everything on the disk of {} is lost. Go on?")
@following
@pass_context
def rebuild(context: CommandContext, reference: str, image: str | None, follow_it: bool) -> int:
    """Put back to the image; what is on the disk is lost."""
    with acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        image_id = chosen("image", images, image) if image is not None else None
        asked = all_services.desktops.rebuild(actor, found(all_services, actor, reference).id, image_id=image_id)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.argument("flavor")
@following
@pass_context
def resize(context: CommandContext, reference: str, flavor: str, follow_it: bool) -> int:
    """Change to FLAVOR (name or id); a running desktop is restarted."""
    with acting(context) as (all_services, actor):
        flavors = {each.id: each.name for each in all_services.catalog.flavors(actor)}
        asked = all_services.desktops.resize(actor, found(all_services, actor, reference).id, chosen("flavor", flavors, flavor))
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--force", is_flag=True, help="Wait for nothing, and say what is left behind (administrators).")
@click.option("--for-good", is_flag=True, help="Not into the bin, whatever the terms say.")
@following
@pass_context
def delete(context: CommandContext, reference: str, force: bool, for_good: bool, follow_it: bool) -> int:
    """Delete; where its terms have one, into the bin."""
    action = Action.FORCE_DELETE if force else Action.DELETE
    with acting(context) as (all_services, actor):
        desktop_id = found(all_services, actor, reference).id
        asked = all_services.desktops.act(actor, desktop_id, action, for_good=for_good)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@desktop.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def history(context: CommandContext, reference: str, limit: int, cursor: str | None) -> None:
    """Show what was done to a desktop, the newest first."""
    with acting(context) as (all_services, actor):
        page = all_services.history.of_desktop(actor, found(all_services, actor, reference).id, limit=limit, cursor=cursor)
    data = {"items": [entry_data(entry) for entry in page.items], "next_cursor": page.next_cursor}
    text = table(("WHEN", "WHAT", "WHO", "STATUS", "RESULT"), [entry_row(entry) for entry in page.items])
    more = f"\nMore: --cursor {page.next_cursor}" if page.next_cursor else ""
    print_answer(data, text + more, as_json=context.json_output)


for command in (snapshot, put, get, clipboard, addresses.assign, addresses.release, bulk, create_many, *care.COMMANDS):
    desktop.add_command(command)
