"""The OpenStack that tests run on: this computer's (`make cloud`), or one that the environment names.

``OPENSTACK_TEST_CLOUDS`` is another cloud's clouds.yaml; then ``YUNZHUO_OPENSTACK__CLOUD``, ``..__IMAGES`` and so on say what
the settings would. A cloud that does not answer, or has not what is named, fails the tests: nothing is skipped.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import openstack
import pytest
from infras.openstack.layout import ADDRESS, NOTIFICATIONS, PORTS, Layout
from openstack.connection import Connection
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack import connect
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.phoenix.config.loader import load
from yunzhuo.phoenix.config.settings import Settings

GUESTS: dict[str, Any] = {"images": ("guest",), "flavors": ("real.tiny", "real.small"), "volumes": True}
#: Hosts that only pretend: their console says the same from the beginning.
PRETENDED: dict[str, Any] = {
    "images": ("pretended",),
    "flavors": ("fake.small", "fake.medium"),
    "ready_pattern": "^FAKE CONSOLE OUTPUT",
}
#: With projects of organizations, by the account that has a password.
WITH_PROJECTS: dict[str, Any] = {"cloud": "yunzhuo-projects", "projects_domain": "yunzhuo-schools"}


#: openstacksdk warns of its own code, whenever it is used.
OF_THE_SDK = pytest.mark.filterwarnings("ignore::openstack.warnings._RemovedInSDKWarning")


@contextmanager
def asked_directly(cloud: str, file: Path | None = None) -> Iterator[Any]:
    """The cloud through openstacksdk alone: what we say of it is held against that."""
    region = openstack.config.OpenStackConfig(config_files=[str(file or clouds_file())], load_envvars=False).get_one(
        cloud=cloud
    )
    connection = Connection(config=region)
    try:
        yield connection
    finally:
        connection.close()
        connection.session.session.close()


@contextmanager
def in_project(project_id: str) -> Iterator[Any]:
    """The cloud through openstacksdk, with a token of Yunzhuo's account for one project."""
    known = openstack.config.OpenStackConfig(config_files=[str(clouds_file())], load_envvars=False)
    scope: dict[str, Any] = {"project_id": project_id, "project_name": "", "project_domain_name": ""}
    connection = Connection(config=known.get_one(cloud=WITH_PROJECTS["cloud"], **scope))
    try:
        yield connection
    finally:
        connection.close()
        connection.session.session.close()


def clouds_file() -> Path:
    """The clouds.yaml of the cloud to be tested."""
    named = os.environ.get("OPENSTACK_TEST_CLOUDS")
    file = Path(named) if named else Layout.of_this_computer().clouds_file
    assert file.is_file(), f"{file} is not there: `make cloud` brings up this computer's, OPENSTACK_TEST_CLOUDS names another"
    return file


def notifications_url() -> str:
    """Where the cloud to be tested tells of changes by itself; empty: nowhere that we know of."""
    if os.environ.get("OPENSTACK_TEST_CLOUDS"):
        return load(None, os.environ, {}).openstack.notifications_url
    secrets_of_cloud = json.loads(Layout.of_this_computer().secrets_file.read_text(encoding="ascii"))
    return f"amqp://yunzhuo:{secrets_of_cloud['notifications']}@{ADDRESS}:{PORTS['rabbitmq']}/{NOTIFICATIONS}"


def openstack_settings(home: Path = Path("var"), **changes: Any) -> Settings:
    """Settings of an installation that has nothing in common with others in the same project."""
    is_other = bool(os.environ.get("OPENSTACK_TEST_CLOUDS"))
    named = load(None, os.environ, {}).openstack.model_dump() if is_other else GUESTS
    own = {"clouds_file": str(clouds_file()), "tag": f"test-{secrets.token_hex(6)}"}
    return Settings.model_validate(
        {"home": home, "cloud": {"driver": "openstack", "timeout_seconds": 60}, "openstack": {**named, **own, **changes}}
    )


@contextmanager
def openstack_cloud(**changes: Any) -> Iterator[Cloud]:
    """A connected cloud, in which nothing of this connection's is left afterwards."""
    cloud = connect(openstack_settings(**changes))
    try:
        cloud.check()
        yield cloud
    finally:
        for server in cloud.servers.list():
            cloud.servers.delete(server.id)
        eventually(lambda: not cloud.servers.list(), 120, what="an empty cloud")
        for ip in cloud.addresses.list():
            cloud.addresses.delete(ip.id)
        remove_volumes(cloud)
        with suppress(CloudNotOffered):
            for project in cloud.projects.list():
                cloud.projects.delete(project.id)
        cloud.close()


def remove_volumes(cloud: Cloud) -> None:
    """Those of this connection's settings, which no server has any more."""
    with suppress(CloudNotOffered):
        for volume in cloud.volumes.list():
            once_taken(partial(cloud.volumes.delete, volume.id), what="a volume that goes")


def once_taken(deed: Callable[[], object], *, what: str) -> None:
    """Do it as soon as the cloud takes it: what is in the way goes a moment after it was deleted."""

    def is_taken() -> bool:
        with suppress(Conflict):
            deed()
            return True
        return False

    eventually(is_taken, 180, what=what)
