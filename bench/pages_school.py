"""The school that ``pages.py`` fills into the database before Yunzhuo starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy
from sqlalchemy import insert
from tests.support.running import PASSWORD

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.memory import connect
from yunzhuo.phoenix.cloud.memory.options import HostOption
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db.models import ApiToken, AuthSession, Desktop, Operation, User
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import digest, load_or_make
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import services
from yunzhuo.services.first_start import prepare, web_secret_file
from yunzhuo.services.rules.lifecycle import PLANS, Action
from yunzhuo.webkit import cookies

ADMINISTRATORS = 0.01
ROOM_FOR_ALL = (HostOption(id="host-1", name="memory-1", vcpus=10**6, memory_mib=10**9, disk_mib=10**9),)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page; ``desktop_id`` is theirs, None for an administrator."""

    cookie: str
    desktop_id: str | None


@dataclass(frozen=True)
class School:
    """Whom there is, as written into the database before Yunzhuo starts."""

    viewers: Sequence[Viewer]
    newcomers: Sequence[str]
    token: str


class Rows:
    """Rows of a school that is not in the database yet, and the machines of its desktops, which are."""

    def __init__(self, organization_id: str, cloud: Cloud, image_id: str, flavor_id: str) -> None:
        self._now = datetime.now(UTC)
        self._common: Mapping[str, object] = {"organization_id": organization_id, "created_at": self._now}
        self._cloud = cloud
        self._kind = {"image_id": image_id, "flavor_id": flavor_id}
        self._password_hash = Passwords().hash(PASSWORD)  # once for all: it costs the same to compare with
        self._rows: dict[type, list[dict[str, object]]] = {
            kind: [] for kind in (User, AuthSession, ApiToken, Desktop, Operation)
        }

    def user(self, name: str, role: Role) -> str:
        """Somebody with the password of all; answers their id."""
        values = {"email": f"{name}@school.local", "role": role, "password_hash": self._password_hash}
        flags: dict[str, object] = {"must_change_password": False, "has_second_factor": False, "is_service": False}
        return self._add(User, flags | values)

    def session(self, user_id: str) -> str:
        """The secret of a browser session."""
        seen = {"client_address": "127.0.0.1", "awaits_factor": False, "is_remembered": False, "wrong_factors": 0}
        return self._secret(AuthSession, user_id, seen | {"last_seen_at": self._now})

    def token(self, user_id: str) -> str:
        """The secret of an API token."""
        return self._secret(ApiToken, user_id, {"name": "bench"})

    def desktop(self, owner_id: str) -> str:
        """A desktop that runs; answers its id."""
        desktop_id, operation_id = new_id(), new_id()
        wanted = ServerRequest(
            desktop_id=desktop_id, name="bench", hostname="bench", image_id="linux-desktop", flavor_id="small"
        )
        server = self._cloud.servers.create(wanted)
        observed = {"server_id": server.id, "observed_status": "running", "observed_at": self._now, "ready_at": self._now}
        names = {"owner_id": owner_id, "name": "bench", "hostname": "bench", "wanted": "running"}
        self._add(Desktop, self._kind | names | observed | {"operation_id": operation_id}, desktop_id)
        done = {"status": "succeeded", "position": len(PLANS[Action.CREATE]), "attempts": 0, "ended_at": self._now}
        due = {"due_at": self._now, "deadline_at": self._now + timedelta(minutes=5)}
        asked = {"desktop_id": desktop_id, "user_id": owner_id, "action": "create", "arguments": {}}
        self._add(Operation, asked | done | due, operation_id)
        return desktop_id

    def write(self, database_url: str) -> None:
        """Into the database, all of them."""
        engine = sqlalchemy.create_engine(database_url)
        with engine.begin() as connection:
            for kind, values in self._rows.items():
                if values:
                    connection.execute(insert(kind), values)
        engine.dispose()

    def _secret(self, kind: type, user_id: str, values: Mapping[str, object]) -> str:
        secret = new_secret()
        kept = {"user_id": user_id, "secret_digest": digest(secret), "expires_at": self._now + timedelta(hours=12)}
        self._add(kind, {**values, **kept})
        return secret

    def _add(self, kind: type, values: Mapping[str, object], row_id: str | None = None) -> str:
        self._rows[kind].append({**self._common, **values, "id": row_id or new_id()})
        return str(self._rows[kind][-1]["id"])


def fill(settings: Settings, pages: int, newcomers: int) -> School:
    """People with a session and a running desktop each, administrators with a session, and people who are yet to sign in."""
    prepare(settings)
    cloud = connect(settings)
    cloud.control.change_options(hosts=ROOM_FOR_ALL)
    with services(settings) as made:
        organization_id = made.accounts.default_organization_id()
        made.catalog.synchronize(organization_id)
        someone = made.accounts.add("first@school.local", PASSWORD, Role.ADMINISTRATOR).actor()
        image, flavor = made.catalog.images(someone)[0], made.catalog.flavors(someone)[0]
    rows = Rows(organization_id, cloud, image.id, flavor.id)
    signer = cookies.serializer(load_or_make(web_secret_file(settings)))
    administrators = max(1, round(pages * ADMINISTRATORS))
    viewers = []
    for number in range(pages):
        is_administrator = number < administrators
        user_id = rows.user(f"viewer-{number}", Role.ADMINISTRATOR if is_administrator else Role.USER)
        kept = signer.dumps({cookies.SECRET_FIELD: rows.session(user_id), "_permanent": True})
        viewers.append(Viewer(f"{cookies.COOKIE_NAME}={kept}", None if is_administrator else rows.desktop(user_id)))
    for number in range(newcomers):
        rows.user(f"newcomer-{number}", Role.USER)
    token = rows.token(someone.user_id)
    cloud.close()
    rows.write(settings.database_url)
    return School(viewers, [f"newcomer-{number}@school.local" for number in range(newcomers)], token)
