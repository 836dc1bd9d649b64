"""A month with a fast clock, over the change to summer time: desktops end, are put off, deleted and had back, start and stop by
schedules, while schedulers are away and starts fail. Every rule is counted from outside. The seed is printed;
``YUNZHUO_TEST_SEED`` repeats a run."""

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Conflict, LimitReached
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.schedules import Deed, RunStatus, SubjectKind
from yunzhuo.services.schedules import RunView, ScheduleWish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BEGIN, DAYS, TICK = datetime(2026, 3, 10, tzinfo=UTC), 31, timedelta(hours=4)
BERLIN = ZoneInfo("Europe/Berlin")
TERMS = Terms(days=9, extend_days=4, extend_times=2, warn_hours=(48, 6), bin_days=3)
# How long nobody looks at most: what is due is done by then.
AWAY, SLACK = timedelta(hours=12), timedelta(hours=5)


@dataclass
class Month:
    """The school, and what was seen of it from outside."""

    yunzhuo: Installation
    boss: Actor
    people: list[Actor]
    chance: random.Random
    warned: Counter[str] = field(default_factory=Counter)
    ends: dict[str, datetime] = field(default_factory=dict)
    binned: dict[str, datetime] = field(default_factory=dict)
    put_off: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    looked_at: datetime = BEGIN

    def act(self, person: Actor) -> None:
        """Whatever comes to somebody's mind."""
        desktops = self.yunzhuo.services.desktops
        mine = list(desktops.list(person).items)
        binned = list(desktops.list(person, state=State.BINNED).items)
        what = self.chance.choice(["new", "delete", "undelete", "extend", "start"])
        try:
            if what == "new" and len(mine) < 2:
                made = self.yunzhuo.request(person).desktop
                assert made.ends_at == self.yunzhuo.clock.now() + timedelta(days=9)
                self.ends[made.id] = made.ends_at
            elif what == "delete" and mine and self.chance.random() < 0.3:
                gone = desktops.act(person, self.chance.choice(mine).id, Action.DELETE).desktop
                if gone.state is State.BINNED:
                    self.binned[gone.id] = self.yunzhuo.clock.now() + timedelta(days=3)
            elif what == "undelete" and binned:
                had = self.yunzhuo.services.bin.undelete(person, self.chance.choice(binned).id)
                assert had.ends_at is not None
                assert had.ends_at >= self.yunzhuo.clock.now() + timedelta(days=1)
                self.ends[had.id] = had.ends_at
                self.binned.pop(had.id, None)
            elif what == "extend" and mine:
                self.extend(person, self.chance.choice(mine).id)
            elif what == "start" and mine:
                desktops.act(person, self.chance.choice(mine).id, Action.START)
            else:
                return
        except Conflict:
            what = f"{what} refused"
        self.deeds[what] += 1

    def extend(self, person: Actor, desktop_id: str) -> None:
        before = self.yunzhuo.services.desktops.get(person, desktop_id)
        try:
            after = self.yunzhuo.services.leases.extend(person, desktop_id)
        except LimitReached:
            assert self.put_off[desktop_id] == TERMS.extend_times
            self.deeds["extended often enough"] += 1
            return
        assert before.is_ending, "only when it is near"
        assert before.ends_at is not None
        assert after.ends_at == max(before.ends_at, self.yunzhuo.clock.now()) + timedelta(days=4)
        self.put_off[desktop_id] += 1
        assert self.put_off[desktop_id] <= TERMS.extend_times
        self.ends[desktop_id] = after.ends_at

    def tend(self) -> None:
        """Schedulers and workers do what there is to do."""
        for _ in range(2):
            self.yunzhuo.services.schedule_keeper.round()
            self.yunzhuo.services.lease_keeper.round()
            self.yunzhuo.run()
        self.yunzhuo.services.reconciler.round()
        self.yunzhuo.services.lease_keeper.round()
        self.yunzhuo.run()

    def look(self) -> None:
        """What holds whenever everything was done."""
        now, present = self.yunzhuo.clock.now(), set()
        for person in self.people:
            for each in self.yunzhuo.services.desktops.list(person).items:
                present.add(each.id)
                assert each.ends_at == self.ends[each.id]
                overdue = now - each.ends_at
                if overdue > timedelta(0):
                    assert each.is_ending, "what is over was warned of"
                assert overdue < AWAY + SLACK, "what is over ends"
            for each in self.yunzhuo.services.desktops.list(person, state=State.BINNED).items:
                present.add(each.id)
                if each.id not in self.binned:  # it ended by itself
                    assert now >= self.ends[each.id], "nothing ends before its time"
                    self.deeds["ended"] += 1
                    assert each.bin_until is not None
                    self.binned[each.id] = each.bin_until
                assert each.bin_until == self.binned[each.id]
                assert now < self.binned[each.id] + AWAY + SLACK, "the bin is emptied"
        servers = {server.desktop_id: server.status for server in self.yunzhuo.cloud.servers.list()}
        assert servers.keys() <= present, "a machine was left behind"
        assert all(servers.get(each) != "running" for each in self.binned.keys() & present), "what is in the bin is stopped"
        for desktop_id in [each for each in self.binned if each not in present]:
            assert now >= self.binned.pop(desktop_id), "kept as long as was said"
            self.deeds["emptied"] += 1
        for desktop_id in [each for each in self.ends if each not in present]:
            del self.ends[desktop_id]

    def look_at_letters(self) -> None:
        """Of each end its person was warned: nobody loses a desktop without two letters, or one and an hour."""
        with self.yunzhuo.connection() as connection:
            kinds = Counter(connection.exec_driver_sql("SELECT kind FROM outgoing_mails").scalars())
        assert kinds["desktop_ended"] >= self.deeds["ended"] > 0
        assert kinds["desktop_ending"] >= kinds["desktop_ended"]

    def look_at_runs(self, runs: list[RunView], hour: int) -> None:
        """Each day has one moment, at that hour of Berlin's clocks; none is told twice, and none left out."""
        told = sorted(run.due_at for run in runs)
        assert all(each.astimezone(BERLIN).hour == hour for each in told), "also after the clocks have changed"
        days = [each.astimezone(BERLIN).date() for each in told]
        assert len(days) == len(set(days))
        assert len(days) >= DAYS - 1, "late, or told as missed, but never forgotten"
        assert all(run.status is not RunStatus.RUNNING for run in runs)
        assert all(timedelta(seconds=run.late_seconds) <= AWAY + SLACK for run in runs if run.status is RunStatus.SUCCEEDED)


def test_every_rule_is_kept_for_a_month(tmp_path: Path) -> None:
    seed = int(os.environ.get("YUNZHUO_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"YUNZHUO_TEST_SEED={seed}")
    chance = random.Random(seed)
    mail = {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "yunzhuo@school.local"}
    with installation(tmp_path / "home", mail=mail) as yunzhuo:
        yunzhuo.clock.set(BEGIN)
        boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
        people = [yunzhuo.person(f"p{number}") for number in range(4)]
        yunzhuo.services.leases.put_terms(boss, boss.organization_id, TERMS)
        group = yunzhuo.services.groups.create(boss, "Everybody").id
        for each in people:
            yunzhuo.services.groups.put_member(boss, group, each.user_id)
        schedules = {
            hour: yunzhuo.services.schedules.create(
                boss, ScheduleWish(name, f"30 {hour} * * *", deed, SubjectKind.GROUP, group, "Europe/Berlin")
            ).id
            for name, hour, deed in (("Morning", 7, Deed.START), ("Evening", 22, Deed.STOP))
        }
        month = Month(yunzhuo, boss, people, chance)
        while yunzhuo.clock.now() < BEGIN + timedelta(days=DAYS):
            if chance.random() < 0.1:
                yunzhuo.weather.faults.set(Fault(operation="servers.start", kind=FaultKind.BREAK, count=None, probability=0.5))
            for person in chance.sample(people, 2):
                month.act(person)
            # Sometimes no scheduler runs for a part of the day.
            away = chance.random() < 0.1
            yunzhuo.pass_time((chance.uniform(1, 3) * TICK if away else TICK).total_seconds())
            yunzhuo.weather.faults.clear()
            month.tend()
            month.look()
        month.look_at_letters()
        for hour, schedule_id in schedules.items():
            month.look_at_runs(list(yunzhuo.services.schedules.runs(boss, schedule_id, limit=100)), hour)
        assert {"new", "delete", "undelete", "extend", "ended", "emptied"} <= month.deeds.keys(), month.deeds
