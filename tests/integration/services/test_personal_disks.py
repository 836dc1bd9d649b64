"""Personal disks: one a person, at one desktop at most, through everything that a desktop goes through."""

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from tests.support.installation import Installation, installation
from tests.support.personal_disks import OPEN, act, place, read, server_of, volume_holder, with_disk, write

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound, YunzhuoError
from yunzhuo.services.access import Actor
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step
from yunzhuo.services.rules.personal_disks import DiskState

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "house", limits={"personal_disk_mib": 512, "snapshots_per_disk": 2}) as installed:
        yield installed


def test_one_disk_a_person_within_the_limit(house: Installation, lin_of_house: Actor, mei_of_house: Actor) -> None:
    disks, lin = house.services.personal_disks, lin_of_house
    with pytest.raises(NotFound):
        disks.get(lin)
    for size_mib in (1, 513):
        with pytest.raises(InvalidInput):
            disks.create(lin, size_mib=size_mib)
    made = disks.create(lin)
    assert (made.size_mib, place(made), made.snapshots) == (512, (DiskState.FREE, None), [])
    with pytest.raises(Conflict, match="already"):
        disks.create(lin)
    assert disks.create(mei_of_house, size_mib=64).size_mib == 64
    assert sorted(volume.size_mib for volume in house.cloud.volumes.list()) == [64, 512]


@pytest.fixture
def lin_of_house(house: Installation) -> Actor:
    return house.person("lin")


@pytest.fixture
def mei_of_house(house: Installation) -> Actor:
    return house.person("mei")


def test_where_nobody_gets_one_that_is_said(tmp_path: Path) -> None:
    with installation(tmp_path / "home", limits={"personal_disk_mib": 0}) as yunzhuo:
        with pytest.raises(LimitReached):
            yunzhuo.services.personal_disks.create(yunzhuo.person())
        assert not yunzhuo.cloud.volumes.list()


def test_a_disk_that_the_cloud_does_not_make_is_not_there(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="volumes.create", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(YunzhuoError):
        yunzhuo.services.personal_disks.create(lin)
    with pytest.raises(NotFound):
        yunzhuo.services.personal_disks.get(lin)
    yunzhuo.weather.faults.set(Fault(operation="volumes.create", kind=FaultKind.FAIL_AFTER))
    with pytest.raises(YunzhuoError):
        yunzhuo.services.personal_disks.create(lin)
    assert len(yunzhuo.cloud.volumes.list()) == 1
    yunzhuo.services.disk_upkeep.round()
    assert not yunzhuo.cloud.volumes.list()
    assert yunzhuo.services.personal_disks.create(lin).state is DiskState.FREE


def test_the_disk_comes_with_a_new_desktop_and_stays_there(yunzhuo: Installation, lin: Actor) -> None:
    first = with_disk(yunzhuo, lin)
    disks = yunzhuo.services.personal_disks
    assert place(disks.get(lin)) == (DiskState.CONNECTED, first)
    usage = disks.usage(lin)
    assert usage is not None
    assert (usage.size_mib, usage.used_mib) == (10240, 1)
    second = yunzhuo.available(lin)
    created = yunzhuo.services.desktops.get(lin, second).operation
    assert created.steps[-1].name is Step.CONNECT_DISK
    assert created.steps[-1].detail == "The personal files are at another desktop."
    assert place(disks.get(lin)) == (DiskState.CONNECTED, first)
    assert volume_holder(yunzhuo) == server_of(yunzhuo, first)


def test_a_desktop_of_somebody_without_a_disk_has_no_steps_for_it(yunzhuo: Installation, lin: Actor) -> None:
    steps = [step.name for step in yunzhuo.services.desktops.get(lin, yunzhuo.available(lin)).operation.steps]
    assert steps == [Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY]


def test_brought_to_a_second_desktop_the_files_are_there(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    second = yunzhuo.available(lin)
    asked = disks.connect(lin, second)
    assert asked.desktop.state is State.CHANGING_DISK
    assert yunzhuo.services.consoles.open(lin, second, ConsoleProtocol.VNC).ticket, "nobody waits for files to see the screen"
    assert place(disks.get(lin)) == (DiskState.MOVING, first)
    yunzhuo.run()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert read(yunzhuo, second) == b"mine"
    with pytest.raises(NotFound):
        read(yunzhuo, first)
    assert yunzhuo.services.desktops.get(lin, second).state is State.AVAILABLE


def test_open_files_are_not_taken_away_unless_that_is_meant(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    second = yunzhuo.available(lin)
    write(yunzhuo, first, b"", OPEN)
    disks.connect(lin, second)
    yunzhuo.run()
    failed = yunzhuo.services.desktops.get(lin, second)
    assert failed.failure is not None
    assert failed.failure.code == "volume_in_use"
    assert "editor" in failed.failure.message
    assert failed.state is State.AVAILABLE
    assert place(disks.get(lin)) == (DiskState.CONNECTED, first)
    assert read(yunzhuo, first) == b"mine"
    yunzhuo.services.disk_upkeep.round()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, first)
    disks.connect(lin, second, force=True)
    yunzhuo.run()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    disks.disconnect(lin)
    yunzhuo.run()
    assert place(disks.get(lin)) == (DiskState.FREE, None)
    assert volume_holder(yunzhuo) is None


def test_a_desktop_that_is_stopped_or_suspended_lets_go_and_the_next_gets_it(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    assert act(yunzhuo, lin, first, Action.SUSPEND).state is State.SUSPENDED
    assert place(disks.get(lin)) == (DiskState.FREE, None)
    second = yunzhuo.available(lin)
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert act(yunzhuo, lin, first, Action.RESUME).state is State.AVAILABLE
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert act(yunzhuo, lin, second, Action.STOP).state is State.STOPPED
    assert place(disks.get(lin)) == (DiskState.FREE, None)
    assert act(yunzhuo, lin, second, Action.START).state is State.AVAILABLE
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert read(yunzhuo, second) == b"mine"


def test_a_suspend_is_refused_while_files_are_open_and_nothing_has_changed(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = with_disk(yunzhuo, lin)
    write(yunzhuo, desktop_id, b"", OPEN)
    refused = act(yunzhuo, lin, desktop_id, Action.SUSPEND)
    assert refused.failure is not None
    assert refused.failure.code == "volume_in_use"
    assert (refused.state, refused.wanted) == (State.AVAILABLE, "running")
    assert place(yunzhuo.services.personal_disks.get(lin)) == (DiskState.CONNECTED, desktop_id)


def test_a_desktop_that_stopped_by_itself_keeps_nobody_from_the_disk(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    yunzhuo.weather.disturb.kill(server_of(yunzhuo, first))
    yunzhuo.services.reconciler.round()
    second = yunzhuo.available(lin)
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert read(yunzhuo, second) == b"mine"


@pytest.mark.parametrize("verb", ["rebuild", "resize", "snapshot"])
def test_changes_that_the_disk_must_not_be_there_for_give_it_back_afterwards(
    yunzhuo: Installation, lin: Actor, verb: str
) -> None:
    desktop_id, services = with_disk(yunzhuo, lin), yunzhuo.services
    match verb:
        case "rebuild":
            asked = services.desktops.rebuild(lin, desktop_id)
        case "resize":
            asked = services.desktops.resize(lin, desktop_id, services.desktops.sizes(lin, desktop_id)[0])
        case _:
            asked = services.snapshots.create(lin, desktop_id, "before")
    assert [asked.operation.steps[0].name, asked.operation.steps[-1].name] == [Step.DISCONNECT_DISK, Step.CONNECT_DISK]
    yunzhuo.run()
    assert services.desktops.operation(lin, asked.operation.id).status is OperationStatus.SUCCEEDED
    assert place(services.personal_disks.get(lin)) == (DiskState.CONNECTED, desktop_id)
    assert read(yunzhuo, desktop_id) == b"mine"


def test_a_desktop_rolled_back_does_not_roll_back_the_files(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id, snapshots = with_disk(yunzhuo, lin), yunzhuo.services.snapshots
    snapshots.create(lin, desktop_id, "before")
    yunzhuo.run()
    write(yunzhuo, desktop_id, b"newer")
    snapshots.roll_back(lin, desktop_id, snapshots.list(lin, desktop_id).items[0].id)
    yunzhuo.run()
    assert read(yunzhuo, desktop_id) == b"newer"


@pytest.mark.parametrize("action", [Action.DELETE, Action.FORCE_DELETE])
def test_files_outlive_their_desktop(yunzhuo: Installation, lin: Actor, boss: Actor, action: Action) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    yunzhuo.services.desktops.act(boss, first, action)
    yunzhuo.run()
    yunzhuo.pass_time(5)
    assert place(disks.get(lin)) == (DiskState.FREE, None)
    assert read(yunzhuo, yunzhuo.available(lin)) == b"mine"


def test_nobody_reaches_somebody_elses_files(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    desktop_id, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    (kept,) = disks.take_snapshot(lin, "mine").snapshots
    theirs = yunzhuo.available(mei)
    for other in (mei, boss):
        with pytest.raises(NotFound):
            disks.get(other)
        disks.create(other)
        with pytest.raises(NotFound):
            disks.restore(other, kept.id)
        with pytest.raises(NotFound):
            disks.delete_snapshot(other, kept.id)
    with pytest.raises(NotFound):
        disks.connect(mei, desktop_id)
    for other_desktop in (desktop_id, theirs):
        with pytest.raises(Forbidden):
            disks.connect(boss, other_desktop)
    assert place(disks.get(lin)) == (DiskState.CONNECTED, desktop_id)


def test_a_desktop_that_is_handed_over_leaves_the_files_behind(
    yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor
) -> None:
    desktop_id, people = with_disk(yunzhuo, lin), yunzhuo.services.people
    write(yunzhuo, desktop_id, b"", OPEN)
    assert people.get(boss, lin.user_id).disk_mib == 10240
    with pytest.raises(Conflict) as refused:
        people.delete(boss, lin.user_id, DesktopsOfDeleted(mei.user_id))
    assert refused.value.code == "user_has_personal_disk"
    people.delete(boss, lin.user_id, DesktopsOfDeleted(mei.user_id), with_disk=True)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(mei, desktop_id).state is State.AVAILABLE
    with pytest.raises(NotFound):
        read(yunzhuo, desktop_id)
    yunzhuo.services.disk_upkeep.round()
    assert not yunzhuo.cloud.volumes.list()


def test_an_account_goes_with_its_desktops_and_its_disk(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    with_disk(yunzhuo, lin)
    yunzhuo.services.people.delete(boss, lin.user_id, DesktopsOfDeleted(), with_disk=True)
    yunzhuo.run()
    yunzhuo.services.disk_upkeep.round()
    assert not yunzhuo.cloud.volumes.list()
    assert not yunzhuo.cloud.servers.list()


def test_a_desktop_is_made_even_when_the_disk_cannot_come(yunzhuo: Installation, lin: Actor) -> None:
    disks = yunzhuo.services.personal_disks
    disks.create(lin)
    yunzhuo.weather.faults.set(Fault(operation="volumes.attach", kind=FaultKind.FAIL_BEFORE))
    desktop_id = yunzhuo.available(lin)
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert place(disks.get(lin)) == (DiskState.WAITING, desktop_id)
    yunzhuo.services.disk_upkeep.round()
    yunzhuo.run()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, desktop_id)


def test_what_the_cloud_says_of_the_place_counts(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    second = yunzhuo.available(lin)
    (volume,) = yunzhuo.cloud.volumes.list()
    yunzhuo.cloud.volumes.detach(volume.id, server_of(yunzhuo, first))
    yunzhuo.cloud.volumes.attach(volume.id, server_of(yunzhuo, second))
    yunzhuo.services.disk_upkeep.round()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)


def test_of_desktops_that_start_at_once_one_gets_the_disk(yunzhuo: Installation, lin: Actor) -> None:
    first = with_disk(yunzhuo, lin)
    second = yunzhuo.available(lin)
    for desktop_id in (first, second):
        act(yunzhuo, lin, desktop_id, Action.STOP)
    asked = [yunzhuo.services.desktops.act(lin, desktop_id, Action.START).operation.id for desktop_id in (first, second)]
    gate = Barrier(2)

    def advance(operation_id: str) -> None:
        gate.wait()
        yunzhuo.services.engine.advance(operation_id)

    while any(yunzhuo.is_active(lin, operation_id) for operation_id in asked):
        workers = [Thread(target=advance, args=(operation_id,)) for operation_id in asked]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        yunzhuo.pass_time(0.2)
    view = yunzhuo.services.personal_disks.get(lin)
    assert view.state is DiskState.CONNECTED
    assert view.desktop is not None
    assert volume_holder(yunzhuo) == server_of(yunzhuo, view.desktop.id)


def test_a_worker_that_dies_on_the_way_loses_nothing(yunzhuo: Installation, lin: Actor) -> None:
    first, disks = with_disk(yunzhuo, lin), yunzhuo.services.personal_disks
    second = yunzhuo.available(lin)
    operation_id = disks.connect(lin, second).operation.id
    engine = yunzhuo.services.engine
    claim = engine.claim(operation_id)
    assert claim is not None
    assert claim.subject.disk is not None
    assert claim.subject.disk.leaving_server_id == server_of(yunzhuo, first)
    yunzhuo.pass_time(yunzhuo.settings.operations.lease_seconds + 1)
    yunzhuo.run()
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert volume_holder(yunzhuo) == server_of(yunzhuo, second)
