"""A site under attack: MariaDB, RabbitMQ, workers and schedulers as processes of their own, and whatever may happen to them."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amqp.exceptions import InternalError as AmqpInternalError
from amqp.exceptions import NotFound as AmqpNotFound
from kombu import Connection, Queue

from tests.chaos.kill_points import KillPoints
from tests.chaos.nursery import DEATHS, PIDS
from tests.chaos.saboteur import patient_control
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.memory import Control
from yunzhuo.phoenix.cloud.memory.faults import Fault, FaultKind
from yunzhuo.phoenix.cloud.memory.options import HostOption
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.queue import QUEUE_NAME

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
UNHEARD_SECONDS = 20.0  # a call takes two at the most
# While one starts again, others go on.
WORKERS = tuple(f"worker-{number}" for number in range(1, 7))
SCHEDULERS = ("scheduler-1", "scheduler-2")
_HANGS = 0.15
# So many that hardly any server is tried in vain on three of them.
_HOSTS = tuple(HostOption(id=f"host-{number}", name=f"memory-{number}") for number in range(1, 5))


def site_settings(home: Path, database: MariaDb, broker: RabbitMq) -> Settings:
    """Leases are short, so that what was killed goes on soon; a call to the cloud is shorter still."""
    return Settings.model_validate(
        {
            "home": home,
            "database": {"url": database.make_database(), "pool_size": 6},
            "queue": {"url": broker.url, "worker_threads": 2},
            # Its file lets in one at a time: to read five hundred servers every second would keep everybody else out.
            "cloud": {"driver": "memory", "timeout_seconds": 2, "poll_seconds": 4},
            "operations": {"lease_seconds": 4, "build_seconds": 4},
            # Few are kept, so that most have to be made.
            "addresses": {"keep_seconds": 10, "compare_seconds": 5},
            "reconcile": {"ports_seconds": 5},
            "admission": {"builds_per_cloud": 48, "builds_per_host": 24, "starts_per_cloud": 48, "starts_per_host": 24},
            "limits": {"desktops_per_user": 10_000},
            "log": {"style": "json"},
        }
    )


class Keeper:
    """The nursery of the background processes, and what it wrote down of them."""

    def __init__(self, settings: Settings, points: Path) -> None:
        self._home = settings.home
        self._points = points
        self._settings_file = settings.home / "settings.json"
        self._settings_file.write_text(settings.model_dump_json())
        self._clock_file = settings.home / "clock"
        self.turn_clock(0)
        self._nursery: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """All of them, from now on."""
        command = [sys.executable, "-m", "tests.chaos.nursery"]
        files = [str(self._settings_file), str(self._points), str(self._clock_file)]
        with (self._home / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                [*command, *files, *WORKERS, *SCHEDULERS], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually((self._home / PIDS).exists, START_SECONDS)

    def kill(self, name: str) -> None:
        """One of them; it may be dead already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(json.loads((self._home / PIDS).read_text())[name], signal.SIGKILL)

    def deaths(self) -> Counter[tuple[str, int]]:
        """How often who ended how: by name and exit code."""
        lines = (self._home / DEATHS).read_text().splitlines()
        return Counter((death["name"], death["code"]) for death in map(json.loads, lines))

    def turn_clock(self, seconds: int) -> None:
        """What time it is for them: that much later than it is."""
        draft = self._clock_file.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}")
        draft.replace(self._clock_file)

    def close(self) -> None:
        """End them as a supervisor does."""
        if self._nursery is not None:
            self._nursery.terminate()
            self._nursery.wait(60)


class Weather:
    """A cloud that is slow, fails, lies and forgets, now and then, for all who use it."""

    def __init__(self, cloud: Control, chance: random.Random) -> None:
        self._cloud = cloud
        self._chance = chance
        self.kinds: Counter[str] = Counter()
        # All the time: one of several servers is never made where it was put.
        hangs = Fault(operation="servers.create", kind=FaultKind.HANG, count=None, probability=_HANGS)
        self._cloud.faults.set(hangs)

    def blow(self) -> None:
        """One more thing that goes wrong."""
        chance = self._chance
        kinds = (
            FaultKind.SLOW,
            FaultKind.FAIL_BEFORE,
            FaultKind.FAIL_AFTER,
            FaultKind.TIMEOUT,
            FaultKind.LIE,
            FaultKind.FORGET,
            FaultKind.LEAK,
        )
        kind = chance.choice(kinds)
        some_parts = ["servers.*", "servers.list", "addresses.*"]
        is_in_some = kind in (FaultKind.LIE, FaultKind.FORGET, FaultKind.LEAK)
        operation = chance.choice(some_parts if is_in_some else ["servers.*", "servers.*", "volumes.*", "addresses.*"])
        seconds = chance.uniform(0.1, 1.5) if kind in (FaultKind.SLOW, FaultKind.TIMEOUT) else 0
        self._cloud.faults.set(Fault(operation=operation, kind=kind, count=chance.randint(1, 3), seconds=seconds))
        self.kinds[kind] += 1

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._cloud.faults.clear()


class Site:
    """Everything together, and the disturbances by name."""

    def __init__(self, settings: Settings, database: MariaDb, broker: RabbitMq, points: Path, chance: random.Random) -> None:
        self.settings = settings
        self.database = database
        self.broker = broker
        self.cloud = patient_control(settings)
        self.cloud.change_options(calls_kept=1_000_000, hosts=_HOSTS)
        self.keeper = Keeper(settings, points)
        self.weather = Weather(self.cloud, chance)
        self._chance = chance
        self._killed: dict[str, int] = {}  # points inside calls, and which call was broken off for each
        self.disturbances: dict[str, Callable[[], None]] = {
            "broker killed": self._kill_broker,
            "broker lost its disk": self._broker_without_disk,
            "broker lost the queue, but for its name": self._only_the_name,
            "queue purged": self._purge,
            "broker's disk full": self._broker_disk_full,
            "database killed": self._kill_database,
            "database restarted": self._restart_database,
            "database's disk full": self._database_disk_full,
            "clock 40 s ahead": lambda: self._wrong_clock(40),
            "clock 20 s behind": lambda: self._wrong_clock(-20),
            "scheduler killed": self._kill_scheduler,
            "all workers killed": self._kill_workers,
        }

    def give_back_what_killed_nobody(self, points: KillPoints) -> int:
        """A worker that was to die inside a call may have died before it, by another thread's point, or never have made it.

        Answers of how many it is not known yet.
        """
        unknown = 0
        for path, _, note in points.notes():
            if "call" not in note or path.name in self._killed:
                continue
            calls = self.cloud.calls.list(str(note["call"]), subject=str(note["subject"]))
            broken_off = {call.id for call in calls if not call.outcome and not is_alive(call.process_id)}
            unused = broken_off - set(self._killed.values())
            if unused:
                self._killed[path.name] = min(unused)
            elif not is_alive(int(str(note["pid"]))) or time.time() - float(str(note["at"])) > UNHEARD_SECONDS:
                points.give_back(path)
            else:
                unknown += 1
        return unknown

    def _kill_broker(self) -> None:
        self.broker.end(signal.SIGKILL)
        self.broker.start()

    def _broker_without_disk(self) -> None:
        self.broker.end(signal.SIGKILL)
        self.broker.forget_everything()
        self.broker.start()

    def _only_the_name(self) -> None:
        self.broker.end(signal.SIGKILL)
        self.broker.lose_what_quorum_queues_hold()
        self.broker.start()

    def _purge(self) -> None:
        with Connection(self.settings.queue.url) as connection, contextlib.suppress(AmqpNotFound, AmqpInternalError):
            # Nobody used it yet, or it is broken; the connection goes with it.
            Queue(QUEUE_NAME)(connection.default_channel).purge()

    def _broker_disk_full(self) -> None:
        self.broker.control("set_disk_free_limit", "9000000000000000")
        time.sleep(3)
        self.broker.control("set_disk_free_limit", "50000000")

    def _kill_database(self) -> None:
        self.database.end(signal.SIGKILL)
        self.database.start()

    def _restart_database(self) -> None:
        self.database.end()
        self.database.start()

    def _database_disk_full(self) -> None:
        self.database.fill_the_disk()
        time.sleep(2)
        self.database.get_a_bigger_disk()

    def _wrong_clock(self, seconds: int) -> None:
        """It jumps, and a while later back."""
        self.keeper.turn_clock(seconds)
        time.sleep(10)
        self.keeper.turn_clock(0)

    def _kill_scheduler(self) -> None:
        self.keeper.kill(self._chance.choice(SCHEDULERS))

    def _kill_workers(self) -> None:
        for name in WORKERS:
            self.keeper.kill(name)


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


@contextmanager
def site(settings: Settings, database: MariaDb, broker: RabbitMq, points: Path, chance: random.Random) -> Iterator[Site]:
    """A site that runs; ended at the end."""
    made = Site(settings, database, broker, points, chance)
    made.keeper.start()
    try:
        yield made
    finally:
        made.keeper.close()
        made.cloud.close()
