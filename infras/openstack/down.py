"""Ends what was started, in the order in which one part leans on another."""

import shutil
import subprocess  # nosec B404 # lists of arguments, never a shell

from infras.openstack.foundation import unmount_share
from infras.openstack.layout import FAKE_HOSTS, REAL_HOST, Layout
from infras.openstack.processes import Processes

_COMPUTES = [f"nova-compute-{host}" for host in (REAL_HOST, *FAKE_HOSTS)]
_SERVICES = [
    "nova-scheduler",
    "nova-conductor",
    "nova",
    "cinder-volume",
    "cinder-scheduler",
    "cinder",
    "neutron-ovn-maintenance",
    "neutron",
    "glance",
    "placement",
    "keystone",
]
_NETWORK = ["ovn-controller", "ovn-northd", "ovs-vswitchd", "ovn-sb", "ovn-nb", "ovsdb", "memcached"]
# Their children end with them; a signal to all at once would make them complain.
_SERVERS = ["rabbitmq", "epmd", "mariadb"]


def bring_down(layout: Layout, processes: Processes) -> None:
    """Stop everything; the state is kept."""
    if processes.is_alive("libvirtd"):
        _destroy_guests(layout)
    processes.stop(_COMPUTES)
    processes.stop(_SERVICES)
    processes.stop(["libvirtd", "virtlogd"])
    processes.stop(_NETWORK)
    processes.stop(_SERVERS, whole_session=False)
    processes.stop(processes.known())
    unmount_share(layout)


def wipe(layout: Layout) -> None:
    """Remove the state; programs and the guest's image stay."""
    shutil.rmtree(layout.state)


def _destroy_guests(layout: Layout) -> None:
    """QEMU's processes are libvirt's children and outlive it: ours are in a libvirt of our own."""
    virsh = ["virsh", "-c", layout.libvirt_uri]
    names = subprocess.run([*virsh, "list", "--name"], capture_output=True, text=True, check=False).stdout.split()  # nosec B603 # programs of the test cloud
    for name in names:
        subprocess.run([*virsh, "destroy", name], capture_output=True, check=False)  # nosec B603 # programs of the test cloud
