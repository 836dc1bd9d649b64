"""``yunzhuo lease``: for how long desktops are given, what ends when, and the bin."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from yunzhuo.cli.asking import acting, as_data, found
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.leases import TermsOf, TermsView
from yunzhuo.services.rules.lifecycle import State

_pool = click.option("--pool", metavar="POOL", help="Of this pool; else of the organization.")


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Who asks; else the first administrator.")
@click.pass_context
def lease(context: click.Context, email: str | None) -> None:
    """Leases: for how long desktops are given, and the bin."""
    context.meta["yunzhuo.as"] = email


@lease.command()
@pass_context
def show(context: CommandContext) -> None:
    """Show for how long desktops are given."""
    with acting(context) as (all_services, actor):
        views = all_services.leases.terms(actor)
    rows = [
        (
            *(one.name, one.kind, one.terms.days or "no end", f"{one.terms.extend_times} x {one.terms.extend_days} days"),
            *(", ".join(map(str, one.terms.warn_hours)), one.terms.bin_days, "" if one.is_set else "not its own"),
        )
        for one in views
    ]
    text = table(("OF", "KIND", "DAYS", "EXTENDED", "WARNED (HOURS)", "BIN (DAYS)", ""), rows)
    print_answer({"items": [terms_data(one) for one in views]}, text, as_json=context.json_output)


@lease.command("set")
@_pool
@click.option("--days", type=int, help="For how long; 0: without an end.")
@click.option("--extend-days", type=int, help="By how much an end is put off.")
@click.option("--extend-times", type=int, help="How often people may put it off; 0: only administrators.")
@click.option("--warn", "warn_hours", type=int, multiple=True, metavar="HOURS", help="Before the end; may be repeated.")
@click.option("--bin-days", type=int, help="How long what is deleted can be had back.")
@click.option("--for-present", is_flag=True, help="Give an end to those that are there without one, too.")
@pass_context
def put(context: CommandContext, /, pool: str | None, for_present: bool, **wishes: Any) -> None:
    """Say for how long desktops are given; what is not said stays."""
    changes = {name: value for name, value in wishes.items() if value not in (None, ())}
    if "days" in changes:
        changes["days"] = changes["days"] or None
    with acting(context) as (all_services, actor):
        present = _subject(all_services, actor, pool)
        wish = replace(present.terms, **changes)
        kept = all_services.leases.put_terms(actor, present.subject_id, wish, for_present=for_present)
    print_answer(terms_data(kept), f"The terms of {kept.name} are kept.", as_json=context.json_output)


@lease.command()
@_pool
@pass_context
def drop(context: CommandContext, pool: str | None) -> None:
    """Let what holds elsewhere hold again; ends that were given stay."""
    with acting(context) as (all_services, actor):
        subject = _subject(all_services, actor, pool)
        all_services.leases.drop_terms(actor, subject.subject_id)
    print_answer({}, f"{subject.name} has no terms of its own any more.", as_json=context.json_output)


@lease.command()
@click.option("--days", type=click.IntRange(1, 62), default=31, show_default=True, help="How far ahead.")
@pass_context
def calendar(context: CommandContext, days: int) -> None:
    """Show what ends when."""
    with acting(context) as (all_services, actor):
        now = datetime.now(UTC)
        endings = all_services.leases.calendar(actor, now, now + timedelta(days=days))
    rows = [(f"{one.at:%Y-%m-%d %H:%M} UTC", one.kind, one.desktop_name, one.owner_email) for one in endings]
    data = {"items": [{**asdict(one), "at": one.at.isoformat()} for one in endings]}
    print_answer(data, table(("WHEN", "WHAT", "DESKTOP", "OWNER"), rows), as_json=context.json_output)


@lease.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def extend(context: CommandContext, reference: str) -> None:
    """Put the end of a desktop off, by its terms."""
    with acting(context) as (all_services, actor):
        view = all_services.leases.extend(actor, found(all_services, actor, reference).id)
    print_answer(as_data(view), f"{view.name} ends at {_when(view.ends_at)}.", as_json=context.json_output)


@lease.command()
@click.argument("reference", metavar="ID|NAME")
@click.option("--at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="In UTC, as 2026-12-31T18:00.")
@click.option("--never", is_flag=True, help="Without an end.")
@pass_context
def end(context: CommandContext, reference: str, at: datetime | None, never: bool) -> None:
    """Say when a desktop ends."""
    if (at is None) is not never:
        raise click.UsageError("Say either --at or --never.")
    with acting(context) as (all_services, actor):
        ends_at = at.replace(tzinfo=UTC) if at is not None else None
        view = all_services.leases.set_end(actor, found(all_services, actor, reference).id, ends_at)
    print_answer(as_data(view), f"{view.name} ends at {_when(view.ends_at)}.", as_json=context.json_output)


@lease.command("bin")
@pass_context
def show_bin(context: CommandContext) -> None:
    """Show what is in the bin."""
    with acting(context) as (all_services, actor):
        views = all_services.desktops.list(actor, state=State.BINNED, limit=200).items
    rows = [(one.id, one.name, one.owner_email, _when(one.bin_until)) for one in views]
    text = table(("ID", "NAME", "OWNER", "DELETED FOR GOOD"), rows)
    print_answer({"items": [as_data(one) for one in views]}, text, as_json=context.json_output)


@lease.command()
@click.argument("reference", metavar="ID|NAME")
@pass_context
def undelete(context: CommandContext, reference: str) -> None:
    """Take a desktop out of the bin."""
    with acting(context) as (all_services, actor):
        views = all_services.desktops.list(actor, state=State.BINNED, limit=200).items
        binned = next((one for one in views if reference in (one.id, one.name)), None)
        if binned is None:
            raise NotFound("desktop_not_found", f"There is no desktop {reference} in the bin.")
        view = all_services.bin.undelete(actor, binned.id)
    print_answer(as_data(view), f"{view.name} is out of the bin, and stopped.", as_json=context.json_output)


def terms_data(view: TermsView) -> dict[str, Any]:
    """Terms for programs."""
    about = {"subject_id": view.subject_id, "kind": view.kind, "name": view.name, "is_set": view.is_set}
    return {**about, **asdict(view.terms), "warn_hours": list(view.terms.warn_hours)}


def _subject(all_services: Services, actor: Actor, pool: str | None) -> TermsView:
    views = all_services.leases.terms(actor)
    if pool is None:
        return views[0]
    chosen = next((one for one in views if one.kind is TermsOf.POOL and pool in (one.name, one.subject_id)), None)
    if chosen is None:
        raise NotFound("pool_not_found", f"There is no pool {pool}.")
    return chosen


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "no time"
