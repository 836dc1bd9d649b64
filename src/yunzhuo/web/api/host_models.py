"""The API's JSON about changing hosts and moving what is on them."""

from typing import Self

from pydantic import BaseModel, Field

from yunzhuo.services.hosts import HostChange, Move, Moved
from yunzhuo.web.api.operation_models import Refusal
from yunzhuo.webkit.bodies import Asked, Id
from yunzhuo.webkit.statuses import problem_of


class HostWish(Asked):
    """What is said of a host."""

    change: HostChange = Field(description="`force_down` is refused for a host that is heard of.")
    reason: str = Field("", max_length=200, description="Why it is closed; `disable` needs one.", examples=["new memory"])


class MoveWish(Asked):
    """How servers leave a host."""

    how: Move = Field(description="`live` while they run, `cold` off for a moment, `evacuate` made anew, of a dead host alone.")
    server_id: str | None = Field(None, max_length=128, description="Which one; left out: all of ours.")
    target: str | None = Field(None, max_length=255, description="The host to go to, for `live`; left out: the cloud's choice.")


class MovedServer(BaseModel):
    """A server, and why the cloud does not move it; no problem: it was accepted, and where it is then its host says."""

    server_id: str
    name: str
    desktop_id: Id
    problem: Refusal | None

    @classmethod
    def of(cls, moved: Moved) -> Self:
        problem = problem_of(moved.refusal) if moved.refusal else None
        return cls(
            server_id=moved.server_id,
            name=moved.name,
            desktop_id=moved.desktop_id,
            problem=Refusal(status=problem.status, code=problem.code, detail=problem.detail) if problem else None,
        )


class MovedServers(BaseModel):
    """What became of the wish, by server."""

    items: list[MovedServer]
