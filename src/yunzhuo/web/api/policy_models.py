"""The API's JSON about what screens allow."""

from pydantic import BaseModel, Field

from yunzhuo.services.policies import PolicySubject
from yunzhuo.services.rules.session_policy import MOST
from yunzhuo.web.api.rights_models import Shown
from yunzhuo.webkit.bodies import Asked, Id


class Says(Asked):
    """The parts of a policy that somebody has a say in; null: others say."""

    view_only: bool | None = Field(None, description="Only to look, not to touch.")
    clipboard_to_desktop: bool | None = Field(None, description="Whether what was copied outside may be pasted in desktops.")
    clipboard_from_desktop: bool | None = Field(None, description="Whether what was copied in desktops may be pasted outside.")
    file_transfer: bool | None = Field(None, description="Whether files may be carried in and out.")
    usb: bool | None = Field(None, description="Whether native viewers may pass USB devices in.")
    session_seconds: int | None = Field(None, ge=0, le=MOST, description="A screen is closed after this long; 0: never.")
    kib_per_second: int | None = Field(None, ge=0, le=MOST, description="What one connection is sent in a second; 0: any.")


class Policy(Shown):
    """What is said for one subject. `subject_name` is an address, or a name."""

    subject: PolicySubject
    subject_id: Id
    subject_name: str
    says: Says


class PolicyList(BaseModel):
    """All policies of an organization."""

    items: list[Policy]
    next_cursor: None = None


class PolicyChange(Asked):
    """What somebody's screens allow from now on."""

    subject: PolicySubject
    subject_id: Id = Field(max_length=64)
    says: Says
