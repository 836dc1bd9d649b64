"""The recorder tells calls between parts, each below the one that made it, and nothing else."""

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.installation import Installation, installation
from tests.support.recording.calls import Call, Tree, paths_from, read_recording

from yunzhuo.phoenix.common.errors import NotSignedIn
from yunzhuo.web.event_hub import Credential, Door, EventHub, Proof

HOOK = Path(__file__).parents[2] / "support" / "recording" / "hook" / "sitecustomize.py"
REQUEST = Call("services.desktops", "DesktopService.request")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recording_hook", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("recording") / "home") as installed:
        yield installed


def recorded(hook: ModuleType, folder: Path, work: Callable[[], object]) -> list[tuple[Call, ...]]:
    before = sys.getprofile()
    sys.setprofile(hook.Recorder(folder / "worker-1.jsonl"))
    try:
        work()
    finally:
        sys.setprofile(before)
    return [tuple(each.path) for each in read_recording(folder)]


def test_calls_are_told_below_their_callers(hook: ModuleType, installed: Installation, tmp_path: Path) -> None:
    lin = installed.person("lin")
    paths = recorded(hook, tmp_path, lambda: installed.request(lin, name="Physics"))

    # A generator that libraries run for us, and what it calls after the commit; never what a decorator puts around them.
    transaction = Call("phoenix.db", "Database.transaction")
    admission = Call("services.admission", "Admission.round")
    assert (REQUEST, transaction, admission, transaction, Call("phoenix.queue", "Queue.send")) in paths
    assert (REQUEST, Call("services.new_desktop", "NewDesktop.checked"), Call("services.rules", "checked_name")) in paths


def test_what_everybody_speaks_to_is_not_told(hook: ModuleType, installed: Installation, tmp_path: Path) -> None:
    mei = installed.person("mei")
    paths = recorded(hook, tmp_path, lambda: installed.request(mei))

    parts = {call.part for path in paths for call in path}
    assert not {part for part in parts if part.startswith(("phoenix.common", "phoenix.config", "phoenix.db."))}
    last = {path[-1].function.rpartition(".")[2] for path in paths if len(path) > 1}
    assert not {name for name in last if name.startswith("_") and name != "__call__"}


def test_properties_read_like_values(hook: ModuleType, installed: Installation, tmp_path: Path) -> None:
    assert recorded(hook, tmp_path, lambda: installed.services.registration.is_open) == []


async def test_a_coroutine_is_told_once(hook: ModuleType, installed: Installation, tmp_path: Path) -> None:
    hub = EventHub(installed.services.events, Door(installed.services.sessions, installed.services.tokens), poll_seconds=0.01)

    async def subscribe() -> None:
        with pytest.raises(NotSignedIn):
            await hub.subscribe(Credential(Proof.TOKEN, "unknown"))

    before = sys.getprofile()
    sys.setprofile(hook.Recorder(tmp_path / "stream-1.jsonl"))
    try:
        await asyncio.create_task(subscribe())
    finally:
        sys.setprofile(before)

    beginnings = [tuple(each.path) for each in read_recording(tmp_path) if each.path[0].part == "web.event_hub"]
    assert beginnings.count((Call("web.event_hub", "EventHub.subscribe"),)) == 1


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("yunzhuo.web.api.desktops", "web.api.desktops"),
        ("yunzhuo.phoenix.db.session", "phoenix.db"),
        ("yunzhuo.phoenix.db.models.desktops", None),
        ("yunzhuo.phoenix.cloud.local.servers", "phoenix.cloud.local"),
        ("yunzhuo.phoenix.cloud", "phoenix.cloud"),
        ("yunzhuo.phoenix.common.clock", None),
        ("sqlalchemy.orm", None),
    ],
)
def test_parts(hook: ModuleType, module: str, part: str | None) -> None:
    assert hook.part_of(module) == part


@pytest.mark.parametrize(
    ("command_line", "name"),
    [
        (["/usr/bin/python3", "-m", "yunzhuo", "worker", "--supervised"], "worker"),
        (["/usr/bin/python3", "-m", "yunzhuo", "user", "add"], None),
        (["/usr/bin/python3", "-m", "pip"], None),
        (["/usr/bin/python3"], None),
    ],
)
def test_only_processes_are_recorded(hook: ModuleType, command_line: list[str], name: str | None) -> None:
    assert hook.process_name(command_line) == name


def test_a_tree_keeps_the_order_of_first_appearance(tmp_path: Path) -> None:
    (tmp_path / "web-1.jsonl").write_text(
        '[3, [["b", "late"]]]\n[1, [["a", "one"]]]\n[2, [["a", "one"], ["b", "two"]]]\n[4, [["a", "one"], ["c", "three"]]]\n'
    )
    tree = Tree()
    for path in paths_from(read_recording(tmp_path), "web", [Call("a", "one")], {(Call("c", "three"),)}):
        tree.add(path)

    assert list(tree.lines()) == [(0, Call("a", "one")), (1, Call("b", "two"))]


def test_a_call_can_be_left_out_within_one_and_stay_within_another(tmp_path: Path) -> None:
    (tmp_path / "web-1.jsonl").write_text(
        '[1, [["a", "one"], ["b", "two"], ["c", "three"]]]\n'
        '[2, [["a", "one"], ["c", "three"]]]\n'
        '[3, [["a", "one"], ["b", "two"]]]\n'
    )

    paths = paths_from(read_recording(tmp_path), "web", [Call("a", "one")], {(Call("b", "two"), Call("c", "three"))})

    assert paths == [(Call("a", "one"), Call("c", "three")), (Call("a", "one"), Call("b", "two"))]
