"""What operations cost: many desktops on the memory cloud with MariaDB, RabbitMQ and two workers, beside the bare driver.

``python bench/operations.py [--desktops N] [--rounds N] [--json]``. Each round asks Yunzhuo for its share of the desktops and
waits until all are available (A), and makes as many servers with the bare driver in a loop, each waited for until its guest is
ready (B); what is compared is the median of the ratios of neighboring rounds. Then a round of the reconciler is measured over
100, 1,000 and 10,000 desktops, and one over their ports and floating IPs (every tenth has one), each size in a process of its
own. With ``--json`` the last line is one JSON object.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy
from sqlalchemy import Engine, insert, text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.installation import PASSWORD, QUICK_PASSWORDS  # noqa: E402 (the path has to be set first)
from tests.support.mariadb import MariaDb  # noqa: E402
from tests.support.rabbitmq import RabbitMq  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

from yunzhuo.phoenix.cloud.interface import Cloud  # noqa: E402
from yunzhuo.phoenix.cloud.memory import Control, connect, control  # noqa: E402
from yunzhuo.phoenix.cloud.memory.options import HostOption  # noqa: E402
from yunzhuo.phoenix.cloud.resources import ServerRequest, ServerStatus  # noqa: E402
from yunzhuo.phoenix.common.clock import SystemClock  # noqa: E402
from yunzhuo.phoenix.common.ids import new_id  # noqa: E402
from yunzhuo.phoenix.config.settings import Settings  # noqa: E402
from yunzhuo.phoenix.db.models import Address, Desktop, Operation  # noqa: E402
from yunzhuo.services.access import Actor, Role  # noqa: E402
from yunzhuo.services.assembly import Services, services  # noqa: E402
from yunzhuo.services.first_start import prepare  # noqa: E402
from yunzhuo.services.rules.lifecycle import PLANS, Action  # noqa: E402

WORKERS = 2
STEPS = len(PLANS[Action.CREATE]) - 1  # the first is done by the transaction that writes the wish
SIZES = (100, 1_000, 10_000)
ROOM_FOR_ALL = (HostOption(id="host-1", name="memory-1", vcpus=10**6, memory_mib=10**9, disk_mib=10**9),)
READY_SECONDS = 900.0
ROUNDS_OF_RECONCILER = 3


@dataclass(frozen=True)
class Site:
    """A Yunzhuo whose background runs."""

    settings: Settings
    services: Services
    actor: Actor
    engine: Engine
    weather: Control

    def make(self, number: int) -> float:
        """Ask for desktops and wait until all are available; answers the seconds."""
        image, flavor = self.services.catalog.images(self.actor)[0], self.services.catalog.flavors(self.actor)[0]
        before = self._available()
        began = time.monotonic()
        for _ in range(number):
            self.services.desktops.request(self.actor, image_id=image.id, flavor_id=flavor.id)
        eventually(lambda: self._available() >= before + number, READY_SECONDS, what=lambda: f"{self._available()} available")
        return time.monotonic() - began

    def statements(self) -> int:
        """How many statements the database has answered, from everybody."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SHOW GLOBAL STATUS LIKE 'Com\\_%'"))
            counted = {"Com_select", "Com_insert", "Com_update", "Com_delete"}
            return sum(int(value) for name, value in rows if name in counted)

    def _available(self) -> int:
        query = "SELECT COUNT(*) FROM operations WHERE action = 'create' AND status = 'succeeded'"
        with self.engine.connect() as connection:
            return connection.scalar(text(query)) or 0


def site_settings(home: Path, database: MariaDb, queue_url: str) -> Settings:
    """Everything as it ships, but no quota."""
    return Settings.model_validate(
        {
            "home": home,
            "database": {"url": database.make_database()},
            "queue": {"url": queue_url},
            "cloud": {"driver": "memory"},
            "limits": {"desktops_per_user": 1_000_000},
            "log": {"level": "warning"},
        }
    )


@contextmanager
def running(home: Path, database: MariaDb, broker: RabbitMq) -> Iterator[Site]:
    """A site with two workers and a scheduler."""
    settings = site_settings(home, database, broker.url)
    prepare(settings)
    weather = control(settings, clock=SystemClock())
    weather.change_options(calls_kept=10_000_000, hosts=ROOM_FOR_ALL)
    file = home / "settings.json"
    file.write_text(settings.model_dump_json())
    engine = sqlalchemy.create_engine(settings.database_url)
    with ExitStack() as stack:
        made = stack.enter_context(services(settings, passwords=QUICK_PASSWORDS))
        made.catalog.synchronize(made.accounts.default_organization_id())
        for name in (*["worker"] * WORKERS, "scheduler"):
            stack.enter_context(_process(name, file))
        actor = made.accounts.add("bench@school.local", PASSWORD, Role.USER).actor()
        site = Site(settings, made, actor, engine, weather)
        site.make(WORKERS * settings.queue.worker_threads)  # until everybody is there and warm
        yield site
    engine.dispose()
    weather.close()


@contextmanager
def _process(name: str, file: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.support.background", name, str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def bare(cloud: Cloud, number: int) -> float:
    """As many servers with the driver alone, one call after another; answers the seconds."""
    began = time.monotonic()
    made = [cloud.servers.create(_request(new_id())).id for _ in range(number)]
    for server_id in made:
        while cloud.servers.get(server_id).status is not ServerStatus.RUNNING or not cloud.guest.ready(server_id):
            time.sleep(0.01)
    return time.monotonic() - began


def _request(desktop_id: str) -> ServerRequest:
    return ServerRequest(desktop_id=desktop_id, name="bench", hostname="bench", image_id="linux-desktop", flavor_id="small")


def measure_operations(folder: Path, desktops: int, rounds: int) -> dict[str, float]:
    """Yunzhuo and the bare driver by turns."""
    database, broker = MariaDb(flush=1), RabbitMq()
    try:
        with running(folder / "site", database, broker) as site:
            cloud = connect(Settings.model_validate({"home": folder / "bare", "cloud": {"driver": "memory"}}))
            cloud.control.change_options(hosts=ROOM_FOR_ALL)
            statements, last_call = site.statements(), site.weather.calls.last_id()
            times: list[tuple[float, float]] = []
            for number in range(rounds):
                times.append((site.make(desktops // rounds), bare(cloud, desktops // rounds)))
                print(f"round {number + 1}: Yunzhuo {times[-1][0]:.1f} s, bare driver {times[-1][1]:.1f} s", flush=True)
            statements = site.statements() - statements
            lists = site.weather.calls.count("servers.list", after_id=last_call)
            calls = site.weather.calls.count("servers.*", after_id=last_call) - lists
            calls += site.weather.calls.count("guest.*", after_id=last_call)
            cloud.close()
    finally:
        broker.close()
        database.close()
    made = desktops // rounds * rounds
    ours, theirs = sum(a for a, _ in times), sum(b for _, b in times)
    return {
        "operations_per_second": made / ours,
        "bare_driver_per_second": made / theirs,
        "times_the_bare_driver": statistics.median(a / b for a, b in times),
        "step_overhead_ms": 1000 * statistics.median((a - b) / (made / rounds * STEPS) for a, b in times),
        "statements_per_desktop": statements / made,
        "cloud_calls_per_desktop": calls / made,
        "list_calls_per_second": lists / (ours + theirs),
    }


def measure_reconciler(folder: Path) -> dict[str, float]:
    """A round over more and more desktops of which none has changed."""
    figures: dict[str, float] = {}
    database = MariaDb(flush=1)
    try:
        for size in SIZES:
            settings = site_settings(folder / f"reconcile-{size}", database, "")
            fill(settings, size)
            answer = subprocess.run(
                [sys.executable, __file__, "--reconcile", "-"],
                input=settings.model_dump_json(),
                capture_output=True,
                text=True,
                check=True,
            )
            found: Mapping[str, float] = json.loads(answer.stdout.splitlines()[-1])
            print(
                f"reconcile {size}: {found['seconds']:.3f} s, {found['mib']:.0f} MiB, {found['lists']:.0f} list calls a round;"
                f" addresses and ports: {found['network_seconds']:.3f} s, {found['network_calls']:.0f} calls"
            )
            figures |= {f"network_{size}_seconds": found["network_seconds"], f"network_{size}_calls": found["network_calls"]}
            figures |= {f"reconcile_{size}_seconds": found["seconds"], f"reconcile_{size}_mib": found["mib"]}
            figures[f"reconcile_{size}_list_calls"] = found["lists"]
    finally:
        database.close()
    return figures


def fill(settings: Settings, number: int) -> None:
    """So many desktops that are available, in the tables and in the cloud."""
    prepare(settings)
    cloud = connect(settings)
    cloud.control.change_options(hosts=ROOM_FOR_ALL)
    with services(settings, passwords=QUICK_PASSWORDS) as made:
        organization_id = made.accounts.default_organization_id()
        made.catalog.synchronize(organization_id)
        actor = made.accounts.add("bench@school.local", PASSWORD, Role.USER).actor()
        image, flavor = made.catalog.images(actor)[0], made.catalog.flavors(actor)[0]
    now = datetime.now(UTC)
    desktops, operations, addresses = [], [], []
    for each in range(number):
        desktop_id, operation_id = new_id(), new_id()
        server = cloud.servers.create(_request(desktop_id))
        common = {"organization_id": organization_id, "created_at": now}
        desktops.append(
            common
            | {"id": desktop_id, "owner_id": actor.user_id, "name": "bench", "hostname": "bench", "image_id": image.id}
            | {"flavor_id": flavor.id, "wanted": "running", "server_id": server.id, "observed_status": "running"}
            | {"observed_at": now, "ready_at": now, "operation_id": operation_id}
        )
        operations.append(
            common
            | {"id": operation_id, "desktop_id": desktop_id, "user_id": actor.user_id, "action": "create", "arguments": {}}
            | {"status": "succeeded", "position": STEPS + 1, "attempts": 0, "due_at": now, "ended_at": now}
            | {"deadline_at": now + timedelta(minutes=5)}
        )
        if each % 10 == 0:
            addresses.append({"id": new_id(), "desktop_id": desktop_id, "attached_at": now, "created_at": now})
    time.sleep(1)  # the last server is running by then
    for address, desktop in zip(addresses, desktops[::10], strict=True):
        ip = cloud.addresses.create(str(address["id"]))
        cloud.addresses.associate(ip.id, str(desktop["server_id"]))
        address |= {"cloud_id": ip.id, "address": ip.address, "network_id": ip.network_id}
    cloud.close()
    engine = sqlalchemy.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(insert(Desktop), desktops)
        connection.execute(insert(Address), addresses)
        connection.execute(insert(Operation), operations)
    engine.dispose()


def reconcile(settings: Settings) -> dict[str, float]:
    """Some rounds in this process: the median's seconds, the most memory this process ever had, list calls a round."""
    weather = control(settings, clock=SystemClock())
    last_call = weather.calls.last_id()
    seconds, network_seconds = [], []
    with services(settings) as made:
        for _ in range(ROUNDS_OF_RECONCILER):
            began = time.monotonic()
            made.reconciler.round()
            seconds.append(time.monotonic() - began)
        for _ in range(ROUNDS_OF_RECONCILER):
            began = time.monotonic()
            assert not made.address_upkeep.round(), "there is nothing to be found"
            assert not made.port_upkeep.round()
            network_seconds.append(time.monotonic() - began)
    network_calls = sum(weather.calls.count(f"{part}.*", after_id=last_call) for part in ("addresses", "networks"))
    lists = weather.calls.count("servers.list", after_id=last_call)
    weather.close()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": statistics.median(seconds),
        "mib": mib,
        "lists": lists / ROUNDS_OF_RECONCILER,
        "network_seconds": statistics.median(network_seconds),
        "network_calls": network_calls / ROUNDS_OF_RECONCILER,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktops", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--reconcile", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reconcile:
        print(json.dumps(reconcile(Settings.model_validate_json(sys.stdin.read()))))
        return
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as name:
        figures = measure_reconciler(Path(name)) | measure_operations(Path(name), arguments.desktops, arguments.rounds)
    for key, value in figures.items():
        print(f"{key:<32} {value:.3f}")
    if arguments.json:
        print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
