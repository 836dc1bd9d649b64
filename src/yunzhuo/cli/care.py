"""``yunzhuo desktop``: what administrators do to one desktop's machine beside its owner's day."""

import click

from yunzhuo.cli.asking import acting, chosen, following, found, told
from yunzhuo.cli.context import CommandContext, pass_context, print_answer
from yunzhuo.services.care import CareDeed
from yunzhuo.services.rules.lifecycle import Action


@click.command("console-log")
@click.argument("reference", metavar="ID|NAME")
@pass_context
def console_log(context: CommandContext, reference: str) -> None:
    """Show the end of what it has written to its serial console since it was switched on."""
    with acting(context) as (all_services, actor):
        text = all_services.care.console_log(actor, found(all_services, actor, reference).id)
    print_answer({"text": text}, text, as_json=context.json_output)


@click.command()
@click.argument("reference", metavar="ID|NAME")
@following
@pass_context
def unpause(context: CommandContext, reference: str, follow_it: bool) -> int:
    """Let a paused one go on; the same as resume."""
    with acting(context) as (all_services, actor):
        asked = all_services.desktops.act(actor, found(all_services, actor, reference).id, Action.RESUME)
        return told(context, all_services, actor, asked.operation, wait=follow_it)


@click.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--image", help="Name or id of the image to start in it; else the cloud's choice.")
@pass_context
def rescue(context: CommandContext, reference: str, image: str | None) -> None:
    """Start another system in it, which sees its disk as a second one; unrescue starts its own again."""
    with acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        image_id = chosen("image", images, image) if image is not None else None
        desktop_id = found(all_services, actor, reference).id
        all_services.care.do(actor, desktop_id, CareDeed.RESCUE, image_id=image_id)
    _say(context, desktop_id, CareDeed.RESCUE)


@click.command("security-groups")
@click.argument("reference", metavar="ID|NAME")
@click.option("--set", "wanted", metavar="ID,ID", help="Put it into exactly these; empty: into none, nothing reaches it then.")
@pass_context
def security_groups(context: CommandContext, reference: str, wanted: str | None) -> None:
    """Show the security groups that it is in, or say which."""
    with acting(context) as (all_services, actor):
        desktop_id = found(all_services, actor, reference).id
        if wanted is None:
            ids = all_services.care.security_groups(actor, desktop_id)
        else:
            group_ids = [each.strip() for each in wanted.split(",") if each.strip()]
            ids = all_services.care.set_security_groups(actor, desktop_id, group_ids)
    print_answer({"ids": list(ids)}, "\n".join(ids) or "none", as_json=context.json_output)


def _command(deed: CareDeed, summary: str) -> click.Command:
    @click.command(deed.value, help=summary)
    @click.argument("reference", metavar="ID|NAME")
    @pass_context
    def command(context: CommandContext, reference: str) -> None:
        with acting(context) as (all_services, actor):
            desktop_id = found(all_services, actor, reference).id
            all_services.care.do(actor, desktop_id, deed)
        _say(context, desktop_id, deed)

    return command


def _say(context: CommandContext, desktop_id: str, deed: CareDeed) -> None:
    print_answer({"desktop_id": desktop_id, "deed": deed.value}, f"{deed.value}: accepted", as_json=context.json_output)


COMMANDS = (
    console_log,
    _command(CareDeed.PAUSE, "Stop its processors where they are; unpause goes on from there."),
    unpause,
    _command(CareDeed.SHELVE, "Put its disk away and give its place on the host back; start brings it back."),
    _command(CareDeed.LOCK, "Let nobody change it, its owner and schedules included, until it is unlocked."),
    _command(CareDeed.UNLOCK, "Let it be changed again."),
    rescue,
    _command(CareDeed.UNRESCUE, "Start its own system again after a rescue."),
    security_groups,
)
