"""``yunzhuo schedule``: what is done at which times, and how the scheduler keeps time."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import click

from yunzhuo.cli.asking import acting, sure
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedules import UTC_ZONE, RunView, ScheduleView, ScheduleWish

_DEEDS = click.Choice([str(deed) for deed in Deed])
_at = 'As cron has it, as "0 22 * * 1-5": minute, hour, day, month, weekday.'


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Who asks; else the first administrator.")
@click.pass_context
def schedule(context: click.Context, email: str | None) -> None:
    """Schedules: what is done at which times."""
    context.meta["yunzhuo.as"] = email


@schedule.command("list")
@pass_context
def list_schedules(context: CommandContext) -> None:
    """Show all schedules, when each is due next and how it went last."""
    with acting(context) as (all_services, actor):
        found = all_services.schedules.list(actor)
    rows = [
        (
            *(one.name, one.action, f"{one.subject_kind} {one.subject_name or '(gone)'}", one.rule, one.time_zone),
            *(_next(one), one.latest.status if one.latest else ""),
        )
        for one in found
    ]
    text = table(("NAME", "ACTION", "OF", "RULE", "TIME ZONE", "NEXT", "LAST"), rows)
    print_answer({"items": [schedule_data(one) for one in found]}, text, as_json=context.json_output)


@schedule.command()
@click.argument("name")
@click.option("--action", type=_DEEDS, required=True, help="What is done to desktops.")
@click.option("--pool", help="Name or id: the desktops that people have of it.")
@click.option("--group", help="Name or id: the desktops of its people.")
@click.option("--rule", required=True, help=_at)
@click.option("--time-zone", default=UTC_ZONE, show_default=True, help="Whose clocks the rule means, as Asia/Shanghai.")
@click.option("--everybody", is_flag=True, help="Also those to which somebody is connected.")
@click.option("--catch-up", type=int, default=720, show_default=True, metavar="MINUTES", help="How late it is still done.")
@pass_context
def create(context: CommandContext, /, name: str, pool: str | None, group: str | None, **wishes: Any) -> None:
    """Make a schedule."""
    with acting(context) as (all_services, actor):
        kind, subject_id = _subject(all_services, actor, pool, group)
        wish = ScheduleWish(
            name=name,
            rule=wishes["rule"],
            action=Deed(wishes["action"]),
            subject_kind=kind,
            subject_id=subject_id,
            time_zone=wishes["time_zone"],
            leaves_connected=not wishes["everybody"],
            catch_up_minutes=wishes["catch_up"],
        )
        made = all_services.schedules.create(actor, wish)
    print_answer(schedule_data(made), f"The schedule {made.name} is made; next: {_next(made)}.", as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="SCHEDULE")
@click.option("--name", help="Another name.")
@click.option("--action", type=_DEEDS, help="What is done to desktops.")
@click.option("--rule", help=_at)
@click.option("--time-zone", help="Whose clocks the rule means.")
@click.option("--everybody/--leave-connected", "everybody", default=None, help="Whether also those who are connected.")
@click.option("--catch-up", "catch_up_minutes", type=int, metavar="MINUTES", help="How late it is still done.")
@pass_context
def change(context: CommandContext, /, reference: str, action: str | None, everybody: bool | None, **wishes: Any) -> None:
    """Change a schedule; what is not said stays."""
    changes = {name: value for name, value in wishes.items() if value is not None}
    if action is not None:
        changes["action"] = Deed(action)
    if everybody is not None:
        changes["leaves_connected"] = not everybody
    with acting(context) as (all_services, actor):
        schedule_id = _named(all_services, actor, reference).id
        changed = all_services.schedules.change(actor, schedule_id, lambda wish: replace(wish, **changes))
    text = f"The schedule {changed.name} is changed; next: {_next(changed)}."
    print_answer(schedule_data(changed), text, as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="SCHEDULE")
@pass_context
def run(context: CommandContext, reference: str) -> None:
    """Do now what a schedule does, paused or not."""
    with acting(context) as (all_services, actor):
        begun = all_services.schedules.run(actor, _named(all_services, actor, reference).id)
    print_answer(run_data(begun), f"The schedule {begun.schedule_name} is being done.", as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="SCHEDULE")
@pass_context
def pause(context: CommandContext, reference: str) -> None:
    """Let a schedule rest; what falls due meanwhile is not done, nor later."""
    with acting(context) as (all_services, actor):
        paused = all_services.schedules.pause(actor, _named(all_services, actor, reference).id)
    print_answer(schedule_data(paused), f"The schedule {paused.name} is paused.", as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="SCHEDULE")
@pass_context
def resume(context: CommandContext, reference: str) -> None:
    """Let a schedule go on with what falls due from now on."""
    with acting(context) as (all_services, actor):
        resumed = all_services.schedules.resume(actor, _named(all_services, actor, reference).id)
    text = f"The schedule {resumed.name} goes on; next: {_next(resumed)}."
    print_answer(schedule_data(resumed), text, as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="SCHEDULE", is_eager=True)
@sure("Delete the schedule {} and its history?")
@pass_context
def delete(context: CommandContext, reference: str) -> None:
    """Delete a schedule and its history."""
    with acting(context) as (all_services, actor):
        all_services.schedules.delete(actor, _named(all_services, actor, reference).id)
    print_answer({}, f"The schedule {reference} is deleted.", as_json=context.json_output)


@schedule.command()
@click.argument("reference", metavar="[SCHEDULE]", required=False)
@click.option("--limit", type=int, default=20, show_default=True, help="How many at most.")
@pass_context
def runs(context: CommandContext, reference: str | None, limit: int) -> None:
    """Show what became of a schedule, or of all; the newest first."""
    with acting(context) as (all_services, actor):
        schedule_id = _named(all_services, actor, reference).id if reference else None
        found = all_services.schedules.runs(actor, schedule_id, limit=limit)
    rows = [
        (
            *(_short(one.due_at), one.schedule_name, one.status, f"{one.late_seconds:.0f} s"),
            *(one.begun, one.untouched, one.refused, one.problem or ""),
        )
        for one in found
    ]
    text = table(("DUE", "NAME", "STATUS", "LATE", "CHANGED", "LEFT", "REFUSED", "PROBLEM"), rows)
    print_answer({"items": [run_data(one) for one in found]}, text, as_json=context.json_output)


@schedule.command()
@pass_context
def timers(context: CommandContext) -> None:
    """Show the schedulers' own timers and how they keep time."""
    with acting(context) as (all_services, actor):
        found = all_services.timers.list(actor)
    rows = [
        (
            *(one.name, f"{one.seconds:g} s", f"{one.took_seconds:.3f} s"),
            *("LATE" if one.is_late else "on time", one.schedulers, one.failure_code or ""),
        )
        for one in found
    ]
    data = {"items": [_plain(asdict(one)) for one in found]}
    print_answer(data, table(("NAME", "EVERY", "TOOK", "TIME", "SCHEDULERS", "FAILS"), rows), as_json=context.json_output)


def schedule_data(view: ScheduleView) -> dict[str, Any]:
    """A schedule for programs."""
    return {**_plain(asdict(view)), "latest": run_data(view.latest) if view.latest else None}


def run_data(run: RunView) -> dict[str, Any]:
    """A run for programs."""
    return {**_plain(asdict(run)), "late_seconds": run.late_seconds}


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in data.items()}


def _named(all_services: Services, actor: Actor, reference: str) -> ScheduleView:
    found = next((one for one in all_services.schedules.list(actor) if reference in (one.name, one.id)), None)
    if found is None:
        raise NotFound("schedule_not_found", f"There is no schedule {reference}.")
    return found


def _subject(all_services: Services, actor: Actor, pool: str | None, group: str | None) -> tuple[SubjectKind, str]:
    if (pool is None) == (group is None):
        raise click.UsageError("Say either --pool or --group.")
    if pool is not None:
        kind, known = SubjectKind.POOL, [(each.id, each.name) for each in all_services.pools.list(actor)]
    else:
        kind, known = SubjectKind.GROUP, [(each.id, each.name) for each in all_services.groups.list(actor)]
    reference = pool or group
    for object_id, name in known:
        if reference in (object_id, name):
            return kind, object_id
    raise NotFound(f"{kind}_not_found", f"There is no {kind} {reference}.")


def _next(view: ScheduleView) -> str:
    if view.is_paused:
        return "paused"
    return f"{_short(view.next_at)}{' LATE' if view.is_late else ''}" if view.next_at else "never"


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
