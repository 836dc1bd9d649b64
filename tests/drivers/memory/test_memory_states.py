"""The memory cloud against a model of a few lines, in whatever order things are asked of it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.drivers.memory.conftest import Bench, make_request
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity, ServerBusy
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind, HostOption
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerStatus
from yunzhuo.phoenix.config.settings import Settings

# Thousands of steps or requests, as hypothesis thinks them up.
pytestmark = pytest.mark.slow

_TAGS = ("a", "b", "c", "d")
_ROOM = 3  # small servers that may run at once
_SECONDS = 10  # every change takes this long

_RUNNING, _STOPPED, _SUSPENDED, _BUILDING, _ERROR = (
    ServerStatus.RUNNING,
    ServerStatus.STOPPED,
    ServerStatus.SUSPENDED,
    ServerStatus.BUILDING,
    ServerStatus.ERROR,
)

#: verb: (allowed in, changes nothing in, ends in)
_VERBS = {
    "start": ({_STOPPED}, _RUNNING, _RUNNING),
    "stop": ({_RUNNING, _ERROR}, _STOPPED, _STOPPED),
    "suspend": ({_RUNNING}, _SUSPENDED, _SUSPENDED),
    "resume": ({_SUSPENDED}, _RUNNING, _RUNNING),
    "reboot soft": ({_RUNNING}, None, _RUNNING),
    "reboot hard": ({_RUNNING, _ERROR}, None, _RUNNING),
}


@dataclass
class _Model:
    """What a server should be: ``status`` now, ``next_status`` from ``due`` on.

    One that is being deleted is ``gone`` from ``due`` on, and until then takes the room that it had (``keeps_room``).
    """

    id: str
    status: ServerStatus
    next_status: ServerStatus | None = None
    due: float = 0
    gone: bool = False
    keeps_room: bool = False

    @property
    def heading_for(self) -> ServerStatus:
        return self.next_status or self.status

    @property
    def takes_room(self) -> bool:
        return self.keeps_room if self.gone else bool({self.status, self.heading_for} & {_RUNNING, _BUILDING})


class MemoryCloudMachine(RuleBasedStateMachine):
    """Four tags, one host with room for three."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.bench = Bench(Settings(home=self.folder))
        self.cloud = self.bench.cloud
        self.models: dict[str, _Model] = {}
        self.seen: set[str] = set()
        self.now = 0.0

    @initialize()
    def make_small(self) -> None:
        names = ("build", "start", "stop", "suspend", "resume", "reboot", "delete")
        self.bench.control.change_options(
            hosts=(HostOption(id="only", name="only", memory_mib=512 * _ROOM),),
            **{f"{name}_seconds": _SECONDS for name in names},
        )

    def teardown(self) -> None:
        self.cloud.close()
        shutil.rmtree(self.folder)

    @rule(tag=st.sampled_from(_TAGS))
    def create(self, tag: str) -> None:
        known = self.models.get(tag)
        try:
            server = self.cloud.servers.create(make_request(tag))
        except NoCapacity:
            assert known is None
            assert self._room_left() == 0
        except ServerBusy:
            assert known is not None
            assert known.gone
        else:
            assert known is None or (known.id == server.id and not known.gone)
            if known is None:
                assert server.id not in self.seen
                self.seen.add(server.id)
                assert self._room_left() > 0
                self.models[tag] = _Model(server.id, _BUILDING, _RUNNING, self.now + _SECONDS)

    @rule(tag=st.sampled_from(_TAGS))
    def create_with_a_lost_answer(self, tag: str) -> None:
        self.bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER))
        known = self.models.get(tag)
        try:
            self.cloud.servers.create(make_request(tag))
        except CloudUnavailable:
            found = self.cloud.servers.find(tag)
            assert found is not None
            if known is None:
                self.seen.add(found.id)
                self.models[tag] = _Model(found.id, _BUILDING, _RUNNING, self.now + _SECONDS)
        except NoCapacity:
            assert self._room_left() == 0
        except ServerBusy:
            assert known is not None
            assert known.gone

    @rule(tag=st.sampled_from(_TAGS), verb=st.sampled_from(sorted(_VERBS)))
    def ask(self, tag: str, verb: str) -> None:
        model = self.models.get(tag)
        if model is None:
            return
        allowed, nothing_in, ends = _VERBS[verb]
        is_already = nothing_in is not None and model.heading_for is nothing_in and not model.gone
        is_allowed = model.status in allowed and model.next_status is None and not model.gone
        lacks_room = ends is _RUNNING and not model.takes_room and self._room_left() == 0
        try:
            self._call(verb, model.id)
        except ServerBusy:
            assert not is_already
            assert not is_allowed
        except NoCapacity:
            assert is_allowed
            assert lacks_room
        else:
            assert is_already or (is_allowed and not lacks_room)
            if not is_already:
                model.next_status, model.due = ends, self.now + _SECONDS

    @rule(tag=st.sampled_from(_TAGS))
    def delete(self, tag: str) -> None:
        model = self.models.get(tag)
        if model is None:
            self.cloud.servers.delete("never was")
            return
        self.cloud.servers.delete(model.id)
        if not model.gone:
            model.keeps_room = model.takes_room
            model.next_status, model.due, model.gone = None, self.now + _SECONDS, True

    @rule(tag=st.sampled_from(_TAGS), how=st.sampled_from(["kill", "fail", "delete"]))
    def disturb(self, tag: str, how: str) -> None:
        model = self.models.get(tag)
        if model is None:
            return
        getattr(self.bench.control.disturb, how)(model.id)
        if how == "delete":
            del self.models[tag]
        else:
            model.status, model.next_status = (_STOPPED if how == "kill" else _ERROR), None
            model.keeps_room = False

    @rule(seconds=st.sampled_from([1.0, 4.0, _SECONDS, 25.0]))
    def wait(self, seconds: float) -> None:
        self.bench.wait(seconds)
        self.now += seconds
        for tag, model in list(self.models.items()):
            if model.due > self.now:
                continue
            if model.gone:
                del self.models[tag]
            elif model.next_status is not None:
                model.status, model.next_status = model.next_status, None

    @rule()
    def come_back(self) -> None:
        """Another process goes on where this one stopped."""
        self.cloud.close()
        clock = self.bench.clock
        self.bench = Bench(self.bench.settings)
        self.bench.clock.set(clock.now())
        self.cloud = self.bench.cloud

    @invariant()
    def list_is_what_should_be(self) -> None:
        listed = {server.desktop_id: (server.id, server.status) for server in self.cloud.servers.list()}
        assert listed == {tag: (model.id, model.status) for tag, model in self.models.items()}

    @invariant()
    def get_and_find_agree(self) -> None:
        for tag in _TAGS:
            found, model = self.cloud.servers.find(tag), self.models.get(tag)
            assert (found and found.id) == (model and model.id)
            assert found is None or self.cloud.servers.get(found.id) == found

    @invariant()
    def memory_adds_up(self) -> None:
        for host in self.cloud.hosts.list():
            assert host.servers == len(self.models)
            assert 512 * _ROOM - host.memory_free_mib == 512 * sum(model.takes_room for model in self.models.values())

    def _room_left(self) -> int:
        return _ROOM - sum(model.takes_room for model in self.models.values())

    def _call(self, verb: str, server_id: str) -> None:
        if verb.startswith("reboot"):
            self.cloud.servers.reboot(server_id, RebootKind(verb.removeprefix("reboot ")))
        else:
            getattr(self.cloud.servers, verb)(server_id)


TestMemoryCloudStates = MemoryCloudMachine.TestCase
TestMemoryCloudStates.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
