"""What Nova's notifications are worth: the same desktops with and without them, on the same cloud in the same run.

``python bench/openstack_notices.py [--desktops N] [--rounds N] [--json]``, after `make cloud`. Two Yunzhuos run side by side,
of which one listens. In each round each makes N desktops on hosts that only pretend, one after the other, then servers are
stopped by hand, until the desktops are seen to be stopped, then they are deleted; who begins changes from round to round. Each
reaches the cloud through proxies of its own, which count its calls; at the end both are left alone for half a minute. With
``--json`` the last line is one JSON object; times are seconds, medians, and ratios are *with* to *without*.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # not the folder of benchmarks, in which a file has the name of a library

from tests.support.counted_cloud import Counter, counted  # noqa: E402 (the path has to be set first)
from tests.support.openstack_cloud import PRETENDED, notifications_url  # noqa: E402
from tests.support.openstack_site import Site, openstack_site  # noqa: E402

PATIENCE = 600.0
ALONE_SECONDS = 30.0
OFTEN_SECONDS = 0.1


@dataclass
class Side:
    """One of the two, and what was measured of it."""

    site: Site
    counter: Counter
    api: Any
    create_seconds: list[float] = field(default_factory=list)
    create_calls: list[float] = field(default_factory=list)
    seen_seconds: list[float] = field(default_factory=list)
    alone_calls: int = 0

    def make(self) -> str:
        """A desktop, until it is available; answers its id."""
        wish = {"image": first(self.api, "images"), "flavor": first(self.api, "flavors")}
        made: list[str] = []

        def until_available() -> None:
            made.append(self.api.post("desktops", json=wish).raise_for_status().json()["desktop"]["id"])
            self.wait(made[0], "available")

        took = self.counter.measure(until_available)
        self.create_seconds.append(took.seconds)
        self.create_calls.append(took.calls)
        return made[0]

    def stop_by_hand(self, desktop_id: str) -> None:
        """Until it is seen, from when openstacksdk sees it."""
        server = self.site.cloud.servers.find(desktop_id)
        assert server is not None
        ask = self.site.sdk.compute
        ask.stop_server(server.id)
        often(lambda: ask.get_server(server.id).status == "SHUTOFF")
        began = time.monotonic()
        self.wait(desktop_id, "stopped")
        self.seen_seconds.append(time.monotonic() - began)

    def remove_all(self) -> None:
        for desktop in self.api.get("desktops?limit=100").json()["items"]:
            self.api.delete(f"desktops/{desktop['id']}").raise_for_status()
        often(lambda: not self.api.get("desktops").json()["items"])

    def wait(self, desktop_id: str, state: str) -> None:
        often(lambda: self.api.get(f"desktops/{desktop_id}").json()["state"] == state)

    def figures(self, name: str) -> dict[str, Any]:
        return {
            f"{name}_create_seconds": round(statistics.median(self.create_seconds), 2),
            f"{name}_create_calls": round(statistics.median(self.create_calls), 1),
            f"{name}_seen_seconds": round(statistics.median(self.seen_seconds), 2),
            f"{name}_seen_seconds_at_most": round(max(self.seen_seconds), 2),
            f"{name}_calls_a_minute_alone": round(self.alone_calls * 60 / ALONE_SECONDS),
        }


def often(question: Callable[[], bool]) -> None:
    """Until it is so, asked ten times a second."""
    deadline = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < deadline
        time.sleep(OFTEN_SECONDS)


def first(api: Any, what: str) -> str:
    return str(api.get(what).json()["items"][0]["id"])


def side(stack: ExitStack, folder: Path, url: str) -> Side:
    folder.mkdir()
    counter, file = stack.enter_context(counted(folder))
    many = {"LIMITS__DESKTOPS_PER_USER": "100"}
    settings = {**PRETENDED, "clouds_file": str(file), "notifications_url": url}
    site = stack.enter_context(openstack_site(folder / "var", variables=many, **settings))
    return Side(site, counter, site.yunzhuo.api(site.yunzhuo.add_user("many@school.local")))


def a_round(sides: list[Side], count: int) -> None:
    for each in sides:
        made = [each.make() for _ in range(count)]
        for desktop_id in made:
            each.stop_by_hand(desktop_id)
        each.remove_all()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktops", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as name, ExitStack() as stack:
        told = side(stack, Path(name) / "told", notifications_url())
        alone = side(stack, Path(name) / "alone", "")
        for each in (told, alone):  # one that is not measured: the first opens every connection
            each.stop_by_hand(each.make())
            each.remove_all()
            each.create_seconds, each.create_calls, each.seen_seconds = [], [], []
        for number in range(given.rounds):
            a_round([told, alone] if number % 2 == 0 else [alone, told], given.desktops)
            print(f"round {number + 1}: {told.create_seconds} {alone.create_seconds}", file=sys.stderr)
        for each in (told, alone):
            each.alone_calls = each.counter.measure(lambda: time.sleep(ALONE_SECONDS)).calls
    pairs = list(zip(told.create_seconds, alone.create_seconds, strict=True))
    calls = list(zip(told.create_calls, alone.create_calls, strict=True))
    figures = {
        "load_average": os.getloadavg()[0],
        "creates": len(pairs),
        **told.figures("with"),
        **alone.figures("without"),
        "create_seconds_ratio": round(statistics.median(one / other for one, other in pairs), 3),
        "create_calls_ratio": round(statistics.median(one / other for one, other in calls), 3),
    }
    for figure, value in figures.items():
        print(f"{figure}: {value}")
    if given.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
