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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

import uvloop

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pages_client import ANSWER_SECONDS, Answer, Client, Measured, OpenPage, timed  # noqa: E402 (the path has to be set first)
from pages_school import School, Viewer, fill  # noqa: E402
from tests.support.running import PASSWORD, Running, running_yunzhuo  # noqa: E402

from yunzhuo.phoenix.config.settings import Settings  # noqa: E402
from yunzhuo.phoenix.security.passwords import Passwords  # noqa: E402

REBOOTS_PER_SECOND = 4.0
OPENED_AT_ONCE = 32
OVERTIME_SECONDS = 10.0
RETRY_SECONDS = 0.5
_CSRF = re.compile(rb'name="csrf_token" value="([^"]+)"')


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
                    listening = partial(OpenPage, self._client, viewer, found[1].decode(), opened)
                    _, page = await loop.create_connection(listening, "127.0.0.1", self._client.port)
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
        return {"client": times.user + times.system, **self._running.cpu_seconds()}


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
