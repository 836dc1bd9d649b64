"""The first half of an image: Debian's packages, installed into a tar archive."""

import shlex
import subprocess  # nosec B404 # lists of arguments, never a shell
from collections.abc import Sequence
from pathlib import Path

from yunzhuo.host.image_programs import ProgramFailed, base_environment, in_namespaces, is_root, run_logged
from yunzhuo.host.image_progress import Meter, PackageOutput
from yunzhuo.host.image_recipe import Recipe
from yunzhuo.phoenix.common.errors import Unavailable

_APT_OPTIONS = (
    'Acquire::Languages "none"',
    'Acquire::Retries "3"',
    'Acquire::http::Timeout "30"',
    'APT::Install-Recommends "false"',
)
# Settings of this computer's own apt that decide whether its mirror can be read at all.
_INHERITED_OPTIONS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
_PROXY_OPTIONS = {"http_proxy": "Acquire::http::Proxy", "https_proxy": "Acquire::https::Proxy"}
_TARGET_FORMAT = "$(REPO_URI) $(LABEL)"
_STEPS_ON_THE_NETWORK = ("lists", "download")


def install_packages(recipe: Recipe, target: Path, *, scratch: Path, log: Path, meter: Meter) -> None:
    """Install the recipe's packages into the new tar archive ``target``. Raises Unavailable (no mirror), ProgramFailed."""
    output = PackageOutput()
    step = "lists"

    def hear(line: str) -> None:
        nonlocal step
        if told := output.read(line):
            step = told[0]
            meter.reach(*told)

    meter.reach(step)
    inherited = _apt_values((*_INHERITED_OPTIONS, *_PROXY_OPTIONS.values()))
    proxies = {name: inherited[option] for name, option in _PROXY_OPTIONS.items() if option in inherited}
    options = [*_APT_OPTIONS, *(f'{name} "{inherited[name]}"' for name in _INHERITED_OPTIONS if name in inherited)]
    environment = {**base_environment(), **proxies, "TMPDIR": str(scratch), "INITRD": "No"}
    try:
        run_logged(_command(recipe, target, options), log=log, hear=hear, environment=environment)
    except ProgramFailed as failed:
        if step not in _STEPS_ON_THE_NETWORK:
            raise
        raise Unavailable(
            "mirror_unreachable",
            "Debian's packages could not be fetched: see to it that this computer reaches a Debian mirror (apt's own"
            f" sources and proxy are used), and try again. What apt said is in {log}.",
            log=str(log),
        ) from failed


def _command(recipe: Recipe, target: Path, apt_options: Sequence[str]) -> list[str]:
    command = [
        "mmdebstrap",
        "--verbose",
        "--mode=root" if is_root() else "--mode=unshare",
        "--format=tar",
        "--variant=minbase",
        "--components=main",
        "--dpkgopt=force-unsafe-io",
        *(f"--aptopt={option}" for option in apt_options),
        *(f"--dpkgopt={option}" for option in recipe.path_options),
        f"--include={','.join(recipe.packages)}",
        recipe.facts.suite,
        str(target),
        *mirror_lines(recipe.facts.suite, _apt_targets()),
    ]
    # As root its mounts would be this computer's; in namespaces of its own they go with it, however it ends.
    return in_namespaces(command) if is_root() else command


def mirror_lines(suite: str, targets: str) -> list[str]:
    """apt source lines of ``suite`` at the mirrors that ``targets`` (lines "URI LABEL") names; none leaves mmdebstrap's own.

    The answer is all or nothing: mmdebstrap adds updates and security by itself, unless it is given a mirror.
    """
    by_label: dict[str, str] = {}
    for line in targets.splitlines():
        uri, _, label = line.partition(" ")
        if uri.startswith(("http://", "https://")):
            by_label.setdefault(label, uri)
    try:
        archive, security = by_label["Debian"], by_label["Debian-Security"]
    except KeyError:
        return []
    return [f"deb {archive} {suite} main", f"deb {archive} {suite}-updates main", f"deb {security} {suite}-security main"]


def _apt_targets() -> str:
    command = ("apt-get", "indextargets", "--format", _TARGET_FORMAT, "Created-By: Packages")
    return subprocess.run(command, capture_output=True, text=True, check=False, env=base_environment()).stdout  # nosec B603 # made of our recipes


def _apt_values(names: Sequence[str]) -> dict[str, str]:
    """Those of apt's settings that this computer has a value for."""
    answer = subprocess.run(  # nosec B603 # made of our recipes
        ("apt-config", "shell", *(word for index, name in enumerate(names) for word in (f"V{index}", name))),
        capture_output=True,
        text=True,
        check=False,
        env=base_environment(),
    )
    assigned = dict(word.partition("=")[::2] for word in shlex.split(answer.stdout))
    return {name: assigned[f"V{index}"] for index, name in enumerate(names) if assigned.get(f"V{index}")}
