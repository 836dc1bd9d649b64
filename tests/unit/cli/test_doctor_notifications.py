"""What `yunzhuo doctor` says of listening to the cloud."""

from datetime import UTC, datetime
from typing import Any

from yunzhuo.cli.checks import Verdict
from yunzhuo.cli.doctor import notifications
from yunzhuo.phoenix.db.models import NoticeListener

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def listener(**changes: Any) -> NoticeListener:
    return NoticeListener(scheduler="one", reported_at=NOW, **changes)


def test_nobody_listens() -> None:
    assert notifications([]).verdict is Verdict.NOTE


def test_one_cannot_hear() -> None:
    found = notifications([listener(heard_at=NOW), listener(failure="AccessRefused")])
    assert (found.verdict, found.found) == (Verdict.BAD, "AccessRefused")
    assert "notifications_url" in (found.advice or "")


def test_nothing_came_yet() -> None:
    assert notifications([listener()]).verdict is Verdict.NOTE


def test_all_is_well() -> None:
    found = notifications([listener(), listener(heard_at=NOW, lag_seconds=0.0421)])
    assert (found.verdict, "42 ms" in found.found) == (Verdict.GOOD, True)
