"""How long a person waits for a desktop: from the click to available and to the first frame in a real browser.

``python bench/time_to_desktop.py [--rounds N] [--image xfce|light] [--beside light|xfce] [--json]``. Starts a Yunzhuo of its
own, with goldens of both images. Each round makes one desktop of each through the portal and one bare clone of the first
straight from the host, without manager or browser; what is compared is the median of the ratios within the rounds. Then twelve
desktops of the first are asked for at once. With ``--json`` the last line is one JSON object; times are seconds.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import launch_chromium  # noqa: E402 (the path has to be set first)
from tests.support.running import PASSWORD, Running, running_yunzhuo  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

from yunzhuo.host.image_recipe import recipe_names  # noqa: E402
from yunzhuo.phoenix import cloud as clouds  # noqa: E402
from yunzhuo.phoenix.cloud.interface import Cloud  # noqa: E402
from yunzhuo.phoenix.cloud.resources import ServerRequest, ServerStatus  # noqa: E402
from yunzhuo.phoenix.common.ids import new_id  # noqa: E402

AT_ONCE = 12
SIZE = "medium"
# Nothing else is prepared behind the measurement's back.
GOLDENS = {"HOST__FLAVORS": json.dumps([{"id": SIZE, "name": "Medium", "vcpus": 2, "memory_mib": 1024, "disk_mib": 8192}])}
GOLDENS["HOST__PREPARED_FLAVORS"] = json.dumps([SIZE])

# Notes when a form is sent, and when the canvas first shows more than a few colors: twenty pixels, once a frame.
STOPWATCH = """
addEventListener('submit', () => sessionStorage.setItem('clicked', String(Date.now())), true)
const look = () => {
  const canvas = document.querySelector('canvas')
  if (canvas && canvas.width > 100) {
    const context = canvas.getContext('2d')
    const seen = new Set()
    for (let i = 1; i < 20; i++)
      seen.add(context.getImageData(canvas.width * i / 20, canvas.height * i / 20, 1, 1).data.join())
    if (seen.size > 4) { window.firstFrame = Date.now(); return }
  }
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


@dataclass(frozen=True)
class Kind:
    """What a desktop is made from, by the names that people read."""

    image: str
    flavor: str


@dataclass(frozen=True)
class Round:
    """One person's wait, the same for the other image, and one bare clone's time."""

    available: float
    first_frame: float
    beside_available: float
    beside_first_frame: float
    clone_running: float
    clone_ready: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--image", default="xfce", choices=recipe_names(), help="the recipe that desktops start from")
    parser.add_argument("--beside", default="light", choices=recipe_names(), help="the recipe that it is compared with")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_yunzhuo(Path(folder) / "var", HOST__IMAGE=arguments.image, **GOLDENS) as yunzhuo,
    ):
        email = yunzhuo.add_user("bench@school.local")
        api, cloud = yunzhuo.api(email), clouds.connect(yunzhuo.settings())
        yunzhuo.command("image", "build", arguments.beside)
        kinds = two_kinds(cloud, api)
        rounds = measure(yunzhuo, email, api, cloud, kinds, arguments.rounds)
        at_once = twelve_at_once(api)
        cloud.close()
    figures = summary(rounds, at_once)
    width = max(map(len, figures))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in figures.items()))
    if arguments.json:
        print(json.dumps(figures))
    return 0


def two_kinds(cloud: Cloud, api: httpx.Client) -> list[Kind]:
    """Both images in one size, so that the image is all that differs; returns when both start at once."""
    images = eventually(lambda: cloud.images.list() if len(api.get("images").json()["items"]) == 2 else None, 60)
    flavor = cloud.flavors.get(SIZE)
    for image in images:
        eventually(lambda: cloud.images.is_prepared(image.id, flavor.id), 900)  # noqa: B023 (called at once)
    return [Kind(image.name, flavor.name) for image in images]


def measure(yunzhuo: Running, email: str, api: httpx.Client, cloud: Cloud, kinds: list[Kind], count: int) -> list[Round]:
    """Round after round, each thing removed before the next begins; the first warms up and is not counted."""
    rounds = []
    with sync_playwright() as playwright, launch_chromium(playwright) as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US").new_page()
        page.add_init_script(STOPWATCH)
        sign_in(page, yunzhuo.url, email)
        for number in range(count + 1):
            waits = [by_a_person(page, yunzhuo.url, api, kind) for kind in kinds]
            clone = by_the_host(cloud)
            if number:
                rounds.append(Round(*waits[0], *waits[1], *clone))
    return rounds


def sign_in(page: Page, url: str, email: str) -> None:
    """As a person does."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="My desktops").wait_for()


def by_a_person(page: Page, url: str, api: httpx.Client, kind: Kind) -> tuple[float, float]:
    """Click; answers the seconds until the desktop is available, and until the browser shows it."""
    page.goto(f"{url}/desktops/new")
    for name in (kind.image, kind.flavor):
        page.locator(".choice", has_text=name).first.click()
    page.get_by_role("button", name="Create").click()
    page.wait_for_function("() => window.firstFrame", timeout=60_000)
    clicked, frame = page.evaluate("[Number(sessionStorage.getItem('clicked')), window.firstFrame]")
    (desktop,) = api.get("desktops").json()["items"]
    ended = datetime.fromisoformat(desktop["operation"]["ended_at"]).timestamp()
    page.goto(f"{url}/")
    remove_all(api)
    return ended - clicked / 1000, (frame - clicked) / 1000


def by_the_host(cloud: Cloud) -> tuple[float, float]:
    """A bare clone; answers the seconds until it runs, and until it has an identity of its own."""
    image = cloud.images.list()[0]
    flavor = next(each for each in cloud.flavors.list() if each.memory_mib >= image.min_memory_mib)
    start = time.monotonic()
    server = cloud.servers.create(ServerRequest(new_id(), "bare", "bare", image.id, flavor.id))
    running = time.monotonic() - start
    assert server.status is ServerStatus.RUNNING
    eventually(lambda: cloud.guest.ready(server.id), 60)
    ready = time.monotonic() - start
    cloud.servers.delete(server.id)
    eventually(lambda: cloud.servers.find(server.desktop_id) is None, 60)
    return running, ready


def twelve_at_once(api: httpx.Client) -> list[float]:
    """Seconds from the first request until each of twelve desktops was available, in order."""
    image = api.get("images").json()["items"][0]
    flavors = api.get("flavors").json()["items"]
    wish = {
        "image": image["id"],
        "flavor": next(each["id"] for each in flavors if each["memory_mib"] >= image["min_memory_mib"]),
    }
    start = time.time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _number: api.post("desktops", json=wish).raise_for_status(), range(AT_ONCE)))

    def all_there() -> list[dict[str, dict[str, str]]] | None:
        desktops = api.get("desktops?limit=100&state=available").json()["items"]
        return desktops if len(desktops) == AT_ONCE else None

    desktops = eventually(all_there, 120)
    remove_all(api)
    return sorted(datetime.fromisoformat(each["operation"]["ended_at"]).timestamp() - start for each in desktops)


def remove_all(api: httpx.Client) -> None:
    """Delete every desktop and wait until they are gone."""
    for desktop in api.get("desktops?limit=100").json()["items"]:
        api.delete(f"desktops/{desktop['id']}").raise_for_status()
    eventually(lambda: api.get("desktops").json()["items"] == [], 120)


def summary(rounds: list[Round], at_once: list[float]) -> dict[str, float]:
    """Named figures: medians, extremes, and the medians of the ratios of each round."""

    def median(figure: Callable[[Round], float]) -> float:
        return round(statistics.median(map(figure, rounds)), 3)

    return {
        "rounds": len(rounds),
        "available_median": median(lambda each: each.available),
        "available_max": round(max(each.available for each in rounds), 3),
        "first_frame_median": median(lambda each: each.first_frame),
        "first_frame_max": round(max(each.first_frame for each in rounds), 3),
        "beside_available_median": median(lambda each: each.beside_available),
        "beside_first_frame_median": median(lambda each: each.beside_first_frame),
        "available_to_beside": median(lambda each: each.available / each.beside_available),
        "first_frame_to_beside": median(lambda each: each.first_frame / each.beside_first_frame),
        "clone_running_median": median(lambda each: each.clone_running),
        "clone_ready_median": median(lambda each: each.clone_ready),
        "available_to_clone_ready": median(lambda each: each.available / each.clone_ready),
        "first_frame_to_clone_ready": median(lambda each: each.first_frame / each.clone_ready),
        "twelve_median": round(statistics.median(at_once), 3),
        "twelve_last": round(at_once[-1], 3),
    }


if __name__ == "__main__":
    sys.exit(main())
