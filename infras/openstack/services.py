"""OpenStack's own services: their databases, the APIs behind uWSGI, Nova's workers, libvirt."""

import urllib.error
import urllib.request
from pathlib import Path

from infras.openstack.configuration import database_url
from infras.openstack.foundation import sql
from infras.openstack.layout import ADDRESS, FAKE_HOSTS, PORTS, REAL_HOST, REGION, Layout
from infras.openstack.processes import Processes, run, say, succeeds
from infras.setup.stamps import fingerprint, set_stamp, stands

_DATABASES = ("keystone", "placement", "glance", "nova_api", "nova_cell0", "nova", "neutron", "cinder")
_AS_ROOT = Path(__file__).parent / "inside" / "as_root"


def make_databases(layout: Layout, secrets: dict[str, str]) -> None:
    """Tables, keys of tokens, and Keystone's first account; once for each state folder."""
    done = layout.data / "databases.done"
    wanted = fingerprint(*_DATABASES)
    if stands(done, wanted):
        return
    say("making databases")
    sql(layout, "".join(f"create database if not exists {name} character set utf8mb3;" for name in _DATABASES))
    etc = layout.etc
    keystone = ["keystone-manage", "--config-file", etc / "keystone" / "keystone.conf"]
    as_root = ["--keystone-user", "root", "--keystone-group", "root"]
    run("Keystone's database", [*keystone, "db_sync"], layout)
    for keys in ("fernet_setup", "credential_setup"):
        run("Keystone's keys", [*keystone, keys, *as_root], layout)
    address = f"http://{ADDRESS}:{PORTS['keystone']}/v3"
    urls = [part for kind in ("admin", "internal", "public") for part in (f"--bootstrap-{kind}-url", address)]
    # By the environment: arguments can be read by everybody on this computer.
    password = {"OS_BOOTSTRAP_PASSWORD": secrets["admin"]}
    run("Keystone's first account", [*keystone, "bootstrap", "--bootstrap-region-id", REGION, *urls], layout, more=password)
    placement = ["placement-manage", "--config-file", etc / "placement" / "placement.conf", "db", "sync"]
    run("Placement's database", placement, layout, more={"OS_PLACEMENT_CONFIG_DIR": f"{etc}/placement"})
    run("Glance's database", ["glance-manage", "--config-file", etc / "glance" / "glance-api.conf", "db_sync"], layout)
    neutron = [part for name in ("neutron", "ml2_conf") for part in ("--config-file", _neutron(layout, name))]
    run("Neutron's database", ["neutron-db-manage", *neutron, "upgrade", "heads"], layout)
    nova = ["nova-manage", *_nova(layout, "nova", "database")]
    run("Nova's database", [*nova, "api_db", "sync"], layout)
    cell0 = ["--database_connection", database_url(layout, "nova_cell0")]
    run("Nova's first cell", [*nova, "cell_v2", "map_cell0", *cell0], layout)
    run("Nova's database", [*nova, "db", "sync"], layout)
    if "cell1" not in run("Nova's cells", [*nova, "cell_v2", "list_cells"], layout):
        run("Nova's second cell", [*nova, "cell_v2", "create_cell", "--name", "cell1"], layout)
    run("Cinder's database", ["cinder-manage", *_cinder(layout), "db", "sync"], layout)
    set_stamp(done, wanted)


def start_web(layout: Layout, processes: Processes, name: str) -> None:
    """One of the APIs."""
    environment = {f"OS_{name.upper()}_CONFIG_DIR": f"{layout.etc}/{name}"}
    if name == "neutron":
        environment["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf;ml2_conf.ini"
    if name == "nova":
        environment["OS_NOVA_CONFIG_FILES"] = "api-paste.ini;nova.conf;consoles.conf;notifications.conf;database.conf"
    processes.start(name, [layout.venv / "bin" / "uwsgi", "--ini", layout.etc / "uwsgi" / f"{name}.ini"], environment)


def wait_for_web(processes: Processes, name: str) -> None:
    """Return when an API answers, whatever it says."""
    processes.wait_for(f"the API of {name}", 90, lambda: _answers(f"http://{ADDRESS}:{PORTS[name]}/"))


def start_workers(layout: Layout, processes: Processes) -> None:
    """Nova's conductor and scheduler, Neutron's maintenance of OVN, Cinder's scheduler and its volumes."""
    for name in ("conductor", "scheduler"):
        processes.start(f"nova-{name}", [f"nova-{name}", *_nova(layout, "nova", "notifications", "database")])
    neutron = [part for name in ("neutron", "ml2_conf") for part in ("--config-file", _neutron(layout, name))]
    processes.start("neutron-ovn-maintenance", ["neutron-ovn-maintenance-worker", *neutron])
    processes.start("cinder-scheduler", ["cinder-scheduler", *_cinder(layout)])
    own = {"PATH": f"{_AS_ROOT}:{layout.environment()['PATH']}", "PYTHONPATH": str(_AS_ROOT.parent)}
    processes.start("cinder-volume", ["cinder-volume", *_cinder(layout)], own)


def start_fake_hosts(layout: Layout, processes: Processes) -> None:
    """One nova-compute for each host that only pretends."""
    for host in FAKE_HOSTS:
        command = ["nova-compute", *_nova(layout, "nova", "consoles", "notifications", f"compute-{host}")]
        processes.start(f"nova-compute-{host}", command, {"YUNZHUO_OVN_SOUTHBOUND": layout.ovs("sb")})


def start_real_host(layout: Layout, processes: Processes) -> None:
    """libvirt, in a mount namespace of its own as another may run on this computer, and the nova-compute that uses it."""
    places = {
        "/etc/libvirt": layout.etc / "libvirt",
        "/run/libvirt": layout.run / "libvirt",
        "/var/lib/libvirt": layout.data / "libvirt",
        "/var/cache/libvirt": layout.data / "libvirt-cache",
    }
    for place in places:
        Path(place).mkdir(parents=True, exist_ok=True)
    mounts = " && ".join(f"mount --bind '{ours}' {place}" for place, ours in places.items())
    for name in ("virtlogd", "libvirtd"):
        program = f"exec {name} -f /etc/libvirt/{name}.conf -p {layout.run}/{name}.file"
        command: list[object] = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{mounts} && {program}"]
        processes.start(name, command)
    processes.wait_for("libvirt", 30, lambda: succeeds(["virsh", "-c", layout.libvirt_uri, "uri"], layout))
    command = ["nova-compute", *_nova(layout, "nova", "consoles", "notifications", f"compute-{REAL_HOST}")]
    processes.start(f"nova-compute-{REAL_HOST}", command)


def _nova(layout: Layout, *names: str) -> list[object]:
    return [part for name in names for part in ("--config-file", layout.etc / "nova" / f"{name}.conf")]


def _cinder(layout: Layout) -> list[object]:
    return ["--config-file", layout.etc / "cinder" / "cinder.conf"]


def _neutron(layout: Layout, name: str) -> Path:
    return layout.etc / "neutron" / {"neutron": "neutron.conf", "ml2_conf": "ml2_conf.ini"}[name]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # nosec B310 # an address of ours
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
