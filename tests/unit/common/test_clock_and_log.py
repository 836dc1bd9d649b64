"""A clock for tests, and what is never written to a log."""

from datetime import UTC, datetime, timedelta

import pytest

from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.common.logging import mask_secrets


def test_a_fixed_clock_moves_only_when_it_is_told_to_and_knows_its_zone() -> None:
    begin = datetime(2026, 9, 1, tzinfo=UTC)
    clock = FixedClock(begin)
    assert clock.now() == begin
    clock.set(begin + timedelta(hours=1))
    assert clock.now() == begin + timedelta(hours=1)
    with pytest.raises(ValueError, match="aware"):
        FixedClock(begin.replace(tzinfo=None))


def test_whatever_sounds_like_a_secret_is_not_written() -> None:
    said = {"Password": "one", "api_token": "two", "authorization": "three", "key_id": "four", "user_id": "five"}
    masked = mask_secrets(None, "info", dict(said))
    assert masked == {**dict.fromkeys(("Password", "api_token", "authorization"), "***"), "key_id": "four", "user_id": "five"}
