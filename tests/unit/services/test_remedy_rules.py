"""What can be done about an operation: only what may be asked for, and nothing about what went well."""

from itertools import product

import pytest

from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, Wanted
from yunzhuo.services.rules.remedies import ASKED_OF_THE_DISK, REMOVALS, UNDO, Cancellation, Remedy, cancellation, remedies

ENDED = (OperationStatus.FAILED, OperationStatus.CANCELLED)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("status", OperationStatus)
@pytest.mark.parametrize("is_undoing", [False, True])
def test_how_each_is_cancelled(action: Action, status: OperationStatus, is_undoing: bool) -> None:
    found = cancellation(action, status, is_undoing=is_undoing)
    if status not in lifecycle.ACTIVE or action in REMOVALS:
        assert found is None
    elif is_undoing:
        assert found is Cancellation.LET_GO
    elif status is OperationStatus.RUNNING:
        assert found is (Cancellation.UNDO if action in UNDO else Cancellation.LET_GO)
    else:
        assert found is Cancellation.DROP, "nothing was asked of the cloud yet"


def test_what_is_offered_may_be_asked_for() -> None:
    for observed, is_ready, action, status in product([None, *Observed], (False, True), Action, OperationStatus):
        facts = Facts(lifecycle.WANTED_AFTER.get(action, Wanted.RUNNING), observed, is_ready, action, status)
        found, allowed = remedies(facts), lifecycle.allowed_actions(facts)
        if status in lifecycle.ACTIVE:
            assert found == (set() if action in REMOVALS else {Remedy.CANCEL})
            assert remedies(facts, is_undoing=True) == found
        elif status is OperationStatus.SUCCEEDED:
            assert not found
        else:
            assert Remedy.CANCEL not in found
            assert (Remedy.RETRY in found) is (action in allowed and action not in ASKED_OF_THE_DISK)
            assert (Remedy.DELETE in found) is (Action.DELETE in allowed)
            if Remedy.UNDO in found:
                assert UNDO[action] in allowed - REMOVALS


def test_a_start_that_failed_is_tried_again_undone_or_given_up() -> None:
    half_way = Facts(Wanted.RUNNING, None, False, Action.START, OperationStatus.FAILED)
    assert remedies(half_way) == {Remedy.RETRY, Remedy.UNDO, Remedy.DELETE}
    never_made = Facts(Wanted.RUNNING, None, False, Action.CREATE, OperationStatus.FAILED)
    assert remedies(never_made) == {Remedy.RETRY, Remedy.DELETE}, "its undoing would be the deletion"
    no_address = Facts(Wanted.RUNNING, Observed.RUNNING, True, Action.ASSIGN_ADDRESS, OperationStatus.FAILED)
    assert remedies(no_address) == {Remedy.RETRY, Remedy.DELETE}, "what was not assigned is back already"
    disk = Facts(Wanted.RUNNING, Observed.RUNNING, True, Action.DISCONNECT_DISK, OperationStatus.FAILED)
    assert remedies(disk) == {Remedy.DELETE}


def test_who_undoes_a_change_changes_it_back() -> None:
    there_and_back = {action for action in UNDO if UNDO.get(UNDO[action]) is action}
    assert there_and_back == {Action.START, Action.STOP, Action.SUSPEND, Action.RESUME}
    assert UNDO[Action.CREATE] is Action.DELETE
    assert UNDO[Action.ASSIGN_ADDRESS] is Action.RELEASE_ADDRESS
    assert {Action.DELETE, Action.FORCE_DELETE} == REMOVALS
