"""The test cloud, with every call to its services counted."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from tests.support.breaking_proxy import BreakingProxy, breaking_proxy
from tests.support.openstack_cloud import asked_directly, clouds_file

SERVICES = ("compute", "image", "network")


@dataclass
class Took:
    """How long it took until all were there, and how many calls the cloud got for it."""

    seconds: float
    calls: int


class Counter:
    """The proxies' calls."""

    def __init__(self, proxies: list[BreakingProxy]) -> None:
        self._proxies = proxies

    def measure(self, make: Callable[[], None]) -> Took:
        before, began = self._calls(), time.monotonic()
        make()
        return Took(time.monotonic() - began, self._calls() - before)

    def _calls(self) -> int:
        return sum(len(proxy.calls) for proxy in self._proxies)


@contextmanager
def counted(folder: Path) -> Iterator[tuple[Counter, Path]]:
    """A clouds.yaml whose services are reached through proxies that count."""
    known = yaml.safe_load(clouds_file().read_text())["clouds"]
    with ExitStack() as stack:
        proxies = []
        with asked_directly("yunzhuo") as direct:
            for service in SERVICES:
                endpoint = urlsplit(str(getattr(direct, service).get_endpoint()))
                # Glance tells where its versions are; the others are known by their whole address.
                path = "" if service == "image" else endpoint.path
                proxies.append(stack.enter_context(breaking_proxy(f"http://{endpoint.netloc}{path}")))
                known["yunzhuo"][f"{service}_endpoint_override"] = proxies[-1].url
        file = folder / "clouds.yaml"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
            yaml.safe_dump({"clouds": known}, out)
        yield Counter(proxies), file
