"""The gateway's relay beside websockify's: CPU seconds per GiB toward the browser, and memory per idle connection.

``python bench/gateway_relay.py [--rounds N] [--mib N] [--json]``. Both relays run in turn (A B A B) on the same machine and are
fed by the same server; what is compared is the median of the ratios of neighboring rounds. With ``--json`` the last line is
one JSON object. websockify is taken from the path, or installed into a temporary environment for the run.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

WEBSOCKIFY = "websockify==0.13.0"
TICKET = "bench-ticket-0123456789"
KEY = "bench-key-0123456789abcdef"
RFB_VERSION = b"RFB 003.008\n"
PORT_WAIT_SECONDS = 20
STOP_SECONDS = 5
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]
GATEWAY = (
    "import sys; from pathlib import Path; from yunzhuo.gateway.config import load; from yunzhuo.gateway.server import run; "
)
GATEWAY += "sys.exit(run(load(Path(sys.argv[1])), supervised=False))"


def masked(payload: bytes) -> bytes:
    """A short binary frame from a client; a mask of zeros leaves the payload as it is."""
    return bytes((0x82, 0x80 | len(payload))) + bytes(4) + payload


@dataclass(frozen=True)
class Relay:
    """A relay that runs, and what its client sends before bytes flow."""

    name: str
    pid: int
    port: int
    path: str
    subprotocols: str
    hello: bytes

    def connect(self) -> socket.socket:
        """A WebSocket that waits for the server's first byte."""
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        request = (
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {self.subprotocols}\r\n\r\n"
        )
        peer.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += peer.recv(4096)
        if b" 101 " not in answer:
            raise RuntimeError(f"{self.name} refused: {answer!r}")
        if self.hello:
            peer.sendall(self.hello)
            seen = answer.partition(b"\r\n\r\n")[2]
            while not seen.endswith(bytes(4)):
                seen += peer.recv(4096)
        return peer


def processes_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in processes_of(int(child)))]


def cpu_seconds(pid: int) -> float:
    """What a process, its living descendants and those that it has waited for have used."""
    ticks = 0
    for process in processes_of(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_kib(pid: int) -> int:
    """Proportional memory of a process and its descendants."""
    return sum(
        int(line.split()[1])
        for process in processes_of(pid)
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )


def transfer(relay: Relay, mib: int) -> float:
    """CPU seconds per GiB of one connection that is sent ``mib`` MiB."""
    size, received, buffer = mib << 20, 0, bytearray(1 << 20)
    with relay.connect() as peer:
        before = cpu_seconds(relay.pid)
        peer.sendall(masked(size.to_bytes(8, "big")))
        while received < size:
            got = peer.recv_into(buffer)
            if not got:
                raise RuntimeError(f"{relay.name} closed after {received} bytes")
            received += got
        used = cpu_seconds(relay.pid) - before
    return used * 1024 / mib


def idle_memory(relay: Relay, connections: int) -> float:
    """KiB per connection that is open and quiet."""
    with relay.connect():
        time.sleep(0.5)
        before = memory_kib(relay.pid)
        with ExitStack() as stack:
            for _ in range(connections):
                stack.enter_context(relay.connect())
            time.sleep(1)
            return (memory_kib(relay.pid) - before) / connections


async def serve_peers(listener: socket.socket, screen: socket.socket, plain: socket.socket) -> None:
    """The manager (any ticket is good) and the server behind both relays: asked for N bytes, it sends them."""

    async def manage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            target = {"host": "127.0.0.1", "port": screen.getsockname()[1], "password": ""}
            grant = {"session_id": "s", "protocol": "vnc", "user_id": "u", "desktop_id": "d", "target": target}
            body = json.dumps(grant).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def feed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunk = bytes(65536)
        while True:
            left = int.from_bytes(await reader.readexactly(8), "big")
            while left > 0:
                writer.write(chunk)
                await writer.drain()
                left -= len(chunk)

    async def feed_screen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(RFB_VERSION + b"\1\1")
        await reader.readexactly(len(RFB_VERSION) + 1)
        writer.write(bytes(4))
        await feed(reader, writer)

    def quietly(serve: Serve) -> Serve:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        return run

    await asyncio.start_server(quietly(manage), sock=listener)
    await asyncio.start_server(quietly(feed_screen), sock=screen)
    await asyncio.start_server(quietly(feed), sock=plain)
    await asyncio.Event().wait()


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[int]:
    """A process that listens on ``port``, for as long as it is needed."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + PORT_WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:  # websockify's parent does not mind a SIGTERM
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def websockify_command(folder: Path) -> list[str]:
    if found := shutil.which("websockify"):
        return [found]
    print(f"installing {WEBSOCKIFY} into a temporary environment", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", WEBSOCKIFY], check=True)
    return [str(folder / "venv/bin/websockify")]


@contextmanager
def relays(folder: Path) -> Iterator[tuple[Relay, Relay]]:
    """The gateway and websockify in front of the same server."""
    manager, screen, plain = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
    peers = os.fork()
    if not peers:
        asyncio.run(serve_peers(manager, screen, plain))
    ports = free_port(), free_port()
    (folder / "gateway.key").write_text(KEY)
    (folder / "gateway.toml").write_text(
        f'manager_url = "http://127.0.0.1:{manager.getsockname()[1]}"\n'
        f"[listen]\nport = {ports[0]}\n[private]\nenabled = false\n"
    )
    target = f"127.0.0.1:{plain.getsockname()[1]}"
    try:
        with (
            running([sys.executable, "-c", GATEWAY, str(folder / "gateway.toml")], ports[0]) as gateway,
            running([*websockify_command(folder), str(ports[1]), target], ports[1]) as other,
        ):
            hello = masked(RFB_VERSION) + masked(b"\1")
            yield (
                Relay("gateway", gateway, ports[0], "/v1/console", f"binary, ticket.{TICKET}", hello),
                Relay("websockify", other, ports[1], "/", "binary", b""),
            )
    finally:
        os.kill(peers, signal.SIGTERM)
        os.waitpid(peers, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--idle", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, relays(Path(folder)) as pair:
        cpu: dict[str, list[float]] = {relay.name: [] for relay in pair}
        for _ in range(options.rounds):
            for relay in pair:
                cpu[relay.name].append(transfer(relay, options.mib))
        memory = {relay.name: idle_memory(relay, options.idle) for relay in pair}
    ratio = statistics.median(ours / theirs for ours, theirs in zip(cpu["gateway"], cpu["websockify"], strict=True))
    for name, values in cpu.items():
        print(f"{name:>10}: {statistics.median(values):.3f} CPU s/GiB, {memory[name]:.1f} KiB per idle connection")
    print(f"     ratio: {ratio:.2f} of websockify's CPU (median of {options.rounds} neighboring rounds)")
    if options.json:
        result = {
            "benchmark": "gateway_relay",
            "cpu_seconds_per_gib": {name: statistics.median(values) for name, values in cpu.items()},
            "cpu_ratio": ratio,
            "idle_connection_kib": memory,
            "rounds": options.rounds,
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
