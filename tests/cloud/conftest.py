"""What tests on a real OpenStack ask it past our code, and proxies that make its answers bad ones."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from tests.support.breaking_proxy import BreakingProxy, breaking_proxy
from tests.support.openstack_cloud import asked_directly, clouds_file

_SERVICES = ("compute", "network", "image", "block_storage")


@pytest.fixture(scope="module")
def admin() -> Iterator[Any]:
    """The cloud's administrator: sees all projects, and makes the days bad that a tenant cannot."""
    with asked_directly("admin") as connection:
        yield connection


@pytest.fixture(scope="module")
def proxies(admin: Any) -> Iterator[dict[str, BreakingProxy]]:
    """One in front of each service, and of Keystone."""
    with ExitStack() as stack:
        targets = {name: getattr(admin, name).get_endpoint() for name in _SERVICES}
        # Glance tells its versions at its root alone.
        targets["image"] = urlsplit(targets["image"])._replace(path="").geturl()
        targets["identity"] = admin.config.get_auth_args()["auth_url"]
        yield {name: stack.enter_context(breaking_proxy(target)) for name, target in targets.items()}


@pytest.fixture(scope="module")
def proxied_file(proxies: dict[str, BreakingProxy], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clouds.yaml of accounts that meet all of them through the proxies."""
    known = yaml.safe_load(clouds_file().read_text())["clouds"]
    for entry in known.values():
        entry |= {f"{name}_endpoint_override": proxy.url for name, proxy in proxies.items()}
        entry["auth"]["auth_url"] = proxies["identity"].url
    file = tmp_path_factory.mktemp("proxied") / "clouds.yaml"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        yaml.safe_dump({"clouds": known}, out)
    return file
