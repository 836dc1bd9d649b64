"""The API's JSON about what administrators do to one desktop's machine."""

from pydantic import BaseModel, Field

from yunzhuo.services.care import CareDeed
from yunzhuo.webkit.bodies import Asked

_MOST_GROUPS = 50


class CareWish(Asked):
    """What is to be done."""

    deed: CareDeed = Field(description="A paused desktop is resumed, a shelved one started, by its `actions`.")
    image: str | None = Field(None, max_length=36, description="For `rescue`: the image to start; left out: the cloud chooses.")


class ConsoleLog(BaseModel):
    """The end of what the machine has written to its serial console since it was switched on."""

    text: str


class SecurityGroupIds(Asked):
    """The security groups that the machine is in, by id."""

    ids: list[str] = Field(max_length=_MOST_GROUPS, description="None at all lets nothing through.")
