"""The tables of a desktop's life."""

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, State, Step, Wanted

ALL_FACTS = [
    Facts(wanted, observed, is_ready, action, status)
    for wanted, observed, is_ready, action, status in product(Wanted, [None, *Observed], [False, True], Action, OperationStatus)
]


def test_tables_are_complete() -> None:
    assert set(lifecycle.PLANS) == set(Action) == set(lifecycle.STATE_DURING)
    changes_nothing = {
        *(Action.DELETE_SNAPSHOT, Action.CONNECT_DISK, Action.DISCONNECT_DISK),
        *(Action.ASSIGN_ADDRESS, Action.RELEASE_ADDRESS),
    }
    assert set(lifecycle.WANTED_AFTER) | lifecycle.KEEPS_POWER | changes_nothing == set(Action)
    assert set(lifecycle.ALLOWED) == set(State)
    assert set(lifecycle.ALLOWED_IN_ERROR) | {Observed.STOPPED, Observed.SUSPENDED} == {None, *Observed}


def test_every_combination_has_a_state_and_can_be_deleted_unless_it_is_gone() -> None:
    for facts in ALL_FACTS:
        state = lifecycle.state(facts)
        allowed = lifecycle.allowed_actions(facts)
        if facts.status is not OperationStatus.WAITING or facts.action not in (Action.DELETE, Action.FORCE_DELETE):
            assert (Action.DELETE in allowed) is (state not in (State.DELETING, State.DELETED)), facts  # deletions never wait


def test_what_is_in_the_bin_can_only_be_removed() -> None:
    for facts in ALL_FACTS:
        binned = replace(facts, is_binned=True)
        if facts.action not in (Action.DELETE, Action.FORCE_DELETE):
            assert lifecycle.state(binned) is State.BINNED
            assert lifecycle.allowed_actions(binned) == {Action.DELETE, Action.FORCE_DELETE}
        else:
            assert lifecycle.state(binned) is lifecycle.state(facts)


def test_while_an_operation_runs_only_deletion_can_be_asked_for() -> None:
    for facts in ALL_FACTS:
        if facts.status in lifecycle.ADMITTED:
            assert lifecycle.allowed_actions(facts) <= {Action.DELETE, Action.FORCE_DELETE}


def test_what_waits_to_be_let_in_gives_way_to_another_wish() -> None:
    for facts in ALL_FACTS:
        if facts.status is OperationStatus.WAITING:
            allowed = lifecycle.allowed_actions(facts)
            assert facts.action not in allowed
            if facts.action is Action.CREATE:
                assert allowed == {Action.DELETE, Action.FORCE_DELETE}
    waiting = Facts(Wanted.RUNNING, Observed.STOPPED, False, Action.START, OperationStatus.WAITING)
    assert {Action.RESIZE, Action.SNAPSHOT, Action.DELETE} <= lifecycle.allowed_actions(waiting)


def test_a_deletion_that_hangs_can_be_forced_and_a_forced_one_cannot_be_asked_for_twice() -> None:
    for facts in ALL_FACTS:
        if facts.status in lifecycle.ADMITTED and facts.action in (Action.DELETE, Action.FORCE_DELETE):
            assert lifecycle.allowed_actions(facts) == ({Action.FORCE_DELETE} if facts.action is Action.DELETE else set())


# What the cloud's interface promises to refuse: nobody is offered it.
REFUSED_BY_CLOUDS = {
    Observed.SUSPENDED: {Action.START, Action.STOP, Action.REBOOT, Action.REBUILD, Action.RESIZE, Action.ROLL_BACK},
    Observed.STOPPED: {Action.STOP, Action.REBOOT, Action.SUSPEND, Action.RESUME},
    Observed.RUNNING: {Action.START, Action.RESUME, Action.CREATE},
    Observed.ERROR: {Action.START, Action.SUSPEND, Action.RESUME, Action.RESIZE, Action.SNAPSHOT},
    Observed.MISSING: set(Action) - {Action.DELETE, Action.FORCE_DELETE, Action.RELEASE_ADDRESS},
}


def test_nothing_is_offered_that_the_cloud_would_refuse() -> None:
    for facts in ALL_FACTS:
        if facts.observed in REFUSED_BY_CLOUDS and facts.action is not Action.CREATE:
            assert not lifecycle.allowed_actions(facts) & REFUSED_BY_CLOUDS[facts.observed], facts


def test_a_suspended_desktop_is_resumed_or_removed_and_its_snapshots_can_go() -> None:
    facts = Facts(Wanted.SUSPENDED, Observed.SUSPENDED, False, Action.SUSPEND, OperationStatus.SUCCEEDED)
    assert lifecycle.state(facts) is State.SUSPENDED
    assert lifecycle.allowed_actions(facts) == {
        Action.RESUME,
        Action.DELETE_SNAPSHOT,
        Action.ASSIGN_ADDRESS,
        Action.RELEASE_ADDRESS,
        Action.DELETE,
        Action.FORCE_DELETE,
    }


def test_an_address_is_given_back_before_its_server_goes_and_from_wherever_it_is() -> None:
    plain = lifecycle.PLANS[Action.DELETE]
    assert lifecycle.with_address(Action.DELETE, plain, has_address=False) == plain
    with_one = lifecycle.with_address(Action.DELETE, plain, has_address=True)
    assert with_one == (Step.SETTLE, Step.RELEASE_ADDRESS, Step.REMOVE, Step.GONE)
    stop = lifecycle.PLANS[Action.STOP]
    assert lifecycle.with_address(Action.STOP, stop, has_address=True) == stop
    undoing = lifecycle.plan(Action.RELEASE_ADDRESS, undoes=Action.ASSIGN_ADDRESS)
    assert undoing == (Step.RELEASE_ADDRESS,), "what could not be made need not be made first"


@given(st.sampled_from(Action), st.sampled_from([None, Wanted.RUNNING, Wanted.STOPPED]))
def test_nobody_waits_for_the_system_inside_a_server_that_ends_stopped(action: Action, ends: Wanted | None) -> None:
    plan = lifecycle.plan(action, ends)
    assert plan
    assert len(set(plan)) == len(plan)
    assert (Step.READY in plan) is (Step.READY in lifecycle.PLANS[action] and ends is not Wanted.STOPPED)


def test_available_means_running_and_ready() -> None:
    for facts in ALL_FACTS:
        if lifecycle.state(facts) is State.AVAILABLE:
            assert facts.observed is Observed.RUNNING
            assert facts.is_ready
            assert facts.status not in lifecycle.ACTIVE


def test_a_failed_create_is_an_error_whatever_the_cloud_says() -> None:
    for facts in ALL_FACTS:
        if (
            facts.action is Action.CREATE
            and facts.status in (OperationStatus.FAILED, OperationStatus.CANCELLED)
            and facts.wanted is not Wanted.GONE
        ):
            assert lifecycle.state(facts) is State.ERROR
            assert Action.START not in lifecycle.allowed_actions(facts)


@given(st.integers(0, 10_000))
def test_retries_wait_longer_and_longer_within_bounds(attempts: int) -> None:
    delay = lifecycle.retry_delay_seconds(attempts)
    assert lifecycle.RETRY_FIRST_SECONDS <= delay <= lifecycle.RETRY_LONGEST_SECONDS
    assert lifecycle.retry_delay_seconds(attempts + 1) >= delay


@given(st.floats(0, 1e6))
def test_looking_again_waits_between_a_twentieth_and_two_seconds(elapsed: float) -> None:
    delay = lifecycle.check_delay_seconds(elapsed)
    assert 0.05 <= delay <= 2
    assert delay <= lifecycle.check_delay_seconds(elapsed, of_another=True) <= 10
