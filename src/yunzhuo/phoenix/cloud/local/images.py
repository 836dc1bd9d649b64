"""Images of driver ``local``."""

from collections.abc import Sequence

from yunzhuo.phoenix.cloud.local import wire
from yunzhuo.phoenix.cloud.local.connection import Connection
from yunzhuo.phoenix.cloud.resources import Image


class LocalImages:
    """The images in the host's folder, newest first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Image]:
        return wire.IMAGES.validate_json(self._connection.call("GET", "/images"))

    def get(self, image_id: str) -> Image:
        return wire.IMAGE.validate_json(self._connection.call("GET", f"/images/{wire.to_segment(image_id)}"))

    def is_prepared(self, image_id: str, flavor_id: str) -> bool:
        answer = self._connection.call("GET", f"/images/{wire.to_segment(image_id)}/prepared/{wire.to_segment(flavor_id)}")
        return wire.Answer.model_validate_json(answer).value
