"""Pools: spares stand ready, one click gives one away, nobody gets what was somebody's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.access import installation as itself
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.personal_disks import DiskState
from yunzhuo.services.rules.pools import Counts, Kind, Way

pytestmark = pytest.mark.slow


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home", limits={"desktops_per_user": 1}) as installed:
        yield installed


def counts(yunzhuo: Installation, boss: Actor, pool_id: str) -> Counts:
    return yunzhuo.services.pools.get(boss, pool_id).counts


def test_a_spare_is_somebodys_at_once_and_another_one_is_built(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=5, spares=2)
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=2)
    (offer,) = yunzhuo.services.claims.mine(lin)
    assert (offer.is_ready, offer.is_full, offer.desktop_id) == (True, False, None)
    claimed = yunzhuo.services.claims.claim(lin, pool_id)
    assert claimed.way is Way.READY
    assert claimed.desktop.state is State.AVAILABLE
    assert claimed.desktop.owner_id == lin.user_id
    again = yunzhuo.services.claims.claim(lin, pool_id)
    assert (again.way, again.desktop.id) == (Way.HAD, claimed.desktop.id)
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=2, in_use=1)
    assert yunzhuo.services.claims.mine(lin)[0].desktop_id == claimed.desktop.id


def test_who_comes_first_gets_what_is_being_built(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=2, spares=1)
    yunzhuo.services.pool_keeper.round()
    first, second = (yunzhuo.services.claims.claim(each, pool_id) for each in (lin, mei))
    assert (first.way, second.way) == (Way.COMING, Way.BUILT)
    assert first.desktop.state is second.desktop.state is State.BUILDING
    assert first.desktop.id != second.desktop.id
    settle(yunzhuo)
    for person in (lin, mei):
        assert [each.state for each in yunzhuo.services.desktops.list(person).items] == [State.AVAILABLE]
    assert counts(yunzhuo, boss, pool_id) == Counts(in_use=2)


def test_a_full_pool_says_so(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=1, spares=1)
    settle(yunzhuo)
    yunzhuo.services.claims.claim(lin, pool_id)
    assert yunzhuo.services.claims.mine(mei)[0].is_full
    with pytest.raises(LimitReached, match="taken"):
        yunzhuo.services.claims.claim(mei, pool_id)
    yunzhuo.services.claims.release(lin, pool_id)
    settle(yunzhuo)
    assert yunzhuo.services.claims.claim(mei, pool_id).way is Way.READY


def test_a_released_desktop_is_replaced_and_never_given_again(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=2, spares=1)
    settle(yunzhuo)
    used = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    settle(yunzhuo)
    assert yunzhuo.services.claims.release(lin, pool_id).operation.action is Action.DELETE
    fresh = yunzhuo.services.claims.claim(lin, pool_id)  # at once, while the old one is still being deleted
    assert (fresh.way, fresh.desktop.id == used) == (Way.READY, False)
    settle(yunzhuo)
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, used)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=1, in_use=1)
    assert len(yunzhuo.cloud.servers.list()) == 2


def test_the_personal_disk_follows(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=1)
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.services.disk_upkeep.round()
    settle(yunzhuo)
    seen: list[str] = []
    for _ in range(2):
        desktop_id = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
        settle(yunzhuo)
        disk = yunzhuo.services.personal_disks.get(lin)
        assert disk is not None
        assert (disk.state, disk.desktop and disk.desktop.id) == (DiskState.CONNECTED, desktop_id)
        seen.append(desktop_id)
        yunzhuo.services.claims.release(lin, pool_id)
    # The third is claimed before a spare is ready: it is being built, and gets the disk at its end.
    yunzhuo.services.pool_keeper.round()
    third = yunzhuo.services.claims.claim(lin, pool_id)
    settle(yunzhuo)
    disk = yunzhuo.services.personal_disks.get(lin)
    assert disk is not None
    assert (disk.state, disk.desktop and disk.desktop.id) == (DiskState.CONNECTED, third.desktop.id)
    assert len({*seen, third.desktop.id}) == 3


def test_what_is_being_built_gets_the_disk_too(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=1)
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.services.disk_upkeep.round()
    yunzhuo.services.pool_keeper.round()
    claimed = yunzhuo.services.claims.claim(lin, pool_id)
    assert claimed.way is Way.COMING
    settle(yunzhuo)
    disk = yunzhuo.services.personal_disks.get(lin)
    assert disk is not None
    assert (disk.state, disk.desktop and disk.desktop.id) == (DiskState.CONNECTED, claimed.desktop.id)


def test_a_disk_is_not_taken_from_where_it_is_worked_with(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.services.disk_upkeep.round()
    own = yunzhuo.available(lin)
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=1)
    settle(yunzhuo)
    claimed = yunzhuo.services.claims.claim(lin, pool_id)
    assert claimed.desktop.state is State.AVAILABLE
    settle(yunzhuo)
    disk = yunzhuo.services.personal_disks.get(lin)
    assert disk is not None
    assert disk.desktop is not None
    assert disk.desktop.id == own


def test_only_members_may_by_themselves_or_in_a_group(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, capacity=3, spares=0)
    assert yunzhuo.services.claims.mine(lin) == []
    with pytest.raises(NotFound):
        yunzhuo.services.claims.claim(lin, pool_id)
    group = yunzhuo.services.groups.create(boss, "Physics")
    yunzhuo.services.pools.put_member(boss, pool_id, group.id)
    yunzhuo.services.groups.put_member(boss, group.id, lin.user_id)
    assert yunzhuo.services.claims.claim(lin, pool_id).way is Way.BUILT
    with pytest.raises(NotFound):
        yunzhuo.services.claims.claim(mei, pool_id)
    assert [(each.name, each.is_group) for each in yunzhuo.services.pools.members(boss, pool_id)] == [("Physics", True)]
    yunzhuo.services.pools.drop_member(boss, pool_id, group.id)
    assert yunzhuo.services.claims.mine(lin) == []
    with pytest.raises(NotFound):
        yunzhuo.services.pools.put_member(boss, pool_id, "nobody")


def test_a_dedicated_desktop_is_kept(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=2, spares=1, kind=Kind.DEDICATED)
    settle(yunzhuo)
    desktop_id = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    with pytest.raises(Conflict, match="kept"):
        yunzhuo.services.claims.release(lin, pool_id)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    settle(yunzhuo)
    again = yunzhuo.services.claims.claim(lin, pool_id)
    assert (again.way, again.desktop.id, again.desktop.state) == (Way.HAD, desktop_id, State.STOPPED)


def test_spares_follow_the_hours(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.clock.set(datetime(2026, 3, 2, 7, 0, tzinfo=UTC))  # a Monday
    hours = ["mon-fri 08:00-12:00 3"]
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=4, spares=1, hours=hours)
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=1)
    yunzhuo.clock.set(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=3)
    yunzhuo.services.claims.claim(lin, pool_id)
    settle(yunzhuo)
    yunzhuo.clock.set(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=1, in_use=1)
    assert len(yunzhuo.cloud.servers.list()) == 2


def test_spares_of_an_hour_to_come_are_begun_as_early_as_all_hosts_need(tmp_path: Path) -> None:
    with installation(tmp_path / "home", admission={"builds_per_host": 1, "builds_per_cloud": 0}) as yunzhuo:
        boss, lin, mei = yunzhuo.person("boss", Role.ADMINISTRATOR), yunzhuo.person("lin"), yunzhuo.person("mei")
        yunzhuo.weather.change_options(build_seconds=60.0)
        yunzhuo.clock.set(datetime(2026, 3, 9, 7, 0, tzinfo=UTC))
        pool_id = make_pool(
            yunzhuo, boss, members=[lin, mei], capacity=6, spares=0, hours=["mon-fri 08:00-12:00 4"], release_after_minutes=600
        )
        for person in (lin, mei):
            yunzhuo.services.claims.claim(person, pool_id)
        settle(yunzhuo)
        assert len({server.host for server in yunzhuo.cloud.servers.list()}) == 2
        # Four builds of a minute, two at once: two minutes and a little. One host alone would need four.
        for minute, begun in ((56, 0), (57, 0), (58, 4)):
            yunzhuo.clock.set(datetime(2026, 3, 9, 7, minute, tzinfo=UTC))
            yunzhuo.services.pool_keeper.round()
            assert counts(yunzhuo, boss, pool_id).coming == begun


def test_a_desktop_left_alone_is_given_back_and_one_in_use_is_not(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=3, spares=0, release_after_minutes=10)
    left, used = (yunzhuo.services.claims.claim(each, pool_id).desktop.id for each in (lin, mei))
    settle(yunzhuo)
    gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    for person, desktop_id in ((lin, left), (mei, used)):
        ticket = yunzhuo.services.consoles.open(person, desktop_id, ConsoleProtocol.VNC).ticket
        session_id = yunzhuo.services.consoles.redeem(gateway_id, ticket, client_address="192.0.2.7").session_id
        if person is lin:
            yunzhuo.services.consoles.end_session(gateway_id, session_id, bytes_in=5, bytes_out=6, reason="closed")
    yunzhuo.pass_time(9 * 60)
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(in_use=2)
    yunzhuo.pass_time(2 * 60)
    settle(yunzhuo)
    assert yunzhuo.services.claims.mine(lin)[0].desktop_id is None
    assert yunzhuo.services.claims.mine(mei)[0].desktop_id == used
    (entry,) = yunzhuo.services.audit_reader.search(boss, AuditWish(who="(pool", verb="pool:claim")).items
    assert entry.before == {"desktop": "Physics 1", "why": "left_alone"}


def test_another_image_replaces_spares_and_leaves_what_people_have(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=4, spares=2)
    settle(yunzhuo)
    old = yunzhuo.services.claims.claim(lin, pool_id).desktop
    settle(yunzhuo)
    other = next(each for each in yunzhuo.services.catalog.images(boss) if each.id != old.image_id)
    flavor = next(each for each in yunzhuo.services.catalog.flavors(boss) if each.fits(other))
    yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, image_id=other.id, flavor_id=flavor.id))
    assert yunzhuo.services.claims.claim(mei, pool_id).desktop.image_id == other.id  # from then on nobody gets an old one
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=2, in_use=2)
    assert yunzhuo.services.desktops.get(lin, old.id).image_id == old.image_id


def test_a_spare_that_somebody_changed_is_nobodys_to_be_given(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=1, spares=1)
    settle(yunzhuo)
    (spare,) = yunzhuo.services.desktops.list(boss).items
    yunzhuo.services.desktops.act(boss, spare.id, Action.REBOOT)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(boss, spare.id).state is State.AVAILABLE
    with pytest.raises(LimitReached):
        yunzhuo.services.claims.claim(lin, pool_id)
    settle(yunzhuo)
    assert yunzhuo.services.claims.claim(lin, pool_id).desktop.id != spare.id


def test_a_cloud_in_which_nothing_can_be_built_is_asked_less_and_less(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=2)
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, count=None))

    def asked_in(seconds: int) -> int:
        before = built(yunzhuo)
        for _ in range(seconds // 5):
            settle(yunzhuo, rounds=1)
            yunzhuo.pass_time(5)
        return built(yunzhuo) - before

    first = asked_in(60)
    assert first >= 4
    view = yunzhuo.services.pools.get(boss, pool_id)
    assert view.counts.broken == 2
    assert view.problem
    asked_in(240)
    assert asked_in(300) < first
    yunzhuo.weather.faults.clear()
    asked_in(700)
    settle(yunzhuo)
    assert counts(yunzhuo, boss, pool_id) == Counts(ready=2)
    assert yunzhuo.services.pools.get(boss, pool_id).problem is None


def built(yunzhuo: Installation) -> int:
    with yunzhuo.connection() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM operations WHERE action = 'create'").scalar_one())


def test_deleting_a_pool_leaves_people_their_desktops(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=2)
    settle(yunzhuo)
    kept = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    yunzhuo.services.pools.delete(boss, pool_id)
    settle(yunzhuo)
    assert [each.id for each in yunzhuo.services.desktops.list(lin).items] == [kept]
    assert len(yunzhuo.cloud.servers.list()) == 1
    assert yunzhuo.services.claims.mine(lin) == []
    with pytest.raises(NotFound):
        yunzhuo.services.pools.get(boss, pool_id)


def test_a_desktop_of_a_pool_goes_to_somebody_who_has_none(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin, mei], capacity=3, spares=1)
    settle(yunzhuo)
    desktop_id = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    yunzhuo.services.people.delete(boss, lin.user_id, DesktopsOfDeleted(mei.user_id))
    assert yunzhuo.services.claims.claim(mei, pool_id).desktop.id == desktop_id


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"capacity": 0, "spares": 0}, {"capacity"}),
        ({"capacity": 2, "spares": 3}, {"spares"}),
        ({"time_zone": "Mars/Olympus", "name": " "}, {"time_zone", "name"}),
        ({"hours": ["noon"]}, {"hours"}),
        ({"release_after_minutes": 0}, {"release_after_minutes"}),
        ({"kind": Kind.DEDICATED, "release_after_minutes": 5}, {"release_after_minutes"}),
        ({"image_id": "none"}, {"image"}),
    ],
)
def test_what_is_wrong_is_named(yunzhuo: Installation, boss: Actor, wrong: dict[str, object], fields: set[str]) -> None:
    wish = PoolWish("Physics", yunzhuo.image(boss).id, yunzhuo.flavor(boss).id, capacity=3, spares=1)
    with pytest.raises(InvalidInput) as refused:
        yunzhuo.services.pools.create(boss, replace(wish, **wrong))  # type: ignore[arg-type]
    assert set(refused.value.details["fields"]) == fields  # type: ignore[call-overload]


def test_names_are_taken_once_and_organizations_do_not_meet(yunzhuo: Installation, boss: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, name="Physics")
    with pytest.raises(Conflict, match="already"):
        make_pool(yunzhuo, boss, name="Physics")
    operator = yunzhuo.person("operator", Role.OPERATOR)
    elsewhere = yunzhuo.services.organizations.create(operator, "Other school")
    stranger = replace(boss, organization_id=elsewhere.id)
    assert yunzhuo.services.pools.list(stranger) == []
    with pytest.raises(NotFound):
        yunzhuo.services.pools.get(stranger, pool_id)
    addresses = {each.user.email for each in yunzhuo.services.people.list(boss).items}
    assert addresses == {"boss@school.local", "operator@school.local"}


def test_what_may_not_be_built_is_told_and_stops_nothing_else(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=3, spares=2, release_after_minutes=1)
    operator = yunzhuo.person("operator", Role.OPERATOR)
    yunzhuo.services.quotas.put(operator, Subject.ORGANIZATION, boss.organization_id, Resource.DESKTOPS, 1)
    settle(yunzhuo)
    view = yunzhuo.services.pools.get(boss, pool_id)
    assert view.counts == Counts(ready=1)
    assert "organization's quota" in (view.problem or "")
    yunzhuo.services.claims.claim(lin, pool_id)
    yunzhuo.pass_time(61)
    yunzhuo.services.pool_keeper.round()  # one is given back, although none can be built
    assert yunzhuo.services.claims.mine(lin)[0].desktop_id is None
    yunzhuo.services.quotas.put(operator, Subject.ORGANIZATION, boss.organization_id, Resource.DESKTOPS, None)
    settle(yunzhuo)
    view = yunzhuo.services.pools.get(boss, pool_id)
    assert (view.counts, view.problem) == (Counts(ready=2), None)


def test_of_a_disabled_organization_all_stays_as_it_is(yunzhuo: Installation, boss: Actor) -> None:
    operator = yunzhuo.person("operator", Role.OPERATOR)
    there = yunzhuo.services.organizations.create(operator, "Elsewhere").id
    yunzhuo.services.catalog.synchronize(there)
    chief = itself(there)
    pool_id = make_pool(yunzhuo, chief, spares=2)
    yunzhuo.services.organizations.disable(operator, there)
    settle(yunzhuo)
    assert counts(yunzhuo, chief, pool_id) == Counts()


def test_a_token_for_pools_alone_gives_a_desktop_back(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id = make_pool(yunzhuo, boss, members=[lin], capacity=2, spares=1)
    settle(yunzhuo)
    narrow = replace(lin, scopes=frozenset({"pool:*"}))
    claimed = yunzhuo.services.claims.claim(narrow, pool_id)
    assert yunzhuo.services.claims.release(narrow, pool_id).operation.action is Action.DELETE
    settle(yunzhuo)
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, claimed.desktop.id)
    with pytest.raises(Forbidden):
        yunzhuo.services.claims.claim(replace(lin, scopes=frozenset({"desktop:*"})), pool_id)
