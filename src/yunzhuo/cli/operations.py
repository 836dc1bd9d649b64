"""``yunzhuo operations``: what is being done, what waits, what failed, and what can be done about it."""

import click

from yunzhuo.cli.asking import acting, operation_data, sentence
from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.operation_desk import MAX_AT_ONCE, Dealt, OperationRecord, OperationWish
from yunzhuo.services.rules.lifecycle import Action, OperationStatus
from yunzhuo.services.rules.remedies import Remedy

_SHOWN = 12


@click.group(cls=Group)
@click.option("--as", "email", metavar="EMAIL", help="Act as this person; else as the first administrator.")
@click.pass_context
def operations(context: click.Context, email: str | None) -> None:
    """Operations: changes of desktops that are being made, wait, or were made."""
    context.meta["yunzhuo.as"] = email


def _filters(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--search", metavar="TEXT", help="Part of a desktop's name, or of an address."),
        click.option("--action", type=click.Choice([each.value for each in Action]), help="Only those that do this."),
        click.option(
            "--status", type=click.Choice([each.value for each in OperationStatus]), help="Only those that stand there."
        ),
    ):
        command = option(command)
    return command


@operations.command("list")
@_filters
@click.option("--active", is_flag=True, help="Only those that have not ended.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where the page before ended.")
@pass_context
def list_operations(
    context: CommandContext,
    status: str | None,
    action: str | None,
    search: str | None,
    active: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """Show operations, the newest first."""
    with acting(context) as (all_services, actor):
        page = all_services.operations.list(actor, _wish(status, action, search, active=active), limit=limit, cursor=cursor)
    data = {"items": [record_data(record) for record in page.items], "next_cursor": page.next_cursor}
    text = table(("ID", "WHEN", "WHAT", "DESKTOP", "WHO", "STATUS", "RESULT"), [_row(record) for record in page.items])
    more = f"\nMore: --cursor {page.next_cursor}" if page.next_cursor else ""
    print_answer(data, text + more, as_json=context.json_output)


@operations.command()
@click.argument("operation_id", metavar="ID")
@pass_context
def show(context: CommandContext, operation_id: str) -> None:
    """Show one operation with its steps, and what the cloud said."""
    with acting(context) as (all_services, actor):
        record = all_services.operations.record(actor, operation_id)
    lines: list[tuple[str, object]] = [
        (name, value)
        for name, value in record_data(record).items()
        if not isinstance(value, (dict, list)) and value is not None
    ]
    if record.operation.error:
        lines.append(("reason", record.operation.error.message))
    if record.trace:
        trace = record.trace
        told = (
            ("attempts", trace.attempts),
            ("worker", trace.worker),
            ("host", trace.host),
            ("deadline", trace.deadline_at),
            ("detail", trace.error_detail),
        )
        lines += [(name, value) for name, value in told if value is not None]
    lines.append(("can be", ", ".join(sorted(record.operation.remedies)) or "nothing"))
    cloud_requests = record.trace.cloud_request_ids if record.trace else {}
    hosts = record.trace.hosts if record.trace else {}
    steps = table(
        ("STEP", "STATUS", "DETAIL", "HOST", "CLOUD'S REQUEST"),
        [
            (step.name, step.status, step.detail or "", hosts.get(number, ""), cloud_requests.get(number, ""))
            for number, step in enumerate(record.operation.steps)
        ],
    )
    text = f"{table(('FIELD', 'VALUE'), lines)}\n\n{steps}"
    print_answer(record_data(record), text, as_json=context.json_output)


def _add_remedy(remedy: Remedy, only: OperationStatus | None, summary: str) -> None:
    @click.argument("operation_ids", metavar="[ID]...", nargs=-1)
    @click.option("--all", "is_all", is_flag=True, help=f"All that fit the filters, {MAX_AT_ONCE} at most.")
    @_filters
    @pass_context
    def command(
        context: CommandContext,
        operation_ids: tuple[str, ...],
        is_all: bool,
        status: str | None,
        action: str | None,
        search: str | None,
    ) -> int:
        if bool(operation_ids) is is_all:
            raise InvalidInput("Say which operations, or --all.")
        with acting(context) as (all_services, actor):
            wish = _wish(status or only, action, search, active=only is None and status is None)
            ids = list(operation_ids) or _fitting(all_services, actor, wish, remedy)
            dealt = all_services.operations.deal_with_many(actor, ids, remedy)
        text = "\n".join(_dealt_sentence(each) for each in dealt) or "There are none."
        print_answer({"results": [_dealt_data(each) for each in dealt]}, text, as_json=context.json_output)
        return 1 if any(each.refusal for each in dealt) else 0

    operations.command(remedy.value, help=summary)(command)


_add_remedy(Remedy.CANCEL, None, "Cancel operations: what was begun is undone where that can be.")
_add_remedy(Remedy.RETRY, OperationStatus.FAILED, "Ask again for what failed.")
_add_remedy(Remedy.UNDO, OperationStatus.FAILED, "Take back what failed half way.")


def _fitting(all_services: Services, actor: Actor, wish: OperationWish, remedy: Remedy) -> list[str]:
    ids: list[str] = []
    cursor = None
    while len(ids) < MAX_AT_ONCE:
        page = all_services.operations.list(actor, wish, limit=200, cursor=cursor)
        ids += [record.operation.id for record in page.items if remedy in record.operation.remedies]
        cursor = page.next_cursor
        if cursor is None:
            break
    return ids[:MAX_AT_ONCE]


def _wish(status: str | None, action: str | None, search: str | None, *, active: bool) -> OperationWish:
    return OperationWish(
        status=OperationStatus(status) if status else None,
        action=Action(action) if action else None,
        search=search,
        is_active=active,
    )


def record_data(record: OperationRecord) -> dict[str, object]:
    """An operation with all there is about it, for programs."""
    trace = record.trace
    return {
        **operation_data(record.operation),
        "desktop": record.desktop_name,
        "owner": record.owner_email,
        "user": record.user_email,
        "created_at": record.operation.created_at.isoformat(),
        "ended_at": record.operation.ended_at.isoformat() if record.operation.ended_at else None,
        "remedies": sorted(record.operation.remedies),
        "error_detail": trace.error_detail if trace else None,
        "cloud_request_ids": {str(position): each for position, each in trace.cloud_request_ids.items()} if trace else {},
        "hosts": {str(position): each for position, each in trace.hosts.items()} if trace else {},
    }


def _row(record: OperationRecord) -> tuple[object, ...]:
    operation = record.operation
    result = operation.error.message if operation.error else ""
    if operation.queue:
        result = f"{operation.queue.position} of {operation.queue.length} in the queue"
    when = f"{operation.created_at:%Y-%m-%d %H:%M:%S}"
    return (operation.id, when, operation.action, record.desktop_name, record.user_email, operation.status, result)


def _dealt_data(dealt: Dealt) -> dict[str, object]:
    refusal = {"code": dealt.refusal.code, "message": dealt.refusal.message} if dealt.refusal else None
    return {
        "id": dealt.operation_id,
        "operation": operation_data(dealt.operation) if dealt.operation else None,
        "problem": refusal,
    }


def _dealt_sentence(dealt: Dealt) -> str:
    if dealt.operation:
        return f"{dealt.operation_id[:_SHOWN]}: {sentence(dealt.operation)}"
    return f"{dealt.operation_id[:_SHOWN]}: refused, {dealt.refusal.message if dealt.refusal else ''}"
