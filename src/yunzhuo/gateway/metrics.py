"""What a gateway counts. Each process counts in a row of its own of one shared table, so that one listener can tell all."""

import multiprocessing
from collections.abc import Iterator, MutableSequence
from enum import IntEnum, auto
from typing import Final, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

REFUSALS: Final = (
    "bad_request",
    "header_too_large",
    "handshake_timeout",
    "not_found",
    "upgrade_required",
    "origin_refused",
    "ticket_missing",
    "ticket_refused",
    "tls_required",
    "too_many_connections",
    "too_many_from_address",
    "manager_unavailable",
    "screen_unavailable",
    "gateway_stopping",
    "other",
)


class Slot(IntEnum):
    """The columns of a row; the refusals by reason follow them."""

    LISTENING = 0
    CONNECTIONS_OPEN = auto()
    CONNECTIONS = auto()
    SESSIONS_OPEN = auto()
    SESSIONS = auto()
    BYTES_IN = auto()
    BYTES_OUT = auto()
    REPORTS_LOST = auto()


_GAUGES: Final = (Slot.LISTENING, Slot.CONNECTIONS_OPEN, Slot.SESSIONS_OPEN)
_ROW: Final = len(Slot) + len(REFUSALS)

Row = MutableSequence[int]


class Counters:
    """One process's row. Only that process writes it; anybody may read a value that is a moment old."""

    def __init__(self, table: Row, row: int) -> None:
        self._table = table
        self._offset = row * _ROW

    def add(self, slot: Slot, amount: int = 1) -> None:
        self._table[self._offset + slot] += amount

    def get(self, slot: Slot) -> int:
        return self._table[self._offset + slot]

    def refuse(self, reason: str) -> None:
        known = reason if reason in REFUSALS else "other"
        self._table[self._offset + len(Slot) + REFUSALS.index(known)] += 1

    def clear_gauges(self) -> None:
        """What the process had open is gone, because the process is."""
        for slot in _GAUGES:
            self._table[self._offset + slot] = 0


class CounterTable(Collector):
    """The rows of all processes of one gateway; a picklable part of it (``shared``) goes to each process."""

    def __init__(self, processes: int) -> None:
        # typeshed knows the array as ctypes.Array[c_longlong]; reading and writing its items is what a sequence of int does.
        self.shared = cast(Row, multiprocessing.get_context("spawn").RawArray("q", processes * _ROW))
        self._processes = processes

    def row(self, process: int) -> Counters:
        return Counters(self.shared, process)

    def total(self, column: int) -> int:
        return sum(self.shared[process * _ROW + column] for process in range(self._processes))

    def collect(self) -> Iterator[Metric]:
        """What ``prometheus_client`` asks for."""
        total = self.total
        yield GaugeMetricFamily("yunzhuo_gateway_processes", "Processes that serve.", total(Slot.LISTENING))
        yield GaugeMetricFamily("yunzhuo_gateway_connections_open", "Connections open now.", total(Slot.CONNECTIONS_OPEN))
        yield CounterMetricFamily("yunzhuo_gateway_connections", "Connections taken.", total(Slot.CONNECTIONS))
        yield GaugeMetricFamily("yunzhuo_gateway_sessions_open", "Sessions open now.", total(Slot.SESSIONS_OPEN))
        yield CounterMetricFamily("yunzhuo_gateway_sessions", "Sessions opened.", total(Slot.SESSIONS))
        relayed = CounterMetricFamily(
            "yunzhuo_gateway_relayed_bytes", "Payload relayed; in is to the desktop.", labels=["direction"]
        )
        relayed.add_metric(["in"], total(Slot.BYTES_IN))
        relayed.add_metric(["out"], total(Slot.BYTES_OUT))
        yield relayed
        refused = CounterMetricFamily("yunzhuo_gateway_refused", "Connections refused.", labels=["reason"])
        for number, reason in enumerate(REFUSALS):
            refused.add_metric([reason], total(len(Slot) + number))
        yield refused
        yield CounterMetricFamily("yunzhuo_gateway_reports_lost", "Ends of sessions not told.", total(Slot.REPORTS_LOST))

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)
