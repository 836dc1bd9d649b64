"""A whole Yunzhuo on the test OpenStack."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.openstack_cloud import asked_directly, openstack_settings, remove_volumes
from tests.support.running import Running, running_yunzhuo
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.config.reference import toml_value


@dataclass
class Site:
    """A running Yunzhuo; its cloud as its driver sees it, and as openstacksdk does, past all our code."""

    yunzhuo: Running
    cloud: Cloud
    sdk: Any
    tag: str

    def servers(self) -> list[str]:
        """The servers of this site that the cloud has."""
        return [server.id for server in self.sdk.compute.servers(tags=self.tag)]

    def ports_of(self, server_ids: set[str]) -> list[str]:
        """The ports that the cloud has for servers, be these gone or not."""
        return [port.id for port in self.sdk.network.ports() if port.device_id in server_ids]


@contextmanager
def openstack_site(home: Path, *, variables: dict[str, str] | None = None, **changes: Any) -> Iterator[Site]:
    """Yunzhuo with the settings of :func:`openstack_settings`; no server of it is left afterwards."""
    wanted = openstack_settings(**changes).openstack
    own = {
        f"OPENSTACK__{name.upper()}": toml_value(value) if isinstance(value, tuple) else str(value)
        for name, value in wanted.model_dump().items()
    }
    given = {"CLOUD__DRIVER": "openstack", "CLOUD__TIMEOUT_SECONDS": "60", **own, **(variables or {})}
    with running_yunzhuo(home, **given) as yunzhuo, asked_directly(wanted.cloud) as sdk:
        cloud = clouds.connect(yunzhuo.settings())
        try:
            yield Site(yunzhuo, cloud, sdk, wanted.tag)
        finally:
            for server in cloud.servers.list():
                cloud.servers.delete(server.id)
            eventually(lambda: not cloud.servers.list(), 180, what="an empty cloud")
            for ip in cloud.addresses.list():
                cloud.addresses.delete(ip.id)
            remove_volumes(cloud)
            cloud.close()
