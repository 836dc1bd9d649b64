"""``yunzhuo pool rollout``: another image for a pool, a share at a time, with pauses and a way back."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from yunzhuo.cli.asking import acting, chosen, pool_named, sure
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.rollout_book import RolloutView
from yunzhuo.services.rules.rollouts import Pace

_DEFAULT = Pace()


@click.group(cls=Group)
def rollout() -> None:
    """Bring a pool to another image, step by step, and back."""


@rollout.command()
@click.argument("reference", metavar="POOL")
@pass_context
def show(context: CommandContext, reference: str) -> None:
    """Show a pool's latest roll-out and how far it is."""
    with acting(context) as (all_services, actor):
        found = all_services.rollouts.get(actor, pool_named(all_services, actor, reference).id)
    if found is None:
        raise NotFound("rollout_not_found", f"The pool {reference} has no roll-out.")
    rows = [
        ("STATUS", f"{found.status}{' (back)' if found.is_back else ''}"),
        ("FROM", _image(found, is_target=False)),
        ("TO", _image(found, is_target=True)),
        ("STAGE", f"{found.stage + 1} of {len(found.stages)}: up to {found.level}, {found.at_once} at once"),
        ("HAVE IT", f"{found.have_it} of {found.there}"),
        ("UNDER WAY", found.changing),
        ("WITH PEOPLE", found.with_people),
        ("PROBLEM", found.problem or ""),
        ("POSSIBLE", ", ".join(sorted(found.verbs))),
    ]
    print_answer(rollout_data(found), table(("", ""), rows), as_json=context.json_output)


@rollout.command()
@click.argument("reference", metavar="POOL")
@click.option("--image", required=True, help="The new image: its name or its id.")
@click.option("--stages", default=",".join(map(str, _DEFAULT.stages)), show_default=True, help="Percents, the last is 100.")
@click.option("--at-once", type=int, default=_DEFAULT.at_once_percent, show_default=True, help="Percent being changed at once.")
@click.option(
    "--failures", type=int, default=_DEFAULT.most_failures, show_default=True, help="It stops after so many in a row."
)
@click.option("--notice", type=int, default=_DEFAULT.notice_hours, show_default=True, help="Hours before it people are told.")
@pass_context
def start(context: CommandContext, /, reference: str, image: str, stages: str, **numbers: int) -> None:
    """Begin to bring a pool to another image."""
    pace = Pace(_percents(stages), numbers["at_once"], numbers["failures"], numbers["notice"])
    with acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        pool_id = pool_named(all_services, actor, reference).id
        found = all_services.rollouts.start(actor, pool_id, chosen("image", images, image), pace)
    _told(context, reference, found)


@rollout.command()
@click.argument("reference", metavar="POOL")
@pass_context
def pause(context: CommandContext, reference: str) -> None:
    """Let a roll-out rest."""
    _said(context, reference, lambda services, actor, pool_id: services.rollouts.pause(actor, pool_id))


@rollout.command()
@click.argument("reference", metavar="POOL")
@pass_context
def resume(context: CommandContext, reference: str) -> None:
    """Let a roll-out go on that rests, or stopped by itself."""
    _said(context, reference, lambda services, actor, pool_id: services.rollouts.resume(actor, pool_id))


@rollout.command()
@click.argument("reference", metavar="POOL")
@click.option("--from-stage", type=int, required=True, help="Where it stands, counted from 1: said twice, the first counts.")
@pass_context
def advance(context: CommandContext, reference: str, from_stage: int) -> None:
    """Go on to a roll-out's next stage."""
    _said(context, reference, lambda services, actor, pool_id: services.rollouts.advance(actor, pool_id, from_stage - 1))


@rollout.command()
@click.argument("reference", metavar="POOL", is_eager=True)
@sure("Bring the pool {} back to the image before?")
@pass_context
def back(context: CommandContext, reference: str) -> None:
    """Bring a pool back to the image that it had before its latest roll-out."""
    _said(context, reference, lambda services, actor, pool_id: services.rollouts.back(actor, pool_id))


def rollout_data(view: RolloutView) -> dict[str, Any]:
    """A roll-out for programs."""
    ended_at = view.ended_at.isoformat() if view.ended_at else None
    return {**asdict(view), "verbs": sorted(view.verbs), "started_at": view.started_at.isoformat(), "ended_at": ended_at}


def _said(context: CommandContext, reference: str, say: Callable[[Services, Actor, str], RolloutView]) -> None:
    with acting(context) as (all_services, actor):
        found = say(all_services, actor, pool_named(all_services, actor, reference).id)
    _told(context, reference, found)


def _told(context: CommandContext, reference: str, found: RolloutView) -> None:
    text = (
        f"The roll-out in {reference} is {found.status}: {found.have_it} of {found.there} have {_image(found, is_target=True)}."
    )
    print_answer(rollout_data(found), text, as_json=context.json_output)


def _image(view: RolloutView, *, is_target: bool) -> str:
    """The image that it leads to, or the one it comes from."""
    ref = view.target if is_target is not view.is_back else view.origin
    return f"{ref.name} ({ref.version})" if ref.version else ref.name


def _percents(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= 3 for part in parts):  # noqa: PLR2004 # 100 has three digits
        raise InvalidInput("The roll-out is not valid.", fields={"stages": "Percents as 10,50,100."})
    return tuple(int(part) for part in parts)
