"""Every configuration file: the texts in ``etc/``, with this computer's places, ports and passwords filled in.

``@{name}`` is replaced, whatever else a file has (Nova's own ``$my_ip``, uWSGI's ``%t``) stays as it is.
"""

import base64
import hashlib
import json
import re
import shutil
import uuid
from pathlib import Path

from infras.openstack.layout import ADDRESS, FAKE_HOSTS, NOTIFICATIONS, PORTS, REAL_HOST, REGION, SHARE, Layout

_TEXTS = Path(__file__).parent / "etc"
_NAME = re.compile(r"@\{([a-z_]+)\}")
# One text for several files.
_TEMPLATES = frozenset({"compute-fake.conf", "uwsgi.ini"})

#: Of each service behind uWSGI: its module, processes, threads.
WEB_SERVICES = {
    "keystone": ("keystone.wsgi.api:application", 2, 2),
    "placement": ("placement.wsgi.api:application", 1, 4),
    "glance": ("glance.wsgi.api:application", 1, 4),
    "neutron": ("neutron.wsgi.api:application", 2, 4),
    "nova": ("nova.wsgi.osapi_compute:application", 2, 4),
    "cinder": ("cinder.wsgi.api:application", 1, 4),
}


def database_url(layout: Layout, name: str) -> str:
    """Through the socket in the state folder, which asks for no password."""
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={layout.database_socket}&charset=utf8mb4"


def write(layout: Layout, secrets: dict[str, str]) -> None:
    """Write all of them; cheap enough to be done at every start."""
    values = _values(layout, secrets)
    for source in sorted(path for path in _TEXTS.rglob("*") if path.is_file()):
        if source.name in _TEMPLATES:
            continue
        place = source.relative_to(_TEXTS)
        target = layout.clouds_file if source.name == layout.clouds_file.name else layout.etc / place
        _write(target, fill(source.read_text(encoding="utf-8"), values))
    for host in FAKE_HOSTS:
        pretended = (_TEXTS / "nova" / "compute-fake.conf").read_text(encoding="utf-8")
        _write(layout.etc / "nova" / f"compute-{host}.conf", fill(pretended, values | {"host": host}))
    uwsgi = (_TEXTS / "uwsgi" / "uwsgi.ini").read_text(encoding="utf-8")
    for name, (module, processes, threads) in WEB_SERVICES.items():
        of_this = {"port": str(PORTS[name]), "module": module, "processes": str(processes), "threads": str(threads)}
        # Keystone and Placement may be loaded before the workers fork; the others open connections while loading.
        of_this["lazy"] = "false" if name in {"keystone", "placement"} else "true"
        # The others are told of their configuration by their environment.
        of_this["arguments"] = f"--config-file {layout.etc}/cinder/cinder.conf" if name == "cinder" else ""
        _write(layout.etc / "uwsgi" / f"{name}.ini", fill(uwsgi, values | of_this))
    for shipped in ("nova/api-paste.ini", "neutron/api-paste.ini", "glance/glance-api-paste.ini", "cinder/api-paste.ini"):
        shutil.copyfile(layout.venv / "etc" / shipped, layout.etc / shipped)


def fill(text: str, values: dict[str, str]) -> str:
    """Raises KeyError for a name that nobody knows."""
    return _NAME.sub(lambda found: values[found[1]], text)


def _values(layout: Layout, secrets: dict[str, str]) -> dict[str, str]:
    keystone = f"http://{ADDRESS}:{PORTS['keystone']}/v3"
    values = {
        "address": ADDRESS,
        "region": REGION,
        "real_host": REAL_HOST,
        "etc": str(layout.etc),
        "run": str(layout.run),
        "data": str(layout.data),
        "venv": str(layout.venv),
        "libvirt_uri": layout.libvirt_uri,
        "ovsdb": layout.ovs("ovs"),
        "nbdb": layout.ovs("nb"),
        "sbdb": layout.ovs("sb"),
        "share": SHARE,
        "rabbitmq_url": f"rabbit://openstack:{secrets['rabbitmq']}@{ADDRESS}:{PORTS['rabbitmq']}/",
        "notifications_vhost": NOTIFICATIONS,
        "notifications_url": f"rabbit://openstack:{secrets['rabbitmq']}@{ADDRESS}:{PORTS['rabbitmq']}/{NOTIFICATIONS}",
        "keystone_url": keystone,
        # Of this state folder, so that libvirt does not see another computer each time.
        "host_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, str(layout.state))),
    }
    values |= {f"port_{name}": str(port) for name, port in PORTS.items()}
    values |= {f"secret_{name}": secret for name, secret in secrets.items()}
    values |= {f"rabbitmq_hash_{name}": rabbitmq_hash(secrets[name]) for name in ("rabbitmq", "notifications")}
    values |= {
        f"database_{name}": database_url(layout, name)
        for name in ("keystone", "placement", "glance", "neutron", "nova", "nova_api", "cinder")
    }
    for user in ("placement", "glance", "neutron", "nova", "cinder"):
        account = [
            "auth_type = password",
            f"auth_url = {keystone}",
            "project_domain_name = Default",
            "user_domain_name = Default",
            "project_name = service",
            f"username = {user}",
            f"password = {secrets['services']}",
        ]
        values[f"account_{user}"] = "\n".join([*account, f"region_name = {REGION}"])
        values[f"authtoken_{user}"] = "\n".join(
            [
                "[keystone_authtoken]",
                *account,
                f"www_authenticate_uri = {keystone}",
                f"memcached_servers = {ADDRESS}:{PORTS['memcached']}",
                "service_token_roles_required = true",
                "service_token_roles = service",
            ]
        )
    return values


def rabbitmq_hash(secret: str) -> str:
    """A password as RabbitMQ's definitions hold it (rabbit_password_hashing_sha256), always the same for the same password."""
    salt = hashlib.sha256(b"salt" + secret.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + secret.encode()).digest()).decode()


def facts(layout: Layout) -> str:
    """What the programs in ``inside/`` are told, as JSON."""
    endpoints = {
        "placement": ("placement", f"http://{ADDRESS}:{PORTS['placement']}"),
        "glance": ("image", f"http://{ADDRESS}:{PORTS['glance']}"),
        "nova": ("compute", f"http://{ADDRESS}:{PORTS['nova']}/v2.1"),
        "neutron": ("network", f"http://{ADDRESS}:{PORTS['neutron']}"),
        "cinder": ("block-storage", f"http://{ADDRESS}:{PORTS['cinder']}/v3"),
    }
    return json.dumps(
        {
            "region": REGION,
            "endpoints": endpoints,
            "real_host": REAL_HOST,
            "fake_hosts": FAKE_HOSTS,
            "guest_image": str(layout.guest_image),
            "secrets_file": str(layout.secrets_file),
        }
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
