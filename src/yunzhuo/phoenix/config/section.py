"""What the parts of the settings are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of the settings: frozen, and a name it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
