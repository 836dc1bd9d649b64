"""Looking after servers in whichever project they are: see ``places.py``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.openstack.care import OpenStackCare
from yunzhuo.phoenix.cloud.openstack.places import Places
from yunzhuo.phoenix.cloud.openstack.spread_servers import server_place


class SpreadCare:
    """See ``ServerCare`` of the interface."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def console_log(self, server_id: str, *, max_bytes: int) -> str:
        care, own_id = self._at(server_id)
        return care.console_log(own_id, max_bytes=max_bytes)

    def pause(self, server_id: str) -> None:
        care, own_id = self._at(server_id)
        care.pause(own_id)

    def shelve(self, server_id: str) -> None:
        care, own_id = self._at(server_id)
        care.shelve(own_id)

    def lock(self, server_id: str) -> None:
        care, own_id = self._at(server_id)
        care.lock(own_id)

    def unlock(self, server_id: str) -> None:
        care, own_id = self._at(server_id)
        care.unlock(own_id)

    def rescue(self, server_id: str, image_id: str | None = None) -> None:
        care, own_id = self._at(server_id)
        care.rescue(own_id, image_id)

    def unrescue(self, server_id: str) -> None:
        care, own_id = self._at(server_id)
        care.unrescue(own_id)

    def security_groups(self, server_id: str) -> Sequence[str]:
        care, own_id = self._at(server_id)
        return care.security_groups(own_id)

    def set_security_groups(self, server_id: str, group_ids: Sequence[str]) -> None:
        care, own_id = self._at(server_id)
        care.set_security_groups(own_id, group_ids)

    def _at(self, server_id: str) -> tuple[OpenStackCare, str]:
        place, own_id = server_place(self._places, server_id)
        return place.care, own_id
