"""A license server made ready on this computer, or brought to this release: settings, passphrase, database, key, first
administrator, and the unit that runs it. Twice is harmless: what is there and somebody's own stays."""

import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yunzhuo.license import schema, systemd_unit
from yunzhuo.license.assembly import license_services, own_settings, upgrade_database
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.ids import new_secret
from yunzhuo.phoenix.config.loader import load
from yunzhuo.phoenix.config.reference import toml_value
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services import backup
from yunzhuo.services.access import installation
from yunzhuo.services.people import NewAccess

UNIT = "yunzhuo-license.service"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a license server's files go, and which user of this computer it runs as."""

    config_dir: Path = Path("/etc/yunzhuo")
    state_dir: Path = Path("/var/lib/yunzhuo-license")
    unit_dir: Path = Path("/etc/systemd/system")
    sysusers_dir: Path = Path("/etc/sysusers.d")
    user: str = "yunzhuo-license"

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.config_dir / "license-server.toml"

    @property
    def passphrase(self) -> Path:
        """What the signing keys are encrypted with."""
        return self.config_dir / "license-passphrase"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the settings of a new server say; without a certificate a proxy on this computer speaks HTTPS."""

    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8090
    certificate: Path | None = None
    key: Path | None = None


@dataclass(slots=True)
class Deployed:
    """What was done. ``administrator`` is told this once, when there was none; ``backup`` is of what was there before."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    backup: Path | None = None
    administrator: NewAccess | None = None
    key_id: str = ""
    has_user: bool = False


def deploy(place: Place, wish: Wish, administrator: str, clock: Clock) -> Deployed:
    """Make a server ready, or bring it to this release with a backup of what was there. Raises InvalidInput for settings that
    cannot be, Conflict, and OSError where this user may not write."""
    done = Deployed()
    _keep_or_write(done, place.config, _settings_text(place, wish), 0o644)
    settings = load(place.config, {}, {})
    _keep_or_write(done, place.passphrase, new_secret() + "\n", 0o600)
    place.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    done.backup = _backed_up(settings, place.state_dir / "backups", clock)
    upgrade_database(settings)
    with license_services(settings, clock=clock) as all_services:
        itself = installation(all_services.accounts.accounts.default_organization_id())
        keys = [key for key in all_services.keys.list() if key.retired_at is None]
        done.key_id = keys[0].id if keys else all_services.keys.create().id
        if not all_services.customers.vendors(itself):
            done.administrator = all_services.customers.add_vendor(itself, administrator)
    _write(done, place.sysusers_dir / "yunzhuo-license.conf", systemd_unit.sysusers(place.user))
    port = settings.license_server.port
    _write(done, place.unit_dir / UNIT, systemd_unit.unit(place.config, place.state_dir, place.user, port=port))
    done.has_user = _give_to(place.user, [place.passphrase, place.state_dir])
    return done


def _settings_text(place: Place, wish: Wish) -> str:
    server = {
        "host": wish.host,
        "port": wish.port,
        "public_url": wish.public_url,
        "passphrase_file": str(place.passphrase),
        "trust_proxy": wish.certificate is None,
        "tls_certificate": str(wish.certificate or ""),
        "tls_key": str(wish.key or ""),
    }
    lines = [f"{name} = {toml_value(value)}" for name, value in server.items() if value != ""]
    head = "# The vendor's license server; every setting is in docs/reference/configuration.md.\n"
    return f"{head}home = {toml_value(str(place.state_dir))}\n\n[license_server]\n" + "\n".join(lines) + "\n"


def _backed_up(settings: Settings, folder: Path, clock: Clock) -> Path | None:
    """Everything as it was before this release, where there was something."""
    own = own_settings(settings)
    if not own.secrets_dir.exists():
        return None
    folder.mkdir(exist_ok=True, mode=0o700)
    file = folder / f"before-{clock.now():%Y%m%dT%H%M%S}.tar.gz"
    backup.back_up(own, file, (), clock, schema.OWN_TABLES)
    return file


def _keep_or_write(done: Deployed, path: Path, text: str, mode: int) -> None:
    if path.exists():
        done.kept.append(path)
    else:
        _write(done, path, text, mode)


def _write(done: Deployed, path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=mode)
    draft.write_text(text)
    draft.replace(path)
    done.written.append(path)


def _give_to(user: str, paths: Sequence[Path]) -> bool:
    """Let the user own these; False while there is no such user."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    for path in paths:
        for each in (path, *path.rglob("*")):
            shutil.chown(each, user, user)
    return True
