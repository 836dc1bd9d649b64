"""Following an operation in a terminal: the same events that pages read, drawn as a bar of steps."""

import threading
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.changes import OperationView
from yunzhuo.services.rules.lifecycle import ACTIVE

_LOOK_SECONDS = 0.05
# Events are the quick way to know; this is the sure one.
_LOOK_ANYWAY_SECONDS = 1.0


def follow(all_services: Services, actor: Actor, operation: OperationView, *, quiet: bool) -> OperationView:
    """Wait for the operation's end and answer it as it stands then; ``quiet`` draws nothing."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bar = progress.add_task(_words(operation), total=len(operation.steps), completed=operation.position)
        last_id = all_services.events.latest_id()
        operation = all_services.desktops.operation(actor, operation.id)
        looked_at = time.monotonic()
        while operation.status in ACTIVE:
            news = all_services.events.missed_by(actor, last_id)
            last_id = news[-1].id if news else last_id
            is_time = time.monotonic() - looked_at > _LOOK_ANYWAY_SECONDS
            if is_time or any(event.object_id == operation.desktop_id for event in news):
                looked_at = time.monotonic()
                operation = all_services.desktops.operation(actor, operation.id)
                progress.update(bar, description=_words(operation), completed=operation.position)
            else:
                threading.Event().wait(_LOOK_SECONDS)
    return operation


def _words(operation: OperationView) -> str:
    if operation.queue is not None:
        place, expected = operation.queue, operation.queue.expected_seconds
        about = f", about {round(expected)} s" if expected is not None else ""
        return f"{operation.action}: waiting, {place.position} of {place.length} in the queue{about}"
    number = min(operation.position + 1, len(operation.steps))
    return f"{operation.action}: step {number} of {len(operation.steps)}, {operation.steps[number - 1].name}"
