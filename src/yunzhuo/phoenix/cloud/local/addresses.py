"""Floating IPs of driver ``local``: it has none, as its machines are reached through this computer alone."""

from collections.abc import Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.resources import FloatingIp


class LocalAddresses:
    """Says of every operation that it is not offered."""

    def create(self, address_id: str, *, network_id: str | None = None, project_id: str | None = None) -> FloatingIp:
        _refuse()

    def find(self, address_id: str, project_id: str | None = None) -> FloatingIp | None:
        _refuse()

    def list(self) -> Sequence[FloatingIp]:
        _refuse()

    def associate(self, ip_id: str, server_id: str) -> None:
        _refuse()

    def dissociate(self, ip_id: str, server_id: str) -> None:
        _refuse()

    def delete(self, ip_id: str) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise CloudNotOffered("floating IPs")
