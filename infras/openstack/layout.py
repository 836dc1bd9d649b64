"""Where the test cloud's files are, and the ports it listens on."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "127.0.0.1"
REGION = "RegionOne"
REAL_HOST = "real1"  # libvirt and QEMU, and the gateway of the network
FAKE_HOSTS = ("fake1", "fake2")
NOTIFICATIONS = "notifications"  # the virtual host of RabbitMQ, apart from where the services call each other
SHARE = f"{ADDRESS}:/volumes"  # what Cinder takes for a share of NFS

#: Uncommon ones, so that nothing else on a developer's computer is met.
PORTS = {
    "keystone": 15000,
    "glance": 19292,
    "nova": 18774,
    "placement": 18778,
    "neutron": 19696,
    "cinder": 18776,
    "rabbitmq": 15670,
    "rabbitmq_nodes": 15671,
    "epmd": 24369,
    "memcached": 21211,
}

_FOLDERS = (
    *(f"etc/{name}" for name in ("keystone", "glance", "nova", "neutron", "placement", "cinder")),
    *(f"etc/{name}" for name in ("ovs", "uwsgi", "libvirt", "rabbitmq")),
    *(f"run/{name}" for name in ("ovs", "ovn", "mysql", "libvirt", "lock")),
    *(f"data/{name}" for name in ("mysql", "rabbit", "glance/images", "glance/staging", "glance/tasks", "nova/instances")),
    *(f"data/{name}" for name in ("ovs", "ovn", "keystone", "neutron", "libvirt/qemu", "libvirt-cache")),
    *(f"data/cinder/{name}" for name in ("nothing", "files", "work", "mounts")),
    *(f"data/nova-{host}" for host in FAKE_HOSTS),
    "log",
)


@dataclass(frozen=True)
class Layout:
    """``cache`` may be deleted and is made again (programs, the guest's image); ``state`` is one cloud's own."""

    cache: Path
    state: Path

    @classmethod
    def of_this_computer(cls) -> "Layout":
        """$OPENSTACK_TEST_FOLDER names another folder than the user's cache folder; ports are the same in each."""
        base = os.environ.get("XDG_CACHE_HOME", "")
        folder = (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "yunzhuo" / "openstack"
        chosen = os.environ.get("OPENSTACK_TEST_FOLDER")
        return cls(cache=folder, state=Path(chosen).resolve() if chosen else folder / "cloud")

    @property
    def venv(self) -> Path:
        return self.cache / "venv"

    @property
    def guest_image(self) -> Path:
        return self.cache / "guest.qcow2"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def data(self) -> Path:
        return self.state / "data"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def clouds_file(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def secrets_file(self) -> Path:
        return self.state / "secrets.json"

    @property
    def share_point(self) -> Path:
        """Where the share of volumes is mounted: a folder that Cinder and Nova name by the share's digest."""
        return self.data / "cinder" / "mounts" / hashlib.md5(SHARE.encode(), usedforsecurity=False).hexdigest()

    @property
    def database_socket(self) -> Path:
        return self.run / "mysql" / "server.sock"

    @property
    def libvirt_uri(self) -> str:
        return f"qemu+unix:///system?socket={self.run / 'libvirt' / 'libvirt-sock'}"

    def hangs(self, host: str) -> Path:
        """While this file is there, a host that pretends takes builds and does not get on with them."""
        return self.data / f"nova-{host}" / "hangs"

    def ovs(self, name: str) -> str:
        """The address of a database of Open vSwitch (``ovs``) or OVN (``nb``, ``sb``)."""
        return f"unix:{self.run}/{'ovs/db' if name == 'ovs' else f'ovn/{name}'}.sock"

    def environment(self) -> dict[str, str]:
        """For every program of the cloud."""
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PATH": f"{self.venv}/bin:/usr/sbin:/sbin:{os.environ['PATH']}",
            "OVS_RUNDIR": f"{self.run}/ovs",
            "OVS_LOGDIR": str(self.log),
            "OVS_DBDIR": f"{self.data}/ovs",
            "OVS_SYSCONFDIR": f"{self.etc}/ovs",
            "OVN_RUNDIR": f"{self.run}/ovn",
            "OVN_LOGDIR": str(self.log),
            "OVN_DBDIR": f"{self.data}/ovn",
        }

    def make_folders(self) -> None:
        """The state folder is for its owner alone: it holds passwords, and sockets that ask for none."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        for name in _FOLDERS:
            (self.state / name).mkdir(parents=True, exist_ok=True)
