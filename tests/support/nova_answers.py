"""What Nova answers about a desktop's server, for tests of the driver that need no cloud."""

from collections.abc import Mapping
from typing import Any

from yunzhuo.phoenix.cloud.openstack.server_states import DESKTOP

SERVER_ID = "2f1c7a52-0a43-4b56-9d6e-5b7f0c1d2e3f"
TAG = "yunzhuo"


def active_server(task: str | None) -> Mapping[str, Any]:
    """The answer to a look at a server that is ACTIVE, with what is being done to it."""
    return {
        "server": {
            "id": SERVER_ID,
            "name": "one",
            "status": "ACTIVE",
            "created": "2026-03-02T07:59:00Z",
            "tags": [TAG, "desktop-d1"],
            "metadata": {DESKTOP: "d1"},
            "OS-EXT-STS:task_state": task,
        }
    }
