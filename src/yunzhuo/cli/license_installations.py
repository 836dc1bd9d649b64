"""What a vendor does with installations and their licenses from a terminal, on the server's own behalf."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.license_server import acting
from yunzhuo.cli.tables import table
from yunzhuo.license.installations import InstallationView, NewCode, Terms
from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.phoenix.security import sealed
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services.rules.licensing import EDITIONS, Feature

_LIMITS = tuple(Limits.model_fields)
_DAY = click.DateTime(["%Y-%m-%d"])
_FEATURE = click.Choice([feature.value for feature in Feature])
_FILE = click.Path(path_type=Path, dir_okay=False)


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
@click.option("--edition", default="standard", show_default=True, help=f"{', '.join(EDITIONS)}, or a word of yours.")
@click.option("--feature", "features", multiple=True, type=_FEATURE, help="Beyond those of the edition.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=NUMBER", help=f"Of {', '.join(_LIMITS)}.")
@click.option("--grace-days", default=14, show_default=True)
@click.option("--moves", default=2, show_default=True, help="How often it may go to another computer.")
@pass_context
def add_installation(context: CommandContext, /, customer_name: str, name: str, moves: int, **said: Any) -> None:
    """Make an installation of a customer's, and print the code that it activates itself with."""
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=said["days"])
    features = _features(said["edition"], said["features"])
    terms = Terms(said["edition"], features, _limits(said["limits"]), now, until, said["grace_days"])
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
@click.option("--edition", help="Another edition, with its features.")
@click.option("--feature", "features", multiple=True, type=_FEATURE, help="All that it is to have beyond those of the edition.")
@click.option("--moves", type=int, help="How often it may go to another computer, all in all.")
@pass_context
def change_installation(context: CommandContext, /, installation_id: str, moves: int | None, **said: Any) -> None:
    """Renew an installation, or let it do something else; an active one gets another license at once."""
    with acting(context) as (all_services, itself):
        present = all_services.installations.get(itself, installation_id).terms
        until = said["until"].replace(tzinfo=UTC) + timedelta(days=1) if said["until"] else present.expires_at
        limits = _limits(said["limits"]) if said["limits"] or said["no_limits"] else present.limits
        grace = present.grace_days if said["grace_days"] is None else said["grace_days"]
        edition = said["edition"] or present.edition
        is_changed = said["features"] or edition != present.edition
        features = _features(edition, said["features"]) if is_changed else present.features
        terms = Terms(edition, features, limits, present.starts_at, until, grace)
        changed = all_services.installations.change(itself, installation_id, terms, moves_allowed=moves)
    _print_installation(context, changed)


@installations.command("delete")
@click.argument("installation_id")
@pass_context
def delete_installation(context: CommandContext, installation_id: str) -> None:
    """Delete an installation of which nothing counts any more; revoke it first."""
    with acting(context) as (all_services, itself):
        all_services.installations.delete(itself, installation_id)
    print_answer({"ok": True}, "Deleted; what was issued stays on record.", as_json=context.json_output)


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
@click.option("--serial", type=int, help="An earlier one of its history.")
@pass_context
def license_file(context: CommandContext, installation_id: str, file: Path, serial: int | None) -> None:
    """Write the newest license into a file, for the customer to upload."""
    with acting(context) as (all_services, itself):
        file.write_bytes(all_services.installations.license_file(itself, installation_id, serial))
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


def _limits(said: tuple[str, ...]) -> Limits:
    found: dict[str, int] = {}
    for each in said:
        name, _, number = each.partition("=")
        if name not in _LIMITS or not number.isdecimal():
            raise click.BadParameter(f"{each}: write NAME=NUMBER, of {', '.join(_LIMITS)}.")
        found[name] = int(number)
    return Limits(**found)


def _features(edition: str, beyond: Sequence[str]) -> Sequence[str]:
    chosen = {*EDITIONS.get(edition, ()), *beyond}
    return tuple(feature for feature in Feature if feature in chosen)


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
