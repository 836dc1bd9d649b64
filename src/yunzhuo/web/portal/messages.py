"""What pages say of states, steps, failures and refusals, in the person's language.

Services speak English sentences for logs and programs; people read these. A code that is not here has a sentence of its
kind, with the code beside it.
"""

from dataclasses import dataclass

from flask_babel import format_decimal, gettext

from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.services.access import Role, Scope
from yunzhuo.services.changes import OperationView, QueuePlace
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.history import HistoryEntry
from yunzhuo.services.people import is_deleted
from yunzhuo.services.people_import import Change
from yunzhuo.services.quotas import Allowance, Resource, Subject
from yunzhuo.services.roles import RoleView
from yunzhuo.services.rules.lifecycle import ACTIVE, Action, OperationStatus, State, Step
from yunzhuo.web.portal import words
from yunzhuo.webkit.messages import (
    browser,
    elapsed,
    field,
    field_errors,
    moment,
    refusal,
    seconds_since,
    sign_in_method,
    sign_in_outcome,
    size,
    token_reach,
    trouble,
)

# What of both processes' words is asked for here.
__all__ = [
    "browser",
    "elapsed",
    "field",
    "field_errors",
    "moment",
    "refusal",
    "seconds_since",
    "sign_in_method",
    "sign_in_outcome",
    "size",
    "token_reach",
    "trouble",
]

_SECONDS_PER_MINUTE = 60
_clock = SystemClock()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before something is done: a heading, what follows from it, the button."""

    heading: str
    text: str
    button: str


def is_busy(desktop: DesktopView) -> bool:
    """Whether a change is going on."""
    return desktop.operation.status in ACTIVE


def question(name: str, desktop: DesktopView) -> Question:
    """What is asked before something is done."""
    heading, text, button = words.QUESTIONS[name]
    return Question(str(heading) % {"name": desktop.name}, str(text), str(button))


def action(entry: HistoryEntry) -> str:
    """What was done."""
    return action_name(entry.operation.action)


def action_name(action: Action) -> str:
    """What is done, in a word."""
    return str(words.ACTIONS[action])


def status(entry: HistoryEntry) -> str:
    """How it ended."""
    return status_name(entry.operation.status)


def status_name(status: OperationStatus) -> str:
    """Where an operation stands, in a word."""
    return str(words.STATUSES[status])


def is_waiting(operation: OperationView) -> bool:
    """Whether it has not been let in yet."""
    return operation.status is OperationStatus.WAITING


def progress(operation: OperationView) -> str:
    """How far it is, where in the queue it stands, or why it failed; empty when there is nothing to say."""
    if operation.queue is not None:
        return _place(operation.queue)
    if operation.status is OperationStatus.WAITING:
        return str(gettext("Waiting for its turn"))
    if operation.status is OperationStatus.RUNNING:
        number = min(operation.position + 1, len(operation.steps))
        name = step_name(operation.steps[number - 1].name)
        return str(gettext("Step %(number)s of %(count)s: %(name)s", number=number, count=len(operation.steps), name=name))
    return cause(operation)


def _place(queue: QueuePlace) -> str:
    place = {"position": queue.position, "length": queue.length}
    if queue.expected_seconds is None:
        return str(gettext("Place %(position)s of %(length)s in the queue", **place))
    seconds = round(queue.expected_seconds)
    if seconds < _SECONDS_PER_MINUTE:
        return str(
            gettext("Place %(position)s of %(length)s in the queue, about %(seconds)s s", **place, seconds=max(1, seconds))
        )
    minutes = -(-seconds // _SECONDS_PER_MINUTE)
    return str(gettext("Place %(position)s of %(length)s in the queue, about %(minutes)s min", **place, minutes=minutes))


def result(entry: HistoryEntry) -> str:
    """Why it failed, or what was lost; empty when it went well."""
    return cause(entry.operation) or loss(entry.operation.note_code)


def cause(operation: OperationView) -> str:
    """Why an operation failed; empty when it did not."""
    error = operation.error
    if error is None:
        return ""
    sentence = words.REASONS.get(error.code)
    return str(sentence) if sentence else str(gettext("The cause is not known here (%(code)s).", code=error.code))


def duration(entry: HistoryEntry) -> str:
    """How long it took, or has taken until now."""
    operation = entry.operation
    seconds = ((operation.ended_at or _clock.now()) - operation.created_at).total_seconds()
    return str(gettext("%(seconds)s s", seconds=format_decimal(round(seconds, 1))))


def state(desktop: DesktopView) -> str:
    """The desktop's state in a word."""
    return str(words.STATES[desktop.state])


def state_name(state: State) -> str:
    """A state in a word."""
    return str(words.STATES[state])


def person(email: str) -> str:
    """Who somebody is: an address, or that the account is deleted."""
    return str(gettext("deleted account")) if is_deleted(email) else email


def any_role_name(role: RoleView) -> str:
    """What a role is called; one of the organization's own as it calls it."""
    return role_name(Role(role.id)) if role.is_built_in else role.name


def scope_name(scope: Scope) -> str:
    """On whose things a right counts."""
    return str(words.SCOPES[scope])


def resource_name(resource: Resource) -> str:
    """What a resource is called."""
    return str(words.RESOURCES[resource])


def subject_name(subject: Subject) -> str:
    """For whom a quota is."""
    return str(words.SUBJECTS[subject])


def outcome_name(outcome: str) -> str:
    """How something ended, in the audit log."""
    return str(words.OUTCOMES[outcome])


def change_name(change: Change) -> str:
    """What is done to several people at once."""
    return str(words.CHANGES[change])


def nobody_chosen() -> str:
    """What is said when a change of several people names none."""
    return str(gettext("Choose people, and what is to be done."))


def used_of(allowance: Allowance) -> str:
    """How much of something is used, and of how much."""
    used = amount(allowance.resource, allowance.used)
    if allowance.most is None:
        return str(gettext("%(used)s used", used=used))
    return str(gettext("%(used)s of %(most)s used", used=used, most=amount(allowance.resource, allowance.most)))


def amount(resource: Resource, number: int) -> str:
    """So much of a resource, with its unit where it has one."""
    return size(number) if resource in words.SIZES else str(number)


def role_name(role: Role) -> str:
    """What a role is called."""
    return str(words.ROLES[role])


def many(action: Action) -> str:
    """What is asked for when several desktops are changed at once."""
    return str(words.MANY[action])


def not_ready(part: str) -> str:
    """What it means that this part of the installation is not ready."""
    return str(words.NOT_READY.get(part, words.NOT_READY["check"]))


def lack(code: str, said: str) -> str:
    """Why no new desktop can be made, although the rest works, with what names it."""
    return f"{words.REASONS[code]} ({said})"


def size_name(name: str) -> str:
    """What a size is called: the settings' word, translated if it is one that they came with."""
    return str(words.SIZE_NAMES.get(name, name))


def failed(desktop: DesktopView) -> str | None:
    """What failed last, in a sentence; None when nothing did."""
    return str(words.FAILED[desktop.operation.action]) if desktop.failure else None


def reason(desktop: DesktopView) -> str:
    """Why the desktop needs attention, or why the last change failed."""
    if desktop.failure is not None:
        sentence = words.REASONS.get(desktop.failure.code)
        return str(sentence) if sentence else str(gettext("The cause is not known here (%(code)s).", code=desktop.failure.code))
    if desktop.operation.action is Action.CREATE and desktop.operation.status is OperationStatus.CANCELLED:
        return str(gettext("Its creation was cancelled."))
    if desktop.fault:
        return str(gettext("The cloud says: %(fault)s", fault=desktop.fault))
    if desktop.actions <= {Action.DELETE, Action.FORCE_DELETE}:
        return str(words.REASONS["server_not_found"])
    return str(gettext("Its virtual machine is not in the state it should be in."))


def loss(code: str | None) -> str:
    """What was lost of a desktop, and what to do; empty when nothing was."""
    sentence = words.LOSSES.get(code or "")
    return str(sentence) if sentence else ""


def step_name(step: Step) -> str:
    """What a step is called."""
    return str(words.STEPS[step])


def step_number(desktop: DesktopView) -> int:
    """Which step is being taken, counted from 1."""
    return min(desktop.operation.position + 1, len(desktop.operation.steps))


def step(desktop: DesktopView) -> str:
    """How far the present change has come."""
    steps = desktop.operation.steps
    number = step_number(desktop)
    name = step_name(steps[number - 1].name)
    return str(gettext("Step %(number)s of %(count)s: %(name)s", number=number, count=len(steps), name=name))


def step_count(desktop: DesktopView) -> str:
    """How far the present change has come, without the step's name."""
    return str(gettext("Step %(number)s of %(count)s", number=step_number(desktop), count=len(desktop.operation.steps)))
