"""Hosts of the cloud of `make cloud`, whose processes are ours to kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from infras.openstack.layout import FAKE_HOSTS, REAL_HOST, Layout
from infras.openstack.processes import Processes
from infras.openstack.services import start_fake_hosts, start_real_host


@contextmanager
def killed_host(host_id: str) -> Iterator[None]:
    """Its nova-compute is dead, and started anew at the end. Guests of the real host go on."""
    layout = Layout.of_this_computer()
    # libvirt calls its host by this computer's name.
    name = host_id if host_id in FAKE_HOSTS else REAL_HOST
    os.killpg(Processes(layout).pid(f"nova-compute-{name}"), signal.SIGKILL)
    try:
        yield
    finally:
        (start_real_host if name == REAL_HOST else start_fake_hosts)(layout, Processes(layout))
