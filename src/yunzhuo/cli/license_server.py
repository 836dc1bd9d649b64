"""``yunzhuo license server`` and what a vendor does with it from a terminal, on the server's own behalf."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from yunzhuo.cli.context import Command, CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import supervised_option
from yunzhuo.cli.tables import table
from yunzhuo.license import assembly, deploying, schema
from yunzhuo.license.deploying import UNIT, Place, Wish
from yunzhuo.license.keys import KeyCabinet, KeyView
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import Conflict, Forbidden
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services import backup as backups
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.rules.licensing import Feature

_LIMITS = tuple(Limits.model_fields)
_DAY = click.DateTime(["%Y-%m-%d"])
_FEATURE = click.Choice(list(Feature))
_FILE = click.Path(path_type=Path, dir_okay=False)
_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@contextmanager
def acting(context: CommandContext) -> Iterator[tuple[assembly.LicenseServices, Actor]]:
    """The license server's services, and the server itself as the one who asks."""
    settings = context.settings()
    assembly.upgrade_database(settings)
    with assembly.license_services(settings) as all_services:
        yield all_services, installation(all_services.accounts.accounts.default_organization_id())


@click.command("server", cls=Command)
@supervised_option
@pass_context
def server(context: CommandContext, supervised: bool) -> int:
    """Run the vendor's license server."""
    from yunzhuo.license import server as process  # noqa: PLC0415 (the other commands do without Flask)

    return process.run(context.settings(), supervised)


@click.command(cls=Command)
@click.argument("administrator")
@click.option("--url", "public_url", default="", help="What browsers are told: https://licenses.vendor.example")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@click.option("--certificate", type=_THERE, help="Certificate chain (PEM), to speak HTTPS itself; else a proxy does.")
@click.option("--key", type=_THERE, help="The certificate's private key (PEM).")
@click.option("--user", default="yunzhuo-license", show_default=True, help="The user of this computer that it runs as.")
@click.option("--config-dir", default="/etc/yunzhuo", show_default=True, type=_FOLDER)
@click.option("--state-dir", default="/var/lib/yunzhuo-license", show_default=True, type=_FOLDER)
@click.option("--unit-dir", default="/etc/systemd/system", show_default=True, type=_FOLDER)
@click.option("--sysusers-dir", default="/etc/sysusers.d", show_default=True, type=_FOLDER)
@pass_context
def deploy(context: CommandContext, /, administrator: str, **said: Any) -> None:
    """Make a license server ready on this computer, for a service of systemd; again: bring it to this release.

    ADMINISTRATOR is the address of the vendor's first administrator. What is there stays: settings and passphrase are written
    once, and the database is backed up before it is brought to this release.
    """
    config, state, units, users = (said[name].absolute() for name in ("config_dir", "state_dir", "unit_dir", "sysusers_dir"))
    certificate, key = (said[name].absolute() if said[name] else None for name in ("certificate", "key"))
    wish = Wish(said["public_url"], said["host"], said["port"], certificate, key)
    place = Place(config, state, units, users, said["user"])
    try:
        done = deploying.deploy(place, wish, administrator, SystemClock())
    except PermissionError as error:
        raise Forbidden("not_root", f"This user may not write {error.filename}; run it as root.") from error
    access = done.administrator
    data = {
        "written": list(map(str, done.written)),
        "kept": list(map(str, done.kept)),
        "backup": str(done.backup) if done.backup else None,
        "key": done.key_id,
        "administrator": {"email": access.user.email, "one_time_password": access.one_time_password} if access else None,
    }
    lines = [f"written  {path}" for path in done.written] + [f"kept     {path}" for path in done.kept]
    lines += [f"backup   {done.backup}"] if done.backup else []
    lines += [f"{access.user.email} comes in once with the password {access.one_time_password}"] if access else []
    again = "" if done.has_user else f"systemd-sysusers && yunzhuo license deploy {administrator} && "
    lines.append(f"Then: {again}systemctl daemon-reload && systemctl enable --now {UNIT} (or restart)")
    print_answer(data, "\n".join(lines), as_json=context.json_output)


@click.group(cls=Group)
def db() -> None:
    """The license server's database."""


@db.command()
@pass_context
def upgrade(context: CommandContext) -> None:
    """Bring it to the schema of this release; twice is harmless."""
    assembly.upgrade_database(context.settings())
    print_answer({"ok": True}, "The license server's database is at this release's schema.", as_json=context.json_output)


@click.command(cls=Command)
@click.argument("file", type=_FILE)
@pass_context
def backup(context: CommandContext, file: Path) -> None:
    """Write the license server's database, keys and secrets into FILE (tar.gz), while it runs or not.

    FILE holds the signing keys: keep it as you keep them. The passphrase is not in it.
    """
    settings = assembly.own_settings(context.settings())
    made = backups.back_up(settings, file, (), SystemClock(), schema.OWN_TABLES)
    rows = sum(made.tables.values())
    text = f"{file}: {rows} rows of {len(made.tables)} tables, {len(made.secrets)} secrets, at release {made.version}."
    print_answer({"file": str(file), "rows": rows, "tables": made.tables}, text, as_json=context.json_output)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_context
def restore(context: CommandContext, file: Path) -> None:
    """Make a license server from FILE where there is none; older releases' backups, too."""
    settings = assembly.own_settings(context.settings())
    if _cabinet(context).list():
        raise Conflict("not_empty", "There are signing keys here already; a backup is restored where there are none.")
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = backups.restore(settings, file, schema.OWN_TABLES)
    rows = sum(made.tables.values())
    print_answer(
        {"rows": rows, "made_at": made.made_at}, f"Restored: {rows} rows of {made.made_at}.", as_json=context.json_output
    )


@click.group(cls=Group)
def keys() -> None:
    """The vendor's signing keys."""


@keys.command("list")
@pass_context
def list_keys(context: CommandContext) -> None:
    """Show all keys, the newest first."""
    found = _cabinet(context).list()
    rows = [(key.id, f"{key.made_at:%Y-%m-%d}", _key_state(key)) for key in found]
    text = table(("KEY", "MADE", "STATE"), rows)
    print_answer({"items": [asdict(key) for key in found]}, text, as_json=context.json_output)


@keys.command()
@pass_context
def create(context: CommandContext) -> None:
    """Make the first signing key."""
    _print_key(context, _cabinet(context).create())


@keys.command()
@pass_context
def rotate(context: CommandContext) -> None:
    """Make another key, which signs from now on where a build knows it; older ones stay good."""
    _print_key(context, _cabinet(context).rotate())


@keys.command()
@click.argument("key_id")
@pass_context
def retire(context: CommandContext, key_id: str) -> None:
    """Sign nothing with a key any more; its private half is deleted."""
    _print_key(context, _cabinet(context).retire(key_id))


@keys.command()
@pass_context
def pin(context: CommandContext) -> None:
    """Print what a build that trusts these keys has in vendor_pin.json."""
    click.echo(_cabinet(context).pin(), nl=False)


def _cabinet(context: CommandContext) -> KeyCabinet:
    return assembly.key_cabinet(context.settings(), SystemClock())


def _key_state(key: KeyView) -> str:
    if key.retired_at is not None:
        return "retired"
    return "signs" if key.signs else "good"


def _print_key(context: CommandContext, key: KeyView) -> None:
    print_answer(asdict(key), f"{key.id} {_key_state(key)}\n{key.public_key}", as_json=context.json_output)
