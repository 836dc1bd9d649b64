"""What a machine of the host is: itself and no other's copy, unprivileged, and off when it is off."""

import os
import pwd
import signal
import time
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.drivers.waiting import eventually_is
from tests.support.local_cloud import HostProcess, open_files
from tests.support.waiting import eventually
from yunzhuo.host import sockets
from yunzhuo.host.processes import working_below
from yunzhuo.phoenix.cloud.errors import GuestUnreachable, ServerBusy
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol, RebootKind, Server, ServerStatus

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]

WHO_ARE_YOU = "cat /etc/machine-id /etc/hostname /etc/ssh/ssh_host_ed25519_key.pub; hostname"


def said(cloud: Cloud, server: Server, script: str) -> str:
    result = cloud.guest.run(server.id, ["/bin/sh", "-c", script], timeout_seconds=60)
    assert result.exit_code == 0, result.stderr
    return result.stdout.decode()


def qemu_of(host: HostProcess, server: Server) -> int:
    found = [one for one in working_below(host.settings.host_dir / "desktops") if one.folder.name == server.id]
    assert len(found) == 1
    return found[0].identity.pid


def test_clones_are_nobody_elses_copy_and_stay_themselves(cloud: Cloud, desktops: Desktops) -> None:
    one, other = (desktops.create_ready(hostname=name) for name in ("pc-one", "pc-other"))
    lines = [said(cloud, server, WHO_ARE_YOU).splitlines() for server in (one, other)]
    assert [(line[1], line[3]) for line in lines] == [("pc-one", "pc-one"), ("pc-other", "pc-other")]
    assert lines[0][0] != lines[1][0], "machine-id"
    assert lines[0][2] != lines[1][2], "SSH host key"
    assert said(cloud, one, "stat -c %a /etc/ssh/ssh_host_ed25519_key").strip() == "600"
    cloud.servers.stop(one.id)
    eventually_is(cloud, one.id, ServerStatus.STOPPED, 60)
    cloud.servers.start(one.id)
    desktops.wait_ready(one.id)
    assert said(cloud, one, WHO_ARE_YOU).splitlines() == lines[0]


def test_the_session_begins_in_the_persons_language(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready(language="zh_CN")  # of which there is no golden here
    speaks = "tr '\\0' '\\n' < /proc/$(pgrep -o -u user icewm)/environ | grep ^LANG="
    folders = "ls /home/user"
    assert said(cloud, server, speaks) == "LANG=zh_CN.UTF-8\n"
    before = said(cloud, server, folders)
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
    cloud.servers.start(server.id, language="en")
    desktops.wait_ready(server.id)
    assert said(cloud, server, speaks) == "LANG=en_US.UTF-8\n"
    assert said(cloud, server, folders) == before


def test_a_clones_clock_is_right(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()

    def is_right() -> bool:
        before = time.time()
        there = float(said(cloud, server, "date +%s.%N"))
        return before - 1 < there < time.time() + 1

    eventually(is_right, 10, what="the guest's clock within a second of ours")


def test_qemu_runs_without_rights(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    pid = qemu_of(host, server)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    if os.geteuid() == 0:
        account = pwd.getpwnam(host.settings.host.qemu_user)
        assert status["Uid"].split() == [str(account.pw_uid)] * 4
        assert status["Groups"].strip() == ""
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert os.getpriority(os.PRIO_PROCESS, pid) == host.settings.host.machine_niceness > 0
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_a_machine_can_change_nothing_of_its_golden_or_its_neighbours(host: HostProcess, desktops: Desktops) -> None:
    server, neighbour = desktops.create_running(), desktops.create_running()
    pid = qemu_of(host, server)
    memory = next(link for link, name in open_files(pid).items() if "yunzhuo-golden" in name)
    with pytest.raises(PermissionError), memory.open("r+b", buffering=0) as golden:
        golden.write(b"poison")
    if os.geteuid() != 0:
        return  # one user, one set of rights; the rest holds where QEMU has a user of its own
    qemu_uid = pwd.getpwnam(host.settings.host.qemu_user).pw_uid
    may_write = {
        str(path.relative_to(host.settings.host_dir))
        for path in host.settings.host_dir.rglob("*")
        if path.lstat().st_uid == qemu_uid or path.lstat().st_mode & 0o022
    }
    allowed = {"", "/disk.qcow2", "/screen", "/screen/vnc.sock", "/screen/spice.sock"}
    assert may_write <= {f"desktops/{one.id}{path}" for one in (server, neighbour) for path in allowed if path}


def test_a_killed_machine_is_seen_at_once(host: HostProcess, cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    os.kill(qemu_of(host, server), signal.SIGKILL)
    seen = eventually_is(cloud, server.id, ServerStatus.STOPPED, 2)
    assert eventually(lambda: cloud.servers.get(server.id).fault, 2) == "The machine ended unexpectedly."
    assert seen.id == server.id
    assert not cloud.guest.ready(server.id)
    with pytest.raises(GuestUnreachable):
        cloud.guest.run(server.id, ["true"])
    cloud.servers.start(server.id)
    desktops.wait_ready(server.id)
    assert cloud.servers.get(server.id).fault is None


def test_a_guest_that_switches_itself_off_is_stopped_without_fault(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    cloud.guest.run(server.id, ["/bin/sh", "-c", "setsid sh -c 'sleep 0.5; poweroff' >/dev/null 2>&1 &"])
    eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
    assert cloud.servers.get(server.id).fault is None


@pytest.mark.parametrize("kind", list(RebootKind))
def test_a_rebooted_guest_is_ready_again_as_itself(cloud: Cloud, desktops: Desktops, kind: RebootKind) -> None:
    server = desktops.create_ready(hostname="pc-reboot")
    before = said(cloud, server, f"touch /run/this-boot; {WHO_ARE_YOU}")
    cloud.servers.reboot(server.id, kind)
    assert not cloud.guest.ready(server.id)
    desktops.wait_ready(server.id)
    assert cloud.guest.run(server.id, ["test", "-e", "/run/this-boot"]).exit_code == 1
    assert said(cloud, server, WHO_ARE_YOU) == before


def test_both_screens_answer_and_ask_for_a_password(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_running()
    vnc, spice = (cloud.servers.console(server.id, protocol) for protocol in (ConsoleProtocol.VNC, ConsoleProtocol.SPICE))
    assert vnc.unix_path != spice.unix_path
    assert len(vnc.password) == 8
    assert spice.password
    for console in (vnc, spice):
        assert console.unix_path is not None
        with sockets.connect(Path(console.unix_path)):
            pass
    cloud.servers.stop(server.id)
    eventually_is(cloud, server.id, ServerStatus.STOPPED, 60)
    with pytest.raises(ServerBusy):
        cloud.servers.console(server.id, ConsoleProtocol.VNC)


def test_clipboard_and_message_reach_the_screen(cloud: Cloud, desktops: Desktops) -> None:
    server = desktops.create_ready()
    cloud.guest.set_clipboard(server.id, "云晫 ✓")
    assert eventually(lambda: cloud.guest.get_clipboard(server.id), 10) == "云晫 ✓"
    cloud.guest.message(server.id, "Ten minutes left")
    eventually(lambda: "gxmessage" in said(cloud, server, "ps -e"), 20, what="the message's window")
