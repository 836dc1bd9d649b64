"""Which calls were seen to work on which driver: noted while the contract suite runs, kept in docs/reference/drivers.json.

`REFRESH_DOCS=1` writes down what a run has verified; a driver that did not run keeps what was known of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.drivers.driver_table import ALL, OFFERS
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "drivers.json"
_PARTS = (
    *("servers", "care", "volumes", "addresses", "flavors", "images", "image_store"),
    *("networks", "routers", "security_groups", "hosts", "guest", "projects", "notices"),
)
#: What was seen in this process, by driver and call: "verified", or "not offered".
_SEEN: dict[str, dict[str, str]] = {}


class _Part:
    """A part of a cloud whose calls are noted when they have answered."""

    def __init__(self, driver: str, name: str, part: object) -> None:
        self._driver, self._name, self._part = driver, name, part

    def __getattr__(self, call: str) -> Callable[..., Any]:
        real = getattr(self._part, call)

        def noted(*arguments: Any, **keywords: Any) -> Any:
            seen = _SEEN.setdefault(self._driver, {})
            try:
                answer = real(*arguments, **keywords)
            except CloudNotOffered:
                seen.setdefault(f"{self._name}.{call}", "not offered")
                raise
            seen[f"{self._name}.{call}"] = "verified"
            return answer

        return noted


class _Noted(_Part):
    def __init__(self, driver: str, cloud: Cloud) -> None:
        super().__init__(driver, "cloud", cloud)
        for name in _PARTS:
            setattr(self, name, _Part(driver, name, getattr(cloud, name)))


@contextmanager
def noting(driver: str, cloud: Cloud) -> Iterator[Cloud]:
    """The cloud, with its calls noted. Closing it is a call, too."""
    noted = cast(Cloud, _Noted(driver, cloud))
    yield noted
    noted.close()


def write_down() -> None:
    """Put what was seen into the file; what was verified once and is offered still counts until its driver runs again."""
    known: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for driver, seen in _SEEN.items():
        kept = {call: how for call, how in known.get(driver, {}).items() if (how == "verified") == (call in OFFERS[driver])}
        known[driver] = dict(sorted({**kept, **seen}.items()))
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")


def page(known: Mapping[str, Mapping[str, str]]) -> str:
    """The table as a page."""
    names = [name for name in OFFERS if name in known]
    lines = [
        "# Drivers: what each was seen to do",
        "",
        "Made by the contract suite (`tests/drivers`), which every driver has to pass: *verified* calls have answered on that",
        "driver in a run of it, for `openstack` on the [real cloud](../how-to/openstack.md) of `make cloud`, with real guests",
        "and once more on hosts that only pretend. What is *not offered* says so, and that was seen, too. There is one host",
        "for real guests: a server that is to move, or to be made anew elsewhere, is seen to stay; pretended ones do move.",
        "",
        f"| call | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    lines += [f"| `{call}` | {' | '.join(known[name].get(call, 'never run') for name in names)} |" for call in sorted(ALL)]
    return "\n".join(lines) + "\n"
