"""Leases: people are warned, may put the end off, and take out of the bin what was deleted or has ended."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.access import installation as itself
from yunzhuo.services.desktop_views import DesktopView
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.leases import EndingKind
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.leases import MOST_BINNED, Terms
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.pools import Kind

pytestmark = pytest.mark.slow

TERMS = Terms(days=30, extend_days=10, extend_times=2, warn_hours=(72, 1), bin_days=7)


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    """Letters are written, and wait: nobody sends them here."""
    mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "yunzhuo@school.local"}
    with installation(tmp_path / "home", mail=mail) as installed:
        yield installed


@pytest.fixture
def terms(yunzhuo: Installation, boss: Actor) -> Terms:
    return yunzhuo.services.leases.put_terms(boss, boss.organization_id, TERMS).terms


def later(yunzhuo: Installation, **span: float) -> None:
    """Time goes by, and whoever looks after leases looks."""
    yunzhuo.pass_time(timedelta(**span).total_seconds())
    yunzhuo.services.lease_keeper.round()
    yunzhuo.run()


def view(yunzhuo: Installation, actor: Actor, desktop_id: str) -> DesktopView:
    return yunzhuo.services.desktops.get(actor, desktop_id)


def letters(yunzhuo: Installation) -> list[str]:
    with yunzhuo.connection() as connection:
        return list(connection.exec_driver_sql("SELECT kind FROM outgoing_mails ORDER BY created_at").scalars())


@pytest.mark.usefixtures("terms")
def test_a_desktop_ends_after_its_warnings_and_waits_in_the_bin(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    later(yunzhuo, days=26)
    assert letters(yunzhuo) == []
    assert not view(yunzhuo, lin, desktop_id).is_ending
    later(yunzhuo, days=1, minutes=1)
    later(yunzhuo, minutes=10)
    assert letters(yunzhuo) == ["desktop_ending"], "one for each stage"
    assert view(yunzhuo, lin, desktop_id).is_ending
    later(yunzhuo, hours=71)
    assert letters(yunzhuo) == ["desktop_ending"] * 2
    assert view(yunzhuo, lin, desktop_id).state is State.AVAILABLE
    later(yunzhuo, hours=1)
    found = view(yunzhuo, lin, desktop_id)
    assert found.state is State.BINNED
    assert found.actions == {Action.DELETE}
    assert letters(yunzhuo) == ["desktop_ending", "desktop_ending", "desktop_ended"]
    assert yunzhuo.services.desktops.list(lin).items == []
    assert [each.id for each in yunzhuo.services.desktops.list(lin, state=State.BINNED).items] == [desktop_id]
    (server,) = yunzhuo.cloud.servers.list()
    assert server.status == "stopped"
    later(yunzhuo, days=7)
    assert not yunzhuo.cloud.servers.list()
    with pytest.raises(NotFound):
        view(yunzhuo, lin, desktop_id)


@pytest.mark.usefixtures("terms")
def test_nothing_ends_unwarned_however_long_nobody_looked(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    later(yunzhuo, days=40)
    assert letters(yunzhuo) == ["desktop_ending"]
    assert view(yunzhuo, lin, desktop_id).state is State.AVAILABLE
    later(yunzhuo, minutes=58)
    assert view(yunzhuo, lin, desktop_id).state is State.AVAILABLE
    later(yunzhuo, minutes=2)
    assert view(yunzhuo, lin, desktop_id).state is State.BINNED


@pytest.mark.usefixtures("terms")
def test_a_warning_is_on_the_screen_of_who_looks_at_it(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    desktop_id, others = yunzhuo.available(lin), yunzhuo.available(mei)
    gateway = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    later(yunzhuo, days=26)
    ticket = yunzhuo.services.consoles.open(lin, desktop_id, ConsoleProtocol.VNC).ticket
    yunzhuo.services.consoles.redeem(gateway, ticket, client_address="192.0.2.7")
    later(yunzhuo, days=2)
    servers = {server.desktop_id: server.id for server in yunzhuo.cloud.servers.list()}
    (shown,) = yunzhuo.weather.messages(servers[desktop_id])
    assert "2026-04-01" in shown
    assert not yunzhuo.weather.messages(servers[others])


@pytest.mark.usefixtures("terms")
def test_the_end_is_put_off_by_rule(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    leases, desktop_id = yunzhuo.services.leases, yunzhuo.available(lin)
    first = view(yunzhuo, lin, desktop_id).ends_at
    assert first is not None
    with pytest.raises(Conflict, match="not near"):
        leases.extend(lin, desktop_id)
    with pytest.raises(NotFound):
        leases.extend(mei, desktop_id)
    later(yunzhuo, days=28)
    extended = leases.extend(lin, desktop_id)
    assert (extended.ends_at, extended.extensions_left, extended.is_ending) == (first + timedelta(days=10), 1, False)
    later(yunzhuo, days=10)
    assert leases.extend(lin, desktop_id).ends_at == first + timedelta(days=20)
    later(yunzhuo, days=10)
    assert letters(yunzhuo) == ["desktop_ending"] * 3, "warned anew each time"
    with pytest.raises(LimitReached, match="any more"):
        leases.extend(lin, desktop_id)
    assert leases.extend(boss, desktop_id).ends_at == first + timedelta(days=30), "an administrator may"
    with pytest.raises(Forbidden):
        leases.set_end(lin, desktop_id, None)
    endless = leases.set_end(boss, desktop_id, None)
    assert (endless.ends_at, endless.extensions_left) == (None, 0)
    with pytest.raises(Conflict, match="no end"):
        leases.extend(lin, desktop_id)
    with pytest.raises(InvalidInput):
        leases.set_end(boss, desktop_id, yunzhuo.clock.now())


@pytest.mark.usefixtures("terms")
def test_what_is_deleted_can_be_had_back(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.quotas.put(boss, Subject.USER, lin.user_id, Resource.DESKTOPS, 1)
    binned = yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE).desktop
    assert (binned.state, binned.bin_until) == (State.BINNED, yunzhuo.clock.now() + timedelta(days=7))
    yunzhuo.run()
    with pytest.raises(Conflict):
        yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    with pytest.raises(NotFound):
        yunzhuo.services.bin.undelete(mei, desktop_id)
    another = yunzhuo.available(lin)
    with pytest.raises(LimitReached):
        yunzhuo.services.bin.undelete(lin, desktop_id)
    yunzhuo.services.desktops.act(lin, another, Action.DELETE, for_good=True)
    yunzhuo.run()
    found = yunzhuo.services.bin.undelete(lin, desktop_id)
    assert (found.state, found.bin_until) == (State.STOPPED, None)
    with pytest.raises(Conflict, match="not in the bin"):
        yunzhuo.services.bin.undelete(lin, desktop_id)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    yunzhuo.run()
    assert view(yunzhuo, lin, desktop_id).state is State.AVAILABLE
    for _ in range(2):  # from the bin it is for good
        yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
        yunzhuo.run()
    assert not yunzhuo.cloud.servers.list()


@pytest.mark.usefixtures("terms")
def test_what_the_bin_counts_for(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)

    def used() -> dict[Resource, int]:
        mine = [each for each in yunzhuo.services.quotas.mine(lin) if each.subject is Subject.USER]
        return {each.resource: each.used for each in mine}

    before = used()
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run()
    after = used()
    assert after[Resource.DISK_MIB] == before[Resource.DISK_MIB] > 0, "its disk is still there"
    for each in (Resource.DESKTOPS, Resource.RUNNING, Resource.VCPUS, Resource.MEMORY_MIB):
        assert (before[each] > 0, after[each]) == (True, 0), each
    for _ in range(MOST_BINNED - 1):
        yunzhuo.services.desktops.act(lin, yunzhuo.available(lin), Action.DELETE)
    full = yunzhuo.available(lin)
    with pytest.raises(LimitReached, match="bin"):
        yunzhuo.services.desktops.act(lin, full, Action.DELETE)
    yunzhuo.services.desktops.act(lin, full, Action.DELETE, for_good=True)


@pytest.mark.usefixtures("terms")
def test_what_was_never_made_is_gone_at_once_and_what_is_changing_is_stopped_after_it(
    yunzhuo: Installation, lin: Actor
) -> None:
    coming = yunzhuo.request(lin).desktop.id
    assert yunzhuo.services.desktops.act(lin, coming, Action.DELETE).desktop.state is State.DELETING
    yunzhuo.run()
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.REBOOT)
    yunzhuo.work()
    assert yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE).desktop.state is State.BINNED
    yunzhuo.run()
    yunzhuo.services.reconciler.round()
    later(yunzhuo, seconds=10)
    assert [server.status for server in yunzhuo.cloud.servers.list()] == ["stopped"]
    assert view(yunzhuo, lin, desktop_id).state is State.BINNED


def test_pools_have_terms_of_their_own(yunzhuo: Installation, boss: Actor, lin: Actor, terms: Terms) -> None:
    floating = make_pool(yunzhuo, boss, members=[lin], spares=1)
    dedicated = make_pool(yunzhuo, boss, name="Office", members=[lin], kind=Kind.DEDICATED, spares=1)
    own = replace(terms, days=5, bin_days=0)
    yunzhuo.services.leases.put_terms(boss, floating, own)
    with pytest.raises(InvalidInput):
        yunzhuo.services.leases.put_terms(boss, floating, terms)
    told = {each.name: (each.terms.days, each.is_set) for each in yunzhuo.services.leases.terms(boss)}
    assert told == {"default": (30, True), "Office": (30, False), "Physics": (5, True)}
    settle(yunzhuo)
    claimed = {pool: yunzhuo.services.claims.claim(lin, pool).desktop for pool in (floating, dedicated)}
    days = {pool: (each.ends_at - yunzhuo.clock.now()).days for pool, each in claimed.items() if each.ends_at}
    assert days == {floating: 5, dedicated: 30}
    settle(yunzhuo)
    later(yunzhuo, days=5)
    later(yunzhuo, hours=1, minutes=1)
    assert yunzhuo.services.claims.mine(lin)[1].desktop_id is None, "a floating one is given back"
    later(yunzhuo, days=25)
    later(yunzhuo, hours=1, minutes=1)
    (binned,) = yunzhuo.services.desktops.list(lin, state=State.BINNED).items
    assert binned.id == claimed[dedicated].id
    assert yunzhuo.services.claims.claim(lin, dedicated).desktop.id != binned.id, "its place in the pool is free"
    settle(yunzhuo)
    assert all(pool.counts.ready == 1 for pool in yunzhuo.services.pools.list(boss)), "spares never end"
    yunzhuo.services.leases.drop_terms(boss, floating)
    assert not next(each for each in yunzhuo.services.leases.terms(boss) if each.subject_id == floating).is_set


def test_terms_for_those_that_are_there(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.leases.put_terms(boss, boss.organization_id, TERMS)
    assert view(yunzhuo, lin, desktop_id).ends_at is None
    yunzhuo.services.leases.put_terms(boss, boss.organization_id, TERMS, for_present=True)
    assert view(yunzhuo, lin, desktop_id).ends_at == yunzhuo.clock.now() + timedelta(days=30)
    elsewhere = itself(yunzhuo.services.organizations.create(itself(boss.organization_id), "elsewhere").id)
    with pytest.raises(NotFound):
        yunzhuo.services.leases.put_terms(elsewhere, boss.organization_id, TERMS)


@pytest.mark.usefixtures("terms")
def test_the_calendar_says_what_ends_when(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    kept, deleted = yunzhuo.available(lin), yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, deleted, Action.DELETE)
    now = yunzhuo.clock.now()
    found = yunzhuo.services.leases.calendar(boss, now, now + timedelta(days=31))
    assert [(each.kind, each.desktop_id, (each.at - now).days) for each in found] == [
        (EndingKind.REMOVED, deleted, 7),
        (EndingKind.ENDS, kept, 29),
    ]
    assert yunzhuo.services.leases.calendar(boss, now, now + timedelta(days=7)) == []
    with pytest.raises(InvalidInput):
        yunzhuo.services.leases.calendar(boss, now, now + timedelta(days=63))


@pytest.mark.usefixtures("terms")
def test_what_is_taken_out_of_the_bin_has_a_day_left(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    later(yunzhuo, days=40)
    later(yunzhuo, hours=2)
    found = yunzhuo.services.bin.undelete(lin, desktop_id)
    assert found.ends_at == yunzhuo.clock.now() + timedelta(days=1)
    later(yunzhuo, hours=2)
    assert yunzhuo.services.leases.extend(lin, desktop_id).ends_at == found.ends_at + timedelta(days=10)
