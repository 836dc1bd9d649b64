"""Image builds with programs that end as a test says: what people are told, and what the next build finds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yunzhuo.host.image_recipe import LIGHT, Recipe

_LISTS = "I: running apt-get update..."
_BASE = "I: downloading packages with apt..."


class Builder:
    """An installation, its cache, and a folder of programs that are found first."""

    def __init__(self, folder: Path) -> None:
        self.home, self.programs, self._caches = folder / "home", folder / "bin", folder / "caches"
        self.programs.mkdir()
        self.packages = self._caches / "yunzhuo" / "packages"

    def mmdebstrap(self, script: str) -> None:
        """What ``mmdebstrap`` does; how it enters name spaces is left out. ``$tar`` is the archive that it should write."""
        program = self.programs / "mmdebstrap"
        enter = 'if [ "$1" = --unshare-helper ]; then shift; exec "$@"; fi; for tar; do case $tar in *.tar) break; esac; done'
        program.write_text(f"#!/bin/sh\n{enter}\n{script}\n")
        program.chmod(0o755)

    def bash_fails(self) -> None:
        """Let what makes the disk of the packages fail."""
        program = self.programs / "bash"
        program.write_text("#!/bin/sh\necho no disk today; exit 9\n")
        program.chmod(0o755)

    def build(self) -> str:
        """The error that ``yunzhuo image build light`` ends with."""
        path = os.pathsep.join((str(self.programs), os.environ["PATH"]))
        command = [sys.executable, "-m", "yunzhuo", "--home", str(self.home), "image", "build", "light"]
        environment = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(self._caches)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1, ended.stderr
        return ended.stderr


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


@pytest.mark.slow
def test_why_no_packages_could_be_installed_is_told_and_what_a_killed_build_left_is_taken_away(
    builder: Builder, tmp_path: Path
) -> None:
    scratch, building = tmp_path / "scratch", builder.home / "host" / "images" / ".image-build"
    for folder in (scratch, building):
        folder.mkdir(parents=True)
    (scratch / "half").write_text("an image")
    (building / "scratch").symlink_to(scratch)
    builder.mmdebstrap(f"echo '{_LISTS}'; exit 25")
    assert "see to it that this computer reaches a Debian mirror" in builder.build()
    assert not scratch.exists()
    assert not building.exists()
    builder.mmdebstrap(f"echo '{_LISTS}'; echo '{_BASE}'; exit 25")
    assert "mmdebstrap ended with 25" in builder.build()
    (log,) = (builder.home / "host" / "images").glob("*.log")
    assert _BASE in log.read_text()


@pytest.mark.slow
def test_packages_are_kept_for_the_build_that_follows_a_failed_one(builder: Builder) -> None:
    key = Recipe.read(LIGHT).packages_key
    builder.packages.mkdir(parents=True)
    (builder.packages / f"{key.rpartition('-')[0]}-0123456789ab.tar").write_text("of an older list of packages")
    builder.mmdebstrap('echo packages > "$tar"')
    builder.bash_fails()
    assert "ended with 9" in builder.build()
    assert [path.name for path in builder.packages.iterdir()] == [f"{key}.tar"]
    # Nothing is installed a second time.
    builder.mmdebstrap("exit 25")
    assert "ended with 9" in builder.build()
