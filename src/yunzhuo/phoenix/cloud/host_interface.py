"""The part of the interface that is about hypervisors; see ``interface.py`` for the promises common to all."""

from collections.abc import Sequence
from typing import Protocol

from yunzhuo.phoenix.cloud.resources import Host


class Hosts(Protocol):
    """The hypervisors, as far as this cloud lets us see them. ``Server.host`` is one's id, or empty where it is not told.

    What moves a server is accepted like every verb; where it is then, ``Server.host`` says.
    """

    def list(self) -> Sequence[Host]: ...

    def disable(self, host_id: str, reason: str) -> None:
        """Let no new servers come; those that are there go on. Raises HostNotFound."""
        ...

    def enable(self, host_id: str) -> None:
        """Let servers come again, and believe what is heard of it again.

        Raises HostNotFound, and Conflict (``host_not_back``) while it may have servers still that were made anew elsewhere.
        """
        ...

    def force_down(self, host_id: str) -> None:
        """Say that the host is down, and let no new servers come. Raises HostNotFound, HostNotDown while it is heard of."""
        ...

    def live_migrate(self, server_id: str, host_id: str | None = None) -> None:
        """Move a running server while it runs, to a host or to the cloud's choice.

        Raises ServerNotFound, ServerBusy when it does not run, NoCapacity, HostNotFound. One that cannot move stays where it
        is.
        """
        ...

    def migrate(self, server_id: str) -> None:
        """Move a server that may be off meanwhile: it is BUILDING, and afterwards as it was. Raises ServerBusy, NoCapacity."""
        ...

    def evacuate(self, server_id: str) -> None:
        """Make a server anew on another host, as its own is down; a disk that was only there is made from the image.

        Raises HostNotDown unless its host is silent and was forced down, NoCapacity.
        """
        ...
