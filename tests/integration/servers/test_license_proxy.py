"""The license server behind nginx with the configuration that ships: pages over HTTPS, and an address that nobody can claim."""

import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from tests.gateway.test_tls import certificate
from tests.integration.servers.test_portal_proxies import SHIPPED, SPOOFED, listens, replaced
from tests.support.license_server import Host, Vendor, listening, vendor
from tests.support.server_process import ServerProcess, free_port

from yunzhuo.services.audit_search import AuditWish

pytestmark = pytest.mark.servers
PASSWORD = "another horse battery"


@dataclass
class Front:
    """nginx with a license server behind it."""

    server: Vendor
    plain: str
    client: httpx.Client


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    plain, secure = free_port(), free_port()
    url = f"https://127.0.0.1:{secure}"
    with ExitStack() as stack:
        own = {"trust_proxy": True, "public_url": url}
        server = stack.enter_context(vendor(tmp_path_factory.mktemp("proxied") / "home", license_server=own))
        process = ServerProcess("nginx")
        stack.callback(process.close)
        chain, private = certificate(process.folder)
        private.chmod(0o644)  # the process is nobody's
        behind = stack.enter_context(listening(server.app()))
        (process.folder / "proxy.conf").write_text(configuration(process.folder, plain, secure, behind))
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        assert program, "nginx is missing: make setup"
        process.start([program, "-c", str(process.folder / "proxy.conf"), "-e", str(process.folder / "nginx.log")], {})
        process.wait_for(lambda: listens(secure), 30)
        tls = ssl.create_default_context(cafile=str(chain))
        client = stack.enter_context(httpx.Client(base_url=url, verify=tls, trust_env=False))
        yield Front(server, f"http://127.0.0.1:{plain}", client)


def configuration(folder: Path, plain: int, secure: int, behind: str) -> str:
    """What ships, in a folder and on ports of its own."""
    changes = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "    listen [::]:80;\n": "",
        "listen 443 ssl": f"listen 127.0.0.1:{secure} ssl",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/ssl/yunzhuo/fullchain.pem": str(folder / "chain.pem"),
        "/etc/ssl/yunzhuo/private.pem": str(folder / "private.pem"),
        "http://127.0.0.1:8090": behind,
        # Browsers say no port with 443; here it is another one.
        "proxy_set_header X-Forwarded-Host $host;": "proxy_set_header X-Forwarded-Host $http_host;",
    }
    server = replaced((SHIPPED / "nginx-license.conf").read_text(), changes)
    paths = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    head = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;"
    return f"{head}\nevents {{}}\nhttp {{ access_log off; {paths}\n{server}}}\n"


def test_without_tls_pages_lead_on_and_programs_are_refused(front: Front) -> None:
    page = httpx.get(f"{front.plain}/installations", trust_env=False)
    assert (page.status_code, page.headers["location"][:8]) == (308, "https://")
    assert httpx.get(f"{front.plain}/api/v1/keys", trust_env=False).status_code == 403


def test_people_and_installations_come_through(front: Front) -> None:
    page = front.client.get("/sign-in", headers=SPOOFED)
    assert page.headers["strict-transport-security"]
    cookie = next(value for name, value in page.headers.multi_items() if name == "set-cookie")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    customer = front.server.customer()
    made = front.server.installation(customer).installation
    email = "head@school.example"
    one_time = front.server.services.customers.add_contact(front.server.boss, customer, email).one_time_password
    api = "/api/v1"
    wish = {"email": email, "present": one_time, "chosen": PASSWORD}
    assert front.client.post(f"{api}/passwords", json=wish, headers=SPOOFED).status_code == 204
    token = front.client.post(f"{api}/tokens", json={"email": email, "password": PASSWORD}).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    document = Host(front.server).document()
    bound = front.client.put(f"{api}/installations/{made.id}/host-info", content=document, headers={**bearer, **SPOOFED})
    assert bound.json()["state"] == "active"
    # What a client says of its own address is not believed.
    there = replace(front.server.boss, organization_id=customer)
    entries = front.server.services.accounts.audit_reader.search(there, AuditWish()).items
    addresses = {each.client_address for each in entries if each.client_address}
    assert addresses == {"127.0.0.1"}
