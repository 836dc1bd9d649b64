"""Snapshots: kept under names, counted, rolled back to, and true to the cloud."""

from pathlib import Path
from threading import Barrier, Thread

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, YunzhuoError
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State
from yunzhuo.services.snapshots import SnapshotView

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow


def server_of(yunzhuo: Installation, desktop_id: str) -> str:
    found = yunzhuo.cloud.servers.find(desktop_id)
    assert found is not None
    return found.id


def keep(yunzhuo: Installation, actor: Actor, desktop_id: str, name: str) -> SnapshotView:
    yunzhuo.services.snapshots.create(actor, desktop_id, name)
    yunzhuo.run()
    return next(each for each in yunzhuo.services.snapshots.list(actor, desktop_id).items if each.name == name)


def names(yunzhuo: Installation, actor: Actor, desktop_id: str) -> list[str]:
    return [snapshot.name for snapshot in yunzhuo.services.snapshots.list(actor, desktop_id).items]


def test_snapshot_change_roll_back_the_change_is_gone_memory_too(yunzhuo: Installation, lin: Actor) -> None:
    snapshots, guest, desktop_id = yunzhuo.services.snapshots, yunzhuo.cloud.guest, yunzhuo.available(lin)
    server_id = server_of(yunzhuo, desktop_id)
    guest.write_file(server_id, "/root/notes", b"before")
    guest.set_clipboard(server_id, "before")
    assert snapshots.create(lin, desktop_id, " before ").desktop.state is State.SNAPSHOTTING
    (pending,) = snapshots.list(lin, desktop_id).items
    assert (pending.name, pending.is_kept) == ("before", False)
    yunzhuo.run()
    (kept,) = snapshots.list(lin, desktop_id).items
    assert kept.is_kept
    assert kept.has_memory
    assert kept.size_mib > 0
    guest.write_file(server_id, "/root/notes", b"after")
    guest.set_clipboard(server_id, "after")
    assert snapshots.roll_back(lin, desktop_id, kept.id).desktop.state is State.ROLLING_BACK
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert guest.read_file(server_id, "/root/notes", max_bytes=100) == b"before"
    assert guest.get_clipboard(server_id) == "before"
    assert names(yunzhuo, lin, desktop_id) == ["before"]
    snapshots.delete(lin, desktop_id, kept.id)
    yunzhuo.run()
    assert names(yunzhuo, lin, desktop_id) == []
    assert yunzhuo.cloud.servers.snapshots(server_id) == ()


def test_a_stopped_desktop_rolled_back_to_memory_runs_on(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    kept = keep(yunzhuo, lin, desktop_id, "running")
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    assert not keep(yunzhuo, lin, desktop_id, "off").has_memory
    yunzhuo.services.snapshots.roll_back(lin, desktop_id, kept.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    off = next(each for each in yunzhuo.services.snapshots.list(lin, desktop_id).items if each.name == "off")
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    yunzhuo.services.snapshots.roll_back(lin, desktop_id, off.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED


def test_a_broken_desktop_can_be_rolled_back(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    kept = keep(yunzhuo, lin, desktop_id, "good")
    yunzhuo.weather.disturb.fail(server_of(yunzhuo, desktop_id))
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.ERROR
    yunzhuo.services.snapshots.roll_back(lin, desktop_id, kept.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_after_a_resize_memory_is_of_no_use_and_the_disk_goes_back(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    kept = keep(yunzhuo, lin, desktop_id, "small")
    desktops.resize(lin, desktop_id, desktops.sizes(lin, desktop_id)[0])
    yunzhuo.run()
    desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    yunzhuo.services.snapshots.roll_back(lin, desktop_id, kept.id)
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.STOPPED
    assert desktops.get(lin, desktop_id).flavor_name == "Medium"


def test_names_are_checked_and_not_given_twice(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    keep(yunzhuo, lin, desktop_id, "Lesson 1")
    for name in ("", "\u202e", "x" * 65, "Lesson 1"):
        with pytest.raises(InvalidInput) as refusal:
            yunzhuo.services.snapshots.create(lin, desktop_id, name)
        assert set(refusal.value.fields) == {"name"}
    assert names(yunzhuo, lin, desktop_id) == ["Lesson 1"]


def test_the_limit_holds_and_deleting_makes_room(tmp_path: Path) -> None:
    with installation(tmp_path / "home", limits={"snapshots_per_desktop": 2}) as yunzhuo:
        lin = yunzhuo.person("lin")
        desktop_id = yunzhuo.available(lin)
        keep(yunzhuo, lin, desktop_id, "one")
        two = keep(yunzhuo, lin, desktop_id, "two")
        with pytest.raises(LimitReached) as refusal:
            yunzhuo.services.snapshots.create(lin, desktop_id, "three")
        assert refusal.value.details == {"used": 2, "limit": 2}
        yunzhuo.services.snapshots.delete(lin, desktop_id, two.id)
        yunzhuo.run()
        keep(yunzhuo, lin, desktop_id, "three")
        assert names(yunzhuo, lin, desktop_id) == ["three", "one"]


def test_of_many_requests_at_once_one_takes_the_last_place(tmp_path: Path) -> None:
    with installation(tmp_path / "home", limits={"snapshots_per_desktop": 1}) as yunzhuo:
        lin = yunzhuo.person("lin")
        desktop_id = yunzhuo.available(lin)
        start, outcomes = Barrier(6), []

        def ask(number: int) -> None:
            start.wait()
            try:
                yunzhuo.services.snapshots.create(lin, desktop_id, f"number {number}")
                outcomes.append("taken")
            except YunzhuoError as error:
                outcomes.append(error.code)

        threads = [Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("taken") == 1
        yunzhuo.run()
        assert len(yunzhuo.cloud.servers.snapshots(server_of(yunzhuo, desktop_id))) == 1


def test_a_snapshot_that_failed_gives_its_place_and_name_back(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.snapshot", kind=FaultKind.FAIL_BEFORE, count=None))
    accepted = yunzhuo.services.snapshots.create(lin, desktop_id, "one")
    yunzhuo.run(seconds=200)
    assert yunzhuo.services.desktops.operation(lin, accepted.operation.id).status is OperationStatus.FAILED
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert names(yunzhuo, lin, desktop_id) == []
    yunzhuo.weather.faults.clear()
    assert keep(yunzhuo, lin, desktop_id, "one").is_kept


def test_an_answer_that_got_lost_keeps_one_snapshot(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.snapshot", kind=FaultKind.FAIL_AFTER, count=2))
    keep(yunzhuo, lin, desktop_id, "one")
    assert len(yunzhuo.cloud.servers.snapshots(server_of(yunzhuo, desktop_id))) == 1
    assert names(yunzhuo, lin, desktop_id) == ["one"]


def test_a_rebuild_drops_what_the_cloud_drops_and_a_deletion_everything(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    keep(yunzhuo, lin, desktop_id, "one")
    yunzhuo.services.desktops.rebuild(lin, desktop_id)
    yunzhuo.run()
    in_cloud = yunzhuo.cloud.servers.snapshots(server_of(yunzhuo, desktop_id))
    assert len(names(yunzhuo, lin, desktop_id)) == len(in_cloud)
    kept = keep(yunzhuo, lin, desktop_id, "two")
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run()
    with pytest.raises(NotFound):
        yunzhuo.services.snapshots.get(lin, desktop_id, kept.id)


def test_the_reconciler_sees_what_was_done_behind_our_back(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    server_id = server_of(yunzhuo, desktop_id)
    keep(yunzhuo, lin, desktop_id, "ours")
    yunzhuo.cloud.servers.snapshot(server_id, "ours")
    yunzhuo.pass_time(1)
    yunzhuo.services.reconciler.round()
    found = names(yunzhuo, lin, desktop_id)
    assert len(found) == len(set(found)) == 2
    for snapshot in yunzhuo.cloud.servers.snapshots(server_id):
        yunzhuo.cloud.servers.delete_snapshot(server_id, snapshot.id)
    yunzhuo.services.reconciler.round()
    yunzhuo.services.reconciler.round()
    assert names(yunzhuo, lin, desktop_id) == []


def test_one_of_another_desktop_or_person_does_not_exist(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    snapshots, desktop_id, other_id = yunzhuo.services.snapshots, yunzhuo.available(lin), yunzhuo.available(lin)
    kept = keep(yunzhuo, lin, desktop_id, "one")
    with pytest.raises(NotFound, match="snapshot"):
        snapshots.roll_back(lin, other_id, kept.id)
    for ask in (snapshots.get, snapshots.roll_back, snapshots.delete):
        with pytest.raises(NotFound, match="desktop"):
            ask(mei, desktop_id, kept.id)


def test_a_suspended_desktop_is_not_rolled_back_but_its_snapshots_can_go(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    kept = keep(yunzhuo, lin, desktop_id, "one")
    yunzhuo.services.desktops.act(lin, desktop_id, Action.SUSPEND)
    yunzhuo.run()
    with pytest.raises(Conflict):
        yunzhuo.services.snapshots.roll_back(lin, desktop_id, kept.id)
    yunzhuo.services.snapshots.delete(lin, desktop_id, kept.id)
    yunzhuo.run()
    assert names(yunzhuo, lin, desktop_id) == []
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.SUSPENDED


def test_history_tells_who_did_what_page_by_page(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    keep(yunzhuo, lin, desktop_id, "one")
    yunzhuo.services.desktops.act(boss, desktop_id, Action.STOP)
    yunzhuo.run()
    first = yunzhuo.services.history.of_desktop(lin, desktop_id, limit=2)
    assert [(entry.operation.action, entry.user_email, entry.subject) for entry in first.items] == [
        (Action.STOP, boss.email, None),
        (Action.SNAPSHOT, lin.email, "one"),
    ]
    assert first.items[0].operation.steps
    rest = yunzhuo.services.history.of_desktop(lin, desktop_id, limit=2, cursor=first.next_cursor)
    assert [entry.operation.action for entry in rest.items] == [Action.CREATE]
    assert rest.next_cursor is None
    with pytest.raises(InvalidInput):
        yunzhuo.services.history.of_desktop(lin, desktop_id, cursor="nonsense")
