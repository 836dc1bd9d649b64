"""Looking after one server of driver ``local``: not offered. What QEMU keeps of a serial console is gone once it was read."""

from collections.abc import Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered


class LocalCare:
    """Says of every operation that it is not offered."""

    def console_log(self, server_id: str, *, max_bytes: int) -> str:
        _refuse("console logs")

    def pause(self, server_id: str) -> None:
        _refuse("pausing (suspend it instead)")

    def shelve(self, server_id: str) -> None:
        _refuse("shelving (stop it instead)")

    def lock(self, server_id: str) -> None:
        _refuse("locks")

    def unlock(self, server_id: str) -> None:
        _refuse("locks")

    def rescue(self, server_id: str, image_id: str | None = None) -> None:
        _refuse("rescue systems")

    def unrescue(self, server_id: str) -> None:
        _refuse("rescue systems")

    def security_groups(self, server_id: str) -> Sequence[str]:
        _refuse("security groups")

    def set_security_groups(self, server_id: str, group_ids: Sequence[str]) -> None:
        _refuse("security groups")


def _refuse(what: str) -> NoReturn:
    raise CloudNotOffered(what)
