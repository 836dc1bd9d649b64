"""The tables of a desktop's life."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import lifecycle
from yunzhuo.services.rules.lifecycle import Action, Facts, Observed, OperationStatus, State, Wanted

ALL_FACTS = [
    Facts(wanted, observed, is_ready, action, status)
    for wanted, observed, is_ready, action, status in product(Wanted, [None, *Observed], [False, True], Action, OperationStatus)
]


def test_tables_are_complete() -> None:
    assert set(lifecycle.PLANS) == set(Action) == set(lifecycle.WANTED_AFTER) == set(lifecycle.STATE_DURING)
    assert set(lifecycle.ALLOWED) == set(State)


def test_every_combination_has_a_state_and_can_be_deleted_unless_it_is_gone() -> None:
    for facts in ALL_FACTS:
        state = lifecycle.state(facts)
        allowed = lifecycle.allowed_actions(facts)
        assert (Action.DELETE in allowed) is (state not in (State.DELETING, State.DELETED)), facts


def test_while_an_operation_runs_only_delete_can_be_asked_for() -> None:
    for facts in ALL_FACTS:
        if facts.status in lifecycle.ACTIVE:
            assert lifecycle.allowed_actions(facts) <= {Action.DELETE}


def test_available_means_running_and_ready() -> None:
    for facts in ALL_FACTS:
        if lifecycle.state(facts) is State.AVAILABLE:
            assert facts.observed is Observed.RUNNING
            assert facts.is_ready
            assert facts.status not in lifecycle.ACTIVE


def test_a_failed_create_is_an_error_whatever_the_cloud_says() -> None:
    for facts in ALL_FACTS:
        if facts.action is Action.CREATE and facts.status is OperationStatus.FAILED and facts.wanted is not Wanted.GONE:
            assert lifecycle.state(facts) is State.ERROR
            assert Action.START not in lifecycle.allowed_actions(facts)


@given(st.integers(0, 10_000))
def test_retries_wait_longer_and_longer_within_bounds(attempts: int) -> None:
    delay = lifecycle.retry_delay_seconds(attempts)
    assert lifecycle.RETRY_FIRST_SECONDS <= delay <= lifecycle.RETRY_LONGEST_SECONDS
    assert lifecycle.retry_delay_seconds(attempts + 1) >= delay


@given(st.floats(0, 1e6))
def test_looking_again_waits_between_a_twentieth_and_two_seconds(elapsed: float) -> None:
    assert 0.05 <= lifecycle.check_delay_seconds(elapsed) <= 2
