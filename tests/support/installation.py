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

from yunzhuo.phoenix.cloud.memory import Control, MemoryCloud, connect, control
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.assembly import Services, prepare, services
from yunzhuo.services.catalog import FlavorView, ImageView
from yunzhuo.services.desktops import Accepted
from yunzhuo.services.rules.lifecycle import ACTIVE

PASSWORD = "correct horse battery"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
# Hashing well takes a tenth of a second, a hundred times over; what that is good for has tests of its own.
QUICK_PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
TICK = timedelta(milliseconds=50)


# Sections of the settings that make a prepared installation another one.
_SEEN_BY_PREPARE = frozenset({"database", "gateway", "web"})


@cache
def _prepared_home() -> Path:
    """An installation with nothing in it: its migrations take longer than most tests."""
    folder = Path(tempfile.mkdtemp(prefix="yunzhuo-prepared-"))
    atexit.register(shutil.rmtree, folder)
    settings = Settings.model_validate({"home": folder / "home", "cloud": {"driver": "memory"}})
    prepare(settings)
    return settings.home


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

    def is_active(self, actor: Actor, operation_id: str) -> bool:
        """Whether an operation has not ended."""
        return self.services.desktops.operation(actor, operation_id).status in ACTIVE


@contextmanager
def installation(home: Path, *, passwords: Passwords = QUICK_PASSWORDS, **sections: object) -> Iterator[Installation]:
    """A fresh installation in ``home``; ``sections`` replace sections of the settings (``limits={...}``)."""
    settings = Settings.model_validate({"home": home, "cloud": {"driver": "memory"}, **sections})
    clock = FixedClock(START)
    cloud = connect(settings, clock=clock)
    weather = control(settings, clock=clock)
    if not home.exists() and not sections.keys() & _SEEN_BY_PREPARE:
        shutil.copytree(_prepared_home(), home)
    elif not (home / "yunzhuo.db").exists():
        prepare(settings)
    with services(settings, clock=clock, cloud=cloud, passwords=passwords) as all_services:
        all_services.catalog.synchronize(all_services.accounts.default_organization_id())
        yield Installation(settings, clock, cloud, weather, all_services)
    weather.close()
