"""How much of its processors a desktop's guest uses, from whatever can say so: its agent, else the cloud."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.services.agent_book import AgentView
from yunzhuo.services.rules.idle import cpu_percent

# Two readings closer together than this say nothing.
_LEAST_SECONDS = 5.0
_LONGEST_SECONDS = 600.0
# An agent that said nothing for so long says nothing of now.
_AGENT_FRESH_FOR = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Load:
    """``percent`` None: nobody knows. ``is_coming``: it is known the next time."""

    percent: float | None = None
    is_coming: bool = False


def told_by(agent: AgentView | None, now: datetime) -> Load | None:
    """The last minute's load as a desktop's agent tells it; None when there is none that does."""
    if agent is None or agent.load is None or now - agent.heard_at > _AGENT_FRESH_FOR:
        return None
    return Load(min(agent.load, 1.0) * 100)


class LoadReader:
    """Asks for CPU seconds twice. What was read first is this process's alone: after a restart it asks anew."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self._cloud = cloud
        self._clock = clock
        self._before: dict[str, tuple[float, float]] = {}

    def read(self, server_id: str, vcpus: int) -> Load:
        """The load since it was asked for last. Never raises: what does not answer is what does not know."""
        try:
            used = self._cloud.servers.cpu_seconds(server_id)
        except CloudNotOffered:
            return Load()
        except YunzhuoError:
            self._before.pop(server_id, None)
            return Load()
        now = self._clock.now().timestamp()
        before = self._before.get(server_id)
        if before is not None and now - before[0] < _LEAST_SECONDS:
            return Load(is_coming=True)
        self._before[server_id] = (now, used)
        if before is None or now - before[0] > _LONGEST_SECONDS:
            return Load(is_coming=True)
        return Load(cpu_percent(before[1], used, now - before[0], vcpus))

    def forget(self, kept: set[str]) -> None:
        """Forget all servers but these."""
        self._before = {server_id: each for server_id, each in self._before.items() if server_id in kept}
