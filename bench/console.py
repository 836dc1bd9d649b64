"""How a desktop feels: from a key pressed in the browser until its picture is on the canvas, and frames of a moving picture.

``python bench/console.py [--rounds N] [--keys N] [--json]``. Starts a Yunzhuo of its own with one desktop. Measured are the
console page (page, noVNC, gateway, QEMU) and a peer in front of the same QEMU (noVNC as it comes, websockify), in turn
(A B A B); what is compared is the median of the ratios of neighboring rounds. Keys come at uneven intervals, so that they meet
QEMU's own refresh anywhere. With ``--json`` the last line is one JSON object; times are milliseconds.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway_relays import running as running_on_port
from gateway_relays import websockify_program
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import launch_chromium  # noqa: E402 (the path has to be set first)
from tests.support.running import PASSWORD, Running, free_ports, running_yunzhuo  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

from yunzhuo.phoenix import cloud as clouds  # noqa: E402
from yunzhuo.phoenix.cloud.interface import Cloud  # noqa: E402
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol  # noqa: E402

EMAIL = "bench@school.local"
HERE = Path(__file__).parent
WINDOW = {"width": 1280, "height": 800}
SPOT_PIXELS = 8
# Eight characters of a terminal; most of a terminal.
KEYS_PIXELS, MOVING_PIXELS = range(300, 4000), range(20_000, 2_000_000)
KEY_PAUSE_SECONDS = (0.12, 0.45)
MOVING_SECONDS = 5.0
SEEN_MS = 20_000

# Each key gives eight characters another color: what a terminal does for a letter, and easy to see.
KEYS = r"""
stty -echo; printf '\033[?25l\033[2J'; n=0
while IFS= read -rsn1 _; do
    n=$(((n + 1) % 6)); printf '\033[H\033[4%dm        \033[0m' $((n + 1))
done
"""
# Colored bars over a whole terminal that move one line a frame, fifty times a second; the number of frames made is kept.
MOVING = r"""
exec 9<> <(:); printf '\033[?25l\033[2J'; frames=(); made=0
for first in 0 1 2 3 4 5 6 7; do
    frame='\033[H'
    for row in $(seq 1 23); do frame+="\033[${row};1H\033[4$(((row + first) % 8))m$(printf '%78s' '')"; done
    frames+=("$frame")
done
while :; do
    printf "${frames[made % 8]}"; made=$((made + 1)); echo $made > /tmp/frames-made
    read -rt 0.02 -u 9
done
"""
PEER_PAGE = '<!doctype html><title>peer</title><body><div id="screen"></div><script type="module" src="peer.js"></script>'


@dataclass
class Way:
    """One way to the screen, and what was measured over it. ``address`` opens its page."""

    name: str
    address: str
    keys: list[list[float]] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=int, default=40, help="keys a round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, running_yunzhuo(Path(folder) / "var") as yunzhuo:
        cloud = clouds.connect(yunzhuo.settings())
        desktop_id, server_id = one_desktop(yunzhuo, cloud)
        with (
            sync_playwright() as playwright,
            launch_chromium(playwright) as browser,
            peer(Path(folder), cloud, server_id) as other,
        ):
            ways = (Way("yunzhuo", f"{yunzhuo.url}/desktops/{desktop_id}"), Way("websockify", other))
            page = new_page(browser, yunzhuo)
            made = measure(page, cloud, server_id, ways, arguments.rounds, arguments.keys)
        cloud.close()
    figures = summary(ways, made) | {"rounds": arguments.rounds, "load_before": round(load, 1)}
    width = max(map(len, figures))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in figures.items()))
    if arguments.json:
        print(json.dumps({"benchmark": "console", **figures}))
    return 0


def one_desktop(yunzhuo: Running, cloud: Cloud) -> tuple[str, str]:
    """A desktop that is available; answers its id and its server's."""
    api = yunzhuo.api(yunzhuo.add_user(EMAIL))
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    desktop_id = str(api.post("desktops", json=wish).json()["desktop"]["id"])
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", 120)
    server = cloud.servers.find(desktop_id)
    assert server is not None
    return desktop_id, server.id


@contextmanager
def peer(folder: Path, cloud: Cloud, server_id: str) -> Iterator[str]:
    """noVNC and websockify in front of the desktop's QEMU; answers the page's address."""
    web = folder / "peer"
    web.mkdir()
    (web / "index.html").write_text(PEER_PAGE)
    bundle = ["--bundle", "--minify", "--format=esm", "--target=es2022", f"--outfile={web / 'peer.js'}", "--log-level=error"]
    subprocess.run([ROOT / "node_modules/.bin/esbuild", HERE / "console_peer.js", *bundle], check=True, cwd=ROOT)
    screen = cloud.servers.console(server_id, ConsoleProtocol.VNC)
    assert screen.unix_path is not None
    port = free_ports("peer")["peer"]
    command = [websockify_program(), "--web", str(web), "--unix-target", screen.unix_path, f"127.0.0.1:{port}"]
    with running_on_port(command, port):
        yield f"http://127.0.0.1:{port}/#{screen.password}"


def new_page(browser: Browser, yunzhuo: Running) -> Page:
    """A page that measures, of somebody who is signed in."""
    page = browser.new_context(viewport=WINDOW, locale="en-US").new_page()  # type: ignore[arg-type]  # a TypedDict
    page.add_init_script(path=HERE / "console_page.js")
    page.goto(f"{yunzhuo.url}/sign-in")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="My desktops").wait_for()
    return page


def measure(page: Page, cloud: Cloud, server_id: str, ways: tuple[Way, ...], rounds: int, keys: int) -> list[float]:
    """Both ways in turn, first keys, then the moving picture; answers frames a second that the desktop made."""
    start_in_terminal(cloud, server_id, KEYS)
    for number in range(rounds + 1):  # the first warms up and is not counted
        for way in ways:
            measured = press_keys(page, way, keys if number else keys // 4)
            way.keys += [measured] if number else []
    start_in_terminal(cloud, server_id, MOVING)
    eventually(lambda: not cloud.guest.run(server_id, ["test", "-s", "/tmp/frames-made"]).exit_code, 60)
    made = []
    for _ in range(rounds):
        for way in ways:
            before = frames_made(cloud, server_id)
            way.frames.append(count_frames(page, way))
            made.append((frames_made(cloud, server_id) - before) / MOVING_SECONDS)
    return made


def start_in_terminal(cloud: Cloud, server_id: str, script: str) -> None:
    """Run a script in a terminal of its own, in the place of the one before."""
    cloud.guest.write_file(server_id, "/tmp/bench.sh", f"echo $$ > /tmp/bench.pid\n{script}".encode())
    start = (
        "[ ! -e /tmp/bench.pid ] || kill $(cat /tmp/bench.pid); rm -f /tmp/bench.pid; "
        "/etc/desktop/as-user lxterminal --no-remote --geometry=80x24 -e 'bash /tmp/bench.sh' >/tmp/bench.log 2>&1 &"
    )
    cloud.guest.run(server_id, ["/bin/sh", "-c", start])
    eventually(lambda: not cloud.guest.run(server_id, ["test", "-s", "/tmp/bench.pid"]).exit_code, 60)
    time.sleep(3)  # its window


def connect(page: Page, way: Way) -> None:
    """Open the page anew, until its screen stands still."""
    page.goto("about:blank")
    page.goto(way.address)
    page.wait_for_function(
        "() => document.body.dataset.console === 'connected' && document.querySelector('canvas')?.width > 100"
    )
    time.sleep(1.5)


def find_spot(page: Page, change: str, pixels: range) -> None:
    """Look at what changes: when the key ``change`` is pressed, or by itself where that is empty. It has so many pixels."""

    def is_found() -> bool:
        page.evaluate("() => { bench.remember() }")
        if change:
            page.keyboard.press(change)
        time.sleep(0.7)
        return page.evaluate("(size) => bench.findSpot(size)", SPOT_PIXELS) in pixels

    eventually(is_found, 60, what="what is looked at")
    time.sleep(1)  # a busy desktop may have more to show for the keys before
    page.evaluate("() => { bench.latencies = []; bench.pressedAt = null }")


def press_keys(page: Page, way: Way, count: int) -> list[float]:
    """Milliseconds from each key to its picture."""
    connect(page, way)
    find_spot(page, "a", KEYS_PIXELS)
    for number in range(count):
        page.keyboard.press("a")
        page.wait_for_function("(count) => bench.latencies.length > count", arg=number, timeout=SEEN_MS, polling=20)
        time.sleep(random.uniform(*KEY_PAUSE_SECONDS))
    return [float(each) for each in page.evaluate("() => bench.latencies")]


def count_frames(page: Page, way: Way) -> float:
    """Pictures a second that were not the one before."""
    connect(page, way)
    find_spot(page, "", MOVING_PIXELS)
    frames, seconds = page.evaluate(
        """async (milliseconds) => {
            const [before, start] = [bench.frames, performance.now()]
            await new Promise((resolve) => setTimeout(resolve, milliseconds))
            return [bench.frames - before, (performance.now() - start) / 1000]
        }""",
        MOVING_SECONDS * 1000,
    )
    return float(frames) / float(seconds)


def frames_made(cloud: Cloud, server_id: str) -> int:
    """How many frames the moving picture has had."""
    return int(cloud.guest.read_file(server_id, "/tmp/frames-made", max_bytes=100) or b"0")


def percentile_95(values: list[float]) -> float:
    """The value that 95 of a hundred do not exceed."""
    return statistics.quantiles(values, n=20)[-1]


def summary(ways: tuple[Way, ...], made: list[float]) -> dict[str, object]:
    """Named figures: medians, 95 %, and the medians of the ratios of neighboring rounds."""
    ours, theirs = ways
    figures: dict[str, object] = {}
    for way in ways:
        every = [each for one in way.keys for each in one]
        figures |= {
            f"{way.name}_key_median_ms": round(statistics.median(every), 1),
            f"{way.name}_key_p95_ms": round(percentile_95(every), 1),
            f"{way.name}_frames_per_second": round(statistics.median(way.frames), 1),
        }
    pairs = list(zip(ours.keys, theirs.keys, strict=True))
    return figures | {
        "key_median_ratio": round(statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs), 2),
        "key_p95_ratio": round(statistics.median(percentile_95(a) / percentile_95(b) for a, b in pairs), 2),
        "frames_ratio": round(statistics.median(a / b for a, b in zip(ours.frames, theirs.frames, strict=True)), 2),
        "frames_made_per_second": round(statistics.median(made), 1),
        "keys": sum(map(len, ours.keys)),
    }


if __name__ == "__main__":
    sys.exit(main())
