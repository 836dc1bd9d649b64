"""Floating IPs: one desktop has one at most, by the database; given back on every way out; what differs is put right."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, LimitReached, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.addresses import AddressState
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.addresses import LATE
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State
from yunzhuo.services.rules.reconcile import FindingKind, Thing

pytestmark = pytest.mark.slow

KEEP_SECONDS = 600.0


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as made:
        made.services.address_upkeep.round()
        yield made


@pytest.fixture
def boss(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("boss", Role.OPERATOR)


def assigned(yunzhuo: Installation, boss: Actor, desktop_id: str) -> str:
    """Give the desktop an address, and wait; answers the address."""
    yunzhuo.services.addresses.assign(boss, desktop_id)
    yunzhuo.run()
    address = yunzhuo.services.desktops.get(boss, desktop_id).address
    assert address is not None
    return address


def rounds(yunzhuo: Installation, number: int) -> None:
    """So many rounds of upkeep, as far apart as they are."""
    for _ in range(number):
        yunzhuo.services.address_upkeep.round()
        yunzhuo.services.port_upkeep.round()
        yunzhuo.run()
        yunzhuo.pass_time(30)


def in_the_cloud(yunzhuo: Installation) -> dict[str, str | None]:
    """Each address, and the desktop that it leads to."""
    desktops = {server.id: server.desktop_id for server in yunzhuo.cloud.servers.list()}
    return {ip.address: desktops.get(ip.server_id or "") for ip in yunzhuo.cloud.addresses.list()}


def in_the_table(yunzhuo: Installation) -> list[tuple[str | None, str | None]]:
    with yunzhuo.connection() as connection:
        rows = connection.execute(text("SELECT address, desktop_id FROM addresses WHERE given_up_at IS NULL ORDER BY address"))
        return [(address, desktop_id) for address, desktop_id in rows]


def test_a_desktop_is_given_one_and_gives_it_back(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    before = yunzhuo.services.desktops.get(boss, desktop_id)
    assert (Action.ASSIGN_ADDRESS in before.actions, Action.RELEASE_ADDRESS in before.actions) == (True, False)
    accepted = yunzhuo.services.addresses.assign(boss, desktop_id)
    assert accepted.desktop.state is State.CHANGING_ADDRESS
    yunzhuo.run()
    seen = yunzhuo.services.desktops.get(lin, desktop_id)
    assert in_the_cloud(yunzhuo) == {seen.address: desktop_id}
    assert not seen.actions & {Action.ASSIGN_ADDRESS, Action.RELEASE_ADDRESS}, "that is not for its person to say"
    assert Action.RELEASE_ADDRESS in yunzhuo.services.desktops.get(boss, desktop_id).actions
    with pytest.raises(Conflict, match="already"):
        yunzhuo.services.addresses.assign(boss, desktop_id)
    yunzhuo.services.addresses.release(boss, desktop_id)
    yunzhuo.run()
    assert in_the_cloud(yunzhuo) == {seen.address: None}
    assert yunzhuo.services.desktops.get(lin, desktop_id).address is None
    with pytest.raises(Conflict, match="no address"):
        yunzhuo.services.addresses.release(boss, desktop_id)
    (view,) = yunzhuo.services.addresses.list(boss)
    assert (view.address, view.state, view.desktop_id) == (seen.address, AddressState.FREE, None)


def test_the_pool_gives_what_was_free_for_longest_and_lets_go_of_it_in_time(
    yunzhuo: Installation, lin: Actor, boss: Actor
) -> None:
    one, other = yunzhuo.available(lin), yunzhuo.available(lin)
    addresses = [assigned(yunzhuo, boss, one), assigned(yunzhuo, boss, other)]
    for desktop_id in (one, other):
        yunzhuo.services.addresses.release(boss, desktop_id)
        yunzhuo.run()
        yunzhuo.pass_time(1)
    made = yunzhuo.weather.calls.count("addresses.create")
    assert assigned(yunzhuo, boss, other) == addresses[0]
    assert yunzhuo.weather.calls.count("addresses.create") == made
    yunzhuo.pass_time(KEEP_SECONDS)
    rounds(yunzhuo, 1)
    assert in_the_cloud(yunzhuo) == {addresses[0]: other}
    yunzhuo.pass_time(LATE.total_seconds())
    rounds(yunzhuo, 1)
    with yunzhuo.connection() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM addresses")) == 1


@pytest.mark.parametrize("way", [Action.DELETE, Action.FORCE_DELETE])
def test_a_desktop_that_goes_gives_it_back(yunzhuo: Installation, lin: Actor, boss: Actor, way: Action) -> None:
    desktop_id = yunzhuo.available(lin)
    address = assigned(yunzhuo, boss, desktop_id)
    yunzhuo.services.desktops.act(boss, desktop_id, way)
    yunzhuo.run()
    rounds(yunzhuo, 2)
    assert in_the_cloud(yunzhuo) == {address: None}
    assert in_the_table(yunzhuo) == [(address, None)]
    again = yunzhuo.available(lin)
    assert assigned(yunzhuo, boss, again) == address


def test_an_address_that_may_still_lead_somewhere_is_given_to_nobody(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    """Its desktop was forgotten by force, and the cloud does not let its server go yet."""
    one, other = yunzhuo.available(lin), yunzhuo.available(lin)
    address = assigned(yunzhuo, boss, one)
    yunzhuo.weather.change_options(delete_seconds=100_000)
    yunzhuo.services.desktops.act(boss, one, Action.FORCE_DELETE)
    yunzhuo.run(5)
    assert assigned(yunzhuo, boss, other) != address
    assert sorted(state.state for state in yunzhuo.services.addresses.list(boss)) == [AddressState.IN_USE, AddressState.LEAVING]
    rounds(yunzhuo, 2)
    assert in_the_cloud(yunzhuo)[address] is None, "taken away although its server is there"
    third = yunzhuo.available(lin)
    assert assigned(yunzhuo, boss, third) == address


def test_what_could_not_be_assigned_is_given_back(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for operation in ("addresses.create", "addresses.associate"):
        yunzhuo.weather.faults.set(Fault(operation=operation, kind=FaultKind.REFUSE))
        accepted = yunzhuo.services.addresses.assign(boss, desktop_id)
        yunzhuo.run()
        failed = yunzhuo.services.desktops.operation(boss, accepted.operation.id)
        assert failed.status is OperationStatus.FAILED
        seen = yunzhuo.services.desktops.get(boss, desktop_id)
        assert (seen.address, seen.state) == (None, State.AVAILABLE)
        assert Action.ASSIGN_ADDRESS in seen.actions
    retried = yunzhuo.services.operations.retry(boss, accepted.operation.id)
    yunzhuo.run()
    assert yunzhuo.services.desktops.operation(boss, retried.id).status is OperationStatus.SUCCEEDED
    rounds(yunzhuo, 2)
    assert set(in_the_cloud(yunzhuo).values()) == {desktop_id, None}
    assert [view.state for view in yunzhuo.services.addresses.list(boss)] == [AddressState.IN_USE, AddressState.FREE]


def test_an_answer_that_was_lost_makes_no_second_one(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for operation in ("addresses.create", "addresses.associate", "addresses.dissociate"):
        yunzhuo.weather.faults.set(Fault(operation=operation, kind=FaultKind.FAIL_AFTER, count=2))
    address = assigned(yunzhuo, boss, desktop_id)
    assert in_the_cloud(yunzhuo) == {address: desktop_id}
    yunzhuo.services.addresses.release(boss, desktop_id)
    yunzhuo.run()
    assert in_the_cloud(yunzhuo) == {address: None}


def test_one_that_came_after_its_wish_had_failed_is_removed(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    attempts = yunzhuo.settings.operations.max_attempts
    yunzhuo.weather.faults.set(Fault(operation="addresses.create", kind=FaultKind.FAIL_AFTER, count=attempts))
    yunzhuo.services.addresses.assign(boss, desktop_id)
    yunzhuo.run(300)
    assert yunzhuo.services.desktops.get(boss, desktop_id).failure is not None
    assert len(in_the_cloud(yunzhuo)) == 1
    (finding,) = yunzhuo.services.address_upkeep.look()
    assert (finding.thing, finding.kind) == (Thing.ADDRESS, FindingKind.LEFT_BEHIND)
    rounds(yunzhuo, 1)
    assert len(in_the_cloud(yunzhuo)) == 1, "never at first sight"
    rounds(yunzhuo, 1)
    assert in_the_cloud(yunzhuo) == {}


def test_cancelling_takes_back_what_may_have_happened(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    unbegun = yunzhuo.services.addresses.assign(boss, desktop_id)
    assert yunzhuo.services.operations.cancel(boss, unbegun.operation.id).status is OperationStatus.CANCELLED
    assert yunzhuo.services.desktops.get(boss, desktop_id).address is None
    begun = yunzhuo.services.addresses.assign(boss, desktop_id)
    yunzhuo.take_step(begun.operation.id)
    undoing = yunzhuo.services.operations.cancel(boss, begun.operation.id)
    assert undoing.action is Action.RELEASE_ADDRESS
    yunzhuo.run()
    assert yunzhuo.services.desktops.operation(boss, undoing.id).status is OperationStatus.SUCCEEDED
    seen = yunzhuo.services.desktops.get(boss, desktop_id)
    assert (seen.address, seen.state) == (None, State.AVAILABLE)
    rounds(yunzhuo, 2)
    assert list(in_the_cloud(yunzhuo).values()) == [None]
    assigned(yunzhuo, boss, desktop_id)
    release = yunzhuo.services.addresses.release(boss, desktop_id)
    yunzhuo.services.operations.cancel(boss, release.operation.id)
    assert yunzhuo.services.desktops.get(boss, desktop_id).address is not None, "as if nobody had asked"


def test_a_deletion_goes_on_when_the_address_cannot_be_taken_away(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    address = assigned(yunzhuo, boss, desktop_id)
    yunzhuo.weather.faults.set(Fault(operation="addresses.*", kind=FaultKind.FAIL_BEFORE, count=None))
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run()
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, desktop_id)
    yunzhuo.weather.faults.clear()
    rounds(yunzhuo, 2)
    assert in_the_table(yunzhuo) == [(address, None)]
    assert [view.state for view in yunzhuo.services.addresses.list(boss)] == [AddressState.FREE]


def test_what_somebody_did_in_the_cloud_is_put_right(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    one, other = yunzhuo.available(lin), yunzhuo.available(lin)
    address = assigned(yunzhuo, boss, one)
    (ip,) = yunzhuo.cloud.addresses.list()
    servers = {server.desktop_id: server.id for server in yunzhuo.cloud.servers.list()}
    yunzhuo.cloud.addresses.dissociate(ip.id, servers[one])
    rounds(yunzhuo, 3)
    assert in_the_cloud(yunzhuo) == {address: one}, "led there again"
    yunzhuo.cloud.addresses.dissociate(ip.id, servers[one])
    yunzhuo.cloud.addresses.associate(ip.id, servers[other])
    rounds(yunzhuo, 3)
    assert in_the_cloud(yunzhuo) == {address: other}, "whose it is by now only a person can say"
    assert [finding.kind for finding in yunzhuo.services.address_upkeep.look()] == [FindingKind.ELSEWHERE]
    yunzhuo.services.addresses.release(boss, one)
    yunzhuo.run()
    rounds(yunzhuo, 3)
    assert in_the_cloud(yunzhuo) == {address: None}, "nobody's, so it leads nowhere"


def test_one_that_the_cloud_lost_is_nobodys_at_second_sight(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    address = assigned(yunzhuo, boss, desktop_id)
    yunzhuo.weather.faults.set(Fault(operation="addresses.list", kind=FaultKind.FORGET, count=2))
    rounds(yunzhuo, 3)
    assert yunzhuo.services.desktops.get(lin, desktop_id).address == address, "a list that forgets is not believed"
    (ip,), (server,) = yunzhuo.cloud.addresses.list(), yunzhuo.cloud.servers.list()
    yunzhuo.cloud.addresses.dissociate(ip.id, server.id)
    yunzhuo.cloud.addresses.delete(ip.id)
    rounds(yunzhuo, 1)
    assert yunzhuo.services.desktops.get(lin, desktop_id).address == address
    rounds(yunzhuo, 2)
    assert yunzhuo.services.desktops.get(lin, desktop_id).address is None
    assigned(yunzhuo, boss, desktop_id)


def test_what_is_not_ours_is_told_of_and_stays(yunzhuo: Installation, boss: Actor) -> None:
    yunzhuo.cloud.addresses.create("somebody-elses")
    rounds(yunzhuo, 3)
    assert len(yunzhuo.cloud.addresses.list()) == 1
    (left,) = yunzhuo.services.leftovers.list(boss)
    assert (left.kind, left.reason, left.is_removed_by_rule) == (Thing.ADDRESS, FindingKind.STRANGER, False)


def test_a_port_that_outlived_its_server_is_removed_at_second_sight(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    yunzhuo.weather.disturb.add_stranger()
    kept, going = yunzhuo.available(lin), yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.delete", kind=FaultKind.LEAK))
    yunzhuo.services.desktops.act(lin, going, Action.DELETE)
    yunzhuo.run()
    there = len(yunzhuo.cloud.networks.ports())
    (finding,) = yunzhuo.services.port_upkeep.look()
    assert (finding.thing, finding.desktop_id) == (Thing.PORT, going)
    rounds(yunzhuo, 1)
    assert len(yunzhuo.cloud.networks.ports()) == there, "never at first sight"
    (left,) = yunzhuo.services.leftovers.list(boss)
    assert (left.kind, left.is_removed_by_rule) == (Thing.PORT, True)
    rounds(yunzhuo, 1)
    servers = {server.id for server in yunzhuo.cloud.servers.list()}
    assert len(yunzhuo.cloud.networks.ports()) == there - 1 == 2
    assert {port.server_id for port in yunzhuo.cloud.networks.ports()} > servers, "the stranger's stays"
    assert yunzhuo.services.desktops.get(lin, kept).state is State.AVAILABLE


def test_a_server_that_is_still_being_removed_keeps_its_port(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.change_options(delete_seconds=100_000)
    yunzhuo.services.desktops.act(boss, desktop_id, Action.FORCE_DELETE)
    yunzhuo.run(5)
    rounds(yunzhuo, 3)
    assert len(yunzhuo.cloud.networks.ports()) == 1


def test_quotas_count_addresses(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    one, other = yunzhuo.available(lin), yunzhuo.available(lin)
    yunzhuo.services.quotas.put(boss, Subject.USER, lin.user_id, Resource.ADDRESSES, 1)
    assigned(yunzhuo, boss, one)
    (mine,) = [each for each in yunzhuo.services.quotas.mine(lin) if each.resource is Resource.ADDRESSES]
    assert (mine.used, mine.most) == (1, 1)
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.services.addresses.assign(boss, other)
    assert (refusal.value.details["used"], refusal.value.details["limit"]) == (1, 1)
    assert in_the_table(yunzhuo)[0][1] == one
    assert len(in_the_table(yunzhuo)) == 1, "a refused wish takes nothing"
    yunzhuo.services.addresses.release(boss, one)
    yunzhuo.run()
    assigned(yunzhuo, boss, other)


def test_six_who_ask_at_once_get_six_addresses_and_the_last_place_goes_to_one(
    yunzhuo: Installation, lin: Actor, boss: Actor
) -> None:
    desktops = [yunzhuo.available(lin) for _ in range(6)]
    for desktop_id in desktops[:2]:
        assigned(yunzhuo, boss, desktop_id)
    for desktop_id in desktops[:2]:
        yunzhuo.services.addresses.release(boss, desktop_id)
    yunzhuo.run()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda desktop_id: yunzhuo.services.addresses.assign(boss, desktop_id), desktops))
    yunzhuo.run()
    assert sorted(desktop_id or "" for desktop_id in in_the_cloud(yunzhuo).values()) == sorted(desktops)
    assert len(in_the_cloud(yunzhuo)) == 6, "two of them from the pool"
    for desktop_id in desktops:
        yunzhuo.services.addresses.release(boss, desktop_id)
    yunzhuo.run()
    yunzhuo.services.quotas.put(boss, Subject.ORGANIZATION, boss.organization_id, Resource.ADDRESSES, 1)

    def ask(desktop_id: str) -> int:
        with suppress(LimitReached):
            yunzhuo.services.addresses.assign(boss, desktop_id)
            return 1
        return 0

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(ask, desktops)) == 1


def test_a_cloud_without_says_so(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.change_options(external_networks=())
    yunzhuo.services.address_upkeep.round()
    assert not yunzhuo.services.addresses.is_offered(boss)
    assert Action.ASSIGN_ADDRESS not in yunzhuo.services.desktops.get(boss, desktop_id).actions
    with pytest.raises(CloudNotOffered):
        yunzhuo.services.addresses.assign(boss, desktop_id)


def test_people_do_not_open_doors_to_their_desktops_by_themselves(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for ask in (yunzhuo.services.addresses.assign, yunzhuo.services.addresses.release):
        with pytest.raises(Forbidden):
            ask(lin, desktop_id)
    assigned(yunzhuo, boss, desktop_id)
    chief = yunzhuo.person("chief", Role.ADMINISTRATOR)
    other = yunzhuo.available(lin)
    assigned(yunzhuo, boss, other)
    yunzhuo.services.addresses.release(boss, other)
    yunzhuo.run()
    assert [view.desktop_id for view in yunzhuo.services.addresses.list(chief)] == [desktop_id], (
        "free ones are operators' to see"
    )
    assert len(yunzhuo.services.addresses.list(boss)) == 2
