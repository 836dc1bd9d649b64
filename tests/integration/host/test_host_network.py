"""What guests reach, and what they must not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, TCPServer

import pytest

from tests.drivers.desktops import Desktops
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]


@contextmanager
def listening(address: str) -> Iterator[int]:
    """A service of this computer that greets and hangs up; the answer is its port."""
    with TCPServer((address, 0), _Greeter) as service:
        serving = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield service.server_address[1]
        finally:
            service.shutdown()
            serving.join()


class _Greeter(BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"hello\n")


def reaches(cloud: Cloud, server: Server, address: str, port: int) -> bool:
    script = f"busybox nc -w 4 {address} {port} </dev/null"
    return cloud.guest.run(server.id, ["/bin/sh", "-c", script], timeout_seconds=30).exit_code == 0


def outward_address() -> str | None:
    """An address of this computer that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


@pytest.fixture
def server(desktops: Desktops) -> Server:
    return desktops.create_ready()


def test_guests_never_reach_our_loopback_services(cloud: Cloud, server: Server) -> None:
    with listening("127.0.0.1") as port:
        # QEMU's name for the host, slirp4netns' names, and loopback itself sent out through the gateway.
        for address in ("10.0.2.2", "10.0.2.3", "10.0.3.2", "10.0.3.3", "127.0.0.1"):
            assert not reaches(cloud, server, address, port), address
        script = "ip route add 127.0.0.0/8 via 10.0.2.2 dev eth0 table 7; ip rule add to 127.0.0.2 table 7"
        cloud.guest.run(server.id, ["/bin/sh", "-c", f"sysctl -qw net.ipv4.conf.all.route_localnet=1; {script}"])
        assert not reaches(cloud, server, "127.0.0.2", port)


def test_a_guests_own_loopback_works(cloud: Cloud, server: Server) -> None:
    script = "busybox nc -l -p 5000 -e true & sleep 0.5; busybox nc -w 4 127.0.0.1 5000 </dev/null"
    assert cloud.guest.run(server.id, ["/bin/sh", "-c", script], timeout_seconds=30).exit_code == 0


def test_guests_reach_the_outside_where_we_do(cloud: Cloud, server: Server) -> None:
    address = outward_address()
    assert cloud.networks.list()[0].reaches_internet == (address is not None)
    if address is not None:
        with listening(address) as port:
            assert reaches(cloud, server, address, port)


def test_guests_are_told_a_name_server_that_is_not_ours(cloud: Cloud, server: Server) -> None:
    resolv = cloud.guest.read_file(server.id, "/etc/resolv.conf", max_bytes=1000).decode()
    assert resolv.split() == ["nameserver", "10.0.3.3"]


def test_desktops_do_not_reach_each_other(cloud: Cloud, server: Server, desktops: Desktops) -> None:
    other = desktops.create_ready()
    cloud.guest.run(other.id, ["/bin/sh", "-c", "setsid busybox nc -l -p 5001 -e true >/dev/null 2>&1 &"])
    address = cloud.guest.run(other.id, ["hostname", "-I"]).stdout.decode().split() or ["10.0.2.15"]
    # They have the same address, so each reaches itself there, and nobody else.
    assert not reaches(cloud, server, address[0], 5001)
