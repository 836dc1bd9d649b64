"""``yunzhuo pool``: desktops of one kind for a set of people, and getting one."""

from dataclasses import asdict, replace
from typing import Any

import click

from yunzhuo.cli.asking import acting, as_data, chosen, pool_named, sure, told
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.rollouts import rollout
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.claims import PoolOffer
from yunzhuo.services.pools import UTC_ZONE, PoolView, PoolWish
from yunzhuo.services.rules.pools import Kind, Way

_WORDS = {
    Way.HAD: "is yours already",
    Way.READY: "stood ready and is yours now",
    Way.COMING: "is yours; it is being built",
    Way.BUILT: "is being built for you; none stood ready",
}

_hours = click.option("--hours", multiple=True, metavar="LINE", help='As "mon-fri 07:30-18:00 5"; several times for several.')
_network = click.option("--network", help="Name or id; else the one that the cloud puts desktops on.")
_groups = click.option("--security-group", "security_groups", multiple=True, help="Name or id; several times for several.")
_zone = click.option("--time-zone", metavar="ZONE", help="Whose clocks the hours mean, as Asia/Shanghai.")


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Who asks; else the first administrator.")
@click.pass_context
def pool(context: click.Context, email: str | None) -> None:
    """Pools: desktops of one kind for a set of people."""
    context.meta["yunzhuo.as"] = email


pool.add_command(rollout)


@pool.command("list")
@pass_context
def list_pools(context: CommandContext) -> None:
    """Show all pools and what their desktops do."""
    with acting(context) as (all_services, actor):
        found = all_services.pools.list(actor)
    rows = [
        (
            *(one.name, one.kind, one.image_name, one.counts.in_use),
            *(f"{one.counts.ready}/{one.wanted_now}", one.counts.coming, one.capacity, one.problem or ""),
        )
        for one in found
    ]
    text = table(("NAME", "KIND", "IMAGE", "IN USE", "READY", "COMING", "CAPACITY", "PROBLEM"), rows)
    print_answer({"items": [pool_data(one) for one in found]}, text, as_json=context.json_output)


@pool.command()
@click.argument("name")
@click.option("--image", help="Name or id; else the first.")
@click.option("--flavor", help="Name or id; else the smallest.")
@click.option("--capacity", type=int, required=True, help="How many desktops there are at most.")
@click.option("--spares", type=int, default=0, show_default=True, help="How many stand ready outside the hours.")
@click.option("--dedicated", is_flag=True, help="People keep their desktop; else it is replaced after use.")
@click.option("--release-after", type=int, metavar="MINUTES", help="Give back what nobody is connected to for so long.")
@click.option("--goal", type=int, metavar="SECONDS", help="How soon somebody should be at their desktop.")
@_hours
@_zone
@_network
@_groups
@pass_context
def create(context: CommandContext, /, name: str, image: str | None, flavor: str | None, **wishes: Any) -> None:
    """Make a pool."""
    with acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        flavors = {each.id: each.name for each in all_services.catalog.flavors(actor)}
        wish = PoolWish(
            name=name,
            image_id=chosen("image", images, image),
            flavor_id=chosen("flavor", flavors, flavor),
            capacity=wishes["capacity"],
            spares=wishes["spares"],
            kind=Kind.DEDICATED if wishes["dedicated"] else Kind.FLOATING,
            hours=wishes["hours"],
            time_zone=wishes["time_zone"] or UTC_ZONE,
            release_after_minutes=wishes["release_after"],
            goal_seconds=wishes["goal"],
            **_place(all_services, actor, wishes),
        )
        made = all_services.pools.create(actor, wish)
    print_answer(pool_data(made), f"The pool {made.name} is made.", as_json=context.json_output)


@pool.command()
@click.argument("reference", metavar="POOL")
@click.option("--name", help="Another name.")
@click.option("--image", help="Another image at once; spares are replaced. Step by step: rollout.")
@click.option("--flavor", help="Another flavor; spares are replaced.")
@click.option("--capacity", type=int, help="How many desktops there are at most.")
@click.option("--spares", type=int, help="How many stand ready outside the hours.")
@click.option("--release-after", type=int, metavar="MINUTES", help="Give back what nobody is connected to; 0: never.")
@click.option("--goal", type=int, metavar="SECONDS", help="How soon somebody should be at their desktop; 0: nobody says.")
@click.option("--no-hours", is_flag=True, help="No hours any more.")
@click.option("--no-network", is_flag=True, help="On the network that the cloud puts desktops on.")
@click.option("--no-security-groups", is_flag=True, help="In the security groups that the cloud puts desktops in.")
@_hours
@_zone
@_network
@_groups
@pass_context
def change(context: CommandContext, /, reference: str, image: str | None, flavor: str | None, **wishes: Any) -> None:
    """Change a pool; what is not said stays."""
    with acting(context) as (all_services, actor):
        said: dict[str, Any] = {name: wishes[name] for name in ("name", "capacity", "spares", "time_zone")}
        if image is not None:
            images = {each.id: each.name for each in all_services.catalog.images(actor)}
            said["image_id"] = chosen("image", images, image)
        if flavor is not None:
            flavors = {each.id: each.name for each in all_services.catalog.flavors(actor)}
            said["flavor_id"] = chosen("flavor", flavors, flavor)
        said["hours"] = [] if wishes["no_hours"] else wishes["hours"] or None
        changes = {name: value for name, value in said.items() if value is not None}
        if wishes["release_after"] is not None:
            changes["release_after_minutes"] = wishes["release_after"] or None
        if wishes["goal"] is not None:
            changes["goal_seconds"] = wishes["goal"] or None
        changes |= _place(all_services, actor, wishes)
        if wishes["no_network"]:
            changes["network_id"] = None
        if wishes["no_security_groups"]:
            changes["security_group_ids"] = ()
        pool_id = pool_named(all_services, actor, reference).id
        changed = all_services.pools.change(actor, pool_id, lambda wish: replace(wish, **changes))
    print_answer(pool_data(changed), f"The pool {changed.name} is changed.", as_json=context.json_output)


def _place(all_services: Services, actor: Actor, wishes: dict[str, Any]) -> dict[str, Any]:
    """The network and the security groups that were named; what was not is not in it."""
    said: dict[str, Any] = {}
    if wishes["network"] is not None:
        known = {each.id: each.name for each in all_services.catalog.networks(actor)}
        said["network_id"] = chosen("network", known, wishes["network"])
    if wishes["security_groups"]:
        known = {each.id: each.name for each in all_services.catalog.security_groups(actor)}
        said["security_group_ids"] = [chosen("security group", known, each) for each in wishes["security_groups"]]
    return said


@pool.command()
@click.argument("reference", metavar="POOL", is_eager=True)
@sure("Delete the pool {} and its spares?")
@pass_context
def delete(context: CommandContext, reference: str) -> None:
    """Delete a pool and its spares; people keep the desktops they have."""
    with acting(context) as (all_services, actor):
        all_services.pools.delete(actor, pool_named(all_services, actor, reference).id)
    print_answer({}, f"The pool {reference} is deleted.", as_json=context.json_output)


@pool.command()
@click.argument("reference", metavar="POOL")
@click.option("--add", "added", multiple=True, metavar="WHO", help="A person's address or a group's name.")
@click.option("--remove", "removed", multiple=True, metavar="WHO", help="What they have of it they keep.")
@pass_context
def members(context: CommandContext, reference: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Show who may have a desktop of a pool, or change it."""
    with acting(context) as (all_services, actor):
        pool_id = pool_named(all_services, actor, reference).id
        for each in added:
            all_services.pools.put_member(actor, pool_id, _holder(all_services, actor, each))
        for each in removed:
            all_services.pools.drop_member(actor, pool_id, _holder(all_services, actor, each))
        found = all_services.pools.members(actor, pool_id)
    text = table(("NAME", "KIND"), [(one.name, "group" if one.is_group else "person") for one in found])
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


@pool.command()
@click.argument("reference", metavar="POOL")
@pass_context
def times(context: CommandContext, reference: str) -> None:
    """Show how long it takes until somebody is at their desktop."""
    with acting(context) as (all_services, actor):
        found = all_services.pool_history.times(actor, pool_named(all_services, actor, reference).id)
    named = [*found.phases.items(), ("made altogether", found.making), ("people waited", found.waiting)]
    rows = [(name, f"{each.median:.1f} s", f"{each.high:.1f} s", each.count) for name, each in named if each is not None]
    text = table(("PHASE", "MEDIAN", "95 % WITHIN", "COUNTED"), rows)
    if found.within_goal is not None:
        text += f"\n{100 * found.within_goal:.0f} % were within the goal of {found.goal_seconds} s."
    print_answer(asdict(found), text, as_json=context.json_output)


@pool.command()
@pass_context
def mine(context: CommandContext) -> None:
    """Show the pools that the person is a member of."""
    with acting(context) as (all_services, actor):
        found = all_services.claims.mine(actor)
    rows = [(one.name, one.kind, one.image_name, _standing(one), one.desktop_id or "") for one in found]
    text = table(("NAME", "KIND", "IMAGE", "STANDING", "DESKTOP"), rows)
    print_answer({"items": [asdict(one) for one in found]}, text, as_json=context.json_output)


@pool.command()
@click.argument("reference", metavar="POOL")
@pass_context
def claim(context: CommandContext, reference: str) -> None:
    """Get the person a desktop of a pool; asked again, it is the same one."""
    with acting(context) as (all_services, actor):
        claimed = all_services.claims.claim(actor, _offered(all_services, actor, reference).id)
    data = {"way": claimed.way, "desktop": as_data(claimed.desktop)}
    print_answer(data, f"{claimed.desktop.name} {_WORDS[claimed.way]}.", as_json=context.json_output)


@pool.command()
@click.argument("reference", metavar="POOL", is_eager=True)
@sure("Give the desktop of {} back? All that is on it is lost.")
@pass_context
def release(context: CommandContext, reference: str) -> int:
    """Give the person's desktop of a floating pool back."""
    with acting(context) as (all_services, actor):
        released = all_services.claims.release(actor, _offered(all_services, actor, reference).id)
        return told(context, all_services, actor, released.operation, wait=False)


def pool_data(view: PoolView) -> dict[str, Any]:
    """A pool for programs."""
    return {**asdict(view), "created_at": view.created_at.isoformat()}


def _offered(all_services: Services, actor: Actor, reference: str) -> PoolOffer:
    found = next((one for one in all_services.claims.mine(actor) if reference in (one.name, one.id)), None)
    if found is None:
        raise NotFound("pool_not_found", f"{actor.email} is in no pool {reference}.")
    return found


def _holder(all_services: Services, actor: Actor, named: str) -> str:
    group = next((one for one in all_services.groups.list(actor) if named in (one.name, one.id)), None)
    return group.id if group is not None else all_services.accounts.by_email(named).id


def _standing(offer: PoolOffer) -> str:
    if offer.desktop_id:
        return "yours"
    if offer.is_full:
        return "full"
    return "ready" if offer.is_ready else "takes a while"
