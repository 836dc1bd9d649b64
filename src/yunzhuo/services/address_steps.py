"""What an operation's steps about a floating IP do: one wish to the cloud, never a wait."""

from collections.abc import Callable

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.errors import Inconsistent, YunzhuoError
from yunzhuo.services.address_claims import AddressOutcome, ClaimedAddress

Work = Callable[[Cloud, ClaimedAddress, str | None], AddressOutcome]


def make(cloud: Cloud, address: ClaimedAddress, _server_id: str | None) -> AddressOutcome:
    """Get an address from the cloud, unless it came from the pool. The driver looks for our tag first."""
    if address.cloud_id is not None:
        return AddressOutcome()
    ip = cloud.addresses.create(address.id, network_id=address.network_id, project_id=address.project_id)
    return AddressOutcome(ip=ip)


def connect(cloud: Cloud, address: ClaimedAddress, server_id: str | None) -> AddressOutcome:
    """Lead it to the desktop."""
    if server_id is None or address.cloud_id is None:
        raise Inconsistent("no_server", "This desktop has no virtual machine.")
    cloud.addresses.associate(address.cloud_id, server_id)
    return AddressOutcome(is_attached=True)


def release(cloud: Cloud, address: ClaimedAddress, server_id: str | None) -> AddressOutcome:
    """Let it lead nowhere. A deletion goes on when that fails: the address is free once its server is gone."""
    try:
        ip = cloud.addresses.find(address.id, address.project_id) if address.cloud_id is None else None
        cloud_id = address.cloud_id or (ip.id if ip else None)
        if cloud_id is not None and server_id is not None:
            cloud.addresses.dissociate(cloud_id, server_id)
    except YunzhuoError as error:
        if not address.is_tolerant:
            raise
        return AddressOutcome(detail=f"The address was not given back before: {error.message}")
    return AddressOutcome(ip=ip, is_released=True)
