"""The key pair that the settings give new servers: it has to be there, of our own user."""

from urllib.parse import quote

from yunzhuo.phoenix.cloud.errors import NoKeyPair
from yunzhuo.phoenix.cloud.openstack.connection import Connection


def check_key_pair(connection: Connection) -> None:
    """Raises NoKeyPair when the settings name one that is not there."""
    name = connection.settings.key_name
    if name:
        path = f"/os-keypairs/{quote(name, safe='')}"
        connection.ask("compute", "GET", path, refusals={404: lambda _said, **_details: NoKeyPair(name)})
