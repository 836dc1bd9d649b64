"""Another QEMU, another image: goldens are built anew in the background, and suspended desktops say what they have lost."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.integration.host.conftest import PATIENCE_SECONDS
from tests.support.local_cloud import GOLDEN_SECONDS, HostProcess, host_process, local_settings, put_image
from tests.support.waiting import eventually
from yunzhuo.host.accelerator import qemu_version
from yunzhuo.host.golden_cache import cache_folder
from yunzhuo.host.sparse import link_or_copy
from yunzhuo.phoenix.cloud.resources import FaultCode, ServerStatus
from yunzhuo.phoenix.config.settings import Settings

pytestmark = [pytest.mark.machine, pytest.mark.timeout(2400)]

QEMU = "qemu-system-x86_64"


def settings_with_own_cache(tmp_path: Path) -> Settings:
    """An installation with the image and a copy of the goldens of this computer's cache, which shall not see what comes."""
    home, cache = tmp_path / "var", tmp_path / "cache"
    put_image(local_settings(home))
    known = cache_folder("") / "goldens"
    if known.is_dir():
        shutil.copytree(known, cache / "goldens", copy_function=lambda one, other: link_or_copy(Path(one), Path(other)))
    return local_settings(home, cache=str(cache))


@pytest.fixture
def programs() -> Iterator[Path]:
    """A folder of programs that QEMU's own user can reach, too."""
    with tempfile.TemporaryDirectory(prefix="yunzhuo-programs-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def put_qemu(folder: Path, version: str) -> None:
    """In place of what is there, in one go, as a package's upgrade does it: a QEMU that says that it is this version."""
    path = folder / f"{QEMU}.new"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\nexec {shutil.which(QEMU)} "$@"\n')
    path.chmod(0o755)
    path.replace(folder / QEMU)


def goldens_of(host: HostProcess) -> set[str]:
    """Names of the goldens that stand."""
    return {manifest.parent.name for manifest in (host.settings.host_dir / "goldens").glob("*/golden.json")}


def test_goldens_follow_qemu_and_the_image(tmp_path: Path, programs: Path) -> None:
    put_qemu(programs, asyncio.run(qemu_version()))
    settings = settings_with_own_cache(tmp_path)
    with host_process(settings, path=f"{programs}{os.pathsep}{os.environ['PATH']}") as host, host.connected() as cloud:
        desktops = Desktops(cloud, PATIENCE_SECONDS)
        with desktops.all_removed():
            suspended, stopped = desktops.create_ready(), desktops.create_stopped()
            cloud.servers.suspend(suspended.id)
            eventually_is(cloud, suspended.id, ServerStatus.SUSPENDED, 60)
            (first,) = goldens_of(host)

            put_qemu(programs, "QEMU emulator version 99.0")
            eventually_is(cloud, suspended.id, ServerStatus.STOPPED, 30)
            assert cloud.servers.get(suspended.id).fault_code is FaultCode.MEMORY_LOST
            assert cloud.servers.get(stopped.id).fault_code is None
            assert not cloud.images.is_prepared(suspended.image_id, "small")
            eventually(
                lambda: cloud.images.is_prepared(suspended.image_id, "small"), GOLDEN_SECONDS, what=lambda: host.log[-3000:]
            )
            assert first in goldens_of(host), "desktops stand on its disk"
            for server in (suspended, stopped):
                cloud.servers.start(server.id)
                desktops.wait_ready(server.id)
            assert cloud.servers.get(suspended.id).fault_code is None
        eventually(lambda: first not in goldens_of(host), 30)

        (second,) = goldens_of(host)
        newer = put_newer_image(settings, suspended.image_id)
        eventually(lambda: cloud.images.list()[0].id == newer, 10)
        assert not cloud.images.is_prepared(newer, "small")
        eventually(lambda: cloud.images.is_prepared(newer, "small"), GOLDEN_SECONDS, what=lambda: host.log[-3000:])
        eventually(lambda: second not in goldens_of(host), 30)


def put_newer_image(settings: Settings, image_id: str) -> str:
    """The same image, as a changed recipe would have built it; answers its id."""
    images = settings.host_dir / "images"
    newer = f"{image_id}-newer"
    (images / newer).mkdir()
    for file in (images / image_id).iterdir():
        if file.name != "image.json":
            link_or_copy(file, images / newer / file.name)
    manifest = json.loads((images / image_id / "image.json").read_text())
    manifest |= {"id": newer, "created_at": "2100-01-01T00:00:00Z"}
    (images / newer / "image.json").write_text(json.dumps(manifest))
    return newer
