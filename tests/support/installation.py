"""A whole installation in a folder: real database, the memory cloud, and a clock that the test moves."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, inspect
from tests.support.mariadb import MariaDb

from yunzhuo.phoenix.cloud.memory import Control, Fault, FaultKind, MemoryCloud, connect, control
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.catalog import FlavorView, ImageView
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.first_start import prepare
from yunzhuo.services.rules.lifecycle import ACTIVE
from yunzhuo.services.steps import perform

PASSWORD = "correct horse battery"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
# Hashing well takes a tenth of a second, a hundred times over; what that is good for has tests of its own.
QUICK_PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
TICK = timedelta(milliseconds=50)


_URL_FILE = "database-url"


@cache
def mariadb() -> MariaDb:
    """The MariaDB of this test process, ended with it."""
    server = MariaDb()
    atexit.register(server.close)
    return server


def use_mariadb() -> None:
    """From now on every installation has its database at MariaDB (``pytest --database mariadb``)."""
    _DATABASES.append("mariadb")


_DATABASES = ["sqlite"]


def copy_home(source: Path, target: Path) -> Path:
    """Copy an installation's folder and, where that is elsewhere, its database. Answers ``target``."""
    shutil.copytree(source, target)
    url_file = target / _URL_FILE
    if url_file.exists():
        url_file.write_text(mariadb().copy_of(url_file.read_text()))
    return target


def database_of(home: Path) -> dict[str, str]:
    """The section ``database`` of the settings of an installation in ``home``."""
    if _DATABASES[-1] == "sqlite":
        return {}
    url_file = home / _URL_FILE
    if not url_file.exists():
        home.mkdir(parents=True, exist_ok=True)
        url_file.write_text(mariadb().make_database())
    return {"url": url_file.read_text(), "pool_size": "2"}


# Sections of the settings that make a prepared installation another one.
_SEEN_BY_PREPARE = frozenset({"database", "gateway", "web"})


# One dialect and what it has compiled, for all of a process's engines on SQLite: SQLAlchemy knows compiled statements by the
# dialect object, and each test would compile all of them anew, a quarter of its time. A running Yunzhuo has one engine.
_SHARED: list[Dialect] = []
_COMPILED: dict[object, object] = {}


@event.listens_for(Engine, "engine_connect")
def _share_compiled_statements(connection: Connection) -> None:
    engine = connection.engine
    if engine.dialect.name != "sqlite" or engine.get_execution_options().get("compiled_cache") is _COMPILED:
        return
    if not _SHARED:
        _SHARED.append(engine.dialect)
    engine.dialect = _SHARED[0]
    engine.update_execution_options(compiled_cache=_COMPILED)


@cache
def _prepared_home() -> Path:
    """An installation with nothing in it: its migrations take longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="yunzhuo-prepared-"))
    atexit.register(shutil.rmtree, folder)
    home = folder / "home"
    prepare(Settings.model_validate({"home": home, "cloud": {"driver": "memory"}, "database": database_of(home)}))
    return home


@dataclass(frozen=True)
class Installation:
    """What a test needs of an installation. Nothing happens by itself: :meth:`run` lets time pass."""

    settings: Settings
    clock: FixedClock
    cloud: MemoryCloud
    weather: Control
    services: Services

    def person(self, name: str = "lin", role: Role = Role.USER) -> Actor:
        """A new account, as the one who asks."""
        return self.services.accounts.add(f"{name}@school.local", PASSWORD, role).actor(client_address="192.0.2.7")

    def image(self, actor: Actor) -> ImageView:
        """The default image."""
        return self.services.catalog.images(actor)[0]

    def flavor(self, actor: Actor) -> FlavorView:
        """The smallest flavor."""
        return self.services.catalog.flavors(actor)[0]

    def request(self, actor: Actor, **wishes: str) -> Accepted:
        """Ask for a desktop of the default kind."""
        return self.services.desktops.request(actor, image_id=self.image(actor).id, flavor_id=self.flavor(actor).id, **wishes)

    def available(self, actor: Actor, **wishes: str) -> str:
        """A desktop that is ready to be worked in; answers its id."""
        accepted = self.request(actor, **wishes)
        self.run()
        return accepted.desktop.id

    def failed(self, actor: Actor, kind: FaultKind = FaultKind.REFUSE, **wishes: str) -> str:
        """A desktop whose making fails in the cloud, whatever else is being made; answers its id."""
        desktop_id = self.request(actor, **wishes).desktop.id
        # What breaks on one host is made on another: it has to break on each.
        count = len(self.cloud.hosts.list()) if kind is FaultKind.BREAK else 1
        self.weather.faults.set(Fault(operation="servers.create", kind=kind, subject=desktop_id, count=count))
        self.run()
        return desktop_id

    def pass_time(self, seconds: float) -> None:
        """Time goes by and nobody works."""
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def work(self) -> int:
        """One worker takes every step that is due now; answers how many there were."""
        self.services.admission.round()
        due = self.services.engine.due()
        for operation_id in due:
            self.services.engine.advance(operation_id)
        return len(due)

    def take_step(self, operation_id: str) -> None:
        """An operation's present step if it is due, and not, as a job does, those after it."""
        claim = self.services.engine.claim(operation_id)
        if claim is not None:
            self.services.engine.record_outcome(claim, perform(claim.step, self.cloud, claim.subject))

    def run(self, seconds: float = 60) -> None:
        """Workers work and time goes by until no operation is left, or for ``seconds`` of the installation's time."""
        end = self.clock.now() + timedelta(seconds=seconds)
        tick = TICK
        while self.clock.now() < end:
            if self.work():
                tick = TICK
            elif not self.services.health.figures()["operations_active"]:
                return
            self.pass_time(tick.total_seconds())
            tick = min(tick * 1.5, timedelta(seconds=2))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The database below everything, in one transaction: for what no service tells or does."""
        engine = create_engine(self.settings.database_url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def everything_stored(self) -> str:
        """All that the database holds, as text."""
        with self.connection() as connection:
            tables = inspect(connection).get_table_names()
            return repr([connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables])

    def is_active(self, actor: Actor, operation_id: str) -> bool:
        """Whether an operation has not ended."""
        return self.services.desktops.operation(actor, operation_id).status in ACTIVE


@contextmanager
def installation(
    home: Path, *, passwords: Passwords = QUICK_PASSWORDS, pin: VendorPin | None = None, **sections: object
) -> Iterator[Installation]:
    """A fresh installation in ``home``; ``sections`` replace sections of the settings (``limits={...}``)."""
    is_new = not (home / "secrets").exists()
    is_like_prepared = is_new and not home.exists() and not sections.keys() & _SEEN_BY_PREPARE
    if is_like_prepared:
        copy_home(_prepared_home(), home)
    settings = Settings.model_validate({"home": home, "cloud": {"driver": "memory"}, "database": database_of(home), **sections})
    if is_new and not is_like_prepared:
        prepare(settings)
    clock = FixedClock(START)
    cloud = connect(settings, clock=clock)
    weather = control(settings, clock=clock)
    with services(settings, clock=clock, cloud=cloud, passwords=passwords, pin=pin) as all_services:
        all_services.catalog.synchronize(all_services.accounts.default_organization_id())
        yield Installation(settings, clock, cloud, weather, all_services)
    weather.close()
