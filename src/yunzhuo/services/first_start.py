"""What has to stand before processes start: schema, secrets, the first administrator, the gateway beside the manager."""

from dataclasses import dataclass
from pathlib import Path

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db import migrate
from yunzhuo.phoenix.db.session import Database
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.services.access import Role
from yunzhuo.services.assembly import services

LOCAL_GATEWAY = "local"
FIRST_ADMINISTRATOR = "admin@yunzhuo.local"


def upgrade_database(settings: Settings) -> None:
    """Bring the database to this release's schema. Twice is harmless."""
    db = Database(settings.database_url)
    try:
        migrate.upgrade(db)
    finally:
        db.close()


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """The account made at first start; ``one_time_password`` None: it was changed already."""

    email: str
    one_time_password: str | None


def ensure_first_administrator(settings: Settings) -> FirstAdministrator:
    """Make the first administrator if there is no account yet.

    The one-time password waits in a file of the secrets folder until it has been changed, so that a first start whose
    output nobody saw is not lost.
    """
    waiting = first_password_file(settings)
    with services(settings) as all_services:
        accounts = all_services.accounts
        users = accounts.all()
        if not users:
            password = load_or_make(waiting)
            accounts.add(FIRST_ADMINISTRATOR, password, Role.OPERATOR, must_change_password=True)
            return FirstAdministrator(FIRST_ADMINISTRATOR, password)
    administrators = [user for user in users if user.role is Role.OPERATOR] or list(users)
    first = next((user for user in administrators if user.email == FIRST_ADMINISTRATOR), administrators[0])
    if first.must_change_password and waiting.exists():
        return FirstAdministrator(first.email, waiting.read_text().strip())
    waiting.unlink(missing_ok=True)
    return FirstAdministrator(first.email, None)


def first_password_file(settings: Settings) -> Path:
    """Where the first administrator's one-time password waits until it has been changed."""
    return settings.secrets_dir / "first-password"


def gateway_key_file(settings: Settings) -> Path:
    """Where the key of the gateway beside the manager lies."""
    return settings.secrets_dir / "gateway-key"


def prepare(settings: Settings) -> None:
    """What has to stand before processes start: schema, secrets, the gateway beside the manager."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    upgrade_database(settings)
    load_or_make(web_secret_file(settings))
    key = load_or_make(gateway_key_file(settings))
    with services(settings) as all_services:
        all_services.gateways.ensure_gateway(LOCAL_GATEWAY, settings.gateway_url, key)


def web_secret_file(settings: Settings) -> Path:
    """Where the key that signs the portal's cookies lies."""
    return settings.secrets_dir / "web-key"
