"""What the OpenAPI document of this API says beyond what routes and models say by themselves."""

from yunzhuo.webkit import openapi
from yunzhuo.webkit.openapi import Json

# Routes whose body is a file as it is.
_TAKE_BYTES = (
    ("/api/v1/desktops/{desktop_id}/files/{name}", "put"),
    ("/api/v1/user-lists", "post"),
    ("/api/v1/license", "put"),
)


def finish(spec: Json | str) -> Json | str:
    """The finished document."""
    return openapi.finish(spec, take_bytes=_TAKE_BYTES)
