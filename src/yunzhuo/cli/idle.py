"""``yunzhuo idle``: what is done about desktops that nobody uses."""

from dataclasses import asdict, replace
from typing import Any

import click

from yunzhuo.cli.asking import acting
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.idle import IdleTermsView
from yunzhuo.services.leases import TermsOf
from yunzhuo.services.rules.idle import IdleDeed

_pool = click.option("--pool", metavar="POOL", help="Of this pool; else of the organization.")
_DEEDS = ("disconnected_deed", "no_input_deed")


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Who asks; else the first administrator.")
@click.pass_context
def idle(context: click.Context, email: str | None) -> None:
    """Idle desktops: what is done about those that nobody uses."""
    context.meta["yunzhuo.as"] = email


@idle.command()
@pass_context
def show(context: CommandContext) -> None:
    """Show what is done, and after how many minutes."""
    with acting(context) as (all_services, actor):
        views = all_services.idle.list(actor)
    rows = [
        (
            *(one.name, one.kind, _after(one.terms.disconnected_minutes, one.terms.disconnected_deed)),
            *(one.terms.closed_minutes or "-", _after(one.terms.no_input_minutes, one.terms.no_input_deed)),
            *(one.terms.unassigned_minutes or "-", one.terms.notice_minutes, one.terms.busy_percent or "-"),
            "" if one.is_set else "not its own",
        )
        for one in views
    ]
    heads = ("OF", "KIND", "DISCONNECTED", "CLOSED", "NO INPUT", "UNASSIGNED", "NOTICE", "BUSY (%)", "")
    print_answer({"items": [_data(one) for one in views]}, table(heads, rows), as_json=context.json_output)


@idle.command("set")
@_pool
@click.option("--disconnected", "disconnected_minutes", type=int, metavar="MINUTES", help="Nobody is connected; 0: never.")
@click.option("--closed", "closed_minutes", type=int, metavar="MINUTES", help="Outside of the pool's hours; 0: no sooner.")
@click.option(
    "--then", "disconnected_deed", type=click.Choice([IdleDeed.STOP, IdleDeed.SUSPEND]), help="What is done about it."
)
@click.option("--no-input", "no_input_minutes", type=int, metavar="MINUTES", help="Connected, and no key, no mouse; 0: never.")
@click.option("--no-input-then", "no_input_deed", type=click.Choice(list(IdleDeed)), help="What is done about it.")
@click.option("--unassigned", "unassigned_minutes", type=int, metavar="MINUTES", help="Its account is disabled; 0: never.")
@click.option("--notice", "notice_minutes", type=int, metavar="MINUTES", help="How long before people are told.")
@click.option("--busy", "busy_percent", type=int, metavar="PERCENT", help="A guest this busy is not idle; 0: not asked.")
@pass_context
def put(context: CommandContext, /, pool: str | None, **wishes: Any) -> None:
    """Say what is done about idle desktops; what is not said stays."""
    changes = {name: value for name, value in wishes.items() if value is not None}
    changes |= {name: IdleDeed(changes[name]) for name in _DEEDS if name in changes}
    changes |= {name: None for name, value in changes.items() if value == 0 and name != "notice_minutes"}
    with acting(context) as (all_services, actor):
        present = _subject(all_services, actor, pool)
        kept = all_services.idle.put(actor, present.subject_id, replace(present.terms, **changes))
    print_answer(_data(kept), f"The rules of {kept.name} are kept.", as_json=context.json_output)


@idle.command()
@_pool
@pass_context
def drop(context: CommandContext, pool: str | None) -> None:
    """Let what holds elsewhere hold again."""
    with acting(context) as (all_services, actor):
        subject = _subject(all_services, actor, pool)
        all_services.idle.drop(actor, subject.subject_id)
    print_answer({}, f"{subject.name} has no rules of its own any more.", as_json=context.json_output)


def _after(minutes: int | None, deed: IdleDeed) -> str:
    return "-" if minutes is None else f"{minutes}: {deed}"


def _data(view: IdleTermsView) -> dict[str, Any]:
    """Rules for programs."""
    named = {"subject_id": view.subject_id, "kind": view.kind, "name": view.name, "is_set": view.is_set}
    return {**named, **asdict(view.terms)}


def _subject(all_services: Services, actor: Actor, pool: str | None) -> IdleTermsView:
    for one in all_services.idle.list(actor):
        if (one.kind is TermsOf.ORGANIZATION) if pool is None else (pool in (one.name, one.subject_id)):
            return one
    raise NotFound("pool_not_found", f"There is no pool {pool}.")
