"""A cloud that calls a server broken before it says why, as Nova does: the reason is waited for, a few seconds at most."""

import pytest
from tests.support.installation import Installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor
from yunzhuo.services.changes import OperationView
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State

_REASON = "No valid host was found."
_AT_MOST_SECONDS = 8.0
_BEFORE = {Action.START: Action.STOP, Action.RESUME: Action.SUSPEND}


def _breaks(yunzhuo: Installation, told_after_seconds: float, *, call: str = "create", host: str | None = None) -> None:
    breaks = Fault(
        operation=f"servers.{call}", kind=FaultKind.BREAK, count=None, reason=_REASON, seconds=told_after_seconds, host=host
    )
    yunzhuo.weather.faults.set(breaks)


def _ended(yunzhuo: Installation, actor: Actor, operation_id: str) -> OperationView:
    yunzhuo.run()
    return yunzhuo.services.desktops.operation(actor, operation_id)


def _message(operation: OperationView) -> str:
    assert operation.status is OperationStatus.FAILED
    assert operation.error is not None
    assert operation.error.code == "server_failed"
    return operation.error.message


@pytest.mark.parametrize("told_after_seconds", [0.0, 0.5, 4.0])
def test_a_reason_that_comes_later_is_the_reason(yunzhuo: Installation, lin: Actor, told_after_seconds: float) -> None:
    _breaks(yunzhuo, told_after_seconds)
    assert _REASON in _message(_ended(yunzhuo, lin, yunzhuo.request(lin).operation.id))


def test_a_reason_that_never_comes_is_not_waited_for(yunzhuo: Installation, lin: Actor) -> None:
    _breaks(yunzhuo, told_after_seconds=3600)
    began = yunzhuo.clock.now()
    operation = _ended(yunzhuo, lin, yunzhuo.request(lin).operation.id)
    assert "does not say why" in _message(operation)
    assert operation.ended_at is not None
    hosts = len(yunzhuo.cloud.hosts.list())
    assert (operation.ended_at - began).total_seconds() < hosts * _AT_MOST_SECONDS


def test_meanwhile_that_is_what_is_waited_for(yunzhuo: Installation, lin: Actor) -> None:
    _breaks(yunzhuo, told_after_seconds=3600)
    operation_id = yunzhuo.request(lin).operation.id
    yunzhuo.run(seconds=2)
    operation = yunzhuo.services.desktops.operation(lin, operation_id)
    assert operation.status is OperationStatus.RUNNING
    assert operation.steps[operation.position].detail == "The virtual machine failed, and the cloud has not said why yet."


def test_what_breaks_on_one_host_has_its_reason_in_the_history(yunzhuo: Installation, lin: Actor) -> None:
    _breaks(yunzhuo, told_after_seconds=1, host="host-1")
    operation = _ended(yunzhuo, lin, yunzhuo.request(lin).operation.id)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.steps[2].status is OperationStatus.FAILED
    assert _REASON in (operation.steps[2].detail or "")


@pytest.mark.parametrize("action", _BEFORE)
def test_a_change_of_what_is_there_waits_for_its_reason_too(yunzhuo: Installation, lin: Actor, action: Action) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, _BEFORE[action])
    yunzhuo.run()
    _breaks(yunzhuo, told_after_seconds=1, call=action.value)
    assert _REASON in _message(_ended(yunzhuo, lin, yunzhuo.services.desktops.act(lin, desktop_id, action).operation.id))


def test_a_desktop_that_is_made_anew_and_breaks_again_is_not_waited_for(yunzhuo: Installation, lin: Actor) -> None:
    _breaks(yunzhuo, told_after_seconds=1)
    accepted = yunzhuo.request(lin)
    assert _REASON in _message(_ended(yunzhuo, lin, accepted.operation.id))
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).state is State.ERROR
    again = yunzhuo.services.desktops.act(lin, accepted.desktop.id, Action.CREATE)
    assert _REASON in _message(_ended(yunzhuo, lin, again.operation.id))
