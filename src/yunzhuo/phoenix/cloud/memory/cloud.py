"""The memory cloud as one object."""

from collections.abc import Sequence
from pathlib import Path

from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import NoKeyPair
from yunzhuo.phoenix.cloud.memory.addresses import Addresses
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.care import Care
from yunzhuo.phoenix.cloud.memory.control import Control
from yunzhuo.phoenix.cloud.memory.flavors import Flavors
from yunzhuo.phoenix.cloud.memory.guest import Guest
from yunzhuo.phoenix.cloud.memory.host_keeping import Hosts
from yunzhuo.phoenix.cloud.memory.image_store import ImageStore
from yunzhuo.phoenix.cloud.memory.images import Images
from yunzhuo.phoenix.cloud.memory.networks import Networks
from yunzhuo.phoenix.cloud.memory.notices import Notices
from yunzhuo.phoenix.cloud.memory.projects import Projects
from yunzhuo.phoenix.cloud.memory.security_groups import SecurityGroups
from yunzhuo.phoenix.cloud.memory.servers import Servers
from yunzhuo.phoenix.cloud.memory.state import StateFile
from yunzhuo.phoenix.cloud.memory.topology import Routers
from yunzhuo.phoenix.cloud.memory.volumes import Volumes
from yunzhuo.phoenix.cloud.resources import Lack
from yunzhuo.phoenix.common.clock import Clock


class MemoryCloud:
    """See :class:`yunzhuo.phoenix.cloud.interface.Cloud`. ``control`` is the same cloud's other side."""

    def __init__(self, path: Path, clock: Clock, *, timeout_seconds: float) -> None:
        self._state = StateFile(path, clock, timeout_seconds=timeout_seconds)
        self._gate = Gate(self._state, timeout_seconds=timeout_seconds)
        self.servers: interface.Servers = Servers(self._gate)
        self.care: interface.ServerCare = Care(self._gate)
        self.volumes: interface.Volumes = Volumes(self._gate)
        self.addresses: interface.Addresses = Addresses(self._gate)
        self.flavors: interface.Flavors = Flavors(self._gate)
        self.images: interface.Images = Images(self._gate)
        self.image_store: interface.ImageStore = ImageStore(self._gate)
        self.networks: interface.Networks = Networks(self._gate)
        self.routers: interface.Routers = Routers(self._gate)
        self.security_groups: interface.SecurityGroups = SecurityGroups(self._gate)
        self.hosts: interface.Hosts = Hosts(self._gate)
        self.guest: interface.Guest = Guest(self._gate)
        self.projects: interface.Projects = Projects(self._gate)
        self.notices: interface.Notices = Notices(self._gate, self._state)
        self.control = Control(self._state)

    def check(self) -> None:
        """Raises CloudUnavailable when the state file cannot be used, or a fault says so."""
        self._gate.perform("cloud.check", lambda _transaction, _plan: None)

    def lacks(self) -> Sequence[Lack]:
        """What its options say that is lacking."""
        missing = self._gate.perform("cloud.lacks", lambda transaction, _plan: transaction.options.missing_key_pair)
        return (Lack.of(NoKeyPair(missing)),) if missing else ()

    def close(self) -> None:
        """Give back connections and end what waits."""
        self._gate.close()
        self._state.close()
