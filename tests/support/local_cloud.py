"""A real host process on a state folder of its own, with the image of this computer's cache, and a cloud connected to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.support.waiting import eventually

from yunzhuo.host import server
from yunzhuo.host.golden_cache import cache_folder
from yunzhuo.host.image_build import build_image
from yunzhuo.host.image_recipe import RECIPES, Recipe
from yunzhuo.host.images import Images, StoredImage
from yunzhuo.host.layout import Layout
from yunzhuo.host.processes import working_below
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.local import connect
from yunzhuo.phoenix.config.settings import FlavorSettings, HostSettings, Settings

ROOT = Path(__file__).parents[2]
SMALL = FlavorSettings(id="small", name="Small", vcpus=1, memory_mib=512, disk_mib=4096)
MEDIUM = FlavorSettings(id="medium", name="Medium", vcpus=2, memory_mib=1024, disk_mib=8192)
GOLDEN_SECONDS = 900.0


def local_settings(home: Path, **host: object) -> Settings:
    """Settings of an installation in ``home`` with the light image, where only the small size is prepared."""
    defaults: dict[str, object] = {
        "image": "light",
        "flavors": (SMALL, MEDIUM),
        "prepared_flavors": ("small",),
        "prepared_languages": ("en",),
        "shutdown_seconds": 15,
    }
    return Settings(home=home, host=HostSettings.model_validate(defaults | host))


class HostProcess:
    """``yunzhuo host`` for ``settings``; may be killed and started again, which its machines do not notice."""

    def __init__(self, settings: Settings, *, path: str | None = None) -> None:
        """``path`` stands for $PATH."""
        self.settings = settings
        self._environment = os.environ | ({"PATH": path} if path is not None else {})
        settings.home.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = settings.home / "host.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, *, supervised: bool = True) -> None:
        """Start it and wait until it answers."""
        self.start_without_waiting(supervised=supervised)
        self.wait_until_up()

    def start_if_ended(self) -> None:
        """Start it unless it runs."""
        if self._process is None:
            self.start()

    def start_without_waiting(self, *, supervised: bool = True) -> None:
        file = self.settings.home / "settings.json"
        file.write_text(self.settings.model_dump_json())
        command = [sys.executable, "-m", "tests.support.host_process", str(file), *(["--supervised"] if supervised else [])]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    def wait_until_up(self) -> None:
        def is_up() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.log[-3000:]
            cloud = connect(self.settings)
            try:
                cloud.check()
            except CloudUnavailable:
                return False
            finally:
                cloud.close()
            return True

        eventually(is_up, 30, what=lambda: f"host answers; log: {self.log[-3000:]}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the answer is the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """As a crash would."""
        self.signal(signal.SIGKILL)

    def close_stdin(self) -> int:
        """As the supervisor's death would."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        code = self._process.wait(30)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
        return code

    def end_all(self) -> None:
        """End the process and every machine."""
        if self._process is not None:
            self.signal()
        quick = self.settings.model_copy(update={"host": self.settings.host.model_copy(update={"shutdown_seconds": 0.01})})
        server.stop_all(quick)

    @contextmanager
    def connected(self) -> Iterator[Cloud]:
        """A cloud of this host."""
        cloud = connect(self.settings)
        try:
            yield cloud
        finally:
            cloud.close()


def put_image(settings: Settings) -> StoredImage:
    """Give the installation the image of its settings: out of this computer's cache, or built where that has none."""
    images = Layout(settings.host_dir).images
    recipe = Recipe.read(RECIPES / settings.host.image)
    place = build_image(recipe, images, cache_dir=cache_folder(settings.host.cache), progress=lambda _: None)
    return Images(images, settings.host.image).get(place.name)


@contextmanager
def host_process(settings: Settings, *, with_golden: bool = True, path: str | None = None) -> Iterator[HostProcess]:
    """A running host process with an image; afterwards nothing of it is left. ``path`` stands for $PATH."""
    put_image(settings)
    host = HostProcess(settings, path=path)
    try:
        host.start()
        if with_golden:
            wait_for_goldens(host)
        yield host
    finally:
        host.end_all()


def wait_for_goldens(host: HostProcess) -> None:
    """Return when every prepared size has its golden; the first time on a computer this takes minutes."""
    with host.connected() as cloud:
        image = cloud.images.list()[0]
        for flavor_id in host.settings.host.prepared_flavors:
            eventually(
                partial(cloud.images.is_prepared, image.id, flavor_id),
                GOLDEN_SECONDS,
                what=lambda: f"golden; {cloud.hosts.list()[0].problems}; log: {host.log[-3000:]}",
            )


@contextmanager
def local_cloud(home: Path) -> Iterator[Cloud]:
    """A connected cloud ``local`` in ``home`` with a golden for the small size."""
    with host_process(local_settings(home)) as host, host.connected() as cloud:
        yield cloud


def pids_working_below(folder: Path) -> list[int]:
    """Pids of living processes whose working directory is in ``folder``."""
    return [found.identity.pid for found in working_below(folder)]


def open_files(pid: int) -> dict[Path, str]:
    """What a process has open, by its descriptor's link in /proc; what it closes meanwhile is left out."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[link] = str(link.readlink())
    return found
