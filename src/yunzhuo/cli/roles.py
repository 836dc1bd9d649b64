"""``yunzhuo role``: what roles may, and roles of an organization's own."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.quotas import find_group
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.roles import RoleView
from yunzhuo.services.verbs import VERBS


@click.group(cls=Group)
def role() -> None:
    """Roles: what people may."""


@role.command()
@pass_context
def verbs(context: CommandContext) -> None:
    """Show all verbs that roles are made of."""
    print_answer(dict(VERBS), table(("VERB", "MEANING"), list(VERBS.items())), as_json=context.json_output)


@role.command("list")
@organization_option
@pass_context
def list_roles(context: CommandContext, organization: str | None) -> None:
    """Show the built-in roles and the organization's own."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.roles.list(itself)
    data = [{"name": each.name, "built_in": each.is_built_in, "grants": dict(each.grants)} for each in found]
    rows = [(each.name, len(each.grants), "built in" if each.is_built_in else "") for each in found]
    print_answer({"items": data}, table(("NAME", "VERBS", ""), rows), as_json=context.json_output)


@role.command()
@organization_option
@click.argument("name")
@click.argument("grants", nargs=-1, required=True)
@pass_context
def add(context: CommandContext, name: str, grants: tuple[str, ...], organization: str | None) -> None:
    """Put a role together; each of GRANTS is VERB=SCOPE, with the scope own, group or organization."""
    wanted = dict(grant.partition("=")[::2] for grant in grants)
    with acting_in(context, organization) as (all_services, itself):
        made = all_services.roles.create(itself, name, wanted)
    print_answer({"id": made.id, "name": made.name}, f"The role {made.name} was made.", as_json=context.json_output)


@role.command()
@organization_option
@click.argument("name")
@pass_context
def delete(context: CommandContext, name: str, organization: str | None) -> None:
    """Delete a role of the organization's own."""
    with acting_in(context, organization) as (all_services, itself):
        all_services.roles.delete(itself, _found(all_services, itself, name).id)
    print_answer({"name": name}, f"The role {name} is deleted.", as_json=context.json_output)


@role.command()
@organization_option
@click.option("--user", metavar="EMAIL", help="To this person.")
@click.option("--group", "group_name", metavar="NAME", help="To the people of this group.")
@click.option("--withdraw", is_flag=True, help="Take it away instead.")
@click.argument("name")
@pass_context
def grant(
    context: CommandContext, name: str, user: str | None, group_name: str | None, withdraw: bool, organization: str | None
) -> None:
    """Give a role of the organization's own to a person or a group."""
    if (user is None) == (group_name is None):
        raise click.UsageError("Say --user or --group.")
    with acting_in(context, organization) as (all_services, itself):
        found = _found(all_services, itself, name)
        if user is not None:
            holder = all_services.accounts.by_email(user).id
        else:
            holder = find_group(all_services, itself, group_name or "").id
        (all_services.roles.withdraw if withdraw else all_services.roles.grant)(itself, found.id, holder)
    text = f"{user or group_name} {'no longer has' if withdraw else 'has'} the role {name}."
    print_answer({"role": name, "holder": holder, "withdrawn": withdraw}, text, as_json=context.json_output)


def _found(all_services: Services, itself: Actor, name: str) -> RoleView:
    for each in all_services.roles.list(itself):
        if each.name == name and not each.is_built_in:
            return each
    raise NotFound("role_not_found", f"There is no role {name} of the organization's own.")
