"""``yunzhuo license server`` and what a vendor does with it from a terminal, on the server's own behalf."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from yunzhuo.cli.context import Command, CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.processes import supervised_option
from yunzhuo.cli.tables import table
from yunzhuo.license import assembly, schema
from yunzhuo.license.installations import InstallationView, NewCode, Terms
from yunzhuo.license.keys import KeyCabinet, KeyView
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.clock import SystemClock
from yunzhuo.phoenix.common.errors import Conflict, NotFound
from yunzhuo.phoenix.security import sealed
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services import backup as backups
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.people import NewAccess

_LIMITS = tuple(Limits.model_fields)
_DAY = click.DateTime(["%Y-%m-%d"])
_FILE = click.Path(path_type=Path, dir_okay=False)


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


@click.group(cls=Group)
def administrator() -> None:
    """The vendor's own people."""


@administrator.command("add")
@click.argument("email")
@pass_context
def add_administrator(context: CommandContext, email: str) -> None:
    """Give somebody of the vendor an account, with a password to come in with once."""
    with acting(context) as (all_services, itself):
        _print_access(context, all_services.customers.add_vendor(itself, email))


@click.group(cls=Group)
def customer() -> None:
    """Customers and their people."""


@customer.command("list")
@pass_context
def list_customers(context: CommandContext) -> None:
    """Show all customers."""
    with acting(context) as (all_services, itself):
        found = all_services.customers.list(itself)
    rows = [(each.id, each.name, each.users, "disabled" if each.is_disabled else "") for each in found]
    data = {"items": [{"id": each.id, "name": each.name, "contacts": each.users} for each in found]}
    print_answer(data, table(("ID", "NAME", "PEOPLE", ""), rows), as_json=context.json_output)


@customer.command("add")
@click.argument("name")
@click.option("--contact", metavar="EMAIL", help="Give somebody of theirs an account, too.")
@click.option("--language", help="The language of that person (en, zh_CN).")
@pass_context
def add_customer(context: CommandContext, name: str, contact: str | None, language: str | None) -> None:
    """Make a customer."""
    with acting(context) as (all_services, itself):
        made = all_services.customers.create(itself, name)
        access = all_services.customers.add_contact(itself, made.id, contact, language=language) if contact else None
    data = {"id": made.id, "name": made.name, "contact": _access_data(access) if access else None}
    text = f"{made.name} is customer {made.id}." + (f"\n{_access_text(access)}" if access else "")
    print_answer(data, text, as_json=context.json_output)


@click.group("installation", cls=Group)
def installations() -> None:
    """Installations of customers and their licenses."""


@installations.command("list")
@pass_context
def list_installations(context: CommandContext) -> None:
    """Show all installations."""
    with acting(context) as (all_services, itself):
        found = all_services.installations.list(itself)
        names = {each.id: each.name for each in all_services.customers.list(itself)}
    rows = [
        (each.id, names.get(each.customer_id, "-"), each.name, each.state, f"{each.terms.expires_at:%Y-%m-%d}", _sign(each))
        for each in found
    ]
    text = table(("ID", "CUSTOMER", "NAME", "STATE", "UNTIL", ""), rows)
    print_answer({"items": [as_data(each) for each in found]}, text, as_json=context.json_output)


@installations.command("add")
@click.argument("customer_name")
@click.argument("name")
@click.option("--days", default=365, show_default=True, help="How long the license counts from now on.")
@click.option("--edition", default="standard", show_default=True)
@click.option("--feature", "features", multiple=True)
@click.option("--limit", "limits", multiple=True, metavar="NAME=NUMBER", help=f"Of {', '.join(_LIMITS)}.")
@click.option("--grace-days", default=14, show_default=True)
@click.option("--moves", default=2, show_default=True, help="How often it may go to another computer.")
@pass_context
def add_installation(context: CommandContext, /, customer_name: str, name: str, moves: int, **said: Any) -> None:
    """Make an installation of a customer's, and print the code that it activates itself with."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=said["days"])
    terms = Terms(said["edition"], said["features"], _limits(said["limits"]), now, until, said["grace_days"])
    with acting(context) as (all_services, itself):
        owner = next((each for each in all_services.customers.list(itself) if each.name == customer_name), None)
        if owner is None:
            raise NotFound("customer_not_found", f"There is no customer {customer_name}.")
        made = all_services.installations.create(itself, owner.id, name, terms, moves_allowed=moves)
    _print_code(context, made)


@installations.command("change")
@click.argument("installation_id")
@click.option("--until", type=_DAY, help="Renew it: the last day, as 2027-08-31 (UTC).")
@click.option("--limit", "limits", multiple=True, metavar="NAME=NUMBER", help="All limits that it is to have from now on.")
@click.option("--no-limits", is_flag=True, help="Take all limits away.")
@click.option("--grace-days", type=int)
@click.option("--edition")
@click.option("--moves", type=int, help="How often it may go to another computer, all in all.")
@pass_context
def change_installation(context: CommandContext, /, installation_id: str, moves: int | None, **said: Any) -> None:
    """Renew an installation, or let it do something else; an active one gets another license at once."""
    with acting(context) as (all_services, itself):
        present = all_services.installations.get(itself, installation_id).terms
        until = said["until"].replace(tzinfo=UTC) + timedelta(days=1) if said["until"] else present.expires_at
        limits = _limits(said["limits"]) if said["limits"] or said["no_limits"] else present.limits
        grace = present.grace_days if said["grace_days"] is None else said["grace_days"]
        terms = Terms(said["edition"] or present.edition, present.features, limits, present.starts_at, until, grace)
        changed = all_services.installations.change(itself, installation_id, terms, moves_allowed=moves)
    _print_installation(context, changed)


@installations.command()
@click.argument("installation_id")
@click.argument("action", type=click.Choice([Act.ISSUE.value, Act.SUSPEND.value, Act.RESUME.value, Act.REVOKE.value]))
@pass_context
def act(context: CommandContext, installation_id: str, action: str) -> None:
    """Issue another license, suspend, resume or revoke."""
    with acting(context) as (all_services, itself):
        _print_installation(context, all_services.installations.act(itself, installation_id, Act(action)))


@installations.command()
@click.argument("installation_id")
@click.argument("file", type=_FILE)
@pass_context
def bind(context: CommandContext, installation_id: str, file: Path) -> None:
    """Bind an installation to the host of this host-info file, or move it there."""
    document = file.read_bytes()[: sealed.MAX_BYTES + 1]
    with acting(context) as (all_services, itself):
        _print_installation(context, all_services.installations.take_host_info(itself, installation_id, document))


@installations.command()
@click.argument("installation_id")
@pass_context
def code(context: CommandContext, installation_id: str) -> None:
    """Print another code for automatic activation; an active installation is moved by it."""
    with acting(context) as (all_services, itself):
        _print_code(context, all_services.installations.new_code(itself, installation_id))


@installations.command()
@click.argument("installation_id")
@pass_context
def forgive(context: CommandContext, installation_id: str) -> None:
    """Let the next computer that comes with the key be the one that counts."""
    with acting(context) as (all_services, itself):
        _print_installation(context, all_services.installations.forgive_clone(itself, installation_id))


@installations.command("license")
@click.argument("installation_id")
@click.option("--out", "file", type=_FILE, required=True, help="File to write.")
@pass_context
def license_file(context: CommandContext, installation_id: str, file: Path) -> None:
    """Write the newest license into a file, for the customer to upload."""
    with acting(context) as (all_services, itself):
        file.write_bytes(all_services.installations.license_file(itself, installation_id))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


@installations.command()
@click.argument("installation_id")
@pass_context
def history(context: CommandContext, installation_id: str) -> None:
    """Show every license that it was given."""
    with acting(context) as (all_services, itself):
        found = all_services.installations.licenses(itself, installation_id)
    rows = [
        (each.serial, f"{each.issued_at:%Y-%m-%d %H:%M}", each.reason, f"{each.expires_at:%Y-%m-%d}", each.signed_by[:8])
        for each in found
    ]
    text = table(("SERIAL", "ISSUED", "WHY", "UNTIL", "KEY"), rows)
    print_answer({"items": [asdict(each) for each in found]}, text, as_json=context.json_output)


def as_data(view: InstallationView) -> dict[str, Any]:
    """An installation for programs."""
    terms = asdict(view.terms) | {"limits": view.terms.limits.model_dump(exclude_none=True)}
    return {**asdict(view), "terms": terms}


def _cabinet(context: CommandContext) -> KeyCabinet:
    return assembly.key_cabinet(context.settings(), SystemClock())


def _key_state(key: KeyView) -> str:
    if key.retired_at is not None:
        return "retired"
    return "signs" if key.signs else "good"


def _print_key(context: CommandContext, key: KeyView) -> None:
    print_answer(asdict(key), f"{key.id} {_key_state(key)}\n{key.public_key}", as_json=context.json_output)


def _limits(said: tuple[str, ...]) -> Limits:
    found: dict[str, int] = {}
    for each in said:
        name, _, number = each.partition("=")
        if name not in _LIMITS or not number.isdecimal():
            raise click.BadParameter(f"{each}: write NAME=NUMBER, of {', '.join(_LIMITS)}.")
        found[name] = int(number)
    return Limits(**found)


def _sign(view: InstallationView) -> str:
    return "clone seen" if view.clone_seen_at else ""


def _print_installation(context: CommandContext, view: InstallationView) -> None:
    limits = json.dumps(view.terms.limits.model_dump(exclude_none=True))
    text = f"{view.name}: {view.state}, serial {view.serial}, until {view.terms.expires_at:%Y-%m-%d}, limits {limits}"
    print_answer(as_data(view), text, as_json=context.json_output)


def _print_code(context: CommandContext, made: NewCode) -> None:
    data = {"installation": as_data(made.installation), "code": made.code}
    text = (
        f"{made.installation.name} is installation {made.installation.id}.\nIts activation code, shown this once: {made.code}"
    )
    print_answer(data, text, as_json=context.json_output)


def _access_data(access: NewAccess) -> dict[str, object]:
    return {"email": access.user.email, "one_time_password": access.one_time_password}


def _access_text(access: NewAccess) -> str:
    return f"{access.user.email} comes in once with the password {access.one_time_password}"


def _print_access(context: CommandContext, access: NewAccess) -> None:
    print_answer(_access_data(access), _access_text(access), as_json=context.json_output)
