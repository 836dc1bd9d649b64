"""``yunzhuo organization``: tenants, on this installation's own behalf."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.organizations import OrganizationView
from yunzhuo.services.projects import Placing, ProjectView

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
    rows = [
        (each.name, each.users, each.desktops, each.placing.value, "disabled" if each.is_disabled else "") for each in found
    ]
    text = table(("NAME", "USERS", "DESKTOPS", "PROJECT", ""), rows)
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


@organization.command()
@click.argument("name")
@pass_context
def show(context: CommandContext, name: str) -> None:
    """Show an organization, and where its things are in the cloud."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.organizations.get(itself, all_services.organizations.by_name(name))
        project = all_services.projects.get(itself, found.id)
    lines = [
        f"{found.name}: {found.users} users, {found.desktops} desktops{', disabled' if found.is_disabled else ''}",
        *_project_lines(project),
    ]
    data = {**as_data(found), "project": _project_data(project)}
    print_answer(data, "\n".join(lines), as_json=context.json_output)


@organization.command("make-project")
@click.argument("name")
@pass_context
def make_project(context: CommandContext, name: str) -> None:
    """Give an organization a project of its own in the cloud: what is new is made there, what is there stays where it is."""
    with acting_in(context, None) as (all_services, itself):
        project = all_services.projects.make(itself, all_services.organizations.by_name(name))
    print_answer(_project_data(project), "\n".join(_project_lines(project)), as_json=context.json_output)


@organization.command("delete-project")
@click.argument("name")
@pass_context
def delete_project(context: CommandContext, name: str) -> None:
    """Take a disabled organization's own project away, which has to be empty."""
    with acting_in(context, None) as (all_services, itself):
        all_services.projects.delete(itself, all_services.organizations.by_name(name))
    print_answer({}, f"{name} has no project of its own.", as_json=context.json_output)


_PLACINGS = {
    Placing.SHARED: "In the project that all share.",
    Placing.COMING: "A project of its own is still to be made.",
    Placing.OWN: "In a project of its own:",
}


def _project_lines(project: ProjectView) -> list[str]:
    lines = [_PLACINGS[project.placing]]
    if project.id is not None:
        lines.append(f"  {project.name} ({project.id}){'' if project.is_enabled else ', closed in the cloud'}")
    for kind, use in (project.quota or {}).items():
        lines.append(f"  {kind.value}: {use.used} of {'no limit' if use.most is None else use.most}")
    if project.elsewhere:
        lines.append(f"{project.elsewhere} desktops are elsewhere, as they were made before.")
    return lines


def _project_data(project: ProjectView) -> dict[str, object]:
    quota = {kind.value: {"used": use.used, "most": use.most} for kind, use in (project.quota or {}).items()}
    return {
        "placing": project.placing.value,
        "id": project.id,
        "name": project.name,
        "is_enabled": project.is_enabled,
        "elsewhere": project.elsewhere,
        "quota": quota or None,
    }


def as_data(view: OrganizationView) -> dict[str, object]:
    """An organization for programs."""
    return {
        "id": view.id,
        "name": view.name,
        "disabled": view.is_disabled,
        "users": view.users,
        "desktops": view.desktops,
        "placing": view.placing.value,
        "project_id": view.project_id,
        "created_at": view.created_at.isoformat(),
    }
