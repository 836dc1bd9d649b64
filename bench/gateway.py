"""The gateway beside websockify, HAProxy, nginx and kerbside: processor time, memory, latency.

``python bench/gateway.py [--rounds N] [--mib N] [--quick] [--json]``, after ``make bench-tools``. The gateway runs as it ships,
with tickets, reports, withdrawals and a policy on; all relays run in turn (A B C A B C) on the same machine, fed by the same
server, and what is compared are the medians of the ratios of neighboring rounds. With ``--json`` the last line is one JSON
object.
"""

import argparse
import json
import os
import resource
import select
import signal
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway_peers import Listeners, serve
from gateway_relays import Relay, certificate, gateway, haproxy, masked, nginx, websockify
from gateway_spice import SpiceRelay, kerbside

MANY = 50
IDLE = 1000
IDLE_TLS = 200
MASS = 9000
_FRAME_BYTES = 65536
_RECEIVE_BYTES = 1 << 20


def receive(peers: Sequence[socket.socket], size: int) -> None:
    """Reads until each has been sent ``size`` bytes of payload, or nearly: frames have headers, too."""
    left = {peer.fileno(): size for peer in peers}
    by_descriptor = {peer.fileno(): peer for peer in peers}
    buffer = bytearray(_RECEIVE_BYTES)
    poll = select.poll()
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    while left:
        for descriptor, _ in poll.poll(60_000):
            peer = by_descriptor[descriptor]
            while descriptor in left:
                got = peer.recv_into(buffer)
                if not got:
                    raise RuntimeError("a relay hung up")
                left[descriptor] -= got
                if left[descriptor] <= 0:
                    del left[descriptor]
                    poll.unregister(descriptor)
                if not isinstance(peer, ssl.SSLSocket) or not peer.pending():
                    break


def download(relay: Relay, connections: int, mib: int) -> float:
    """CPU seconds per GiB to that many clients at once."""
    with ExitStack() as stack:
        peers = [stack.enter_context(relay.connect()) for _ in range(connections)]
        size = (mib << 20) // connections
        before = relay.cpu_seconds()
        for peer in peers:
            peer.sendall(relay.asking(size))
        receive(peers, size)
        return (relay.cpu_seconds() - before) * 1024 / mib


def upload(relay: Relay, mib: int) -> float:
    """CPU seconds per GiB from one client."""
    size = mib << 20
    with relay.connect() as peer:
        frame = masked(bytes(_FRAME_BYTES))
        before = relay.cpu_seconds()
        peer.sendall(masked(b"\6\0\0\0" + size.to_bytes(4, "big")))
        for _ in range(size // _FRAME_BYTES):
            peer.sendall(frame)
        while not peer.recv(16):
            pass
        return (relay.cpu_seconds() - before) * 1024 / mib


def connecting(relay: Relay, count: int) -> float:
    """CPU seconds for a connection that is opened, used once, and closed."""
    before = relay.cpu_seconds()
    for _ in range(count):
        with relay.connect() as peer:
            peer.sendall(relay.asking(8))
            peer.recv(64)
    time.sleep(0.3)
    return (relay.cpu_seconds() - before) / count


def latency(relay: Relay, count: int = 2000) -> float:
    """Median seconds until a small question's answer is there."""
    took = []
    with relay.connect() as peer:
        frame = relay.asking(8)
        for _ in range(count):
            began = time.perf_counter()
            peer.sendall(frame)
            peer.recv(64)
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def idle_kib(relay: Relay, count: int) -> float:
    """KiB for a connection that is open and quiet."""
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(relay.connect())
        time.sleep(1)
        before = relay.memory_kib()
        for _ in range(count):
            stack.enter_context(relay.connect())
        time.sleep(1)
        return (relay.memory_kib() - before) / count


def stalled_kib(relay: Relay, count: int = 20) -> float:
    """KiB for a client that asks for much and reads nothing."""
    with ExitStack() as stack:
        peers = [stack.enter_context(relay.connect()) for _ in range(count)]
        time.sleep(0.5)
        before = relay.memory_kib()
        for peer in peers:
            peer.sendall(relay.asking(1 << 30))
        time.sleep(3)
        return (relay.memory_kib() - before) / count


def crowd(relay: Relay, mib: int) -> dict[str, float]:
    """Thousands of idle connections in one process while 50 are busy."""
    with ExitStack() as stack:
        began = time.monotonic()
        for _ in range(MASS):
            stack.enter_context(relay.connect())
        opened_in = time.monotonic() - began
        busy = download(relay, MANY, mib)
        waits = latency(relay, 300)
    return {"idle": MASS, "opened_per_second": MASS / opened_in, "cpu_per_gib_50": busy, "latency_us": waits * 1e6}


def rounds(count: int, measure: Callable[[Relay], float], relays: Sequence[Relay]) -> dict[str, list[float]]:
    """Each relay in turn, so many times."""
    found: dict[str, list[float]] = {relay.name: [] for relay in relays}
    for _ in range(count):
        for relay in relays:
            found[relay.name].append(measure(relay))
    return found


def ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    """The median of the ratios of neighboring rounds."""
    return statistics.median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


@contextmanager
def peers() -> Iterator[tuple[int, int, int, int]]:
    """The manager, the plain server, the WebSocket server and the SPICE server, in a process of their own: their ports."""
    at = Listeners.made()
    child = os.fork()
    if not child:
        serve(at)
    try:
        manager, plain, framed, spice = (one.getsockname()[1] for one in (at.manager, at.plain, at.framed, at.spice))
        yield manager, plain, framed, spice
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--quick", action="store_true", help="two rounds of 128 MiB, and no crowd: for a look")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.mib = 2, 128
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began = time.monotonic()
    result: dict[str, object] = {"benchmark": "gateway", "rounds": options.rounds, "mib": options.mib}
    seen: dict[str, dict[str, float]] = {}

    def note(what: str, found: dict[str, list[float]]) -> dict[str, list[float]]:
        seen[what] = {name: statistics.median(values) for name, values in found.items()}
        print(f"{what}: " + ", ".join(f"{name} {value:.4g}" for name, value in seen[what].items()), flush=True)
        return found

    with tempfile.TemporaryDirectory() as name, peers() as (manager, plain, framed, spice), ExitStack() as stack:
        folder = Path(name)
        tls = certificate(folder)
        ours = stack.enter_context(gateway(folder, manager))
        theirs = stack.enter_context(websockify(plain))
        proxy = stack.enter_context(haproxy(folder, framed))
        other = stack.enter_context(nginx(folder, framed))
        ours_tls = stack.enter_context(gateway(folder, manager, tls=tls))
        proxy_tls = stack.enter_context(haproxy(folder, framed, tls=tls))
        everybody = (ours, theirs, proxy, other)
        native = (
            SpiceRelay("gateway", ours_tls.pid, ours_tls.port, tls=ours_tls.tls),
            stack.enter_context(kerbside(folder, spice, tls)),
        )
        count, mib = options.rounds, options.mib
        one = note("cpu_seconds_per_gib_1", rounds(count, lambda relay: download(relay, 1, mib), everybody))
        many = note("cpu_seconds_per_gib_50", rounds(count, lambda relay: download(relay, MANY, mib), everybody))
        up = note("upload_cpu_seconds_per_gib", rounds(count, lambda relay: upload(relay, mib // 2), (ours, proxy)))
        secured = note("tls_cpu_seconds_per_gib", rounds(count, lambda relay: download(relay, 1, mib), (ours_tls, proxy_tls)))
        opening = note(
            "cpu_seconds_per_connection",
            rounds(3, lambda relay: connecting(relay, 30 if relay is theirs else 300), (ours, theirs, proxy)),
        )
        waits = note("latency_seconds", rounds(3, latency, everybody))
        spice_one = note("spice_cpu_seconds_per_gib_1", rounds(count, lambda relay: download(relay, 1, mib), native))
        spice_many = note("spice_cpu_seconds_per_gib_50", rounds(count, lambda relay: download(relay, MANY, mib), native))
        spice_opening = note("spice_cpu_seconds_per_connection", rounds(3, lambda relay: connecting(relay, 60), native))
        spice_waits = note("spice_latency_seconds", rounds(3, latency, native))
        result |= {
            "cpu_per_gib_1_vs_websockify": ratio(one, "gateway", "websockify"),
            "cpu_per_gib_50_vs_websockify": ratio(many, "gateway", "websockify"),
            "cpu_per_gib_1_vs_haproxy": ratio(one, "gateway", "haproxy"),
            "cpu_per_gib_50_vs_haproxy": ratio(many, "gateway", "haproxy"),
            "cpu_per_gib_1_vs_nginx": ratio(one, "gateway", "nginx"),
            "cpu_per_gib_50_vs_nginx": ratio(many, "gateway", "nginx"),
            "upload_cpu_vs_haproxy": ratio(up, "gateway", "haproxy"),
            "cpu_per_connection_vs_websockify": ratio(opening, "gateway", "websockify"),
            "cpu_per_connection_vs_haproxy": ratio(opening, "gateway", "haproxy"),
            "latency_vs_websockify": ratio(waits, "gateway", "websockify"),
            "spice_cpu_per_gib_1_vs_kerbside": ratio(spice_one, "gateway", "kerbside"),
            "spice_cpu_per_gib_50_vs_kerbside": ratio(spice_many, "gateway", "kerbside"),
            "spice_cpu_per_connection_vs_kerbside": ratio(spice_opening, "gateway", "kerbside"),
            "spice_latency_vs_kerbside": ratio(spice_waits, "gateway", "kerbside"),
            "tls_cpu_vs_haproxy": ratio(secured, "gateway-tls", "haproxy-tls"),
            "idle_kib_per_connection": idle_kib(ours, IDLE),
            "idle_tls_kib_per_connection": idle_kib(ours_tls, IDLE_TLS),
            "stalled_client_kib": stalled_kib(ours),
        }
        if not options.quick:
            result["crowd"] = crowd(ours, mib)
    result["seconds"] = round(time.monotonic() - began)
    for key, value in result.items():
        print(f"{key}: {value:.3f}" if isinstance(value, float) else f"{key}: {value}")
    if options.json:
        print(json.dumps(result | {"medians": seen}))


if __name__ == "__main__":
    main()
