"""The world outside the test cloud, as its guests meet it: a network namespace, in which a port can lead to this computer."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infras.openstack.layout import Layout
from infras.openstack.processes import Processes
from tests.support.breakable_line import breakable_line

#: The address there, of the other end of the external network.
OUTSIDE = "10.99.0.1"

_LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
socket.send_fds(socket.socket(fileno=int(sys.argv[3])), [b"here"], [listener.fileno()])
"""


@contextmanager
def port_outside(port: int) -> Iterator[None]:
    """What is connected to ``OUTSIDE:port`` there reaches ``127.0.0.1:port`` here.

    A socket stays in the namespace that it was made in, whoever has it: a program makes it there and hands it over.
    """
    namespace = f"--net=/proc/{Processes(Layout.of_this_computer()).pid('outside')}/ns/net"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = ["nsenter", namespace, sys.executable, "-c", _LISTEN, OUTSIDE, str(port), str(theirs.fileno())]
        subprocess.run(command, check=True, pass_fds=[theirs.fileno()])
        _, (descriptor,), _, _ = socket.recv_fds(ours, 16, 1)
    with socket.socket(fileno=descriptor) as listener, breakable_line(port, listener):
        yield
