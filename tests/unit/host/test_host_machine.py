"""A machine that is ours, against a QEMU that answers as told: refusals, failures, a connection that ends."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.pretended_qemu import PretendedQemu, hangs_up, refuses

from yunzhuo.host.kept_states import LiveDisk
from yunzhuo.host.launch import MONITOR_SOCKET
from yunzhuo.host.machine import Machine, StateRefused
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.processes import ProcessGone
from yunzhuo.host.server_secrets import Identity, new_secrets
from yunzhuo.host.volume_plug import Plug
from yunzhuo.phoenix.cloud.errors import CloudUnavailable, GuestUnreachable, VolumeInUse

IDENTITY = Identity(new_secrets("one"), lambda: "pc-1", lambda: None)
NODE, DEVICE = "volume-v", "plugged-v"


@pytest.fixture
async def qemu(tmp_path: Path) -> AsyncIterator[PretendedQemu]:
    qemu = PretendedQemu(tmp_path)
    await qemu.listen()
    yield qemu
    await qemu.end()


@pytest.fixture
async def machine(qemu: PretendedQemu) -> AsyncIterator[Machine]:
    machine = await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)
    yield machine
    await machine.kill()


async def test_only_the_qemu_of_the_folder_is_adopted(qemu: PretendedQemu) -> None:
    qemu.answers["query-name"] = {"name": "yunzhuo-another"}
    with pytest.raises(MachineFailed, match="says that it is 'yunzhuo-another'"):
        await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)
    qemu.answers["query-name"] = hangs_up
    with pytest.raises(MachineFailed, match="did not answer query-name"):
        await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)
    (qemu.folder / MONITOR_SOCKET).unlink()
    with pytest.raises(MachineFailed, match="does not answer"):
        await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)
    assert qemu.process.poll() is None
    await qemu.end()
    with pytest.raises(ProcessGone):
        await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)


@pytest.mark.parametrize(
    ("status", "is_held", "is_full"), [("running", False, False), ("paused", True, False), ("io-error", False, True)]
)
async def test_why_an_adopted_guest_stands_still_is_known(
    qemu: PretendedQemu, status: str, is_held: bool, is_full: bool
) -> None:
    qemu.answers["query-status"] = {"status": status}
    machine = await Machine.adopt(qemu.folder, qemu.identity, IDENTITY)
    assert (machine.is_held, machine.stopped_by_full_disk) == (is_held, is_full)
    await machine.kill()


async def test_a_state_that_is_refused_is_told_from_a_machine_that_fails(qemu: PretendedQemu, machine: Machine) -> None:
    await machine.load_state(7)
    qemu.migrates_to = "failed"
    with pytest.raises(MachineFailed, match="failed at migrate-incoming") as failed:
        await machine.load_state(7)
    assert not isinstance(failed.value, StateRefused)
    assert machine.is_alive


@pytest.mark.parametrize(("end", "is_refusal"), [(signal.SIGUSR1, True), (signal.SIGKILL, False)])
async def test_a_qemu_that_ends_over_a_state_says_why(tmp_path: Path, end: signal.Signals, is_refusal: bool) -> None:
    qemu = PretendedQemu(tmp_path)
    await qemu.listen()
    machine = await Machine.adopt(tmp_path, qemu.identity, IDENTITY)
    (tmp_path / "qemu.log").write_text("Unknown savevm section\n")

    def ends(_arguments: object) -> object:
        qemu.die(end)
        return hangs_up({})

    qemu.answers["migrate-incoming"] = ends
    with pytest.raises(MachineFailed, match="Unknown savevm section") as failed:
        await machine.load_state(7)
    assert isinstance(failed.value, StateRefused) is is_refusal
    await machine.close()
    await qemu.end()


async def test_a_state_is_saved_though_an_earlier_host_process_died_over_one(qemu: PretendedQemu, machine: Machine) -> None:
    statuses = iter(["cancelling", "cancelled"])
    qemu.answers["query-migrate"] = lambda _: {"status": next(statuses)}
    qemu.answers["query-status"] = {"status": "postmigrate"}
    with (qemu.folder / "state").open("wb") as state:
        await machine.save_state(state.fileno())
    asked = [command for command in qemu.heard if command in ("migrate_cancel", "query-migrate", "cont", "stop", "migrate")]
    assert asked == ["migrate_cancel", "query-migrate", "query-migrate", "cont", "stop", "migrate"]


def knows(machine: Machine) -> tuple[bool, bool]:
    return machine.stopped_by_full_disk, machine.guest_shut_down


async def test_events_change_what_is_known_of_a_machine(qemu: PretendedQemu, machine: Machine) -> None:
    qemu.tell("BLOCK_IO_ERROR", {"nospace": False})
    qemu.tell("RESET", "what is not an object counts as nothing")
    await machine.was_reset.wait()
    assert knows(machine) == (False, False)
    machine.was_reset.clear()
    qemu.tell("BLOCK_IO_ERROR", {"nospace": True})
    qemu.tell("SHUTDOWN", {"guest": True})
    qemu.tell("RESET", {})
    await machine.was_reset.wait()
    assert knows(machine) == (True, True)


@pytest.mark.parametrize("says", [refuses("no such command"), hangs_up])
async def test_a_guest_without_a_gentle_way_gets_the_power_button(qemu: PretendedQemu, machine: Machine, says: object) -> None:
    qemu.agent["guest-ping"] = says
    await machine.ask_to_shut_down()
    assert "system_powerdown" in qemu.heard


async def test_a_job_that_fails_says_what_qemu_said(qemu: PretendedQemu, machine: Machine) -> None:
    disk = LiveDisk(machine.monitor)
    await disk.keep("one")
    qemu.jobs["snapshot-save"] = "No space left on device"
    with pytest.raises(MachineFailed, match="failed at snapshot-save: No space left"):
        await disk.keep("two")
    qemu.answers["snapshot-load"] = refuses("Snapshot not found")
    with pytest.raises(MachineFailed, match="refused snapshot-load: Snapshot not found"):
        await disk.load("three")
    qemu.answers["query-block"] = [{"device": "floppy"}]
    with pytest.raises(MachineFailed, match="does not know the machine's disk"):
        await disk.tags()


async def test_a_volume_is_plugged_in_once(qemu: PretendedQemu, machine: Machine) -> None:
    plug = Plug(machine, "v")
    await plug.put_in()
    assert qemu.heard[-1] == "device_add"
    assert await plug.tags() == set()
    await plug.take_out()
    qemu.answers["query-named-block-nodes"] = [
        {"node-name": "disk"},
        {"node-name": NODE, "image": {"snapshots": [{"name": "first"}]}},
    ]
    qemu.answers["qom-list"] = [{"name": DEVICE}]
    qemu.heard.clear()
    await plug.put_in()
    assert await plug.is_in()
    assert not {"blockdev-add", "blockdev-del", "device_add"} & set(qemu.heard)
    assert await plug.tags() == {"first"}


async def test_a_guest_lets_go_of_a_volume_or_says_why_not(qemu: PretendedQemu, machine: Machine) -> None:
    plug = Plug(machine, "v")
    qemu.program_ends(0)
    await plug.let_go(force=False)
    qemu.program_ends(16, out=b"writer\n\x07\n")
    with pytest.raises(VolumeInUse) as in_use:
        await plug.let_go(force=False)
    assert "writer" in str(in_use.value.details)
    qemu.program_ends(3, err=b"umount: target is busy\n")
    with pytest.raises(CloudUnavailable, match="could not let go"):
        await plug.let_go(force=True)
    qemu.agent["guest-exec"] = refuses("guest-exec is disabled")
    with pytest.raises(GuestUnreachable):
        await plug.let_go(force=False)
    await plug.let_go(force=True)


async def test_a_device_is_waited_for_until_it_is_gone(qemu: PretendedQemu, machine: Machine) -> None:
    def unplugs(arguments: object) -> object:
        qemu.tell("DEVICE_DELETED", {"device": "another"})
        qemu.tell("DEVICE_DELETED", {"device": DEVICE})
        return {}

    qemu.answers["device_del"] = unplugs
    await machine.monitor.unplug(DEVICE, timeout_seconds=5)
    qemu.answers["device_del"] = refuses("Device not found")
    await machine.monitor.unplug(DEVICE, timeout_seconds=5)
    qemu.answers["device_del"] = refuses("already in the process of unplug")
    qemu.answers["qom-list"] = [{"name": DEVICE}]
    with pytest.raises(MachineFailed, match="did not let go of the device in time"):
        await machine.monitor.unplug(DEVICE, timeout_seconds=0.2)


async def test_what_is_asked_of_a_qemu_that_hung_up_fails_at_once(qemu: PretendedQemu, machine: Machine) -> None:
    qemu.answers["stop"] = hangs_up
    with pytest.raises(MachineFailed, match="did not answer stop"):
        await machine.monitor.execute("stop")
    await machine.monitor.hung_up()
    assert await machine.serial_tail() == ""
    with (qemu.folder / "state").open("wb") as state, pytest.raises(MachineFailed):
        await machine.save_state(state.fileno())
    assert (qemu.folder / "state").stat().st_size == 0
