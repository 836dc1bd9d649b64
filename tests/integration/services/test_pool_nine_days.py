"""Nine days with a fast clock, over the change to summer time: people come and go, builds fail, and every rule is counted
from outside. The seed is printed; ``YUNZHUO_TEST_SEED`` repeats a run."""

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.assembly import gateway_key_file
from yunzhuo.services.rules.lifecycle import State
from yunzhuo.services.rules.pools import Counts, Kind, Way

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BEGIN, DAYS, TICK = datetime(2026, 3, 26, tzinfo=UTC), 9, timedelta(minutes=45)
BERLIN = ZoneInfo("Europe/Berlin")
PEOPLE, CAPACITY, RELEASE_MINUTES = 8, 7, 90


def wanted_at(moment: datetime) -> int:
    """The floating pool's hours, said in another way: 3 on working days from 07:30 to 18:00 in Berlin, else 1."""
    local = moment.astimezone(BERLIN)
    is_open = local.weekday() < 5 and "07:30" <= local.strftime("%H:%M") < "18:00"
    return 3 if is_open else 1


@dataclass
class NineDays:
    """The school, and what everybody should have by what they did."""

    yunzhuo: Installation
    boss: Actor
    people: list[Actor]
    floating: str
    dedicated: str
    gateway_id: str
    chance: random.Random
    holders: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    screens: dict[str, str] = field(default_factory=dict)
    alone_since: dict[str, datetime] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    told_full: int = 0

    def come(self, person: Actor) -> None:
        """Get a desktop of the floating pool and open its screen, if it is there."""
        try:
            claimed = self.yunzhuo.services.claims.claim(person, self.floating)
        except LimitReached:
            counts = self.yunzhuo.services.pools.get(self.boss, self.floating).counts
            assert counts.there >= CAPACITY, counts
            assert counts.ready + counts.coming == 0, counts
            self.told_full += 1
            return
        desktop = claimed.desktop
        self.holders[desktop.id].add(person.user_id)
        if claimed.way is not Way.HAD:
            self.alone_since[person.user_id] = self.yunzhuo.clock.now()
        if desktop.state is State.AVAILABLE and person.user_id not in self.screens:
            ticket = self.yunzhuo.services.consoles.open(person, desktop.id, ConsoleProtocol.VNC).ticket
            opened = self.yunzhuo.services.consoles.redeem(self.gateway_id, ticket, client_address="192.0.2.7")
            self.screens[person.user_id] = opened.session_id

    def leave(self, person: Actor) -> None:
        """Close the screen; sometimes the desktop is given back."""
        session_id = self.screens.pop(person.user_id, None)
        if session_id is not None:
            self.yunzhuo.services.consoles.end_session(self.gateway_id, session_id, bytes_in=1, bytes_out=1, reason="closed")
            self.alone_since[person.user_id] = self.yunzhuo.clock.now()
        if self.chance.random() < 0.4 and self.floating_of(person) is not None:
            self.yunzhuo.services.claims.release(person, self.floating)
            self.alone_since.pop(person.user_id, None)

    def take_own(self, person: Actor) -> None:
        """Get a desktop of the dedicated pool, which is the same one for ever."""
        try:
            desktop = self.yunzhuo.services.claims.claim(person, self.dedicated).desktop
        except LimitReached:
            assert person.user_id not in self.kept
            return
        self.holders[desktop.id].add(person.user_id)
        assert self.kept.setdefault(person.user_id, desktop.id) == desktop.id

    def floating_of(self, person: Actor) -> str | None:
        offers = self.yunzhuo.services.claims.mine(person)
        return next((offer.desktop_id for offer in offers if offer.id == self.floating), None)

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
        assert there.count(self.dedicated) <= PEOPLE - 2
        present = {desktop_id for *_, desktop_id in found}
        assert set(self.kept.values()) <= present, "a dedicated desktop was taken away"

    def look_at_rest(self) -> None:
        """What holds when nothing goes wrong and everything was done."""
        now = self.yunzhuo.clock.now()
        floating = self.yunzhuo.services.pools.get(self.boss, self.floating).counts
        ready = min(wanted_at(now), CAPACITY - floating.in_use)
        assert floating == Counts(ready=ready, in_use=floating.in_use), (now, floating)
        dedicated = self.yunzhuo.services.pools.get(self.boss, self.dedicated).counts
        assert dedicated == Counts(ready=min(1, PEOPLE - 2 - len(self.kept)), in_use=len(self.kept))
        with self.yunzhuo.connection() as connection:
            present = set(connection.exec_driver_sql("SELECT id FROM desktops WHERE deleted_at IS NULL").scalars())
        assert {server.desktop_id for server in self.yunzhuo.cloud.servers.list()} <= present, "a machine was left behind"
        for person in self.people:
            has_it = self.floating_of(person) is not None
            since = self.alone_since.get(person.user_id)
            if person.user_id in self.screens:
                assert has_it, "a desktop was taken away under somebody's hands"
            elif since is not None and now - since > timedelta(minutes=RELEASE_MINUTES + 5):
                assert not has_it, "a desktop that nobody used was not given back"
            if not has_it:
                self.alone_since.pop(person.user_id, None)


def test_every_rule_is_kept(tmp_path: Path) -> None:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"YUNZHUO_TEST_SEED={seed}")
    chance = random.Random(seed)
    with installation(tmp_path / "home", limits={"desktops_per_user": 1}) as yunzhuo:
        yunzhuo.clock.set(BEGIN)
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        people = [yunzhuo.person(f"p{number}") for number in range(PEOPLE)]
        hours = ["mon-fri 07:30-18:00 3"]
        floating = make_pool(
            yunzhuo,
            boss,
            name="Room",
            members=people,
            capacity=CAPACITY,
            spares=1,
            hours=hours,
            time_zone="Europe/Berlin",
            release_after_minutes=RELEASE_MINUTES,
        )
        dedicated = make_pool(yunzhuo, boss, name="Office", members=people, capacity=PEOPLE - 2, kind=Kind.DEDICATED)
        gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
        school = NineDays(yunzhuo, boss, people, floating, dedicated, gateway_id, chance)
        while yunzhuo.clock.now() < BEGIN + timedelta(days=DAYS):
            if chance.random() < 0.15:
                kind = chance.choice([FaultKind.REFUSE, FaultKind.FAIL_AFTER, FaultKind.BREAK])
                yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=kind, count=None, probability=0.5))
            for person in chance.sample(people, 3):
                chance.choice([school.come, school.come, school.leave, school.take_own])(person)
                if chance.random() < 0.5:
                    yunzhuo.services.pool_keeper.round()
                school.look()
            settle(yunzhuo, rounds=3)
            school.look()
            yunzhuo.weather.faults.clear()
            yunzhuo.pass_time(TICK.total_seconds())
            settle(yunzhuo, rounds=4)
            school.look()
            school.look_at_rest()
        assert len(school.holders) > DAYS * 3
        assert school.told_full > 0
