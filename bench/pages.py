"""Many open pages with live events while many people sign in: how fast pages answer, how late events come.

``python bench/pages.py [--pages N] [--sign-ins N] [--seconds N] [--json]`` starts a Yunzhuo as it ships on the memory cloud.
Everybody with an open page has a desktop; desktops are rebooted all the time, and a page that is told of a change fetches the
card again, as a browser does. Meanwhile people sign in, evenly spread: the form, the password, their desktops. One page in
a hundred is an administrator's, told of every change. The peer, before and after in the same run: the same sign-ins and
reboots a second for a quarter of the time each, with no page open. A request is late from the moment it was due, not from when
the client came to send it. With ``--json`` the last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import cast

import h11
import sqlalchemy
import uvloop
from sqlalchemy import insert

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.running import PASSWORD, Running, running_yunzhuo  # noqa: E402 (the path has to be set first)

from yunzhuo.phoenix.cloud.memory import connect  # noqa: E402
from yunzhuo.phoenix.cloud.memory.options import HostOption  # noqa: E402
from yunzhuo.phoenix.cloud.resources import ServerRequest  # noqa: E402
from yunzhuo.phoenix.common.ids import new_id, new_secret  # noqa: E402
from yunzhuo.phoenix.config.settings import Settings  # noqa: E402
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, Desktop, Operation, User  # noqa: E402
from yunzhuo.phoenix.security.passwords import Passwords  # noqa: E402
from yunzhuo.phoenix.security.secrets import digest, load_or_make  # noqa: E402
from yunzhuo.services.access import Role  # noqa: E402
from yunzhuo.services.assembly import prepare, services, web_secret_file  # noqa: E402
from yunzhuo.services.rules.lifecycle import PLANS, Action  # noqa: E402
from yunzhuo.webkit import cookies  # noqa: E402

REBOOTS_PER_SECOND = 4.0
ADMINISTRATORS = 0.01
ROOM_FOR_ALL = (HostOption(id="host-1", name="memory-1", vcpus=10**6, memory_mib=10**9, disk_mib=10**9),)
OPENED_AT_ONCE = 32
ANSWER_SECONDS = 60.0
OVERTIME_SECONDS = 10.0
RETRY_SECONDS = 0.5
_CSRF = re.compile(rb'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page; ``desktop_id`` is theirs, None for an administrator."""

    cookie: str
    desktop_id: str | None


@dataclass(frozen=True)
class School:
    """Whom there is, as written into the database before Yunzhuo starts."""

    viewers: Sequence[Viewer]
    newcomers: Sequence[str]
    token: str


def fill(settings: Settings, pages: int, newcomers: int) -> School:
    """People with a session and a running desktop each, administrators with a session, and people who are yet to sign in."""
    prepare(settings)
    cloud = connect(settings)
    cloud.control.change_options(hosts=ROOM_FOR_ALL)
    with services(settings) as made:
        organization_id = made.accounts.default_organization_id()
        made.catalog.synchronize(organization_id)
        someone = made.accounts.add("first@school.local", PASSWORD, Role.ADMINISTRATOR).actor()
        image, flavor = made.catalog.images(someone)[0], made.catalog.flavors(someone)[0]
    now = datetime.now(UTC)
    password_hash = Passwords().hash(PASSWORD)  # once for all: it costs the same to compare with
    common = {"organization_id": organization_id, "created_at": now}
    users: list[dict[str, object]] = []
    rows: dict[type, list[dict[str, object]]] = {AuthSession: [], Desktop: [], Operation: [], ApiToken: []}

    def user(name: str, role: Role) -> str:
        users.append(
            common
            | {"id": new_id(), "email": f"{name}@school.local", "role": role, "password_hash": password_hash}
            | {"must_change_password": False}
        )
        return str(users[-1]["id"])

    def secret_of(user_id: str, kind: type, **more: object) -> str:
        secret = new_secret()
        row = {"id": new_id(), "user_id": user_id, "secret_digest": digest(secret), "expires_at": now + timedelta(hours=12)}
        rows[kind].append(common | row | more)
        return secret

    def desktop_of(user_id: str) -> str:
        desktop_id, operation_id = new_id(), new_id()
        wanted = ServerRequest(
            desktop_id=desktop_id, name="bench", hostname="bench", image_id="linux-desktop", flavor_id="small"
        )
        server = cloud.servers.create(wanted)
        rows[Desktop].append(
            common
            | {"id": desktop_id, "owner_id": user_id, "name": "bench", "hostname": "bench", "image_id": image.id}
            | {"flavor_id": flavor.id, "wanted": "running", "server_id": server.id, "observed_status": "running"}
            | {"observed_at": now, "ready_at": now, "operation_id": operation_id}
        )
        rows[Operation].append(
            common
            | {"id": operation_id, "desktop_id": desktop_id, "user_id": user_id, "action": "create", "arguments": {}}
            | {"status": "succeeded", "position": len(PLANS[Action.CREATE]), "attempts": 0, "due_at": now, "ended_at": now}
            | {"deadline_at": now + timedelta(minutes=5)}
        )
        return desktop_id

    signer = cookies.serializer(load_or_make(web_secret_file(settings)))
    administrators = max(1, round(pages * ADMINISTRATORS))
    viewers = []
    for number in range(pages):
        is_administrator = number < administrators
        user_id = user(f"viewer-{number}", Role.ADMINISTRATOR if is_administrator else Role.USER)
        secret = secret_of(user_id, AuthSession, client_address="127.0.0.1")
        cookie = f"{cookies.COOKIE_NAME}={signer.dumps({cookies.SECRET_FIELD: secret, '_permanent': True})}"
        viewers.append(Viewer(cookie, None if is_administrator else desktop_of(user_id)))
    for number in range(newcomers):
        user(f"newcomer-{number}", Role.USER)
    token = secret_of(someone.user_id, ApiToken)
    cloud.close()
    engine = sqlalchemy.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(insert(User), users)
        for kind, values in rows.items():
            if values:
                connection.execute(insert(kind), values)
    engine.dispose()
    return School(viewers, [f"newcomer-{number}@school.local" for number in range(newcomers)], token)


@dataclass
class Measured:
    """What came of a phase: milliseconds of the answers of each kind, of the events' delays, and what went wrong."""

    answers: dict[str, list[float]] = field(default_factory=lambda: {"form": [], "password": [], "home": [], "card": []})
    delays: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    signed_in: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pages(self) -> list[float]:
        """Answers to those who want to see something: forms, lists, cards. Without the passwords, which cost argon2."""
        return [value for kind in ("form", "home", "card") for value in self.answers[kind]]

    @property
    def pages_of_newcomers(self) -> list[float]:
        """Those that there are with open pages and without."""
        return self.answers["form"] + self.answers["home"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Client:
    """Asks one Yunzhuo, with a connection for each request."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(self, method: str, path: str, cookie: str = "", body: bytes = b"", **headers: str) -> Answer:
        """One request. Raises OSError, TimeoutError, h11.RemoteProtocolError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                sender = h11.Connection(h11.CLIENT)
                all_headers = {"Host": f"localhost:{self.port}", "Connection": "close", "Content-Length": str(len(body))}
                all_headers |= {"Cookie": cookie} if cookie else {}
                all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
                request = h11.Request(method=method, target=path, headers=list(all_headers.items()))
                writer.write((sender.send(request) or b"") + body)
                raw = await reader.read(-1)
            finally:
                writer.close()
        receiver = h11.Connection(h11.CLIENT)
        receiver.send(h11.Request(method=method, target=path, headers=[("Host", "localhost")]))
        receiver.send(h11.EndOfMessage())
        receiver.receive_data(raw)
        receiver.receive_data(b"")
        status, found, parts = 0, {}, []
        while not isinstance(event := receiver.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                status, found = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
        return Answer(status, found, b"".join(parts))


class OpenPage(asyncio.Protocol):
    """A page's stream of events. What comes is measured, and the card of a page's own desktop fetched again."""

    def __init__(self, client: Client, viewer: Viewer, last_id: str, opened: "asyncio.Future[int]") -> None:
        self._client = client
        self._viewer = viewer
        self._last_id = last_id
        self._opened = opened
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""
        self._fetching: asyncio.Task[None] | None = None
        self._again = False
        self._is_closing = False
        self.measured: Measured | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        headers = [("Host", f"localhost:{self._client.port}"), ("Cookie", self._viewer.cookie), ("Accept", "text/event-stream")]
        request = h11.Request(method="GET", target=f"/events?last_event_id={self._last_id}", headers=headers)
        transport.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        while (event := self._http.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Response) and not self._opened.done():
                self._opened.set_result(event.status_code)
            elif isinstance(event, h11.Data):
                *messages, self._text = (self._text + bytes(event.data)).split(b"\n\n")
                for message in messages:
                    self._told(message)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self.transport.close()
                return

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(RuntimeError("the stream was cut before it began"))
        elif self.measured is not None and not self._is_closing:
            self.measured.failures.append("a stream was cut")

    async def close(self) -> None:
        """The page is left; what it was about to fetch is waited for."""
        self._is_closing = True
        if self._fetching is not None:
            await self._fetching
        self.transport.close()

    def _told(self, message: bytes) -> None:
        lines = dict(line.split(b": ", 1) for line in message.split(b"\n") if b": " in line)
        if self.measured is None or lines.get(b"event") != b"desktop.changed":
            return
        at = datetime.fromisoformat(json.loads(lines[b"data"])["at"]).timestamp()
        self.measured.delays.append((time.time() - at) * 1000)
        if self._viewer.desktop_id is None or self._is_closing:
            return
        self._again = True
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        """As the page's script does: one fetch at a time; what changes meanwhile is one more together."""
        while self._again and self.measured is not None:
            self._again = False
            path = f"/desktops/{self._viewer.desktop_id}/card"
            await timed(self.measured, "card", 200, time.monotonic(), self._client, "GET", path, self._viewer.cookie)


async def timed(
    measured: Measured,
    kind: str,
    status: int,
    due: float,
    client: Client,
    method: str,
    path: str,
    cookie: str = "",
    body: bytes = b"",
    **headers: str,
) -> Answer | None:
    """One request that was ``due`` (monotonic seconds) and has to be answered with ``status``; None when it was not.

    What is given up counts as a failure, and with the time it had: it would have taken longer.
    """
    try:
        answer = await client.ask(method, path, cookie, body, **headers)
    except (OSError, TimeoutError, h11.RemoteProtocolError, asyncio.CancelledError) as error:
        measured.failures.append(f"{method} {path}: {error!r}")
        if isinstance(error, asyncio.CancelledError):
            measured.answers.setdefault(kind, []).append((time.monotonic() - due) * 1000)
            raise
        return None
    if answer.status != status:
        measured.failures.append(f"{method} {path}: {answer.status}")
        return None
    measured.answers.setdefault(kind, []).append((time.monotonic() - due) * 1000)
    return answer


async def sign_in(measured: Measured, client: Client, email: str, due: float) -> None:
    """A person comes: the form, the password, the list of desktops."""
    form = await timed(measured, "form", 200, due, client, "GET", "/sign-in")
    if form is None:
        return
    found = _CSRF.search(form.body)
    if found is None:
        measured.failures.append("a sign-in form without a token")
        return
    body = f"csrf_token={found[1].decode()}&email={email.replace('@', '%40')}&password={PASSWORD.replace(' ', '+')}"
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    cookie, now = _cookie(form), time.monotonic()
    done = await timed(measured, "password", 303, now, client, "POST", "/sign-in", cookie, body.encode(), **kind)
    if done is not None and await timed(measured, "home", 200, time.monotonic(), client, "GET", "/desktops", _cookie(done)):
        measured.signed_in += 1


def _cookie(answer: Answer) -> str:
    return answer.headers[b"set-cookie"].decode().partition(";")[0]


async def every(seconds: float, number: int, doing: Iterable["Doing"]) -> None:
    """Start ``number`` things evenly over this time, and give up what has not ended some time later."""
    began, tasks = time.monotonic(), []
    for position, thing in zip(range(number), doing, strict=False):
        due = began + seconds * position / number
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(thing.begin(due)))
    _, late = await asyncio.wait(tasks, timeout=OVERTIME_SECONDS)
    for task in late:
        task.cancel()
    broken = [each for each in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(each, Exception)]
    if broken:
        raise broken[0]


@dataclass(frozen=True, slots=True)
class Doing:
    """Something that happens once: a sign-in of ``email``, or a reboot of ``desktop_id``."""

    measured: Measured
    client: Client
    token: str
    email: str | None = None
    desktop_id: str | None = None

    async def begin(self, due: float) -> None:
        """Do it; it was due then (monotonic seconds)."""
        if self.email is not None:
            await sign_in(self.measured, self.client, self.email, due)
            return
        path = f"/api/v1/desktops/{self.desktop_id}/actions"
        headers = {"Authorization": f"Bearer {self.token}", "Content_Type": "application/json"}
        body = json.dumps({"action": "reboot"}).encode()
        await timed(self.measured, "reboot", 202, due, self.client, "POST", path, "", body, **headers)


class Bench:
    """A running Yunzhuo, its school, and what is done to them."""

    def __init__(self, running: Running, school: School) -> None:
        self._running = running
        self._school = school
        self._client = Client(running.ports["web"])
        self.refused = 0
        self._newcomers = iter(school.newcomers)
        self._desktops = cycle([viewer.desktop_id for viewer in school.viewers if viewer.desktop_id is not None])

    async def load(self, seconds: float, sign_ins: int, pages: Sequence[OpenPage] = ()) -> Measured:
        """People sign in and desktops are rebooted for so long, with these pages open."""
        measured = Measured()
        for page in pages:
            page.measured = measured
        before = self._cpu()
        common = (measured, self._client, self._school.token)
        await asyncio.gather(
            every(seconds, sign_ins, (Doing(*common, email=email) for email in self._newcomers)),
            every(
                seconds, max(1, round(seconds * REBOOTS_PER_SECOND)), (Doing(*common, desktop_id=one) for one in self._desktops)
            ),
        )
        measured.cpu_seconds = {name: used - before[name] for name, used in self._cpu().items()}
        return measured

    async def open(self) -> list[OpenPage]:
        """All pages, their streams begun. Raises RuntimeError when there is no page, TimeoutError when one is refused long."""
        first = await self._client.ask("GET", "/desktops", self._school.viewers[0].cookie)
        found = re.search(rb"/events\?last_event_id=([0-9]+)", first.body)
        if found is None:
            raise RuntimeError(f"a page without a stream: {first.status}")
        turns = asyncio.Semaphore(OPENED_AT_ONCE)
        loop = asyncio.get_running_loop()

        async def one(viewer: Viewer) -> OpenPage:
            async with turns, asyncio.timeout(ANSWER_SECONDS):
                while True:
                    opened: asyncio.Future[int] = loop.create_future()
                    page = OpenPage(self._client, viewer, found[1].decode(), opened)
                    await loop.create_connection(partial(_same, page), "127.0.0.1", self._client.port)
                    if await opened == 200:
                        return page
                    self.refused += 1  # too busy: a page's script comes again, too
                    await asyncio.sleep(RETRY_SECONDS)

        return list(await asyncio.gather(*map(one, self._school.viewers)))

    def mib(self, name: str) -> float:
        """Proportional memory of one of Yunzhuo's processes."""
        lines = Path(f"/proc/{self._running.pids()[name]}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def peak_mib(self, name: str) -> float:
        """The most that one of Yunzhuo's processes has ever had in memory."""
        status = Path(f"/proc/{self._running.pids()[name]}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024

    def _cpu(self) -> dict[str, float]:
        times = os.times()
        used = {"client": times.user + times.system}
        for name in ("web", "stream", "worker", "scheduler"):
            fields = Path(f"/proc/{self._running.pids()[name]}/stat").read_text().rpartition(")")[2].split()
            used[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return used


def _same(page: OpenPage) -> OpenPage:
    return page


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def argon2_cpu_ms() -> float:
    """CPU time of comparing one password as it ships, in this process before anything else runs in it."""
    passwords, times = Passwords(), []
    password_hash = passwords.hash(PASSWORD)
    for _ in range(5):
        began = time.process_time()
        passwords.fits(password_hash, PASSWORD)
        times.append((time.process_time() - began) * 1000)
    return statistics.median(times)


async def measure(bench: Bench, sign_ins: int, seconds: float) -> dict[str, float]:
    """Without pages, with pages, without pages."""
    peer_seconds, peer_sign_ins = seconds / 4, max(1, sign_ins // 4)
    quiet = [bench.mib("web"), bench.mib("stream")]
    peers = [await bench.load(peer_seconds, peer_sign_ins)]
    began = time.monotonic()
    pages = await bench.open()
    opened_seconds = time.monotonic() - began
    print(f"{len(pages)} pages open after {opened_seconds:.1f} s", flush=True)
    opened = [bench.mib("web"), bench.mib("stream")]
    ours = await bench.load(seconds, sign_ins, pages)
    web_mib, stream_mib = bench.mib("web"), bench.mib("stream")
    for page in pages:
        await page.close()
    peers.append(await bench.load(peer_seconds, peer_sign_ins))
    failures = [failure for phase in (ours, *peers) for failure in phase.failures]
    for failure in failures[:5]:
        print(f"failed: {failure}", flush=True)
    peer_95 = [percentile(peer.pages_of_newcomers, 95) for peer in peers]
    return {
        "open_pages": len(pages),
        "sign_ins": ours.signed_in,
        "seconds": seconds,
        "failed": len(failures),
        "page_answers": len(ours.pages),
        "page_answer_ms_median": statistics.median(ours.pages),
        "page_answer_ms_p95": percentile(ours.pages, 95),
        "newcomer_page_ms_p95": percentile(ours.pages_of_newcomers, 95),
        "newcomer_page_ms_p95_without_pages": statistics.median(peer_95),
        "times_without_pages": statistics.median(percentile(ours.pages_of_newcomers, 95) / each for each in peer_95),
        "password_ms_median": statistics.median(ours.answers["password"]),
        "password_ms_p95": percentile(ours.answers["password"], 95),
        "password_ms_p95_without_pages": statistics.median(percentile(peer.answers["password"], 95) for peer in peers),
        "events_delivered": len(ours.delays),
        "event_delay_ms_median": statistics.median(ours.delays),
        "event_delay_ms_p95": percentile(ours.delays, 95),
        "open_all_seconds": opened_seconds,
        "streams_refused_at_first": bench.refused,
        "web_mib": web_mib,
        "stream_mib": stream_mib,
        "web_peak_mib": bench.peak_mib("web"),
        "stream_peak_mib": bench.peak_mib("stream"),
        "web_kib_per_page": (opened[0] - quiet[0]) * 1024 / len(pages),
        "stream_kib_per_page": (opened[1] - quiet[1]) * 1024 / len(pages),
        **{f"{name}_cpu_seconds": used for name, used in ours.cpu_seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--sign-ins", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.pages < 2 or arguments.sign_ins < 2 or arguments.seconds <= 0:
        parser.error("at least two pages, two sign-ins, and some time")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 2 * arguments.pages + 1000:
        parser.error(f"this needs {2 * arguments.pages + 1000} file descriptors; the hard limit is {most} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load, argon2_ms = os.getloadavg()[0], argon2_cpu_ms()
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as name:
        home = Path(name) / "home"
        settings = Settings.model_validate({"home": home, "cloud": {"driver": "memory"}})
        school = fill(settings, arguments.pages, 2 * arguments.sign_ins)
        with running_yunzhuo(home, CLOUD__DRIVER="memory", LOG__LEVEL="warning") as running:
            bench = Bench(running, school)
            figures = uvloop.run(measure(bench, arguments.sign_ins, arguments.seconds))
    figures |= {"argon2_cpu_ms": argon2_ms, "argon2_cpu_seconds": argon2_ms * figures["sign_ins"] / 1000, "load_before": load}
    for key, value in figures.items():
        print(f"{key:<36} {value:.3f}")
    if arguments.json:
        print(json.dumps({key: round(value, 4) for key, value in figures.items()}))
    if figures["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
