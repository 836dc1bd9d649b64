"""``yunzhuo organization``: tenants, on this installation's own behalf."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.organizations import OrganizationView

organization_option = click.option("--organization", metavar="NAME", help="The organization; without it the first one.")


@contextmanager
def acting_in(context: CommandContext, name: str | None) -> Iterator[tuple[Services, Actor]]:
    """The services, and the installation itself as the one who asks in this organization (None: the first one)."""
    with services(context.settings()) as all_services:
        known = all_services.organizations.by_name(name) if name else all_services.accounts.default_organization_id()
        yield all_services, installation(known)


@click.group(cls=Group)
def organization() -> None:
    """Organizations: tenants that know nothing of each other."""


@organization.command("list")
@pass_context
def list_organizations(context: CommandContext) -> None:
    """Show all organizations."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.organizations.list(itself)
    rows = [(each.name, each.users, each.desktops, "disabled" if each.is_disabled else "") for each in found]
    text = table(("NAME", "USERS", "DESKTOPS", ""), rows)
    print_answer({"items": [as_data(each) for each in found]}, text, as_json=context.json_output)


@organization.command()
@click.argument("name")
@pass_context
def add(context: CommandContext, name: str) -> None:
    """Make an organization."""
    with acting_in(context, None) as (all_services, itself):
        made = all_services.organizations.create(itself, name)
    print_answer(as_data(made), f"The organization {made.name} was made.", as_json=context.json_output)


@organization.command()
@click.argument("name")
@click.argument("new_name")
@pass_context
def rename(context: CommandContext, name: str, new_name: str) -> None:
    """Give an organization another name."""
    with acting_in(context, None) as (all_services, itself):
        changed = all_services.organizations.rename(itself, all_services.organizations.by_name(name), new_name)
    print_answer(as_data(changed), f"{name} is called {changed.name} now.", as_json=context.json_output)


@organization.command()
@click.argument("name")
@pass_context
def disable(context: CommandContext, name: str) -> None:
    """Let nobody of an organization in; its sessions and tokens end at once."""
    with acting_in(context, None) as (all_services, itself):
        changed = all_services.organizations.disable(itself, all_services.organizations.by_name(name))
    print_answer(as_data(changed), f"{changed.name} is disabled.", as_json=context.json_output)


@organization.command()
@click.argument("name")
@pass_context
def enable(context: CommandContext, name: str) -> None:
    """Let the people of a disabled organization in again."""
    with acting_in(context, None) as (all_services, itself):
        changed = all_services.organizations.enable(itself, all_services.organizations.by_name(name))
    print_answer(as_data(changed), f"{changed.name} is enabled.", as_json=context.json_output)


def as_data(view: OrganizationView) -> dict[str, object]:
    """An organization for programs."""
    return {
        "id": view.id,
        "name": view.name,
        "disabled": view.is_disabled,
        "users": view.users,
        "desktops": view.desktops,
        "created_at": view.created_at.isoformat(),
    }
