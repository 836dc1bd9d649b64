"""kombu's filesystem transport, with messages that appear whole or not at all.

The library writes a message under its final name: a reader that comes in between finds an empty file, and the worker ends
with a JSON error (seen on a busy machine). A file that is renamed into place cannot be seen half.
"""

import uuid
from pathlib import Path
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A folder of messages, oldest first."""

    def _put(self, queue: str, payload: Any, **_keywords: object) -> None:  # type: ignore[override]  # stubs disagree
        folder = Path(self.data_folder_out)
        name = f"{monotonic_ns():020}_{uuid.uuid4()}.{queue}"  # readers take names in their order
        draft = folder / f"{name}.partial"
        try:
            draft.write_text(dumps(payload))
            draft.replace(folder / f"{name}.msg")
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ChannelError(f"The message cannot be put into {folder}: {error.strerror}") from error


class Transport(filesystem.Transport):
    """Named in Celery's ``broker_transport``."""

    Channel = Channel
