"""How soon an operation is looked at again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import pacing
from yunzhuo.services.rules.lifecycle import Step


@given(st.integers(0, 10_000))
def test_retries_wait_longer_and_longer_within_bounds(attempts: int) -> None:
    delay = pacing.retry_delay_seconds(attempts)
    assert pacing.RETRY_FIRST_SECONDS <= delay <= pacing.RETRY_LONGEST_SECONDS
    assert pacing.retry_delay_seconds(attempts + 1) >= delay


@given(st.floats(0, 1e6))
def test_looking_again_waits_between_a_twentieth_and_two_seconds(elapsed: float) -> None:
    delay = pacing.check_delay_seconds(elapsed)
    assert 0.05 <= delay <= 2
    assert delay <= pacing.check_delay_seconds(elapsed, of_another=True) <= 10


@given(st.floats(0, 1e6))
def test_what_will_be_told_is_looked_at_after_one_to_ten_seconds(elapsed: float) -> None:
    delay = pacing.check_delay_seconds(elapsed, is_told=True)
    assert 1 <= delay <= 10
    assert delay >= min(elapsed, 10)
    others = pacing.check_delay_seconds(elapsed, of_another=True)
    assert pacing.check_delay_seconds(elapsed, of_another=True, is_told=True) == others


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_boot_is_looked_at_within_two_seconds_and_often_when_it_should_end(elapsed: float, usual: float) -> None:
    delay = pacing.check_boot_delay_seconds(elapsed, usual)
    assert 0.05 <= delay <= 2
    if elapsed < 0.75 * usual:
        assert elapsed + delay <= max(0.75 * usual, elapsed + max(usual / 32, 0.05)) + 1e-6
    elif elapsed <= 1.25 * usual:
        assert delay <= max(usual / 32, 0.05)
    else:
        assert delay == pacing.check_delay_seconds(elapsed)


def test_a_boot_of_twelve_seconds_is_asked_about_a_dozen_times() -> None:
    looks = [0.0]
    while looks[-1] < 12:
        looks.append(looks[-1] + pacing.check_boot_delay_seconds(looks[-1], 12))
    assert looks[:6] == [0, 2, 4, 6, 8, 9]
    assert len(looks) == 14
    assert looks[-1] - 12 < 0.5


@given(st.sampled_from(Step), st.booleans())
def test_only_what_will_be_told_is_given_a_second_before_the_first_look(step: Step, is_told: bool) -> None:
    assert pacing.first_look_seconds(step, is_told=is_told) == (1.0 if is_told and step in pacing.TOLD else 0.0)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 0.5), (1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 15.0), (10**6, 15.0)]
)
def test_how_long_a_retry_waits(attempts: int, seconds: float) -> None:
    assert pacing.retry_delay_seconds(attempts) == seconds


@pytest.mark.parametrize(
    ("elapsed", "own", "anothers"),
    [(0, 0.05, 0.05), (0.4, 0.05, 0.05), (1, 0.1, 0.1), (20, 2.0, 2.0), (50, 2.0, 5.0), (500, 2.0, 10.0)],
)
def test_how_long_a_look_waits(elapsed: float, own: float, anothers: float) -> None:
    assert pacing.check_delay_seconds(elapsed) == pytest.approx(own)
    assert pacing.check_delay_seconds(elapsed, of_another=True) == pytest.approx(anothers)
