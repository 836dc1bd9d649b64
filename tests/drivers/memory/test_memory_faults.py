"""Every kind of bad day that can be asked for."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from tests.drivers.memory.conftest import Bench, make_request
from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, NoCapacity, ServerBusy, ServerNotFound
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind, ImageOption, MemoryCloud
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerStatus
from yunzhuo.phoenix.common.errors import Conflict, Refused


def test_fail_before_changes_nothing_and_strikes_as_often_as_told(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_BEFORE, count=2))
    for _ in range(2):
        with pytest.raises(CloudUnavailable):
            bench.cloud.servers.create(make_request())
        assert bench.cloud.servers.list() == ()
    assert bench.cloud.servers.create(make_request()).desktop_id == "one"


def test_fail_after_has_changed_it(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER))
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.create(make_request())
    found = bench.cloud.servers.find("one")
    assert found is not None
    assert bench.cloud.servers.create(make_request()).id == found.id


def test_fail_after_delete_has_deleted(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.faults.set(Fault(operation="servers.delete", kind=FaultKind.FAIL_AFTER))
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.delete(server.id)
    bench.wait(1)
    assert bench.cloud.servers.list() == ()


def test_slow_takes_its_time_and_so_does_what_it_starts(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.SLOW, seconds=0.1))
    started_at = time.monotonic()
    server = bench.cloud.servers.create(make_request())
    assert time.monotonic() - started_at >= 0.1
    bench.wait(0.21)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.BUILDING
    bench.wait(0.1)
    assert bench.cloud.servers.get(server.id).status is ServerStatus.RUNNING


def test_slower_than_the_time_limit_is_no_answer(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.SLOW, seconds=60))
    started_at = time.monotonic()
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.create(make_request())
    assert 0.3 <= time.monotonic() - started_at < 5
    assert bench.cloud.servers.find("one") is not None


def test_slow_calls_do_not_hold_up_others(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.list", kind=FaultKind.SLOW, seconds=0.2))
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(bench.cloud.servers.list)
        while not bench.control.calls.count("servers.list"):
            time.sleep(0.001)
        started_at = time.monotonic()
        bench.cloud.servers.create(make_request())
        assert time.monotonic() - started_at < 0.15
        slow.result()


def test_closing_the_cloud_ends_a_slow_call(bench: Bench) -> None:
    patient = memory.connect(
        bench.settings.model_copy(update={"cloud": bench.settings.cloud.model_copy(update={"timeout_seconds": 60})})
    )
    bench.control.faults.set(Fault(operation="cloud.check", kind=FaultKind.SLOW, seconds=30))
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(patient.check)
        while not bench.control.calls.count("cloud.check"):
            time.sleep(0.001)
        started_at = time.monotonic()
        patient.close()
        call.result(timeout=10)
        assert time.monotonic() - started_at < 5
    patient.close()


def test_after_a_timeout_nobody_knows_whether_it_happened(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.TIMEOUT, count=None))
    happened = set()
    for number in range(20):
        with pytest.raises(CloudUnavailable):
            bench.cloud.servers.create(make_request(f"tag {number}"))
        happened.add(bench.cloud.servers.find(f"tag {number}") is not None)
    assert happened == {True, False}


def test_a_timeout_takes_its_time(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="cloud.check", kind=FaultKind.TIMEOUT, seconds=0.05))
    started_at = time.monotonic()
    with pytest.raises(CloudUnavailable):
        bench.cloud.check()
    assert time.monotonic() - started_at >= 0.05


@pytest.mark.parametrize(
    ("operation", "call", "error"),
    [
        ("servers.create", lambda cloud, _: cloud.servers.create(make_request("two")), NoCapacity),
        ("servers.start", lambda cloud, server_id: cloud.servers.start(server_id), NoCapacity),
        ("servers.stop", lambda cloud, server_id: cloud.servers.stop(server_id), ServerBusy),
        ("images.list", lambda cloud, _: cloud.images.list(), Conflict),
    ],
)
def test_refuse_is_a_refusal_and_changes_nothing(
    bench: Bench, operation: str, call: Callable[[MemoryCloud, str], object], error: type[Refused]
) -> None:
    server = bench.create_ready()
    bench.control.faults.set(Fault(operation=operation, kind=FaultKind.REFUSE))
    with pytest.raises(error):
        call(bench.cloud, server.id)
    bench.wait(1)
    assert [(left.id, left.status) for left in bench.cloud.servers.list()] == [(server.id, ServerStatus.RUNNING)]


def test_break_is_accepted_and_ends_in_error(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.BREAK, reason="no valid host"))
    server = bench.cloud.servers.create(make_request())
    assert server.status is ServerStatus.BUILDING
    bench.wait(1)
    broken = bench.cloud.servers.get(server.id)
    assert (broken.status, broken.fault) == (ServerStatus.ERROR, "no valid host")
    bench.cloud.servers.delete(server.id)
    bench.wait(1)
    assert bench.cloud.servers.list() == ()


def test_an_unplugged_server_runs_and_its_guest_does_not_get_ready_however_often_it_boots(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.UNPLUG))
    unplugged, whole = bench.cloud.servers.create(make_request()), bench.create_ready("two")
    assert [port.is_up for port in bench.cloud.networks.ports(unplugged.id)] == [False]
    assert [port.is_up for port in bench.cloud.networks.ports(whole.id)] == [True]
    bench.cloud.servers.reboot(unplugged.id, RebootKind.HARD)
    bench.wait(1e6)
    assert bench.cloud.servers.get(unplugged.id).status is ServerStatus.RUNNING
    assert not bench.cloud.guest.ready(unplugged.id)


def test_a_host_that_hangs_makes_nothing_for_ever_and_another_one_does(bench: Bench) -> None:
    first = bench.cloud.hosts.list()[0].id
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.HANG, host=first, count=None))
    hanging = bench.cloud.servers.create(make_request())
    assert hanging.host == first
    bench.wait(1e6)
    assert bench.cloud.servers.get(hanging.id).status is ServerStatus.BUILDING
    bench.control.change_options(delete_seconds=1000)
    bench.cloud.servers.delete(hanging.id)
    with pytest.raises(ServerBusy):
        bench.cloud.servers.create(make_request())
    other = bench.cloud.servers.create(make_request(avoid_hosts=(first,), given_up=(hanging.id,)))
    assert other.host != first
    assert [server.desktop_id for server in bench.cloud.servers.list()] == ["one", "one"]
    bench.wait(1)
    found = bench.cloud.servers.find("one")
    assert found is not None
    assert (found.id, found.status) == (other.id, ServerStatus.RUNNING)
    bench.wait(1000)
    assert [server.id for server in bench.cloud.servers.list()] == [other.id]
    everywhere = tuple(host.id for host in bench.cloud.hosts.list())
    assert bench.cloud.servers.create(make_request("two", avoid_hosts=everywhere)).host in everywhere


@pytest.mark.parametrize("read", ["get", "find", "list"])
def test_a_lie_is_a_wrong_or_a_stale_status(bench: Bench, read: str) -> None:
    server = bench.create_ready()
    reads: dict[str, Callable[[], ServerStatus]] = {
        "get": lambda: bench.cloud.servers.get(server.id).status,
        "find": lambda: found.status if (found := bench.cloud.servers.find("one")) else ServerStatus.UNKNOWN,
        "list": lambda: bench.cloud.servers.list()[0].status,
    }
    bench.control.faults.set(Fault(operation=f"servers.{read}", kind=FaultKind.LIE))
    bench.control.faults.set(Fault(operation=f"servers.{read}", kind=FaultKind.LIE, status=ServerStatus.STOPPED))
    told = [reads[read]() for _ in range(3)]
    assert told == [ServerStatus.BUILDING, ServerStatus.STOPPED, ServerStatus.RUNNING]


def test_a_lie_about_one_server_leaves_the_others_alone(bench: Bench) -> None:
    liar, honest = bench.create_ready("one"), bench.create_ready("two")
    bench.control.faults.set(
        Fault(operation="servers.list", kind=FaultKind.LIE, subject=liar.id, status=ServerStatus.ERROR, count=None)
    )
    told = {server.id: server.status for server in bench.cloud.servers.list()}
    assert told == {liar.id: ServerStatus.ERROR, honest.id: ServerStatus.RUNNING}


def test_a_guest_that_lies_about_being_ready(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.faults.set(Fault(operation="guest.ready", kind=FaultKind.LIE, count=2))
    assert [bench.cloud.guest.ready(server.id) for _ in range(3)] == [False, False, True]


def test_a_cloud_that_lies_about_being_prepared(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="images.is_prepared", kind=FaultKind.LIE))
    assert [bench.cloud.images.is_prepared("linux-desktop", "small") for _ in range(2)] == [False, True]


def test_forget_leaves_out_what_is_there(bench: Bench) -> None:
    server, other = bench.create_ready("one"), bench.create_ready("two")
    bench.control.faults.set(Fault(operation="servers.*", kind=FaultKind.FORGET, subject=server.id, count=2))
    assert [left.id for left in bench.cloud.servers.list()] == [other.id]
    with pytest.raises(ServerNotFound):
        bench.cloud.servers.get(server.id)
    assert bench.cloud.servers.get(server.id).id == server.id
    bench.control.faults.set(Fault(operation="servers.find", kind=FaultKind.FORGET))
    found = [bench.cloud.servers.find("one") for _ in range(2)]
    assert [other and other.id for other in found] == [None, server.id]


def test_forget_without_a_subject_leaves_out_one_by_chance(bench: Bench) -> None:
    all_of_them = {bench.create_ready(tag).id for tag in "abc"}
    bench.control.faults.set(Fault(operation="servers.list", kind=FaultKind.FORGET, count=20))
    forgotten = set()
    for _ in range(20):
        listed = {server.id for server in bench.cloud.servers.list()}
        assert len(listed) == 2
        forgotten |= all_of_them - listed
    assert forgotten == all_of_them


def test_forgetting_does_not_make_two_of_one_tag(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.faults.set(Fault(operation="servers.*", kind=FaultKind.FORGET, count=None))
    assert bench.cloud.servers.find("one") is None
    assert bench.cloud.servers.create(make_request()).id == server.id


def test_faults_of_different_kinds_strike_together(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.SLOW, seconds=0.05))
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_AFTER))
    started_at = time.monotonic()
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.create(make_request())
    assert time.monotonic() - started_at >= 0.05
    assert bench.cloud.servers.find("one") is not None


def test_a_fault_can_mean_one_desktop_only(bench: Bench) -> None:
    bench.control.faults.set(Fault(operation="servers.create", kind=FaultKind.FAIL_BEFORE, subject="two", count=None))
    bench.cloud.servers.create(make_request("one"))
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.create(make_request("two"))


def test_an_outage_is_a_fault_of_everything_until_cleared(bench: Bench) -> None:
    server = bench.create_ready()
    bench.control.faults.set(Fault(operation="*", kind=FaultKind.FAIL_BEFORE, count=None))
    for call in (bench.cloud.check, bench.cloud.servers.list, lambda: bench.cloud.guest.ready(server.id)):
        with pytest.raises(CloudUnavailable):
            call()
    bench.control.faults.clear()
    bench.cloud.check()
    assert bench.control.faults.list() == ()


def test_faults_can_be_seen_and_cleared_by_operation(bench: Bench) -> None:
    first = Fault(operation="servers.create", kind=FaultKind.FAIL_BEFORE, count=3)
    second = Fault(operation="servers.*", kind=FaultKind.SLOW, seconds=0.001, count=None)
    bench.control.faults.set(first)
    bench.control.faults.set(second)
    with pytest.raises(CloudUnavailable):
        bench.cloud.servers.create(make_request())
    assert list(bench.control.faults.list()) == [first.model_copy(update={"count": 2}), second]
    bench.control.faults.clear("servers.create")
    assert list(bench.control.faults.list()) == [second]


def test_chance_comes_from_the_seed_alone(bench: Bench) -> None:
    def outcomes(seed: int) -> list[bool]:
        bench.control.faults.clear()
        bench.control.change_options(seed=seed)
        bench.control.faults.set(Fault(operation="cloud.check", kind=FaultKind.FAIL_BEFORE, count=None, probability=0.5))
        return [_works(bench.cloud.check) for _ in range(60)]

    first, second = outcomes(7), outcomes(8)
    assert first != second
    assert all(15 < sum(outcome) < 45 for outcome in (first, second))


def test_two_clouds_with_one_seed_answer_alike(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    twin = Bench(bench.settings.model_copy(update={"home": tmp_path_factory.mktemp("twin")}))
    bench.control.change_options(images=(ImageOption(id="linux-desktop", name="Linux"),))
    answers = [[user.cloud.servers.create(make_request(tag)) for tag in "abc"] for user in (bench, twin)]
    twin.cloud.close()
    assert answers[0] == answers[1]


def test_faults_are_seen_by_other_users_of_the_file_at_once(bench: Bench) -> None:
    other = memory.control(bench.settings)
    other.faults.set(Fault(operation="cloud.check", kind=FaultKind.FAIL_BEFORE))
    other.close()
    assert [_works(bench.cloud.check) for _ in range(2)] == [False, True]


@pytest.mark.parametrize("wrong", [{"count": 0}, {"probability": 1.5}, {"seconds": -1}, {"kind": "explode"}, {"colour": 1}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate({"operation": "servers.create", "kind": "slow"} | wrong)


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except CloudUnavailable:
        return False
    return True
