"""Hosts of the cloud of `make cloud`, whose processes are ours to kill."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from infras.openstack.layout import REAL_HOST, Layout
from infras.openstack.processes import Processes
from infras.openstack.services import start_fake_hosts, start_real_host


@contextmanager
def killed_host(host: str) -> Iterator[None]:
    """Its nova-compute is dead, and started anew at the end. Guests of the real host go on."""
    layout = Layout.of_this_computer()
    Processes(layout).disturb(f"nova-compute-{host}", signal.SIGKILL)
    try:
        yield
    finally:
        (start_real_host if host == REAL_HOST else start_fake_hosts)(layout, Processes(layout))
