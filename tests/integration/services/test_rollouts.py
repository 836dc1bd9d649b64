"""Another image for a pool: a share at a time, stopped by what cannot be built, back again, and never under anybody's hands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool_for_two, settle

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rollout_book import RolloutView
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.personal_disks import DiskState
from yunzhuo.services.rules.pools import Counts, Kind, Way
from yunzhuo.services.rules.rollouts import Pace, RolloutStatus, RolloutVerb

pytestmark = pytest.mark.slow

AT_ONCE = Pace(stages=(100,), at_once_percent=50, notice_hours=0)
IDLE_SECONDS = 31 * 60


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "yunzhuo@school.local"}
    with installation(tmp_path / "home", limits={"desktops_per_user": 1}, mail=mail) as installed:
        yield installed


def found(yunzhuo: Installation, boss: Actor, pool_id: str) -> RolloutView:
    view = yunzhuo.services.rollouts.get(boss, pool_id)
    assert view is not None
    return view


def images_of(yunzhuo: Installation, boss: Actor) -> list[str]:
    """The images of all desktops, by their age."""
    return [each.image_id for each in reversed(yunzhuo.services.desktops.list(boss).items)]


@contextmanager
def breaking(yunzhuo: Installation, boss: Actor, image_id: str) -> Iterator[Callable[[], None]]:
    """While it lasts, what is asked for of an image in a round fails; the answer is such a round and its work."""

    def round_() -> None:
        yunzhuo.services.pool_keeper.round()
        yunzhuo.weather.faults.clear()
        for each in yunzhuo.services.desktops.list(boss).items:
            if each.image_id == image_id and each.state is State.BUILDING:
                yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, subject=each.id))
        yunzhuo.run()

    yield round_
    yunzhuo.weather.faults.clear()


def test_spares_come_before_others_go_and_stages_wait_for_somebody(yunzhuo: Installation, boss: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, capacity=8, spares=4)
    before = yunzhuo.services.pools.get(boss, pool_id).image_id
    started = yunzhuo.services.rollouts.start(boss, pool_id, other, Pace(stages=(25, 100), at_once_percent=25))
    assert (started.status, started.level, started.at_once, started.have_it) == (RolloutStatus.RUNNING, 2, 2, 0)
    for _ in range(8):
        yunzhuo.services.pool_keeper.round()
        assert yunzhuo.services.pools.get(boss, pool_id).counts.ready >= 4
        yunzhuo.run()
    first = found(yunzhuo, boss, pool_id)
    assert (first.have_it, first.there, first.is_stage_reached, first.status) == (2, 4, True, RolloutStatus.RUNNING)
    assert yunzhuo.services.pools.get(boss, pool_id).image_id == before
    yunzhuo.services.rollouts.advance(boss, pool_id, 0)
    with pytest.raises(Conflict, match="no further stage"):  # pressed twice
        yunzhuo.services.rollouts.advance(boss, pool_id, 0)
    settle(yunzhuo, rounds=8)
    done = found(yunzhuo, boss, pool_id)
    assert (done.status, done.have_it, done.there) == (RolloutStatus.DONE, 4, 4)
    pool = yunzhuo.services.pools.get(boss, pool_id)
    assert (pool.image_id, pool.rolling_image_id, pool.counts) == (other, None, Counts(ready=4))


def test_what_people_have_stays_until_they_give_it_back(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin, mei], capacity=4, spares=1)
    old = yunzhuo.services.claims.claim(lin, pool_id).desktop
    settle(yunzhuo)
    yunzhuo.services.rollouts.start(boss, pool_id, other, AT_ONCE)
    early = yunzhuo.services.claims.claim(mei, pool_id)  # the old spare serves as long as there is no new one
    assert (early.way, early.desktop.image_id) == (Way.READY, old.image_id)
    settle(yunzhuo, rounds=6)
    waiting = found(yunzhuo, boss, pool_id)
    assert (waiting.status, waiting.with_people, waiting.have_it) == (RolloutStatus.RUNNING, 2, 1)
    assert yunzhuo.services.desktops.get(lin, old.id).operation.action is Action.CREATE  # nothing was done to it
    for person in (lin, mei):
        yunzhuo.services.claims.release(person, pool_id)
    again = yunzhuo.services.claims.claim(lin, pool_id)
    assert (again.way, again.desktop.image_id) == (Way.READY, other)
    settle(yunzhuo, rounds=6)
    assert found(yunzhuo, boss, pool_id).status is RolloutStatus.DONE


def test_a_bad_image_stops_by_itself_and_nobody_waits_for_it(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin], capacity=6, spares=3)
    before = yunzhuo.services.pools.get(boss, pool_id).image_id
    yunzhuo.services.rollouts.start(boss, pool_id, other, replace(AT_ONCE, most_failures=2))
    with breaking(yunzhuo, boss, other) as round_:
        for _ in range(30):
            round_()
            assert yunzhuo.services.pools.get(boss, pool_id).counts.ready >= 3
            yunzhuo.pass_time(10)
    stopped = found(yunzhuo, boss, pool_id)
    assert (stopped.status, stopped.have_it) == (RolloutStatus.STOPPED, 0)
    assert stopped.problem
    assert stopped.verbs == {RolloutVerb.RESUME, RolloutVerb.BACK}
    assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts(ready=3)
    assert yunzhuo.services.claims.claim(lin, pool_id).desktop.image_id == before
    told = yunzhuo.services.audit_reader.search(boss, AuditWish(who="(pool", verb="pool:roll_out")).items
    assert [(each.after or {}).get("status") for each in told] == ["stopped"]
    yunzhuo.services.rollouts.resume(boss, pool_id)  # it was mended
    settle(yunzhuo, rounds=10)
    assert found(yunzhuo, boss, pool_id).have_it == 3


def test_paused_nothing_more_becomes_new_and_back_it_is_as_it_was(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin, mei], capacity=4, spares=2)
    before = yunzhuo.services.pools.get(boss, pool_id).image_id
    yunzhuo.services.rollouts.start(boss, pool_id, other, replace(AT_ONCE, at_once_percent=25))
    settle(yunzhuo, rounds=1)
    yunzhuo.services.rollouts.pause(boss, pool_id)
    with pytest.raises(Conflict, match="goes on can be paused"):
        yunzhuo.services.rollouts.pause(boss, pool_id)
    settle(yunzhuo, rounds=4)
    assert found(yunzhuo, boss, pool_id).have_it == 1
    # What stands ready of the image before is given away first, and what is built is of it, too.
    assert [yunzhuo.services.claims.claim(each, pool_id).desktop.image_id for each in (lin, mei)] == [before, other]
    settle(yunzhuo, rounds=4)
    assert images_of(yunzhuo, boss).count(other) == 1
    yunzhuo.services.rollouts.back(boss, pool_id)
    with pytest.raises(Conflict, match="no way back"):
        yunzhuo.services.rollouts.back(boss, pool_id)
    for person in (lin, mei):
        yunzhuo.services.claims.release(person, pool_id)
    settle(yunzhuo, rounds=6)
    done = found(yunzhuo, boss, pool_id)
    assert (done.status, done.is_back) == (RolloutStatus.DONE, True)
    pool = yunzhuo.services.pools.get(boss, pool_id)
    assert (pool.image_id, pool.counts) == (before, Counts(ready=2))
    assert set(images_of(yunzhuo, boss)) == {before}


def test_the_way_back_is_open_when_it_is_done(yunzhuo: Installation, boss: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, capacity=4, spares=2)
    before = yunzhuo.services.pools.get(boss, pool_id).image_id
    yunzhuo.services.rollouts.start(boss, pool_id, other, AT_ONCE)
    settle(yunzhuo, rounds=6)
    assert found(yunzhuo, boss, pool_id).verbs == {RolloutVerb.BACK}
    yunzhuo.services.rollouts.back(boss, pool_id)
    assert yunzhuo.services.pools.get(boss, pool_id).counts.ready == 2  # they serve until the others are there
    settle(yunzhuo, rounds=6)
    done = found(yunzhuo, boss, pool_id)
    assert (done.status, done.is_back, done.verbs) == (RolloutStatus.DONE, True, frozenset())
    assert images_of(yunzhuo, boss) == [before, before]


def test_a_kept_desktop_is_put_onto_it_when_its_person_was_told_and_is_away(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin, mei], capacity=3, spares=0, kind=Kind.DEDICATED)
    yunzhuo.services.personal_disks.create(lin)
    yunzhuo.services.disk_upkeep.round()
    away, busy = (yunzhuo.services.claims.claim(each, pool_id).desktop.id for each in (lin, mei))
    settle(yunzhuo)
    gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    ticket = yunzhuo.services.consoles.open(mei, busy, ConsoleProtocol.VNC).ticket
    session_id = yunzhuo.services.consoles.redeem(gateway_id, ticket, client_address="192.0.2.7").session_id
    yunzhuo.services.rollouts.start(boss, pool_id, other, replace(AT_ONCE, at_once_percent=100, notice_hours=24))
    settle(yunzhuo)
    for person, desktop_id in ((lin, away), (mei, busy)):
        told = yunzhuo.services.desktops.get(person, desktop_id)
        assert told.renews_at is not None
        assert (told.renews_at - yunzhuo.clock.now()).total_seconds() > 23 * 3600
        assert told.image_id != other
    assert yunzhuo.everything_stored().count("desktop_renewing") == 2  # a letter for each
    yunzhuo.pass_time(25 * 3600)
    settle(yunzhuo, rounds=6)
    renewed = yunzhuo.services.desktops.get(lin, away)
    assert (renewed.image_id, renewed.state, renewed.renews_at) == (other, State.AVAILABLE, None)
    disk = yunzhuo.services.personal_disks.get(lin)
    assert disk is not None
    assert (disk.state, disk.desktop and disk.desktop.id) == (DiskState.CONNECTED, away)
    assert yunzhuo.services.desktops.get(mei, busy).image_id != other  # her screen is open
    yunzhuo.services.consoles.end_session(gateway_id, session_id, bytes_in=1, bytes_out=1, reason="closed")
    settle(yunzhuo)
    assert yunzhuo.services.desktops.get(mei, busy).image_id != other  # she may come back in a moment
    yunzhuo.pass_time(IDLE_SECONDS)
    yunzhuo.services.consoles.open(mei, busy, ConsoleProtocol.VNC)
    settle(yunzhuo, rounds=2)
    assert yunzhuo.services.desktops.get(mei, busy).image_id != other  # a ticket is out
    yunzhuo.pass_time(IDLE_SECONDS)
    settle(yunzhuo, rounds=6)
    assert yunzhuo.services.desktops.get(mei, busy).image_id == other
    assert found(yunzhuo, boss, pool_id).status is RolloutStatus.DONE


def test_a_kept_desktop_that_cannot_be_put_onto_it_gets_its_image_back(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin], capacity=1, spares=0, kind=Kind.DEDICATED)
    desktop_id = yunzhuo.services.claims.claim(lin, pool_id).desktop.id
    settle(yunzhuo)
    yunzhuo.pass_time(IDLE_SECONDS)
    before = yunzhuo.services.desktops.get(lin, desktop_id).image_id
    yunzhuo.weather.faults.set(Fault(operation="servers.rebuild", kind=FaultKind.BREAK))
    yunzhuo.services.rollouts.start(boss, pool_id, other, replace(AT_ONCE, most_failures=1))
    settle(yunzhuo, rounds=3)
    assert found(yunzhuo, boss, pool_id).status is RolloutStatus.STOPPED
    settle(yunzhuo, rounds=3)
    desktop = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (desktop.image_id, desktop.state) == (before, State.AVAILABLE)


def test_one_at_a_time_and_what_is_not_there_is_told(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, members=[lin], capacity=3, spares=1)
    rollouts, pool = yunzhuo.services.rollouts, yunzhuo.services.pools.get(boss, pool_id)
    assert rollouts.get(boss, pool_id) is None
    with pytest.raises(NotFound, match="no roll-out"):
        rollouts.pause(boss, pool_id)
    with pytest.raises(InvalidInput) as refused:
        rollouts.start(boss, pool_id, pool.image_id, AT_ONCE)
    assert set(refused.value.details["fields"]) == {"image"}  # type: ignore[call-overload]
    with pytest.raises(InvalidInput):
        rollouts.start(boss, pool_id, "none", AT_ONCE)
    rollouts.start(boss, pool_id, other, AT_ONCE)
    assert not found(yunzhuo, boss, pool_id).gives_way
    with pytest.raises(Conflict, match="goes on"):
        rollouts.start(boss, pool_id, other, AT_ONCE)
    with pytest.raises(Conflict, match="goes on"):
        yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, image_id=other))
    assert yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, spares=2)).spares == 2
    yunzhuo.services.claims.claim(lin, pool_id)
    settle(yunzhuo, rounds=6)
    waiting = found(yunzhuo, boss, pool_id)
    assert (waiting.with_people, waiting.gives_way) == (1, True)
    # One that waits for people only makes way for the next one.
    onward = rollouts.start(boss, pool_id, pool.image_id, AT_ONCE)
    assert (onward.origin.id, onward.target.id) == (other, pool.image_id)
    yunzhuo.services.pools.delete(boss, pool_id)
    settle(yunzhuo)
    (kept,) = yunzhuo.services.desktops.list(lin).items
    assert kept.state is State.AVAILABLE


def test_an_empty_pool_tries_one_first(yunzhuo: Installation, boss: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, capacity=2, spares=0)
    yunzhuo.services.rollouts.start(boss, pool_id, other, AT_ONCE)
    yunzhuo.services.pool_keeper.round()
    assert yunzhuo.services.pools.get(boss, pool_id).counts.coming == 1
    settle(yunzhuo, rounds=6)
    assert found(yunzhuo, boss, pool_id).status is RolloutStatus.DONE
    assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts()


def test_a_new_image_that_vanishes_stops_it(yunzhuo: Installation, boss: Actor) -> None:
    pool_id, other = make_pool_for_two(yunzhuo, boss, capacity=4, spares=2)
    yunzhuo.services.rollouts.start(boss, pool_id, other, AT_ONCE)
    with yunzhuo.connection() as connection:
        connection.exec_driver_sql(f"UPDATE images SET withdrawn_at = created_at WHERE id = '{other}'")
    settle(yunzhuo)
    stopped = found(yunzhuo, boss, pool_id)
    assert stopped.status is RolloutStatus.STOPPED
    assert "no such image" in (stopped.problem or "")
    assert yunzhuo.services.pools.get(boss, pool_id).counts == Counts(ready=2)
