"""The API's JSON about gateways, segments and open screens."""

from datetime import datetime

from pydantic import BaseModel, Field

from yunzhuo.services.gateways import GatewayState, Health
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id, Moment


class Gateway(Shown):
    """A public door to the desktops' screens."""

    id: Id
    name: str = Field(examples=["north"])
    public_url: str = Field(examples=["wss://screens.school.example"])
    internal_url: str | None = Field(description="Its address for clients of a segment.")
    state: GatewayState
    health: Health = Field(description="Whether it reported lately.")
    sessions: int = Field(description="Connections that are open through it.")
    capacity: int | None = Field(description="How many it takes; null: it has not said.")
    version: str | None
    last_seen_at: datetime | None
    created_at: datetime


class GatewayList(BaseModel):
    """All gateways by name."""

    items: list[Gateway]
    next_cursor: None = None


class NewGateway(Asked):
    """A gateway to be made known."""

    name: str = Field(description="1 to 64 visible characters.", examples=["north"])
    public_url: str = Field(max_length=255, examples=["wss://screens.school.example"])
    internal_url: str | None = Field(None, max_length=255, examples=["wss://10.1.0.5:8081"])


class GatewayChange(Asked):
    """What of a gateway is to be another way. An empty internal address: none."""

    public_url: str | None = Field(None, max_length=255)
    internal_url: str | None = Field(None, max_length=255)
    state: GatewayState | None = None


class GatewayKey(BaseModel):
    """A gateway and the key that it has to show, told this once."""

    gateway: Gateway
    key: str


class Segment(Shown):
    """A client network whose clients go to internal addresses."""

    id: Id
    name: str = Field(examples=["Main building"])
    network: str = Field(examples=["10.1.0.0/16"])


class SegmentList(BaseModel):
    """Segments by name."""

    items: list[Segment]
    next_cursor: None = None


class NewSegment(Asked):
    """A network to be taken for an inner one."""

    name: str = Field(description="1 to 64 visible characters.", examples=["Main building"])
    network: str = Field(max_length=64, examples=["10.1.0.0/16"])


class Screen(Shown):
    """One person on one desktop's screen. "In" goes to the desktop."""

    id: Id
    user_id: Id
    email: str
    desktop_id: Id
    desktop_name: str
    gateway: str
    protocol: str
    client_address: str
    channels: int
    started_at: datetime
    last_input_at: datetime | None
    round_trip_ms: float | None
    drops: int = Field(description="Packets that had to be sent again.")
    bytes_in: int
    bytes_out: int
    ended_at: datetime | None
    end_reason: str | None
    broken_at: datetime | None = Field(
        description="When the line of an open screen broke, which may still go on over another one; then it has no channels."
    )


class ScreenList(BaseModel):
    """Screens, the one opened last first."""

    items: list[Screen]
    next_cursor: None = None


class ScreenQuery(BaseModel):
    """Which screens are listed."""

    user: str | None = Field(None, max_length=64, description="Only one person's, by their id.")
    desktop: str | None = Field(None, max_length=64, description="Only one desktop's.")


class HistoryQuery(ScreenQuery):
    """Which of the closed ones."""

    before: Moment | None = Field(None, description="`started_at` of the last one of the page before.")
    limit: int = Field(50, ge=1, le=200)
