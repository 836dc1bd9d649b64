"""Small pictures of a person's own desktops: cheap to ask for again and again, and never a burden to others."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common import pictures
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Forbidden, NotFound, NotOffered, Unavailable
from yunzhuo.phoenix.config.people_settings import ConsoleSettings
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor, may
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.desktop_views import visible_desktop
from yunzhuo.services.stated import needs

MEDIA_TYPE = pictures.MEDIA_TYPE
# Whoever may look at the screen itself, may see a small picture of it.
_VERB = "desktop:connect"
# Threads that may wait for a cloud at the same time; the others of the web process are for everybody else.
_ASKING_AT_ONCE = 4
# A few tens of KiB each.
_KEPT = 500


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a desktop's screen, and when that looked so. ``etag`` is the same for the same picture."""

    content: bytes = field(repr=False)
    taken_at: datetime
    etag: str


@dataclass(slots=True)
class _Kept:
    asked_at: datetime
    thumbnail: Thumbnail


class ThumbnailService:
    """Looks at screens for their owners, each at most once in a few seconds, whoever asks how often."""

    def __init__(self, db: Database, cloud: Cloud, audit: AuditLog, clock: Clock, settings: ConsoleSettings) -> None:
        self._audit = audit
        self._db = db
        self._cloud = cloud
        self._clock = clock
        self._settings = settings
        self._age = timedelta(seconds=settings.thumbnail_seconds)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether there are thumbnails here at all."""
        return self._settings.thumbnails

    @needs(_VERB)
    def look(self, actor: Actor, desktop_id: str) -> Thumbnail:
        """The desktop's screen, at most a few seconds old; of one that is off or suspended, as it was before.

        Raises NotOffered where that is switched off or the cloud has no pictures, NotFound when there is no desktop or no
        picture of it, Forbidden for somebody else's, and Unavailable when it is not to be had soon.
        """
        if not self.is_on:
            raise NotOffered("thumbnails_off", "There are no small pictures of screens here.")
        server_id, since = self._reach(actor, desktop_id)
        with self._lock:
            kept = self._kept.get(server_id)
            # What was seen before the last change of the desktop began says nothing about it now.
            if kept is not None and kept.asked_at < since:
                kept = None
            if kept is not None and kept.asked_at > self._clock.now() - self._age:
                return kept.thumbnail
            if server_id in self._asking or len(self._asking) >= _ASKING_AT_ONCE:
                if kept is not None:
                    return kept.thumbnail
                raise Unavailable("thumbnail_not_now", "The picture is not there yet; ask again in a moment.")
            self._asking.add(server_id)
        return self._ask(server_id)

    def _ask(self, server_id: str) -> Thumbnail:
        asked_at = self._clock.now()
        try:
            seen = self._cloud.servers.screenshot(server_id)
        except BaseException:
            with self._lock:
                self._asking.discard(server_id)
                self._kept.pop(server_id, None)
            raise
        thumbnail = Thumbnail(seen.content, seen.taken_at, hashlib.sha256(seen.content).hexdigest()[:32])
        with self._lock:
            self._asking.discard(server_id)
            self._kept[server_id] = _Kept(asked_at, thumbnail)
            self._kept.move_to_end(server_id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return thumbnail

    def _reach(self, actor: Actor, desktop_id: str) -> tuple[str, datetime]:
        """The desktop's server, and since when it is as it is."""
        with self._db.reading() as tx:
            desktop, operation = visible_desktop(tx, actor, desktop_id, "desktop:read")
            if not may(actor, _VERB, organization_id=desktop.organization_id, owner_id=desktop.owner_id):
                raise Forbidden("forbidden", "You are not allowed to do this.", verb=_VERB)
            if desktop.server_id is None:
                raise NotFound("no_screenshot", "There is no picture of this screen.")
            return desktop.server_id, operation.ended_at or operation.created_at
