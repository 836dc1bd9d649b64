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
    at_rest = {Observed.STOPPED, Observed.SUSPENDED, Observed.RESCUED}
    assert set(lifecycle.ALLOWED_IN_ERROR) | at_rest == {None, *Observed}


def test_what_is_locked_keeps_its_state_and_is_changed_by_nobody() -> None:
    for facts in ALL_FACTS:
        locked = replace(facts, is_locked=True)
        assert lifecycle.allowed_actions(locked) == frozenset()
        assert lifecycle.state(locked) is lifecycle.state(facts)
        assert lifecycle.is_reachable(locked) is lifecycle.is_reachable(facts)


def test_a_rescued_desktop_is_reached_and_only_removed() -> None:
    rescued = Facts(Wanted.RUNNING, Observed.RESCUED, False, Action.CREATE, OperationStatus.SUCCEEDED)
    assert lifecycle.state(rescued) is State.RESCUED
    assert lifecycle.is_reachable(rescued)
    assert lifecycle.allowed_actions(rescued) == {Action.DELETE, Action.FORCE_DELETE}


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


def test_a_desktop_is_worked_at_while_its_disk_or_its_address_is_on_the_way() -> None:
    beside_work = {State.BUILDING, State.CHANGING_DISK, State.CHANGING_ADDRESS}
    seen = set()
    for facts in ALL_FACTS:
        state = lifecycle.state(facts)
        is_up = facts.observed is Observed.RUNNING and facts.is_ready
        expected = state in (State.AVAILABLE, State.RESCUED) or (state in beside_work and is_up)
        assert lifecycle.is_reachable(facts) is expected
        if expected:
            seen.add(state)
    assert seen == {State.AVAILABLE, State.RESCUED, *beside_work}


def test_a_failed_create_is_an_error_whatever_the_cloud_says() -> None:
    for facts in ALL_FACTS:
        if (
            facts.action is Action.CREATE
            and facts.status in (OperationStatus.FAILED, OperationStatus.CANCELLED)
            and facts.wanted is not Wanted.GONE
        ):
            assert lifecycle.state(facts) is State.ERROR
            assert Action.START not in lifecycle.allowed_actions(facts)


def test_a_server_ends_as_it_was() -> None:
    for facts in ALL_FACTS:
        assert lifecycle.power_after(facts) is (Wanted.STOPPED if facts.observed is Observed.STOPPED else Wanted.RUNNING)


def test_what_rests_is_as_the_cloud_says() -> None:
    words = {Observed.STOPPED: State.STOPPED, Observed.SUSPENDED: State.SUSPENDED, Observed.RESCUED: State.RESCUED}
    for facts in ALL_FACTS:
        if facts.status is OperationStatus.SUCCEEDED and facts.action not in (Action.DELETE, Action.FORCE_DELETE):
            if facts.wanted is Wanted.GONE:
                assert lifecycle.state(facts) is State.DELETED
            elif facts.observed is Observed.RUNNING:
                assert lifecycle.state(facts) is (State.AVAILABLE if facts.is_ready else State.ERROR)
            else:
                assert lifecycle.state(facts) is words.get(facts.observed or Observed.ERROR, State.ERROR)


def test_what_failed_can_be_tried_again_where_it_stands() -> None:
    removals = {Action.DELETE, Action.FORCE_DELETE}
    for facts in ALL_FACTS:
        allowed = lifecycle.allowed_actions(facts)
        if facts.status is OperationStatus.FAILED and facts.wanted is not Wanted.GONE:
            if facts.action in removals:
                assert allowed == removals
            elif facts.action is Action.CREATE:
                is_missing = facts.observed is Observed.MISSING
                assert allowed == (removals | {Action.RELEASE_ADDRESS} if is_missing else removals | {Action.CREATE})
            elif facts.observed is Observed.STOPPED:
                assert allowed == lifecycle.ALLOWED[State.STOPPED]
            elif facts.observed is Observed.RUNNING and not facts.is_ready:
                assert allowed == lifecycle.ALLOWED_IN_ERROR[Observed.RUNNING]


def test_a_change_is_brought_to_its_end_before_it_is_taken_back() -> None:
    assert lifecycle.plan(Action.STOP, undoes=Action.START) == (Step.START, Step.RUNNING, Step.STOP, Step.STOPPED)
    assert lifecycle.plan(Action.RESUME, undoes=Action.SUSPEND) == (
        *(Step.SUSPEND, Step.SUSPENDED),
        *(Step.RESUME, Step.RUNNING, Step.READY),
    )
    assert lifecycle.plan(Action.RESTORE_DISK, Wanted.STOPPED) == (Step.DISCONNECT_DISK, Step.RESTORE_DISK)


def test_each_try_of_a_create_is_known_by_its_place() -> None:
    plan = list(lifecycle.PLANS[Action.CREATE])
    assert lifecycle.build_try(plan.index(Step.RESERVE)) == 1
    for number in range(1, 6):
        last = max(place for place, step in enumerate(plan) if step is Step.RUNNING)
        assert plan[last - 1] is Step.SERVER
        assert {lifecycle.build_try(last - 1), lifecycle.build_try(last)} == {number}
        plan[last + 1 : last + 1] = lifecycle.ANEW
        assert {lifecycle.build_try(last + 1), lifecycle.build_try(last + 2)} == {number}, (
            "giving up belongs to what is given up"
        )


def test_what_was_refused_at_first_left_all_as_it_was() -> None:
    for action, steps in lifecycle.PLANS.items():
        for step in Step:
            assert lifecycle.changes_first(action, step) is (step is steps[0] or step is Step.DISCONNECT_DISK)


def test_what_must_not_stay_half_done_outlives_its_owners_right() -> None:
    for action in Action:
        is_removal = action in (Action.DELETE, Action.FORCE_DELETE)
        assert lifecycle.ends_with_its_owner(action, has_begun=False) is not is_removal
        can_stop = action in (Action.CREATE, Action.START, Action.RESUME, Action.REBOOT)
        assert lifecycle.ends_with_its_owner(action, has_begun=True) is can_stop


def test_a_broken_desktop_whose_change_waits_can_still_be_helped() -> None:
    for observed in (Observed.ERROR, Observed.UNKNOWN, Observed.MISSING, None):
        waiting = Facts(Wanted.RUNNING, observed, False, Action.STOP, OperationStatus.WAITING)
        assert lifecycle.allowed_actions(waiting) == lifecycle.ALLOWED_IN_ERROR[observed] - {Action.STOP}
