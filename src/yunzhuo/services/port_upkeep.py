"""Ports that outlived their server: found by whose they were, and removed when that is proved gone.

The cloud makes a server's ports and removes them with it; now and then it forgets one, and with it an address of the network.
"""

from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import select

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.db.models import Desktop
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services import departures
from yunzhuo.services.leftovers import Leftovers
from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing


class PortUpkeep:
    """One look at all ports a round. Two at once are harmless.

    Only ports of servers that desktops of ours had are ever touched; what else is in the project is not even told of.
    """

    def __init__(self, db: Database, cloud: Cloud, leftovers: Leftovers, clock: Clock) -> None:
        self._db = db
        self._cloud = cloud
        self._leftovers = leftovers
        self._clock = clock

    def look(self) -> Sequence[Finding]:
        """Ask the cloud for its list once and answer what servers of ours left; nothing is changed."""
        return [finding for finding, _ in self._left()]

    def round(self) -> Sequence[Finding]:
        """:meth:`look`, and remove what was there before; answers what was found."""
        left = self._left()
        servers = {finding.cloud_id: server_id for finding, server_id in left}
        findings = [finding for finding, _ in left]
        self._leftovers.found(Thing.PORT, findings, self._clock.now(), lambda port_id: self._remove(port_id, servers[port_id]))
        return findings

    def _left(self) -> Sequence[tuple[Finding, str]]:
        """What is left, and by which server."""
        try:
            ports = self._cloud.networks.ports()
        except CloudNotOffered:
            return ()
        with self._db.reading() as tx:
            ours = set(tx.scalars(select(Desktop.server_id).where(Desktop.server_id.is_not(None))))
            others = sorted({port.server_id for port in ports} - ours)
            had = departures.among(tx, others)
        return [
            (Finding(FindingKind.LEFT_BEHIND, had[port.server_id], port.id, port.address, thing=Thing.PORT), port.server_id)
            for port in ports
            if port.server_id in had
        ]

    def _remove(self, port_id: str, server_id: str) -> None:
        """The list of servers may lie; so the one that it was is asked for first, and its port goes only after it."""
        with suppress(ServerNotFound):
            self._cloud.servers.get(server_id)
            return
        self._cloud.networks.delete_port(port_id, server_id)
