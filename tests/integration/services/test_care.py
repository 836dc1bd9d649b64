"""Looking after one desktop's server: what its owner, others and the installation itself can do to it meanwhile."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.installation import Installation, installation

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound, Unavailable
from yunzhuo.phoenix.db.models import AuditEntry
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.care import CareDeed
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State, Wanted


def _settled(yunzhuo: Installation) -> None:
    yunzhuo.pass_time(5)
    yunzhuo.services.reconciler.round()


def test_a_paused_desktop_is_suspended_and_resumed_by_its_owner(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.PAUSE)
    _settled(yunzhuo)
    seen = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (seen.state, seen.wanted) == (State.SUSPENDED, Wanted.SUSPENDED)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.RESUME)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_shelved_desktop_is_stopped_and_started_by_its_owner(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.SHELVE)
    _settled(yunzhuo)
    seen = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (seen.state, seen.wanted) == (State.STOPPED, Wanted.STOPPED)
    yunzhuo.services.desktops.rebuild(lin, desktop_id)
    yunzhuo.run()
    failure = yunzhuo.services.desktops.get(lin, desktop_id).failure
    assert failure is not None
    assert failure.code == "server_shelved"
    yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_locked_desktop_is_used_and_changed_by_nobody(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.LOCK)
    seen = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (seen.state, seen.is_locked, seen.is_reachable, seen.actions) == (State.AVAILABLE, True, True, frozenset())
    for actor in (lin, boss):
        for action in (Action.STOP, Action.DELETE, Action.SUSPEND):
            with pytest.raises(Conflict) as refusal:
                yunzhuo.services.desktops.act(actor, desktop_id, action)
            assert refusal.value.code == "desktop_locked"
    with pytest.raises(Conflict):
        yunzhuo.services.care.do(boss, desktop_id, CareDeed.SHELVE)
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.UNLOCK)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED


def test_a_lock_that_was_put_on_in_the_cloud_is_seen(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.cloud.care.lock(server.id)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).is_locked
    yunzhuo.cloud.care.unlock(server.id)
    yunzhuo.services.reconciler.round()
    assert not yunzhuo.services.desktops.get(lin, desktop_id).is_locked


def test_a_rescued_desktop_comes_back_as_it_was(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    image_id = yunzhuo.services.desktops.get(lin, desktop_id).image_id
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.RESCUE, image_id=image_id)
    _settled(yunzhuo)
    seen = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (seen.state, seen.is_reachable, seen.actions) == (State.RESCUED, True, frozenset({Action.DELETE}))
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.UNRESCUE)
    _settled(yunzhuo)
    _settled(yunzhuo)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_a_rescued_desktop_is_not_put_into_the_bin(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.leases.put_terms(boss, boss.organization_id, Terms(bin_days=3))
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.RESCUE)
    _settled(yunzhuo)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    assert refusal.value.code == "not_possible_now"
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE, for_good=True)
    yunzhuo.run()
    assert yunzhuo.cloud.servers.list() == ()


def test_a_locked_desktop_outlives_its_end_until_it_is_unlocked(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.leases.set_end(boss, desktop_id, yunzhuo.clock.now() + timedelta(days=2))
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.LOCK)
    for _ in range(6):
        yunzhuo.services.lease_keeper.round()
        yunzhuo.pass_time(86_400)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    yunzhuo.services.care.do(boss, desktop_id, CareDeed.UNLOCK)
    yunzhuo.services.lease_keeper.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is not State.AVAILABLE


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        monkeypatch.setenv("YUNZHUO_DATABASE__URL", yunzhuo.settings.database.url)
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        yunzhuo.pass_time(1)
        yunzhuo.person("op", Role.OPERATOR)
        desktop_id = yunzhuo.available(yunzhuo.person("lin"), name="Maths")
    assert main(["desktop", "lock", "Maths"]) == 0
    assert main(["desktop", "shelve", "Maths"]) == 1
    assert "locked" in capsys.readouterr().err
    assert main(["desktop", "unlock", "Maths"]) == 0
    assert main(["desktop", "console-log", desktop_id]) == 0
    assert "boot" in capsys.readouterr().out
    assert main(["--json", "desktop", "rescue", "Maths"]) == 0
    assert json.loads(capsys.readouterr().out) == {"desktop_id": desktop_id, "deed": "rescue"}
    assert main(["desktop", "--as", "lin@school.local", "unrescue", "Maths"]) == 1
    assert main(["desktop", "security-groups", "Maths"]) == 1, "an administrator keeps no networks"
    assert main(["desktop", "--as", "op@school.local", "security-groups", "Maths"]) == 0
    assert "none" in capsys.readouterr().out


def test_what_is_being_changed_or_never_was_is_not_looked_after(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.care.do(boss, desktop_id, CareDeed.LOCK)
    assert refusal.value.code == "operation_in_progress"
    yunzhuo.run()
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.care.do(boss, desktop_id, CareDeed.PAUSE)
    assert refusal.value.code == "server_busy"
    with pytest.raises(Forbidden):
        yunzhuo.services.care.do(lin, desktop_id, CareDeed.LOCK)
    with pytest.raises(NotFound):
        yunzhuo.services.care.do(boss, "no-such-desktop", CareDeed.LOCK)


def test_what_the_cloud_did_not_answer_is_not_believed(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="care.lock", kind=FaultKind.FAIL_AFTER))
    with pytest.raises(Unavailable):
        yunzhuo.services.care.do(boss, desktop_id, CareDeed.LOCK)
    assert not yunzhuo.services.desktops.get(lin, desktop_id).is_locked
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).is_locked, "as it is in the cloud"


def test_the_console_log_is_read_on_record(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    assert "YUNZHUO READY" in yunzhuo.services.care.console_log(boss, desktop_id)
    with pytest.raises(Forbidden):
        yunzhuo.services.care.console_log(lin, desktop_id)
    database = Database(yunzhuo.settings.database_url)
    try:
        with database.reading() as tx:
            entries = tx.scalars(select(AuditEntry).where(AuditEntry.verb == "desktop:console_log")).all()
            assert sorted(entry.outcome for entry in entries) == ["done", "refused"]
    finally:
        database.close()
