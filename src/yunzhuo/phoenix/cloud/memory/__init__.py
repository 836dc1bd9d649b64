"""Driver ``memory``: a whole cloud that is only remembered, in one file, and can have bad days on request.

For trying Yunzhuo out without virtual machines, for load tests, and for showing how the rest bears a slow, failing, lying
or forgetting cloud. The file is shared by any number of processes and outlives them.
"""

from pathlib import Path

from yunzhuo.phoenix.cloud.memory.calls import Call
from yunzhuo.phoenix.cloud.memory.cloud import MemoryCloud
from yunzhuo.phoenix.cloud.memory.control import Control
from yunzhuo.phoenix.cloud.memory.faults import Fault, FaultKind
from yunzhuo.phoenix.cloud.memory.options import FlavorOption, HostOption, ImageOption, NetworkOption, Options
from yunzhuo.phoenix.cloud.memory.state import StateFile
from yunzhuo.phoenix.common.clock import Clock, SystemClock
from yunzhuo.phoenix.config.settings import Settings

__all__ = [
    "Call",
    "Control",
    "Fault",
    "FaultKind",
    "FlavorOption",
    "HostOption",
    "ImageOption",
    "MemoryCloud",
    "NetworkOption",
    "Options",
    "connect",
    "control",
]


def connect(settings: Settings, *, clock: Clock | None = None) -> MemoryCloud:
    """The cloud in ``settings.cloud.memory_state`` (empty: ``memory-cloud.db`` in the state folder), made at its first use.

    ``clock`` must show one time to all users of the file.
    """
    return MemoryCloud(_state_path(settings), clock or SystemClock(), timeout_seconds=settings.cloud.timeout_seconds)


def control(settings: Settings, *, clock: Clock | None = None) -> Control:
    """The other side of the same cloud: its options, faults, disturbances and calls. Close it after use."""
    return Control(StateFile(_state_path(settings), clock or SystemClock(), timeout_seconds=settings.cloud.timeout_seconds))


def _state_path(settings: Settings) -> Path:
    return Path(settings.cloud.memory_state or settings.home / "memory-cloud.db")
