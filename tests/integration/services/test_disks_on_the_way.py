"""A personal disk between two desktops, when one of them is changed, deleted, or whoever moves it lets go."""

import pytest
from tests.support.installation import Installation
from tests.support.personal_disks import place, read, server_of, volume_holder, with_disk

from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step
from yunzhuo.services.rules.personal_disks import DiskState

pytestmark = pytest.mark.slow


@pytest.fixture
def desktops(yunzhuo: Installation, lin: Actor) -> tuple[str, str]:
    """One that has the disk, and one that is to get it."""
    return with_disk(yunzhuo, lin), yunzhuo.available(lin)


def begin_to_bring_it(yunzhuo: Installation, lin: Actor, second: str) -> str:
    """The second desktop claims the disk, and its worker dies before it asks the cloud; answers the operation."""
    operation_id = yunzhuo.services.personal_disks.connect(lin, second).operation.id
    claim = yunzhuo.services.engine.claim(operation_id)
    assert claim is not None
    assert claim.step is Step.FETCH_DISK
    return operation_id


def test_a_desktop_gives_it_back_before_its_own_change(yunzhuo: Installation, lin: Actor, desktops: tuple[str, str]) -> None:
    first, second = desktops
    begin_to_bring_it(yunzhuo, lin, second)
    suspended = yunzhuo.services.desktops.act(lin, first, Action.SUSPEND)
    assert [step.name for step in suspended.operation.steps] == [Step.DISCONNECT_DISK, Step.SUSPEND, Step.SUSPENDED]
    yunzhuo.run(5)
    assert volume_holder(yunzhuo) is None
    assert yunzhuo.services.desktops.get(lin, first).state is State.SUSPENDED
    yunzhuo.pass_time(yunzhuo.settings.operations.lease_seconds)
    yunzhuo.run()
    assert place(yunzhuo.services.personal_disks.get(lin)) == (DiskState.CONNECTED, second)
    assert read(yunzhuo, second) == b"mine"


def test_when_the_desktop_that_was_to_get_it_is_deleted_it_stays(
    yunzhuo: Installation, lin: Actor, desktops: tuple[str, str]
) -> None:
    first, second = desktops
    begin_to_bring_it(yunzhuo, lin, second)
    yunzhuo.pass_time(yunzhuo.settings.operations.lease_seconds)
    yunzhuo.services.desktops.act(lin, second, Action.DELETE)
    yunzhuo.run()
    assert yunzhuo.cloud.servers.find(second) is None
    assert volume_holder(yunzhuo) == server_of(yunzhuo, first)
    yunzhuo.services.disk_upkeep.round()
    assert place(yunzhuo.services.personal_disks.get(lin)) == (DiskState.CONNECTED, first)
    assert read(yunzhuo, first) == b"mine"


def test_when_the_change_is_cancelled_the_cloud_says_where_it_is(
    yunzhuo: Installation, lin: Actor, desktops: tuple[str, str]
) -> None:
    first, second = desktops
    operation_id = begin_to_bring_it(yunzhuo, lin, second)
    yunzhuo.services.operations.cancel(lin, operation_id)
    yunzhuo.pass_time(yunzhuo.settings.operations.lease_seconds)
    yunzhuo.run()
    yunzhuo.services.disk_upkeep.round()
    disks = yunzhuo.services.personal_disks
    assert place(disks.get(lin)) == (DiskState.CONNECTED, first)
    again = disks.connect(lin, second).operation.id
    yunzhuo.run()
    assert yunzhuo.services.desktops.operation(lin, again).status is OperationStatus.SUCCEEDED
    assert place(disks.get(lin)) == (DiskState.CONNECTED, second)
    assert read(yunzhuo, second) == b"mine"


@pytest.mark.parametrize("action", [Action.SNAPSHOT, Action.SUSPEND])
def test_what_the_table_does_not_know_to_be_there_keeps_no_change_waiting(
    yunzhuo: Installation, lin: Actor, desktops: tuple[str, str], action: Action
) -> None:
    """A call to attach it, whose answer was lost, came through after the disk had been given back."""
    first, _ = desktops
    disks = yunzhuo.services.personal_disks
    disks.disconnect(lin)
    yunzhuo.run()
    (volume,) = yunzhuo.cloud.volumes.list()
    yunzhuo.cloud.volumes.attach(volume.id, server_of(yunzhuo, first))
    if action is Action.SNAPSHOT:
        yunzhuo.services.snapshots.create(lin, first, "Monday")
    else:
        yunzhuo.services.desktops.act(lin, first, action)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, first).operation.status is OperationStatus.SUCCEEDED
    yunzhuo.services.disk_upkeep.round()
    # What ends running is given its owner's disk in the end.
    is_given_again = action is Action.SNAPSHOT
    assert place(disks.get(lin)) == ((DiskState.CONNECTED, first) if is_given_again else (DiskState.FREE, None))
    assert volume_holder(yunzhuo) == (server_of(yunzhuo, first) if is_given_again else None)


def test_a_round_that_finds_nothing_new_writes_nothing(yunzhuo: Installation, lin: Actor, desktops: tuple[str, str]) -> None:
    yunzhuo.services.disk_upkeep.round()
    before = yunzhuo.everything_stored()
    yunzhuo.services.disk_upkeep.round()
    assert yunzhuo.everything_stored() == before
    assert place(yunzhuo.services.personal_disks.get(lin)) == (DiskState.CONNECTED, desktops[0])
