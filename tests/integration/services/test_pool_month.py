"""Twelve days of two pools with a fast clock, over the change to summer time: people come and go, builds fail, hosts die and
come back, images are rolled out and back, desktops end and go through the bin, and schedules start and stop what people keep.
Every rule is counted from outside. The seed is printed; ``YUNZHUO_TEST_SEED`` repeats a run, ``YUNZHUO_TEST_DAYS`` makes it
longer: `make test-month` takes 31, in which all that is rare has to be met, too."""

import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool_for_two
from tests.support.rollout_watch import RolloutWatch

from yunzhuo.phoenix.cloud.errors import ServerBusy
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, ServerStatus
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.claims import Claimed
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.pools import Counts, Kind, Way
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import ScheduleWish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BEGIN, DAYS, MONTH = datetime(2026, 3, 24, tzinfo=UTC), int(os.environ.get("YUNZHUO_TEST_DAYS") or 12), 31
BERLIN = ZoneInfo("Europe/Berlin")
PEOPLE, CAPACITY, OFFICE, RELEASE_MINUTES = 8, 5, 6, 90
TERMS = Terms(days=6, extend_times=0, warn_hours=(24, 1), bin_days=2)
# How long nobody looks, in minutes. What is due is done by the second look after it: warned at the first, ended at the next.
PAUSES = (20, 45, 90, 120, 180, 240, 360, 480, 600)
SLACK = timedelta(minutes=2 * max(PAUSES) + 5)
DEEDS = {7: Deed.START, 20: Deed.STOP}


def wanted_at(moment: datetime) -> int:
    """The floating pool's hours, said in another way: 3 on working days from 07:30 to 18:00 in Berlin, else 1."""
    local = moment.astimezone(BERLIN)
    is_open = local.weekday() < 5 and "07:30" <= local.strftime("%H:%M") < "18:00"
    return 3 if is_open else 1


@dataclass
class School:
    """The school, and what everybody should have by what they did.

    ``holders`` are those who were ever given a desktop, ``kept`` the dedicated one of each, ``ends`` when those end, ``binned``
    until when what ended waits, ``down`` which host is dead and until when; nothing can be built before ``storm_until``.
    ``screens`` are open on floating desktops, ``desks`` on those that people keep.
    """

    yunzhuo: Installation
    boss: Actor
    people: list[Actor]
    floating: str
    dedicated: str
    schedules: dict[int, str]
    gateway_id: str
    watches: list[RolloutWatch]
    chance: random.Random
    tally: Counter[str]
    holders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    screens: dict[str, str] = field(default_factory=dict)
    desks: dict[str, str] = field(default_factory=dict)
    alone_since: dict[str, datetime] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    binned: dict[str, datetime] = field(default_factory=dict)
    built: set[str | None] = field(default_factory=set)
    down: tuple[str, datetime] | None = None
    storm_until: datetime = BEGIN

    @property
    def now(self) -> datetime:
        return self.yunzhuo.clock.now()

    def come(self, person: Actor) -> None:
        """Get a desktop of the floating pool and open its screen, if it is there. A dead one is started or given back."""
        claimed = self.claim(person)
        if claimed is not None and claimed.desktop.state is State.STOPPED:
            if self.down is None:
                self.yunzhuo.services.desktops.act(person, claimed.desktop.id, Action.START)
                self.tally["started again"] += 1
                return
            self.release(person)
            self.tally["a dead one given back"] += 1
            claimed = self.claim(person)
        if claimed is not None and claimed.desktop.state is State.AVAILABLE and person.user_id not in self.screens:
            self.open_screen(person, claimed.desktop.id, self.screens)

    def open_screen(self, person: Actor, desktop_id: str, screens: dict[str, str]) -> None:
        ticket = self.yunzhuo.services.consoles.open(person, desktop_id, ConsoleProtocol.VNC).ticket
        try:
            opened = self.yunzhuo.services.consoles.redeem(self.gateway_id, ticket, client_address="192.0.2.7")
        except ServerBusy:  # it died a moment ago, and nobody has looked since
            self.tally["found it dead"] += 1
        else:
            screens[person.user_id] = opened.session_id

    def claim(self, person: Actor) -> Claimed | None:
        try:
            claimed = self.yunzhuo.services.claims.claim(person, self.floating)
        except LimitReached:
            counts = self.yunzhuo.services.pools.get(self.boss, self.floating).counts
            assert counts.there >= CAPACITY, counts
            assert counts.ready + counts.coming == 0, counts
            self.tally["told that all are taken"] += 1
            return None
        self.holders[claimed.desktop.id].add(person.user_id)
        if claimed.way is not Way.HAD:
            self.alone_since[person.user_id] = self.now
        return claimed

    def leave(self, person: Actor) -> None:
        """Close the screen; sometimes the desktop is given back."""
        self.close_screen(person.user_id)
        if self.chance.random() < 0.4 and self.floating_of(person) is not None:
            self.release(person)

    def release(self, person: Actor) -> None:
        self.close_screen(person.user_id)
        self.yunzhuo.services.claims.release(person, self.floating)
        self.alone_since.pop(person.user_id, None)

    def close_screen(self, user_id: str) -> None:
        session_id = self.screens.pop(user_id, None)
        if session_id is not None:
            self.end_session(session_id)
            self.alone_since[user_id] = self.now

    def end_session(self, session_id: str) -> None:
        self.yunzhuo.services.consoles.end_session(self.gateway_id, session_id, bytes_in=1, bytes_out=1, reason="closed")

    def take_own(self, person: Actor) -> None:
        """Get a desktop of the dedicated pool, which is the same one until it ends."""
        try:
            desktop = self.yunzhuo.services.claims.claim(person, self.dedicated).desktop
        except LimitReached:
            assert person.user_id not in self.kept
            return
        self.holders[desktop.id].add(person.user_id)
        if person.user_id not in self.kept:
            assert desktop.ends_at == self.now + timedelta(days=6)
            self.kept[person.user_id], self.ends[desktop.id] = desktop.id, desktop.ends_at
        assert self.kept[person.user_id] == desktop.id
        if desktop.state is State.AVAILABLE and person.user_id not in self.desks:
            self.open_screen(person, desktop.id, self.desks)

    def leave_own(self, person: Actor) -> None:
        """Go home from the desktop that one keeps."""
        session_id = self.desks.pop(person.user_id, None)
        if session_id is not None:
            self.end_session(session_id)

    def see_dark_screens(self) -> None:
        """Gateways end the sessions of machines that went away: with their host, in the evening, into the bin."""
        servers = {server.desktop_id: server for server in self.yunzhuo.cloud.servers.list()}
        for user_id, session_id in list(self.desks.items()):
            server = servers.get(self.kept.get(user_id, ""))
            if server is None or server.status is not ServerStatus.RUNNING:
                del self.desks[user_id]
                self.end_session(session_id)

    def floating_of(self, person: Actor) -> str | None:
        offers = self.yunzhuo.services.claims.mine(person)
        return next((offer.desktop_id for offer in offers if offer.id == self.floating), None)

    def weather(self) -> None:
        """Sometimes builds fail, now and then all of them for hours; a host dies with all its machines, and comes back later
        without them."""
        if self.now < self.storm_until:
            pass
        elif self.chance.random() < 0.05:
            self.storm_until = self.now + timedelta(hours=self.chance.uniform(2, 8))
            self.yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, count=None))
            self.tally["storms"] += 1
        elif self.chance.random() < 0.15:
            kind = self.chance.choice([FaultKind.REFUSE, FaultKind.FAIL_AFTER, FaultKind.BREAK])
            self.yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=kind, count=None, probability=0.5))
        if self.down is not None and self.now >= self.down[1]:
            self.set_problems(self.down[0], ())
            self.down = None
        elif self.down is None and self.chance.random() < 0.06:
            host = self.chance.choice(self.yunzhuo.weather.options.hosts).id
            self.down = host, self.now + timedelta(hours=self.chance.uniform(1, 30))
            self.set_problems(host, ("It does not answer.",))
            dead = [server for server in self.yunzhuo.cloud.servers.list() if server.host == host]
            for server in dead:
                if server.status is ServerStatus.RUNNING:
                    self.yunzhuo.weather.disturb.kill(server.id)
            for user_id in {user_id for server in dead for user_id in self.holders.get(server.desktop_id or "", ())}:
                self.close_screen(user_id)
            self.tally["hosts died"] += 1
            self.tally["machines died with them"] += len(dead)

    def clear_up(self) -> None:
        """Builds go well again, unless there is a storm."""
        if self.now >= self.storm_until:
            self.yunzhuo.weather.faults.clear()

    def set_problems(self, host: str, problems: tuple[str, ...]) -> None:
        hosts = self.yunzhuo.weather.options.hosts
        changed = [each.model_copy(update={"problems": problems}) if each.id == host else each for each in hosts]
        self.yunzhuo.weather.change_options(hosts=changed)

    def tend(self, rounds: int) -> None:
        """Rounds of a scheduler, and all that workers do for them."""
        services = self.yunzhuo.services
        for _ in range(rounds):
            for keeper in (services.reconciler, services.schedule_keeper, services.lease_keeper, services.pool_keeper):
                keeper.round()
            self.yunzhuo.run()

    def look(self) -> None:
        """What holds at every moment, whatever goes wrong."""
        assert all(len(people) == 1 for people in self.holders.values()), "a desktop was given to two people"
        with self.yunzhuo.connection() as connection:
            found = connection.exec_driver_sql(
                "SELECT pool_id, claimant_id, owner_id, id FROM desktops WHERE deleted_at IS NULL AND pool_id IS NOT NULL"
            ).all()
        claims = [(pool, claimant) for pool, claimant, _, _ in found if claimant is not None]
        assert len(claims) == len(set(claims)), "somebody has two desktops of a pool"
        assert all(claimant == owner for _, claimant, owner, _ in found if claimant is not None)
        there = [pool for pool, *_ in found]
        assert there.count(self.floating) <= CAPACITY
        assert there.count(self.dedicated) <= OFFICE
        for watch in self.watches:
            watch.look()
        self.look_at_ends({desktop_id for *_, desktop_id in found})

    def look_at_ends(self, in_pools: set[str]) -> None:
        """What people keep is theirs until it ends, then in the bin as long as was said, then gone."""
        with self.yunzhuo.connection() as connection:
            bins = connection.exec_driver_sql("SELECT id FROM desktops WHERE deleted_at IS NULL AND binned_at IS NOT NULL")
            in_bin = set(bins.scalars())
        for user_id, desktop_id in list(self.kept.items()):
            if desktop_id in in_pools:
                assert self.now < self.ends[desktop_id] + SLACK, "what is over ends"
                continue
            assert self.now >= self.ends[desktop_id], "taken away before its time"
            if desktop_id not in in_bin:
                assert desktop_id not in self.built, "what ended waits in the bin, if it was ever more than a wish"
                del self.kept[user_id]
                continue
            self.binned[desktop_id] = self.now + timedelta(days=2) - timedelta(minutes=max(PAUSES) + 5)
            del self.kept[user_id]
            self.tally["ended"] += 1
        for desktop_id, until in list(self.binned.items()):
            if desktop_id not in in_bin:
                assert self.now >= until, "emptied before its time"
                del self.binned[desktop_id]
                self.tally["emptied"] += 1
            else:
                assert self.now < until + timedelta(minutes=max(PAUSES) + 5) + SLACK, "the bin is emptied"

    def look_at_rest(self) -> None:
        """What holds when nothing goes wrong any more and everything was done."""
        counts = [self.yunzhuo.services.pools.get(self.boss, watch.pool_id).counts for watch in self.watches]
        floating, dedicated = counts
        self.look_at_spares(self.watches[0], floating, min(wanted_at(self.now), CAPACITY - floating.in_use))
        self.look_at_spares(self.watches[1], dedicated, min(1, OFFICE - len(self.kept)))
        assert dedicated.in_use == len(self.kept)
        self.look_at_machines()
        for person in self.people:
            has_it = self.floating_of(person) is not None
            since = self.alone_since.get(person.user_id)
            if person.user_id in self.screens:
                assert has_it, "a desktop was taken away under somebody's hands"
            elif since is not None and self.now - since < timedelta(minutes=RELEASE_MINUTES):
                assert has_it, "a desktop was given back before its time"
            elif since is not None and self.now - since > timedelta(minutes=RELEASE_MINUTES + 5):
                assert not has_it, "a desktop that nobody used was not given back"
            if not has_it:
                self.alone_since.pop(person.user_id, None)

    def look_at_spares(self, watch: RolloutWatch, counts: Counts, ready: int) -> None:
        """As many as there should be stand ready. While images change one more may be tried, or one fewer where all seats are
        taken, and one may be under way."""
        if watch.is_open:
            assert ready - 1 <= counts.ready <= ready + 1, (self.now, counts, watch.last)
        else:
            assert counts == Counts(ready=ready, in_use=counts.in_use), (self.now, counts)

    def look_at_machines(self) -> None:
        """A machine for each desktop, none beside; what is in the bin does not run, nor what the evening stopped."""
        with self.yunzhuo.connection() as connection:
            present = set(connection.exec_driver_sql("SELECT id FROM desktops WHERE deleted_at IS NULL").scalars())
        servers = {server.desktop_id: server for server in self.yunzhuo.cloud.servers.list()}
        assert servers.keys() <= present, "a machine was left behind"
        self.built |= servers.keys()
        running = {desktop_id for desktop_id, server in servers.items() if server.status is ServerStatus.RUNNING}
        assert not running & self.binned.keys(), "what is in the bin is stopped"

    def look_at_last_deed(self, since: datetime) -> None:
        """What people keep is off after an evening, and on after a morning, on the hosts that live."""
        runs = [
            (run.due_at, DEEDS[hour])
            for hour, schedule_id in self.schedules.items()
            for run in self.yunzhuo.services.schedules.runs(self.boss, schedule_id, limit=2)
            if run.due_at > since and run.status is RunStatus.SUCCEEDED
        ]
        if not runs:
            return
        _, deed = max(runs)
        servers = {server.desktop_id: server for server in self.yunzhuo.cloud.servers.list()}
        for user_id, desktop_id in self.kept.items():
            server = servers.get(desktop_id)
            if server is None:  # asked for in a storm, it was never built
                continue
            if deed is Deed.STOP:
                at_work = user_id in self.desks
                assert (server.status is ServerStatus.STOPPED) is not at_work, "off in the evening, but for who works late"
            elif self.down is None or self.down[0] != server.host:
                assert server.status is ServerStatus.RUNNING, "on in the morning"
        self.tally[f"{deed} seen"] += 1

    def look_at_runs(self) -> None:
        """Each day has one moment of each schedule, at that hour of Berlin's clocks; none is told twice, and none left out."""
        for hour, schedule_id in self.schedules.items():
            runs = self.yunzhuo.services.schedules.runs(self.boss, schedule_id, limit=100)
            days = [run.due_at.astimezone(BERLIN).date() for run in runs]
            assert {run.due_at.astimezone(BERLIN).hour for run in runs} == {hour}, "also after the clocks have changed"
            assert len(days) == len(set(days)) >= DAYS - 1
            assert all(run.status is not RunStatus.RUNNING for run in runs)


def make_school(yunzhuo: Installation, chance: random.Random) -> School:
    boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
    people = [yunzhuo.person(f"p{number}") for number in range(PEOPLE)]
    floating, *images = make_pool_for_two(
        yunzhuo,
        boss,
        name="Room",
        members=people,
        capacity=CAPACITY,
        spares=1,
        hours=["mon-fri 07:30-18:00 3"],
        time_zone="Europe/Berlin",
        release_after_minutes=RELEASE_MINUTES,
    )
    dedicated, _ = make_pool_for_two(yunzhuo, boss, name="Office", members=people, capacity=OFFICE, kind=Kind.DEDICATED)
    yunzhuo.services.leases.put_terms(boss, dedicated, TERMS)
    schedules = {
        hour: yunzhuo.services.schedules.create(
            boss, ScheduleWish(f"At {hour}", f"30 {hour} * * *", deed, SubjectKind.POOL, dedicated, "Europe/Berlin")
        ).id
        for hour, deed in DEEDS.items()
    }
    gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    tally: Counter[str] = Counter()
    both = (yunzhuo.image(boss).id, *images)
    watches = [
        RolloutWatch(yunzhuo, boss, pool_id, both, notice_hours, chance, tally)
        for pool_id, notice_hours in ((floating, 0), (dedicated, 12))
    ]
    return School(yunzhuo, boss, people, floating, dedicated, schedules, gateway_id, watches, chance, tally)


def test_every_rule_is_kept(tmp_path: Path) -> None:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"YUNZHUO_TEST_SEED={seed}")
    chance = random.Random(seed)
    with installation(tmp_path / "home", limits={"desktops_per_user": 1}) as yunzhuo:
        yunzhuo.clock.set(BEGIN)
        school = make_school(yunzhuo, chance)
        while yunzhuo.clock.now() < BEGIN + timedelta(days=DAYS):
            since = yunzhuo.clock.now()
            school.weather()
            school.see_dark_screens()
            for watch in school.watches:
                watch.lead()
            for person in chance.sample(school.people, 3):
                chance.choice([school.come, school.come, school.leave, school.take_own, school.leave_own])(person)
                if chance.random() < 0.5:
                    yunzhuo.services.pool_keeper.round()
                school.look()
            school.tend(rounds=1)
            school.look()
            school.clear_up()
            yunzhuo.pass_time(chance.choice(PAUSES) * 60)
            school.clear_up()
            school.tend(rounds=3)
            school.look()
            if school.now >= school.storm_until:
                school.look_at_rest()
            school.look_at_last_deed(since)
        print(f"{len(school.holders)} desktops given; {dict(school.tally)}")
        school.look_at_runs()
        assert len(school.holders) > DAYS * 2
        expected = {"start seen", "stop seen"}
        if DAYS >= MONTH:
            expected |= {"told that all are taken", "hosts died", "ended", "emptied", "storms"}
            expected |= {"roll-outs seen done", "roll-outs seen paused", "roll-outs: back", "desktops put onto another image"}
        assert expected <= school.tally.keys(), school.tally
