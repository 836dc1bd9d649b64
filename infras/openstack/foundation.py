"""What OpenStack stands on: MariaDB, RabbitMQ, memcached, Open vSwitch and OVN."""

import time
from pathlib import Path

from infras.openstack.layout import ADDRESS, FAKE_HOSTS, PORTS, REAL_HOST, SHARE, Layout
from infras.openstack.processes import Processes, listens, run, succeeds

_SCHEMAS = {
    "ovs/conf": "/usr/share/openvswitch/vswitch.ovsschema",
    "ovn/nb": "/usr/share/ovn/ovn-nb.ovsschema",
    "ovn/sb": "/usr/share/ovn/ovn-sb.ovsschema",
}

_OF_NETDEV = ("datapath_type=netdev",)


def start_mariadb(layout: Layout, processes: Processes) -> None:
    """Behind a socket in the state folder, without any port. It forgets more in a crash than a real one may."""
    folder = layout.data / "mysql"
    if not (folder / "mysql").is_dir():
        options = ["--user=root", f"--datadir={folder}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        run("making the database", ["mariadb-install-db", "--no-defaults", *options], layout)
    options = [
        "--user=root",
        f"--datadir={folder}",
        f"--socket={layout.database_socket}",
        f"--pid-file={layout.run}/mysql/mysqld.pid",
        "--skip-networking",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=256M",
        "--innodb-log-file-size=64M",
        "--innodb-flush-method=O_DIRECT_NO_FSYNC",
        "--performance-schema=off",
        "--max-connections=800",
        "--table-open-cache=1000",
        "--thread-cache-size=32",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_general_ci",
    ]
    processes.start("mariadb", ["mariadbd", "--no-defaults", *options])


def sql(layout: Layout, statements: str) -> None:
    """As the database's root."""
    connection = ["--no-defaults", "--user=root", "--protocol=socket", f"--socket={layout.database_socket}"]
    run("the database", ["mariadb", *connection], layout, stdin=statements)


def database_answers(layout: Layout) -> bool:
    connection = ["--no-defaults", "--user=root", "--protocol=socket", f"--socket={layout.database_socket}"]
    return succeeds(["mariadb", *connection, "--execute=select 1"], layout)


def start_messages(layout: Layout, processes: Processes) -> None:
    """RabbitMQ, the names of its nodes (epmd), and memcached: each on the loopback alone."""
    processes.start("epmd", ["epmd", "-address", ADDRESS, "-port", str(PORTS["epmd"])])
    memory = ["-u", "root", "-l", ADDRESS, "-p", str(PORTS["memcached"]), "-U", "0", "-m", "64"]
    processes.start("memcached", ["memcached", *memory])
    processes.wait_for("epmd", 10, lambda: listens(PORTS["epmd"]))
    folder = layout.data / "rabbit"
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": ADDRESS,
        "ERL_EPMD_PORT": str(PORTS["epmd"]),
        "RABBITMQ_NODENAME": "openstack@localhost",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
        "RABBITMQ_LOG_BASE": str(layout.log),
        "RABBITMQ_PID_FILE": f"{layout.run}/rabbitmq.erlang",
        "RABBITMQ_CONFIG_FILE": f"{layout.etc}/rabbitmq/rabbitmq",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{layout.etc}/rabbitmq/enabled_plugins",
        "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
        "RABBITMQ_NODE_PORT": str(PORTS["rabbitmq"]),
        "RABBITMQ_DIST_PORT": str(PORTS["rabbitmq_nodes"]),
        "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/config",
        "RABBITMQ_SCHEMA_DIR": f"{folder}/schema",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
        " -kernel inet_dist_use_interface {127,0,0,1}",
    }
    processes.start("rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], environment)


def mount_share(layout: Layout, processes: Processes) -> None:
    """The folder of volumes, mounted as an overlay with the name of a share of NFS, all that Cinder and Nova look at.

    Before libvirt is started, which sees the mounts of that moment. Nova unmounts the share with its last volume: somebody is
    in it.
    """
    point, base = layout.share_point, layout.data / "cinder"
    point.mkdir(exist_ok=True)
    if not point.is_mount():
        places = f"lowerdir={base}/nothing,upperdir={base}/files,workdir={base}/work"
        run("mounting the share", ["mount", "-t", "overlay", SHARE, "-o", places, point], layout)
    processes.start("share", ["env", f"--chdir={point}", "sleep", "infinity"])


def unmount_share(layout: Layout) -> None:
    """After everything that uses it has ended."""
    if layout.share_point.is_mount():
        run("unmounting the share", ["umount", layout.share_point], layout)


def start_network(layout: Layout, processes: Processes) -> None:
    """Open vSwitch with its userspace datapath, which needs no kernel module, and OVN on it."""
    for name, schema in _SCHEMAS.items():
        database = layout.data / f"{name}.db"
        if not database.exists():
            run("making a database of Open vSwitch", ["ovsdb-tool", "create", database, schema], layout)
    for name, part in (("ovsdb", "ovs"), ("ovn-nb", "nb"), ("ovn-sb", "sb")):
        address = layout.ovs(part).removeprefix("unix:")
        database = layout.data / ("ovs/conf.db" if part == "ovs" else f"ovn/{part}.db")
        control = f"--unixctl={Path(address).parent}/{name}.ctl"
        processes.start(name, ["ovsdb-server", database, f"--remote=punix:{address}", control, "-vconsole:warn"])
    vsctl = ["ovs-vsctl", f"--db={layout.ovs('ovs')}", "--timeout=20"]
    processes.wait_for("Open vSwitch's database", 20, lambda: succeeds([*vsctl[:2], "--timeout=2", "show"], layout))
    for part in ("nb", "sb"):
        init = [f"ovn-{part}ctl", f"--db={layout.ovs(part)}", "--timeout=2", "init"]
        processes.wait_for("OVN's databases", 20, lambda init=init: succeeds(init, layout))  # type: ignore[misc]
    ids = {
        "system-id": REAL_HOST,
        "hostname": REAL_HOST,
        "ovn-remote": layout.ovs("sb"),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": ADDRESS,
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": "public:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
        "ovn-monitor-all": "true",
    }
    settings = [f'external_ids:{name}="{value}"' for name, value in ids.items()]
    run("Open vSwitch", [*vsctl, "--no-wait", "init", "--", "set", "Open_vSwitch", ".", *settings], layout)
    control = f"--unixctl={layout.run}/ovs/ovs-vswitchd.ctl"
    processes.start("ovs-vswitchd", ["ovs-vswitchd", layout.ovs("ovs"), control, "-vconsole:warn"])
    integration = ["--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int", *_OF_NETDEV, "fail_mode=secure"]
    run("Open vSwitch", [*vsctl, *integration], layout)
    _make_outside(layout, processes)
    databases = [f"--ovnnb-db={layout.ovs('nb')}", f"--ovnsb-db={layout.ovs('sb')}"]
    processes.start("ovn-northd", ["ovn-northd", *databases, f"--unixctl={layout.run}/ovn/northd.ctl", "-vconsole:warn"])
    processes.start("ovn-controller", ["ovn-controller", layout.ovs("ovs"), "-vconsole:warn"])
    _pretend_chassis(layout)


def _make_outside(layout: Layout, processes: Processes) -> None:
    """The far side of the external network lives in a network namespace: nothing of it is seen on this computer.

    A process holds it. Named ones are files that others may unmount, and the bridge's device would go with the namespace.
    """
    processes.start("outside", ["unshare", "--net", "sleep", "infinity"])
    outside = processes.pid("outside")
    here = Path("/proc/self/ns/net").readlink()
    processes.wait_for("a network namespace", 10, lambda: Path(f"/proc/{outside}/ns/net").readlink() != here)
    inside = ["nsenter", f"--net=/proc/{outside}/ns/net", "ip"]
    is_here, is_there = ["ip", "link", "show", "br-ex"], [*inside, "link", "show", "br-ex"]
    vsctl = ["ovs-vsctl", f"--db={layout.ovs('ovs')}", "--timeout=20"]
    if not (succeeds(is_here, layout) or succeeds(is_there, layout)):
        run("Open vSwitch", [*vsctl, "--if-exists", "del-br", "br-ex"], layout)  # a device that went with its namespace
    run("Open vSwitch", [*vsctl, "--may-exist", "add-br", "br-ex", "--", "set", "bridge", "br-ex", *_OF_NETDEV], layout)
    processes.wait_for("br-ex", 20, lambda: succeeds(is_here, layout) or succeeds(is_there, layout))
    if succeeds(is_here, layout):
        run("moving br-ex", ["ip", "link", "set", "br-ex", "netns", str(outside)], layout)
    run("br-ex", [*inside, "addr", "replace", "10.99.0.1/24", "dev", "br-ex"], layout)
    for device in ("br-ex", "lo"):
        run("br-ex", [*inside, "link", "set", device, "up"], layout)
    if "outside" in processes.started:
        # OVN remembers for ever at which card an address was: guests would call one of before, and nobody would answer.
        run("OVN", ["ovn-sbctl", f"--db={layout.ovs('sb')}", "--all", "destroy", "mac_binding"], layout)


def _pretend_chassis(layout: Layout) -> None:
    """Rows in OVN for the fake hosts, so that ports can be bound there; their counter never falls behind: always alive."""
    sbctl = ["ovn-sbctl", f"--db={layout.ovs('sb')}"]
    for number, host in enumerate(FAKE_HOSTS, start=1):
        found = run("OVN", [*sbctl, "--bare", "--columns=_uuid", "find", "chassis", f"name={host}"], layout)
        if found.strip():
            continue
        encap = ["--id=@e", "create", "encap", f"chassis_name={host}", "type=geneve", f"ip=127.0.0.{10 * number}"]
        options = ["other_config:datapath-type=netdev", "other_config:ovn-bridge-mappings=public:br-ex"]
        chassis = ["--id=@c", "create", "chassis", f"name={host}", f"hostname={host}", "encaps=@e", *options]
        alive = ["nb_cfg=1000000000000", f"nb_cfg_timestamp={int(time.time())}000"]
        private = ["create", "chassis_private", f"name={host}", "chassis=@c", *alive]
        run("OVN", [*sbctl, "--", *encap, "--", *chassis, "--", *private], layout)
