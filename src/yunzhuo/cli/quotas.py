"""``yunzhuo quota`` and ``yunzhuo group``: how much there is for whom, and people under a name."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.assembly import Services
from yunzhuo.services.groups import GroupView
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.usage import MAX_DAYS

_RESOURCE = click.Choice([resource.value for resource in Resource])


@click.group(cls=Group)
def quota() -> None:
    """How much there is for whom."""


@quota.command()
@click.argument("email")
@pass_context
def show(context: CommandContext, email: str) -> None:
    """Show all that limits a person."""
    with acting_in(context, None) as (all_services, _):
        person = all_services.accounts.by_email(email)
        found = all_services.quotas.of_user(installation(person.organization_id), person.id)
    rows = [(each.resource, each.subject, each.used, "-" if each.most is None else each.most) for each in found]
    data = [{"resource": each.resource, "of": each.subject, "used": each.used, "most": each.most} for each in found]
    print_answer({"items": data}, table(("RESOURCE", "OF", "USED", "MOST"), rows), as_json=context.json_output)


@quota.command("list")
@organization_option
@pass_context
def list_quotas(context: CommandContext, organization: str | None) -> None:
    """Show the quotas that were set."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.quotas.list(itself)
    rows = [(each.subject, each.subject_name, each.resource, each.most) for each in found]
    data = [{"of": row[0], "name": row[1], "resource": row[2], "most": row[3]} for row in rows]
    print_answer({"items": data}, table(("OF", "NAME", "RESOURCE", "MOST"), rows), as_json=context.json_output)


@quota.command("set")
@click.option("--user", metavar="EMAIL", help="For this person.")
@click.option("--group", "group_name", metavar="NAME", help="For the people of this group together.")
@organization_option
@click.argument("resource", type=_RESOURCE)
@click.argument("most")
@pass_context
def set_quota(
    context: CommandContext, user: str | None, group_name: str | None, organization: str | None, resource: str, most: str
) -> None:
    """Say how much of RESOURCE there is for a person, a group, or else the organization; MOST none takes the limit away."""
    if user and group_name:
        raise click.UsageError("Say --user or --group, not both.")
    if most != "none" and not most.isdecimal():
        raise click.UsageError("MOST is a whole number, or none.")
    with acting_in(context, organization) as (all_services, itself):
        subject, subject_id = Subject.ORGANIZATION, itself.organization_id
        if user:
            subject, subject_id = Subject.USER, all_services.accounts.by_email(user).id
        elif group_name:
            subject, subject_id = Subject.GROUP, find_group(all_services, itself, group_name).id
        all_services.quotas.put(itself, subject, subject_id, Resource(resource), None if most == "none" else int(most))
    print_answer({"of": subject, "resource": resource, "most": most}, "The quota is set.", as_json=context.json_output)


@quota.command()
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=30, show_default=True, help="Today and the days before it.")
@click.option("--user", metavar="EMAIL", help="Only this person's.")
@organization_option
@pass_context
def usage(context: CommandContext, days: int, user: str | None, organization: str | None) -> None:
    """Show what was used, day by day (UTC)."""
    with acting_in(context, organization) as (all_services, itself):
        person = all_services.accounts.by_email(user) if user else None
        asker = installation(person.organization_id) if person and not organization else itself
        found = all_services.usage.days(asker, days=days, user_id=person.id if person else None)
    data = [
        {
            "day": each.day.isoformat(),
            "desktops": each.desktops,
            "running_hours": round(each.running_hours, 2),
            "vcpu_hours": round(each.vcpu_seconds / 3600, 2),
            "memory_gib_hours": round(each.memory_mib_seconds / 1024 / 3600, 2),
        }
        for each in found
    ]
    text = table(("DAY", "DESKTOPS", "RUNNING HOURS", "VCPU HOURS", "GIB HOURS"), [tuple(each.values()) for each in data])
    print_answer({"items": data}, text, as_json=context.json_output)


@click.group(cls=Group)
def group() -> None:
    """Groups: people under a name."""


@group.command("list")
@organization_option
@pass_context
def list_groups(context: CommandContext, organization: str | None) -> None:
    """Show all groups."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.groups.list(itself)
    data = [{"id": each.id, "name": each.name, "members": each.members} for each in found]
    text = table(("NAME", "MEMBERS"), [(each.name, each.members) for each in found])
    print_answer({"items": data}, text, as_json=context.json_output)


@group.command()
@organization_option
@click.argument("name")
@pass_context
def add(context: CommandContext, name: str, organization: str | None) -> None:
    """Make a group."""
    with acting_in(context, organization) as (all_services, itself):
        made = all_services.groups.create(itself, name)
    print_answer({"id": made.id, "name": made.name}, f"The group {made.name} was made.", as_json=context.json_output)


@group.command()
@organization_option
@click.argument("name")
@pass_context
def delete(context: CommandContext, name: str, organization: str | None) -> None:
    """Delete a group; its people stay."""
    with acting_in(context, organization) as (all_services, itself):
        all_services.groups.delete(itself, find_group(all_services, itself, name).id)
    print_answer({"name": name}, f"The group {name} is deleted.", as_json=context.json_output)


@group.command()
@organization_option
@click.argument("name")
@pass_context
def members(context: CommandContext, name: str, organization: str | None) -> None:
    """Show who is in a group."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.groups.members(itself, find_group(all_services, itself, name).id)
    data = [{"email": each.email, "is_owner": each.is_owner} for each in found]
    text = table(("ADDRESS", ""), [(each.email, "owner" if each.is_owner else "") for each in found])
    print_answer({"items": data}, text, as_json=context.json_output)


@group.command()
@organization_option
@click.option("--owner", is_flag=True, help="They look after the others.")
@click.option("--remove", is_flag=True, help="Take them out instead.")
@click.argument("name")
@click.argument("email")
@pass_context
def put(context: CommandContext, name: str, email: str, owner: bool, remove: bool, organization: str | None) -> None:
    """Put a person into a group."""
    with acting_in(context, organization) as (all_services, itself):
        group_id, user_id = find_group(all_services, itself, name).id, all_services.accounts.by_email(email).id
        if remove:
            all_services.groups.drop_member(itself, group_id, user_id)
        else:
            all_services.groups.put_member(itself, group_id, user_id, is_owner=owner)
    text = f"{email} is {'no longer ' if remove else ''}in {name}."
    print_answer({"group": name, "email": email, "removed": remove}, text, as_json=context.json_output)


def find_group(all_services: Services, itself: Actor, name: str) -> GroupView:
    """The group with this name. Raises NotFound."""
    for each in all_services.groups.list(itself):
        if each.name == name:
            return each
    raise NotFound("group_not_found", f"There is no group {name}.")
