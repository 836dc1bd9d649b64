"""The license server's wiring: the accounts of ``services`` on a database of its own, and what only this server does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yunzhuo.license import schema
from yunzhuo.license.activation import ActivationService
from yunzhuo.license.customers import CustomerService
from yunzhuo.license.exchange import ExchangeService
from yunzhuo.license.installations import InstallationService
from yunzhuo.license.issuing import Issuer
from yunzhuo.license.keys import KeyCabinet
from yunzhuo.license.notices import Notices
from yunzhuo.phoenix.common.clock import Clock, SystemClock
from yunzhuo.phoenix.config.settings import CloudSettings, DatabaseSettings, QueueSettings, Settings
from yunzhuo.phoenix.db.session import Database
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.audit import AuditLog


@dataclass(frozen=True, slots=True)
class LicenseServices:
    """Everything that the license server can do. ``accounts`` are the services that it shares with installations."""

    settings: Settings
    accounts: Services
    activation: ActivationService
    customers: CustomerService
    exchange: ExchangeService
    installations: InstallationService
    keys: KeyCabinet
    notices: Notices


def own_settings(settings: Settings) -> Settings:
    """The settings as the license server sees them: a state folder, a database and an address of its own, and no machines."""
    server = settings.license_server
    return settings.model_copy(
        update={
            "home": settings.home / "license",
            "database": DatabaseSettings(url=server.database_url, pool_size=settings.database.pool_size),
            "cloud": CloudSettings(driver="memory"),
            # Links in letters and passkeys are of this server's own pages; nobody registers with a vendor.
            "web": settings.web.model_copy(update={"public_url": settings.license_server_url}),
            "accounts": settings.accounts.model_copy(update={"registration": "closed"}),
            # Nobody takes messages here: what is due stands in the database, and this process looks.
            "queue": QueueSettings(url="memory://"),
        }
    )


def key_cabinet(settings: Settings, clock: Clock) -> KeyCabinet:
    """The signing keys; the passphrase is read from its file."""
    file = settings.license_server.passphrase_file
    passphrase = Path(file).read_text().strip() if file else None
    return KeyCabinet(own_settings(settings).secrets_dir, passphrase, clock)


def upgrade_database(settings: Settings) -> None:
    """Bring the license server's database to this release's schema. Twice is harmless."""
    own = own_settings(settings)
    own.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = Database(own.database_url)
    try:
        schema.upgrade(db)
    finally:
        db.close()


@contextmanager
def license_services(
    settings: Settings, *, clock: Clock | None = None, passwords: Passwords | None = None
) -> Iterator[LicenseServices]:
    """All services of one process of the license server; connections are given back at the end."""
    own, clock = own_settings(settings), clock or SystemClock()
    db = Database(own.database_url, pool_size=own.database.pool_size)
    try:
        # The vendor's own server needs no license, whatever is pinned.
        with services(own, clock=clock, passwords=passwords, pin=VendorPin()) as accounts:
            audit, keys = AuditLog(db, clock), key_cabinet(settings, clock)
            notices = Notices(db, accounts.outbox, clock)
            issuer = Issuer(keys, notices, clock)
            challenges = Keyring(load_or_make(own.secrets_dir / "challenge-key"))
            installations = InstallationService(db, issuer, audit, clock)
            customers = CustomerService(db, accounts, installations, audit, clock)
            yield LicenseServices(
                settings=settings,
                accounts=accounts,
                activation=ActivationService(db, issuer, keys, challenges, audit, clock),
                customers=customers,
                exchange=ExchangeService(db, accounts, customers, installations, audit, clock),
                installations=installations,
                keys=keys,
                notices=notices,
            )
    finally:
        db.close()


def web_secret_file(settings: Settings) -> Path:
    """Where the key lies that Flask signs with."""
    return own_settings(settings).secrets_dir / "web-key"
