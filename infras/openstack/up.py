"""Brings the cloud up in the order in which one part leans on another. What runs already stays as it is."""

import time
from pathlib import Path

from infras.openstack import configuration, foundation, secrets, services
from infras.openstack.layout import PORTS, Layout
from infras.openstack.processes import Processes, listens, run, say
from infras.setup.stamps import fingerprint, set_stamp, stands

_BOOTSTRAP = Path(__file__).parent / "inside" / "bootstrap.py"


def bring_up(layout: Layout, processes: Processes) -> None:
    """Returns when a server could be asked for. Raises CloudFailed."""
    began = time.time()
    passwords = secrets.read_or_make(layout.secrets_file)
    configuration.write(layout, passwords)
    foundation.start_mariadb(layout, processes)
    foundation.start_messages(layout, processes)
    foundation.start_network(layout, processes)
    foundation.mount_share(layout, processes)
    processes.wait_for("MariaDB", 60, lambda: foundation.database_answers(layout))
    services.make_databases(layout, passwords)
    processes.wait_for("RabbitMQ", 60, lambda: listens(PORTS["rabbitmq"]))
    say("database, messages and network are up")
    services.start_web(layout, processes, "keystone")
    services.wait_for_web(processes, "keystone")
    _once(layout, "identity")
    for name in ("placement", "glance", "neutron", "nova", "cinder"):
        services.start_web(layout, processes, name)
    services.start_workers(layout, processes)
    services.wait_for_web(processes, "placement")
    services.start_fake_hosts(layout, processes)
    services.start_real_host(layout, processes)
    for name in ("glance", "neutron", "nova", "cinder"):
        services.wait_for_web(processes, name)
    say("the APIs are up")
    has_new_computes = any(name.startswith(("nova-", "cinder-")) for name in processes.started)
    # A service that was started just now still shows the heartbeat from before: only a newer one counts.
    _ask(layout, "ready", str(began) if has_new_computes else "0")
    _once(layout, "resources")


def _once(layout: Layout, step: str) -> None:
    done = layout.data / f"{step}.done"
    wanted = fingerprint(_BOOTSTRAP.read_text(encoding="utf-8"), files=[layout.guest_image])
    if not stands(done, wanted):
        _ask(layout, step)
        set_stamp(done, wanted)


def _ask(layout: Layout, *words: str) -> None:
    facts = {"YUNZHUO_TEST_CLOUD_FACTS": configuration.facts(layout), "OS_CLIENT_CONFIG_FILE": str(layout.clouds_file)}
    run(f"bootstrap {words[0]}", [layout.venv / "bin" / "python", _BOOTSTRAP, *words], layout, more=facts)
