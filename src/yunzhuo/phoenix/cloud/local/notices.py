"""Driver ``local`` tells of nothing by itself: its list is of this computer, and costs little."""

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.notice_interface import Heard


class LocalNotices:
    """Says that it is not offered."""

    def listen(self, seconds: float) -> Heard:
        raise CloudNotOffered("word of changes")
