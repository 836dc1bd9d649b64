"""Reading Nova's versioned notifications: bytes from a message bus on which others speak, too.

oslo.messaging's envelope is JSON whose ``oslo.message`` is JSON again; in that the payload is an object of Nova's
(https://docs.openstack.org/nova/latest/admin/notifications.html). Four strings of it are read, each by its form. Nothing here
does any I/O, and nothing of a message is kept or logged: it carries more than is our business.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: Nova's are some 5 to 20 KiB.
MAX_BYTES = 256 * 1024
_SERVER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PROJECT_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_EVENT = re.compile(r"instance(\.[a-z_]{1,64}){1,4}")
_LONGEST_TIME = 40
# What has only begun shows nothing new; `exists` is told of every server now and then.
_NOTHING_NEW = (".start", ".exists")
_UPDATE = "instance.update"


class Unreadable(ValueError):
    """It is no notification."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a notification about a server says of whom."""

    server_id: str
    project_id: str
    event: str
    sent_at: datetime | None


def read(body: bytes | str) -> Told | None:
    """What a message says; None: nothing that shows on a server. Raises Unreadable, and nothing else, whatever it gets."""
    outer = _object(body)
    inner = outer.get("oslo.message")
    message = outer if inner is None else _object(inner)
    event = message.get("event_type")
    if not isinstance(event, str):
        raise Unreadable("no event_type")
    if not _EVENT.fullmatch(event) or event.endswith(_NOTHING_NEW):
        return None
    data = _part(_part(message, "payload"), "nova_object.data")
    if event == _UPDATE and not _is_news(data):
        return None
    return Told(
        server_id=_text(data, "uuid", _SERVER_ID),
        project_id=_text(data, "tenant_id", _PROJECT_ID),
        event=event,
        sent_at=_time(message.get("timestamp")),
    )


def _is_news(data: Mapping[str, Any]) -> bool:
    """Whether an update says that a server has another status, task or name than before: most say neither."""
    if data.get("old_display_name") is not None:
        return True
    states = data.get("state_update")
    found = states.get("nova_object.data") if isinstance(states, dict) else None
    if not isinstance(found, dict):
        return True
    return (found.get("old_state"), found.get("old_task_state")) != (found.get("state"), found.get("new_task_state"))


def _object(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str | bytes) or len(text) > MAX_BYTES:
        raise Unreadable("no text, or too long")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("no object")
    return found


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    if not isinstance(found, dict):
        raise Unreadable(f"no {name}")
    return found


def _text(of: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    found = of.get(name)
    if not isinstance(found, str) or not form.fullmatch(found):
        raise Unreadable(f"no {name}")
    return found


def _time(text: object) -> datetime | None:
    """oslo.messaging writes UTC without saying so: ``2026-11-26 17:00:00.123456``."""
    if not isinstance(text, str) or len(text) > _LONGEST_TIME:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
