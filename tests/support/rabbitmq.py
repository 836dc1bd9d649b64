"""A real RabbitMQ with the configuration that a site is given."""

import json
import os
import shutil
import signal
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.support.server_process import ServerProcess, free_port

from yunzhuo.phoenix.security.authority import load_or_make_authority

CONFIGURATION = Path(__file__).parents[2] / "infras" / "rabbitmq" / "rabbitmq.conf"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
START_SECONDS = 120.0
_TLS = """
listeners.ssl.default = 127.0.0.1:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {server}
ssl_options.keyfile = {server}
"""


class RabbitMq:
    """A broker with a port mapper of its own, so that nothing of it stays behind.

    It listens with TLS, too, at ``tls_port``, with a certificate for 127.0.0.1 that the CA in the file ``ca`` vouches for.
    """

    def __init__(self) -> None:
        self._server = ServerProcess("rabbitmq")
        self.port, self.tls_port, epmd_port = free_port(), free_port(), free_port()
        folder = self._server.folder
        self.ca = folder / "ca.pem"
        text = CONFIGURATION.read_text().replace("127.0.0.1:5672", f"127.0.0.1:{self.port}")
        assert str(self.port) in text
        (folder / "rabbitmq.conf").write_text(text + self._with_tls())
        (folder / "enabled_plugins").write_text("[].\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"yunzhuo{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_LOGS": "-",
            # One thread a core, and none of them spins for work: others want the computer, too.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self._server.start(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], self._environment)
        self.start()

    def _with_tls(self) -> str:
        now = datetime.now(UTC)
        authority = load_or_make_authority(self._server.folder / "authority.pem", "RabbitMQ of the tests", now)
        server = self._server.folder / "server.pem"
        server.write_text(authority.vouch("127.0.0.1", now))
        self.ca.write_text(authority.certificate)
        return _TLS.format(port=self.tls_port, ca=self.ca, server=server)

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._server.start([str(PROGRAMS / "rabbitmq-server")], self._environment)
        self._server.wait_for(self._answers, START_SECONDS)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; its queues stay."""
        self._server.end(number)

    def forget_everything(self) -> None:
        """While it is ended: as if it had lost its disk."""
        shutil.rmtree(self._server.folder / "data")

    def lose_what_quorum_queues_hold(self) -> None:
        """While it is ended: as when it was killed just after it wrote their names down."""
        (quorum,) = (self._server.folder / "data").glob("*/quorum")
        shutil.rmtree(quorum)

    def control(self, *arguments: str) -> str:
        """What ``rabbitmqctl`` answers."""
        cookie = (self._server.folder / ".erlang.cookie").read_text()
        node = self._environment["RABBITMQ_NODENAME"]
        command = [str(PROGRAMS / "rabbitmqctl"), "--node", node, "--erlang-cookie", cookie, *arguments]
        return subprocess.run(
            command, env=self._environment, check=True, capture_output=True, text=True, cwd=self._server.folder
        ).stdout

    def queues(self) -> dict[str, dict[str, object]]:
        """Type, durability, arguments and number of messages of each queue."""
        answer = self.control(
            "list_queues", "--quiet", "--formatter", "json", "name", "type", "durable", "messages", "arguments"
        )
        return {queue["name"]: queue for queue in json.loads(answer)}

    def close(self) -> None:
        """End it and remove its data."""
        self._server.close()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.settimeout(2)
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False
