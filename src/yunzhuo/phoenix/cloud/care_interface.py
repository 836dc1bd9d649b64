"""The part of the interface that is about looking after one server; see ``interface.py`` for the promises common to all."""

from collections.abc import Sequence
from typing import Protocol


class ServerCare(Protocol):
    """What an administrator does to one server, and what is no part of anybody's day.

    What goes the other way is among the servers' verbs where it is the same there: a paused server goes on by
    ``servers.resume``, a shelved one by ``servers.start``.
    """

    def console_log(self, server_id: str, *, max_bytes: int) -> str:
        """The end of what the server has written to its serial console since it was switched on; empty: nothing.

        At most ``max_bytes`` as UTF-8. Changes nothing, also for who reads it next. Raises ServerBusy while there is none to be
        had.
        """
        ...

    def pause(self, server_id: str) -> None:
        """Stop its processors where they are: at once, and its memory stays in its host's. It is SUSPENDED then.

        Raises ServerBusy when it does not run.
        """
        ...

    def shelve(self, server_id: str) -> None:
        """Put its disk away and give its place on the host back; what is in its memory is lost. It is STOPPED then.

        Its id, addresses and volumes stay. To start it takes as long as to make it, and may raise NoCapacity. Raises
        ServerBusy when it neither runs nor is stopped or suspended.
        """
        ...

    def lock(self, server_id: str) -> None:
        """Let nobody change it, ourselves included, whatever its status: ``Server.is_locked``. Twice is harmless."""
        ...

    def unlock(self, server_id: str) -> None:
        """The opposite. Raises Forbidden when it was locked by somebody who stands above us."""
        ...

    def rescue(self, server_id: str, image_id: str | None = None) -> None:
        """Start another system in it, which sees its disk as a second one: it is RESCUED then.

        ``image_id`` is that system's, None: the cloud's choice. Raises ImageNotFound, InvalidInput when the server or the image
        are not made for it, NoCapacity, and ServerBusy when it is suspended.
        """
        ...

    def unrescue(self, server_id: str) -> None:
        """Start its own system again. Raises ServerBusy when it is neither RESCUED nor RUNNING."""
        ...

    def security_groups(self, server_id: str) -> Sequence[str]:
        """The ids of the security groups that it is in, in order."""
        ...

    def set_security_groups(self, server_id: str, group_ids: Sequence[str]) -> None:
        """Put it into exactly these; none at all lets nothing through. It holds at once, whether the server runs or not.

        Raises SecurityGroupNotFound, and ServerBusy while it is being built or deleted.
        """
        ...
