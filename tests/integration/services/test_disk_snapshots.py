"""Personal disks: states of them that are kept and put back, and their end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.personal_disks import act, place, read, with_disk, write

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, YunzhuoError
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, Step
from yunzhuo.services.rules.personal_disks import DiskState


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "house", limits={"personal_disk_mib": 512, "snapshots_per_disk": 2}) as installed:
        yield installed


@pytest.fixture
def lin_of_house(house: Installation) -> Actor:
    return house.person("lin")


def test_snapshot_change_restore(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    (kept,) = disks.take_snapshot(lin, " Monday ").snapshots
    assert (kept.name, kept.is_kept) == ("Monday", True)
    with pytest.raises(InvalidInput):
        disks.take_snapshot(lin, "Monday")
    write(yunzhuo, desktop_id, b"changed")
    asked = disks.restore(lin, kept.id)
    assert asked is not None
    assert [step.name for step in asked.operation.steps] == [Step.DISCONNECT_DISK, Step.RESTORE_DISK, Step.CONNECT_DISK]
    yunzhuo.run()
    assert read(yunzhuo, desktop_id) == b"mine"
    assert place(disks.get(lin)) == (DiskState.CONNECTED, desktop_id)
    write(yunzhuo, desktop_id, b"changed again")
    act(yunzhuo, lin, desktop_id, Action.STOP)
    assert disks.restore(lin, kept.id) is None
    act(yunzhuo, lin, desktop_id, Action.START)
    assert read(yunzhuo, desktop_id) == b"mine"
    disks.delete_snapshot(lin, kept.id)
    assert disks.get(lin).snapshots == []
    with pytest.raises(NotFound):
        disks.restore(lin, kept.id)


def test_snapshots_are_limited_and_one_that_was_not_made_takes_no_place(house: Installation, lin_of_house: Actor) -> None:
    disks, lin = house.services.personal_disks, lin_of_house
    disks.create(lin)
    house.weather.faults.set(Fault(operation="volumes.snapshot", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(YunzhuoError):
        disks.take_snapshot(lin, "one")
    assert disks.get(lin).snapshots == []
    house.weather.faults.set(Fault(operation="volumes.snapshot", kind=FaultKind.FAIL_AFTER))
    with pytest.raises(YunzhuoError):
        disks.take_snapshot(lin, "one")
    assert [each.name for each in disks.get(lin).snapshots] == ["one"]
    disks.take_snapshot(lin, "two")
    with pytest.raises(LimitReached):
        disks.take_snapshot(lin, "three")
    assert len(disks.get(lin).snapshots) == disks.get(lin).snapshot_limit == 2


def test_a_disk_is_deleted_only_while_no_desktop_has_it(yunzhuo: Installation, lin: Actor) -> None:
    with_disk(yunzhuo, lin)
    disks = yunzhuo.services.personal_disks
    disks.take_snapshot(lin, "kept")
    with pytest.raises(Conflict):
        disks.delete(lin)
    disks.disconnect(lin)
    yunzhuo.run()
    disks.delete(lin)
    with pytest.raises(NotFound):
        disks.get(lin)
    assert not yunzhuo.cloud.volumes.list()
    assert disks.create(lin).snapshots == []


def test_a_cloud_that_is_away_keeps_a_deleted_disk_only_for_a_while(yunzhuo: Installation, lin: Actor) -> None:
    disks = yunzhuo.services.personal_disks
    disks.create(lin)
    yunzhuo.weather.faults.set(Fault(operation="volumes.delete", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(YunzhuoError):
        disks.delete(lin)
    with pytest.raises(NotFound):
        disks.get(lin)
    assert yunzhuo.cloud.volumes.list()
    yunzhuo.services.disk_upkeep.round()
    assert not yunzhuo.cloud.volumes.list()
