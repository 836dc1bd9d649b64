"""``yunzhuo desktop``: found by name, followed to the end, snapshots by name, many at once, and what cannot be, in words."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from tests.support.commands import answer, refusal, said
from tests.support.installation import Installation, installation

from yunzhuo.cli import main
from yunzhuo.cli.asking import FAILED
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Role

INTERRUPTED = 130


@pytest.fixture
def yunzhuo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Installation]:
    """An installation with two people and a desktop each, by the computer's own clock."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("boss", Role.OPERATOR)
        for name in ("lin", "mei"):
            yunzhuo.available(yunzhuo.person(name), name=f"{name}s")
        yunzhuo.clock.set(datetime.now(UTC))
        yield yunzhuo


@contextmanager
def working(yunzhuo: Installation) -> Iterator[None]:
    """A worker beside the command."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            yunzhuo.clock.set(datetime.now(UTC))
            yunzhuo.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def test_a_change_is_followed_to_its_end(yunzhuo: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    with working(yunzhuo):
        stopped = answer(capsys, "desktop", "stop", "lins")
        assert (stopped["action"], stopped["status"]) == ("stop", "succeeded")
        assert said(capsys, "desktop", "start", "lins").rstrip().endswith("succeeded")
    with working(yunzhuo):
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
        failed = answer(capsys, "desktop", "create", "--name", "never", code=FAILED)
    assert failed["status"] == "failed"
    assert failed["error"]["message"]


def test_nobody_waits_who_does_not_want_to(yunzhuo: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "desktop", "stop", "lins", "--no-wait")["status"] == "queued"


def test_a_desktop_is_found_by_a_name_that_is_its_own(yunzhuo: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no desktop kims" in refusal(capsys, "desktop", "show", "kims")
    mei = yunzhuo.services.accounts.by_email("mei@school.local").actor()
    yunzhuo.available(mei, name="lins")
    assert "2 desktops are called lins" in refusal(capsys, "desktop", "show", "lins")
    assert "There is no image Windows 3.1; there are: " in refusal(capsys, "desktop", "create", "--image", "Windows 3.1")


def test_snapshots_are_kept_gone_back_to_and_deleted_by_name(
    yunzhuo: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = ("desktop", "snapshot")
    with working(yunzhuo):
        assert answer(capsys, *snapshot, "create", "lins", "before the exam")["status"] == "succeeded"
        assert "before the exam" in said(capsys, *snapshot, "list", "lins")
        assert "There is no snapshot after" in refusal(capsys, *snapshot, "rollback", "lins", "after", "--yes")
        asked: list[str] = []
        monkeypatch.setattr(click, "confirm", lambda question, **_: asked.append(question))
        assert answer(capsys, *snapshot, "rollback", "lins", "before the exam")["status"] == "succeeded"
        assert asked == ["What was changed on lins since the snapshot is lost. Go on?"]
        assert answer(capsys, *snapshot, "delete", "lins", "before the exam")["status"] == "succeeded"
    assert said(capsys, *snapshot, "list", "lins").rstrip().splitlines()[-1].startswith("0 of ")


def test_who_is_not_sure_loses_nothing(
    yunzhuo: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(_question: str, **_: object) -> None:
        raise click.Abort

    monkeypatch.setattr(click, "confirm", no)
    for command in (("bulk", "delete", "--all"), ("rebuild", "lins"), ("bulk", "rebuild", "lins", "meis")):
        assert main(["desktop", *command]) == INTERRUPTED
    assert {each["name"]: each["state"] for each in answer(capsys, "desktop", "list")["items"]} == {
        "lins": "available",
        "meis": "available",
    }


def test_many_are_changed_by_name_or_all_that_fit(yunzhuo: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Say which desktops, or --all." in refusal(capsys, "desktop", "bulk", "stop")
    assert "Say which desktops, or --all." in refusal(capsys, "desktop", "bulk", "stop", "lins", "--all")
    told = said(capsys, "desktop", "bulk", "stop", "--all", "--owner", "lin@school.local", "--dry-run")
    assert "1 of 1 would be accepted." in told
    assert "meis" not in told
    assert "1 of 1 accepted." in said(capsys, "desktop", "bulk", "delete", "meis", "--yes")
    yunzhuo.run()
    assert "0 of 0 accepted." in said(capsys, "desktop", "bulk", "start", "--all", "--state", "stopped")
    assert "lins" in said(capsys, "desktop", "bulk", "stop", "--all", "--state", "available")


def test_what_a_worker_did_is_shown_with_what_went_wrong(yunzhuo: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    lin = yunzhuo.services.accounts.by_email("lin@school.local").actor()
    failed = yunzhuo.failed(lin, name="never")
    (entry,) = [each for each in answer(capsys, "operations", "list")["items"] if each["desktop_id"] == failed]
    told = said(capsys, "operations", "show", entry["id"])
    assert "reason" in told
    assert "attempts" in told
    (retried,) = answer(capsys, "operations", "retry", "--all")["results"]
    assert retried["operation"]["desktop_id"] == failed
    assert "There are none." in said(capsys, "operations", "retry", "--all")


def test_nobody_who_runs_it_is_needed_only_where_nobody_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.person("lin")
    assert "There is no administrator yet" in refusal(capsys, "desktop", "list")
    assert answer(capsys, "desktop", "--as", "lin@school.local", "list")["items"] == []
