"""A cloud that is away for an hour of the clock: what was asked for meanwhile ends with a reason, nothing is lost."""

from contextlib import suppress

import pytest
from tests.support.installation import Installation
from tests.support.personal_disks import with_disk

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State

pytestmark = pytest.mark.slow

_MINUTES = 60


def a_minute(yunzhuo: Installation) -> None:
    """Workers work; everybody who looks at the whole cloud tries to."""
    yunzhuo.run(seconds=50)
    upkeep = (yunzhuo.services.reconciler, yunzhuo.services.address_upkeep, yunzhuo.services.port_upkeep)
    for each in upkeep:
        with suppress(Unavailable):
            each.round()
    with suppress(Unavailable):
        yunzhuo.services.disk_upkeep.round()
    yunzhuo.pass_time(10)


def in_the_cloud(yunzhuo: Installation) -> tuple[set[str], set[str], set[str]]:
    cloud = yunzhuo.cloud
    return (
        {server.id for server in cloud.servers.list()},
        {volume.id for volume in cloud.volumes.list()},
        {ip.id for ip in cloud.addresses.list()},
    )


def test_an_hour_without_a_cloud(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    services = yunzhuo.services
    services.address_upkeep.round()
    staying, leaving = with_disk(yunzhuo, lin), yunzhuo.available(lin)
    services.addresses.assign(boss, staying)
    yunzhuo.run()
    before = in_the_cloud(yunzhuo)
    coming = yunzhuo.request(lin)
    services.admission.round()
    services.engine.advance(coming.operation.id)  # its server is being made when the cloud goes
    made = {server.id for server in yunzhuo.cloud.servers.list()} - before[0]
    assert len(made) == 1
    yunzhuo.weather.faults.set(Fault(operation="*", kind=FaultKind.FAIL_BEFORE, count=None))
    deletion = services.desktops.act(lin, leaving, Action.DELETE).operation
    later = yunzhuo.request(lin)
    for _ in range(_MINUTES):
        a_minute(yunzhuo)
    operations = (coming.operation, deletion, later.operation)
    for operation in operations:
        record = services.operations.record(boss, operation.id)
        assert record.operation.status is OperationStatus.FAILED
        assert record.operation.error is not None
        assert record.operation.error.code == "cloud_unavailable"
        assert record.trace is not None
        assert list(record.trace.cloud_request_ids.values())[-1].startswith("call-")
    assert services.desktops.get(lin, staying).state is State.AVAILABLE

    yunzhuo.weather.faults.clear()
    for operation in operations:
        services.operations.retry(lin, operation.id)
    for _ in range(2):
        a_minute(yunzhuo)
    found = {desktop.id: desktop.state for desktop in services.desktops.list(lin).items}
    assert found == dict.fromkeys((staying, coming.desktop.id, later.desktop.id), State.AVAILABLE)
    servers, volumes, addresses = in_the_cloud(yunzhuo)
    assert made < servers, "what was being made when the cloud went is what its desktop has"
    assert {server.desktop_id for server in yunzhuo.cloud.servers.list()} == found.keys()
    assert (len(servers), volumes, addresses) == (len(found), before[1], before[2])
    assert services.desktops.get(boss, staying).address is not None
