"""The relays that bench/gateway.py compares, each as it would be run: started, reached, and asked what they have used."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TOOLS = Path(__file__).resolve().parents[1] / ".venv-bench"
TICKET = "bench-ticket-0123456789"
KEY = "bench-key-0123456789abcdef"
GATEWAY = (
    "import sys; from pathlib import Path; from yunzhuo.gateway.config import load; from yunzhuo.gateway.server import run; "
    "sys.exit(run(load(Path(sys.argv[1])), supervised=False))"
)
_PORT_WAIT_SECONDS = 20
_STOP_SECONDS = 5
_NANOSECONDS = 1e9


def masked(payload: bytes) -> bytes:
    """A binary frame from a client; a mask of zeros leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        head = bytes((0x82, 0x80 | length))
    elif length < 1 << 16:
        head = bytes((0x82, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x82, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + bytes(4) + payload


def message(body: bytes) -> bytes:
    """A VNC ClientCutText (RFC 6143, section 7.5.6)."""
    return b"\6\0\0\0" + len(body).to_bytes(4, "big") + body


@dataclass(frozen=True)
class Relay:
    """A relay that runs. ``shakes_hands``: a VNC handshake comes before the first message."""

    name: str
    pid: int
    port: int
    path: str = "/"
    subprotocols: str = "binary"
    shakes_hands: bool = False
    tls: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        """A WebSocket that waits for a message."""
        peer: socket.socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            peer = self.tls.wrap_socket(peer, server_hostname="127.0.0.1")
        request = (
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {self.subprotocols}\r\n\r\n"
        )
        peer.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            got = peer.recv(4096)
            if not got:
                raise RuntimeError(f"{self.name} hung up: {answer!r}")
            answer += got
        if b" 101 " not in answer:
            raise RuntimeError(f"{self.name} refused: {answer!r}")
        if self.shakes_hands:
            peer.sendall(masked(b"RFB 003.008\n") + masked(b"\1"))
            seen = answer.partition(b"\r\n\r\n")[2]
            while not seen.endswith(bytes(4)):
                seen += peer.recv(4096)
        peer.sendall(masked(b"\1"))
        return peer

    def asking(self, size: int) -> bytes:
        """What asks for ``size`` bytes."""
        return masked(message(size.to_bytes(8, "big")))

    def cpu_seconds(self) -> float:
        """What its living processes have used, and what those that are gone had."""
        alive = 0.0
        for process in _processes_of(self.pid):
            for task in Path(f"/proc/{process}/task").iterdir():
                alive += int((task / "schedstat").read_text().split()[0])
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        gone = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return alive / _NANOSECONDS + gone

    def memory_kib(self) -> int:
        """Proportional memory of all its processes."""
        return sum(
            int(line.split()[1])
            for process in _processes_of(self.pid)
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        )


def _processes_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(found for child in children for found in _processes_of(int(child)))]


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[int]:
    """A process that listens on ``port``, for as long as it is needed."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + _PORT_WAIT_SECONDS
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
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:  # websockify's parent does not mind a SIGTERM
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key; HAProxy wants both in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain, private = folder / "chain.pem", folder / "private.pem"
    chain.write_bytes(pem)
    private.write_bytes(secret)
    (folder / "both.pem").write_bytes(pem + secret)
    return chain, private


@contextmanager
def gateway(folder: Path, manager_port: int, *, tls: tuple[Path, Path] | None = None) -> Iterator[Relay]:
    """The gateway with one process, as it ships: tickets, reports, withdrawals, a policy."""
    port, name = free_port(), "gateway-tls" if tls else "gateway"
    (folder / "gateway.key").write_text(KEY)
    (folder / "gateway.key").chmod(0o600)
    certificates = f'tls_certificate_file = "{tls[0]}"\ntls_private_file = "{tls[1]}"\n' if tls else ""
    (folder / f"{name}.toml").write_text(
        f'manager_url = "http://127.0.0.1:{manager_port}"\nkey_file = "gateway.key"\n'
        f"[listen]\nport = {port}\n{certificates}[private]\nenabled = false\n"
        f"[limits]\nmax_connections = 20000\nmax_connections_per_address = 20000\n"
    )
    with running([sys.executable, "-c", GATEWAY, str(folder / f"{name}.toml")], port) as pid:
        context = ssl.create_default_context(cafile=str(tls[0])) if tls else None
        yield Relay(name, pid, port, "/v1/console", f"binary, ticket.{TICKET}", shakes_hands=True, tls=context)


def websockify_program() -> str:
    """Where websockify is. Raises SystemExit."""
    program = TOOLS / "bin/websockify"
    if not program.exists():
        raise SystemExit("websockify is missing: make bench-tools")
    return str(program)


@contextmanager
def websockify(plain_port: int) -> Iterator[Relay]:
    """websockify with numpy, from `make bench-tools`."""
    port = free_port()
    with running([websockify_program(), str(port), f"127.0.0.1:{plain_port}"], port) as pid:
        yield Relay("websockify", pid, port)


@contextmanager
def haproxy(folder: Path, framed_port: int, *, tls: tuple[Path, Path] | None = None) -> Iterator[Relay]:
    """HAProxy with one thread, passing WebSocket frames on as they are."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("haproxy is missing: make bench-tools")
    port = free_port()
    bind = f"127.0.0.1:{port}" + (f" ssl crt {folder / 'both.pem'}" if tls else "")
    file = folder / f"haproxy{'-tls' if tls else ''}.cfg"
    file.write_text(
        "global\n  nbthread 1\n  maxconn 9000\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 1h\n"
        f"frontend f\n  bind {bind}\n  default_backend b\n"
        f"backend b\n  server s 127.0.0.1:{framed_port}\n"
    )
    with running([program, "-db", "-f", str(file)], port) as pid:
        context = ssl.create_default_context(cafile=str(tls[0])) if tls else None
        yield Relay("haproxy-tls" if tls else "haproxy", pid, port, tls=context)


@contextmanager
def nginx(folder: Path, framed_port: int) -> Iterator[Relay]:
    """nginx with one worker, passing WebSocket frames on as they are."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("nginx is missing: make bench-tools")
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(
        f"worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n"
        "events { worker_connections 20000; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{framed_port}; proxy_http_version 1.1;\n"
        'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h; } } }\n'
    )
    with running([program, "-c", str(file), "-e", str(folder / "nginx-start.log")], port) as pid:
        yield Relay("nginx", pid, port)
