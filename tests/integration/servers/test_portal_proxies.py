"""The proxies' shipped configuration for the portal: what leads where, and what a client cannot make the portal believe."""

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from tests.gateway.test_tls import certificate
from tests.support.server_process import ServerProcess, free_port

SHIPPED = Path(__file__).parents[3] / "infras" / "proxy"
SPOOFED = {"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
# Of the shipped files: the portal, the stream and the gateway.
BACKENDS = ("8080", "8082", "8081")

pytestmark = pytest.mark.servers


@contextmanager
def backend(name: str) -> Iterator[int]:
    """A server that answers its name and what it was told; yields its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {"backend": name, "headers": {key.lower(): value for key, value in self.headers.items()}}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def haproxy(folder: Path, plain: int, secure: int) -> tuple[str, list[str]]:
    (folder / "both.pem").write_bytes((folder / "chain.pem").read_bytes() + (folder / "private.pem").read_bytes())
    text = replaced(
        (SHIPPED / "haproxy.cfg").read_text(),
        {
            "*:80\n": f"127.0.0.1:{plain}\n",
            "*:443 ": f"127.0.0.1:{secure} ",
            "*:8443": f"127.0.0.1:{free_port()}",
            "/etc/ssl/yunzhuo/both.pem": str(folder / "both.pem"),
        },
    )
    return text, ["haproxy", "-db", "-f", str(folder / "proxy.conf")]


def nginx(folder: Path, plain: int, secure: int) -> tuple[str, list[str]]:
    server = replaced(
        (SHIPPED / "nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "    listen [::]:80;\n": "",
            "listen 443 ssl": f"listen 127.0.0.1:{secure} ssl",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/ssl/yunzhuo/fullchain.pem": str(folder / "chain.pem"),
            "/etc/ssl/yunzhuo/private.pem": str(folder / "private.pem"),
        },
    )
    paths = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    head = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;"
    text = f"{head}\nevents {{}}\nhttp {{ access_log off; {paths}\n{server}}}\n"
    return text, ["nginx", "-c", str(folder / "proxy.conf"), "-e", str(folder / "nginx.log")]


def replaced(text: str, changes: dict[str, str]) -> str:
    for shipped, ours in changes.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    return text


@dataclass
class Front:
    """A proxy with the portal, the stream and the gateway behind it."""

    plain: str
    client: httpx.Client

    def asks(self, path: str, **headers: str) -> dict[str, str]:
        """Which backend was asked for ``path``, and what it was told."""
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        found = answer.json()
        return {"backend": found["backend"], **found["headers"]}


@pytest.fixture(params=[haproxy, nginx], ids=lambda make: make.__name__)
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
    make: Callable[[Path, int, int], tuple[str, list[str]]] = request.param
    plain, secure = free_port(), free_port()
    with ExitStack() as stack:
        process = ServerProcess(make.__name__)
        stack.callback(process.close)
        chain, private = certificate(process.folder)
        text, (name, *arguments) = make(process.folder, plain, secure)
        for shipped in BACKENDS:
            text = replaced(text, {f"127.0.0.1:{shipped}": f"127.0.0.1:{stack.enter_context(backend(shipped))}"})
        (process.folder / "proxy.conf").write_text(text)
        private.chmod(0o644)  # the process is nobody's
        program = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        assert program, f"{name} is missing: make setup"
        process.start([program, *arguments], {})
        process.wait_for(lambda: listens(secure), 30)
        tls = ssl.create_default_context(cafile=str(chain))
        client = stack.enter_context(httpx.Client(base_url=f"https://127.0.0.1:{secure}", verify=tls, trust_env=False))
        yield Front(f"http://127.0.0.1:{plain}", client)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_without_tls_pages_lead_on_and_programs_are_refused(front: Front) -> None:
    page = httpx.get(f"{front.plain}/desktops?page=2", trust_env=False)
    assert page.status_code == 308
    assert page.headers["location"].startswith("https://")
    assert page.headers["location"].endswith("/desktops?page=2")
    program = httpx.get(f"{front.plain}/api/v1/desktops", headers={"Authorization": "Bearer x"}, trust_env=False)
    assert program.status_code == 403
    assert "location" not in program.headers


def test_what_leads_where(front: Front) -> None:
    assert front.asks("/")["backend"] == "8080"
    assert front.asks("/api/v1/desktops")["backend"] == "8080"
    assert front.asks("/events")["backend"] == "8082"
    assert front.asks("/api/v1/events")["backend"] == "8082"
    for private in ("/metrics", "/readyz", "/internal/gateways/first"):
        assert front.client.get(private).status_code == 404, private


def test_who_asks_is_the_proxys_to_say(front: Front) -> None:
    for path in ("/", "/events"):
        told = front.asks(path, **SPOOFED)
        assert told["x-forwarded-for"] == "127.0.0.1", path
        assert told["x-forwarded-proto"] == "https", path
        assert told["x-forwarded-host"].startswith("127.0.0.1"), path
