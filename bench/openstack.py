"""Desktops on OpenStack through Yunzhuo, against a bare openstacksdk script on the same cloud in the same run.

``python bench/openstack.py [--desktops N] [--rounds N] [--guests N] [--minutes N] [--json]``, after `make cloud`. Each round
makes N servers on hosts that only pretend, three times over: by a script that creates each in one of 16 threads and waits with
``wait_for_server`` at its default interval, by one that asks for all with ``min_count`` and waits the same way, and as desktops
through Yunzhuo's API, which hears Nova's notifications, as docs/how-to/openstack.md recommends. The faster script counts. Both
sides reach the cloud through the same proxies, which count their calls; what Yunzhuo's processes use of the CPU meanwhile is
told, as they may share it with the cloud. After the first, a round begins only if all will be over within so many minutes (12).

Then desktops on real guests: from the click to the picture in a browser, against Nova's ACTIVE + the guest's boot + 2 s. With
``--json`` the last line is one JSON object; times are seconds.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # not the folder of benchmarks, in which this file has the name of the library that it measures

from tests.support.chromium import launch_chromium  # noqa: E402 (the path has to be set first)
from tests.support.counted_cloud import Took, counted  # noqa: E402
from tests.support.openstack_cloud import GUESTS, PRETENDED, asked_directly, notifications_url  # noqa: E402
from tests.support.openstack_site import Site, openstack_site  # noqa: E402
from tests.support.running import PASSWORD  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

THREADS = 16
PATIENCE = 600.0
LOOK_SECONDS = 2.0
SLACK_SECONDS = 2.0
#: What is set aside for each pair of real guests.
GUEST_SECONDS = 50.0


def one_by_one(sdk: Any, count: int) -> None:
    """A create for each server, 16 at a time."""
    wish = bare_wish(sdk)

    def make(number: int) -> None:
        sdk.compute.wait_for_server(sdk.compute.create_server(name=f"bare-{number}", **wish), wait=int(PATIENCE))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(make, range(count)))


def all_at_once(sdk: Any, count: int) -> None:
    """One create for all of them."""
    sdk.compute.create_server(name="bare", min_count=count, max_count=count, **bare_wish(sdk))
    made = [server for server in sdk.compute.servers() if server.name.startswith("bare-")]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda server: sdk.compute.wait_for_server(server, wait=int(PATIENCE)), made))


def bare_wish(sdk: Any) -> dict[str, Any]:
    return {
        "flavor_id": sdk.compute.find_flavor(PRETENDED["flavors"][0]).id,
        "image_id": sdk.image.find_image(PRETENDED["images"][0]).id,
        "networks": [{"uuid": sdk.network.find_network("desktops").id}],
    }


def remove_bare(sdk: Any) -> None:
    for server in [server for server in sdk.compute.servers() if server.name.startswith("bare")]:
        sdk.compute.delete_server(server)
    eventually(lambda: not [each for each in sdk.compute.servers() if each.name.startswith("bare")], PATIENCE, what="no server")


def through_yunzhuo(api: Any, count: int) -> None:
    """As desktops, until each is available."""
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _number: api.post("desktops", json=wish).raise_for_status(), range(count)))

    # As often as the scripts ask: openstacksdk's own interval.
    until = time.monotonic() + PATIENCE
    states: list[str] = []
    while states.count("available") < count:
        assert time.monotonic() < until, states
        time.sleep(LOOK_SECONDS)
        states = [each["state"] for each in api.get("desktops?limit=100").json()["items"]]
        assert "failed" not in states, states


def remove_desktops(api: Any) -> None:
    for desktop in api.get("desktops?limit=100").json()["items"]:
        api.delete(f"desktops/{desktop['id']}").raise_for_status()
    eventually(lambda: not api.get("desktops").json()["items"], PATIENCE, what="no desktop")


def pretended(folder: Path, *, count: int, rounds: int, until: float) -> dict[str, Any]:
    """Rounds of the three, in turn: one, and as many more as are over by ``until`` (of the monotonic clock)."""
    unlimited = {"LIMITS__DESKTOPS_PER_USER": str(count), "ADMISSION__BUILDS_PER_CLOUD": "0", "ADMISSION__BUILDS_PER_HOST": "0"}
    told = {"notifications_url": notifications_url()}
    results: list[tuple[Took, Took, Took]] = []
    cpu_seconds: list[float] = []
    with (
        counted(folder) as (counter, file),
        openstack_site(folder / "var", variables=unlimited, **PRETENDED, **told, clouds_file=str(file)) as site,
        asked_directly("yunzhuo", file) as sdk,
    ):
        api = site.yunzhuo.api(site.yunzhuo.add_user("many@school.local"))
        for number in range(rounds):
            began = time.monotonic()
            threads = counter.measure(lambda: one_by_one(sdk, count))
            remove_bare(sdk)
            before = site.yunzhuo.cpu_seconds()
            ours = counter.measure(lambda: through_yunzhuo(api, count))
            used = {name: round(now - before[name], 2) for name, now in site.yunzhuo.cpu_seconds().items()}
            remove_desktops(api)
            at_once = counter.measure(lambda: all_at_once(sdk, count))
            remove_bare(sdk)
            results.append((threads, at_once, ours))
            cpu_seconds.append(sum(used.values()))
            print(f"round {number + 1}: threads {threads}, min_count {at_once}, yunzhuo {ours}, CPU {used}", file=sys.stderr)
            if 2 * time.monotonic() - began > until:
                break
    faster = [min(threads, at_once, key=lambda took: took.seconds) for threads, at_once, _ in results]
    pairs = list(zip(faster, (ours for _, _, ours in results), strict=True))
    return {
        "desktops": count,
        "rounds": len(results),
        "yunzhuo_seconds": [round(ours.seconds, 2) for _, ours in pairs],
        "bare_seconds": [round(bare.seconds, 2) for bare, _ in pairs],
        "yunzhuo_cpu_seconds": [round(seconds, 2) for seconds in cpu_seconds],
        "yunzhuo_calls": [ours.calls for _, ours in pairs],
        "bare_calls": [bare.calls for bare, _ in pairs],
        "wall_time_ratio": round(statistics.median(ours.seconds / bare.seconds for bare, ours in pairs), 3),
        "api_calls_ratio": round(statistics.median(ours.calls / bare.calls for bare, ours in pairs), 3),
    }


def real(folder: Path, *, guests: int) -> dict[str, Any]:
    """Bare guests and desktops in turn: until the guest says that it is up, and until its picture is in a browser."""
    bare, ours = [], []
    with (
        openstack_site(folder / "var", **GUESTS, notifications_url=notifications_url()) as site,
        sync_playwright() as playwright,
        launch_chromium(playwright) as browser,
    ):
        page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US").new_page()
        page.goto(f"{site.yunzhuo.url}/register")
        page.get_by_label("E-mail").fill("one@school.local")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.locator("form button[type=submit]").first.click()
        for _ in range(guests):
            bare.append(boot_bare(site.sdk))
            ours.append(click_to_picture(site, page))
    return {
        "guests": guests,
        "click_to_picture_seconds": [round(seconds, 2) for seconds in ours],
        "active_and_boot_seconds": [round(seconds, 2) for seconds in bare],
        "real_guest_seconds_ratio": round(
            statistics.median(one / (other + SLACK_SECONDS) for one, other in zip(ours, bare, strict=True)), 3
        ),
    }


def boot_bare(sdk: Any) -> float:
    """Seconds from asking for a server until it is ACTIVE and its system up."""
    wish = {
        "flavor_id": sdk.compute.find_flavor(GUESTS["flavors"][0]).id,
        "image_id": sdk.image.find_image(GUESTS["images"][0]).id,
        "networks": [{"uuid": sdk.network.find_network("desktops").id}],
    }
    began = time.monotonic()
    server = sdk.compute.create_server(name="bare", config_drive=True, **wish)
    eventually(lambda: sdk.compute.get_server(server.id).status == "ACTIVE", PATIENCE, what="ACTIVE")
    eventually(
        lambda: "YUNZHUO READY" in (sdk.compute.get_server_console_output(server.id)["output"] or ""), PATIENCE, what="a boot"
    )
    took = time.monotonic() - began
    sdk.compute.delete_server(server)
    sdk.compute.wait_for_delete(server, wait=int(PATIENCE))
    return took


def click_to_picture(site: Site, page: Page) -> float:
    """Seconds from the click on the button until the canvas shows the guest's words."""
    page.goto(site.yunzhuo.url)
    began = time.monotonic()
    page.get_by_role("button", name="Create a desktop").first.click()
    expect(page.locator("body")).to_have_attribute("data-console", "connected", timeout=PATIENCE * 1000)
    page.wait_for_function(SHOWS_TEXT, timeout=PATIENCE * 1000)
    took = time.monotonic() - began
    for server in site.cloud.servers.list():
        site.yunzhuo.command("desktop", "delete", server.desktop_id)
    return took


SHOWS_TEXT = """() => {
    const canvas = document.querySelector('canvas')
    if (!canvas || !canvas.width) return false
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    let light = 0
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] > 128 && pixels[i + 1] > 128) light += 1
    return light > 200
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktops", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--guests", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as name:
        figures: dict[str, Any] = {"load_average": os.getloadavg()[0]}
        until = time.monotonic() + given.minutes * 60 - given.guests * GUEST_SECONDS
        figures |= pretended(Path(name), count=given.desktops, rounds=given.rounds, until=until)
        if given.guests:
            (Path(name) / "real").mkdir()
            figures |= real(Path(name) / "real", guests=given.guests)
    for figure, value in figures.items():
        print(f"{figure}: {value}")
    if given.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
