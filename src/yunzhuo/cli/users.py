"""``yunzhuo user``: accounts, on this installation's own behalf."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services import list_files
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.people import DesktopsOfDeleted, NewAccess

_MOST_TOLD = 20
ROLE = click.Choice([role.value for role in Role])


@click.group(cls=Group)
def user() -> None:
    """Accounts."""


@user.command()
@click.argument("email")
@click.option("--role", type=ROLE, default=Role.USER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--one-time", is_flag=True, help="Make a one-time password, to be changed at the first sign-in.")
@organization_option
@pass_context
def add(context: CommandContext, email: str, role: str, password_stdin: bool, one_time: bool, organization: str | None) -> None:
    """Make an account; it needs no confirmation."""
    password = None if one_time else _password(password_stdin)
    with acting_in(context, organization) as (all_services, itself):
        made = all_services.people.create(itself, email, Role(role), password=password)
    _print_access(context, made, f"{made.user.email} was added with the role {made.user.role}.")


@user.command("list")
@click.option("--search", metavar="TEXT", help="Only addresses with this in them.")
@click.option("--role", type=ROLE, help="Only people with this role.")
@click.option("--disabled", is_flag=True, help="Only disabled accounts.")
@pass_context
def list_users(context: CommandContext, search: str | None, role: str | None, disabled: bool) -> None:
    """Show all accounts."""
    with services(context.settings()) as all_services:
        users = [
            each
            for each in all_services.accounts.all()
            if (search or "").lower() in each.email and role in (None, each.role) and (each.is_disabled or not disabled)
        ]
    rows = [(each.email, each.role, "disabled" if each.is_disabled else "", f"{each.created_at:%Y-%m-%d}") for each in users]
    text = table(("ADDRESS", "ROLE", "", "SINCE"), rows)
    print_answer({"items": [as_data(each) for each in users]}, text, as_json=context.json_output)


@user.command()
@click.argument("email")
@pass_context
def disable(context: CommandContext, email: str) -> None:
    """Let nobody in by this account; its sessions and tokens end at once."""
    with about(context, email) as (all_services, itself, person):
        changed = all_services.people.disable(itself, person.id)
    print_answer(as_data(changed), f"{changed.email} is disabled.", as_json=context.json_output)


@user.command()
@click.argument("email")
@pass_context
def enable(context: CommandContext, email: str) -> None:
    """Let a disabled account in again."""
    with about(context, email) as (all_services, itself, person):
        changed = all_services.people.enable(itself, person.id)
    print_answer(as_data(changed), f"{changed.email} is enabled.", as_json=context.json_output)


@user.command()
@click.argument("email")
@pass_context
def reset(context: CommandContext, email: str) -> None:
    """Replace the password by a one-time one, shown this once; sessions and tokens end."""
    with about(context, email) as (all_services, itself, person):
        made = all_services.people.reset_password(itself, person.id)
    _print_access(context, made, f"{made.user.email} has a new one-time password.")


@user.command()
@click.argument("email")
@click.argument("role", type=ROLE)
@pass_context
def role(context: CommandContext, email: str, role: str) -> None:
    """Give a person another role."""
    with about(context, email) as (all_services, itself, person):
        changed = all_services.people.change_role(itself, person.id, Role(role))
    print_answer(as_data(changed), f"{changed.email} has the role {changed.role}.", as_json=context.json_output)


@user.command()
@click.argument("email")
@click.option("--delete-desktops", is_flag=True, help="Delete the person's desktops, too.")
@click.option("--hand-over-to", metavar="EMAIL", help="Give the person's desktops to this one.")
@click.option("--delete-disk", is_flag=True, help="Delete the person's own disk, too.")
@pass_context
def delete(context: CommandContext, email: str, delete_desktops: bool, hand_over_to: str | None, delete_disk: bool) -> None:
    """Delete an account; one with desktops or a personal disk needs an answer what happens to them."""
    if delete_desktops and hand_over_to:
        raise click.UsageError("Say --delete-desktops or --hand-over-to, not both.")
    with about(context, email) as (all_services, itself, person):
        answer = DesktopsOfDeleted() if delete_desktops else None
        if hand_over_to:
            answer = DesktopsOfDeleted(all_services.accounts.by_email(hand_over_to).id)
        try:
            operations = all_services.people.delete(itself, person.id, answer, with_disk=delete_disk)
        except Conflict as error:
            if error.code not in _ANSWERS:
                raise
            raise Conflict(error.code, f"{error.message} {_ANSWERS[error.code]}", **error.details) from error
    text = f"{person.email} is deleted." + (f" {len(operations)} desktops are being deleted." if operations else "")
    data = {"id": person.id, "email": person.email, "operations": [operation.id for operation in operations]}
    print_answer(data, text, as_json=context.json_output)


_ANSWERS = {
    "user_has_desktops": "Use --delete-desktops or --hand-over-to.",
    "user_has_personal_disk": "Use --delete-disk.",
}


@user.command("import")
@click.option("--dry-run", is_flag=True, help="Only say what would become of each line.")
@click.option("--passwords", type=click.Path(path_type=Path, dir_okay=False), help="Write the one-time passwords to this file.")
@organization_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_context
def import_users(context: CommandContext, file: Path, dry_run: bool, passwords: Path | None, organization: str | None) -> None:
    """Make the accounts of a CSV or XLSX file, all of them or none; the columns are email, role, groups, language."""
    with acting_in(context, organization) as (all_services, itself):
        report = all_services.people_import.run(itself, file.read_bytes(), _kind(file), dry_run=dry_run)
    if report.problems:
        told = [f"line {line.number} ({line.email}): {line.problem}" for line in report.problems[:_MOST_TOLD]]
        more = len(report.problems) - len(told)
        rest = f"\nand {more} more." if more else ""
        fields = {f"line {line.number}": str(line.problem) for line in report.problems}
        raise InvalidInput("Nobody was added.\n" + "\n".join(told) + rest, code="list_refused", fields=fields)
    pairs = [(each.user.email, each.one_time_password) for each in report.made]
    if passwords is not None and pairs:
        passwords.touch(mode=0o600)
        passwords.write_bytes(list_files.write(pairs, ("email", "one_time_password"), FileKind.CSV))
        text = f"{len(pairs)} accounts were made; their one-time passwords are in {passwords}."
        print_answer({"made": len(pairs), "passwords": str(passwords)}, text, as_json=context.json_output)
        return
    text = table(("ADDRESS", "ONE-TIME PASSWORD"), pairs) if pairs else f"{len(report.lines)} lines, all of them right."
    data = {"lines": len(report.lines), "made": [{"email": email, "one_time_password": word} for email, word in pairs]}
    print_answer(data, text, as_json=context.json_output)


@user.command("export")
@organization_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, writable=True))
@pass_context
def export_users(context: CommandContext, file: Path, organization: str | None) -> None:
    """Write all accounts to a CSV or XLSX file."""
    with acting_in(context, organization) as (all_services, itself):
        file.write_bytes(all_services.people_import.export(itself, _kind(file)))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


@user.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, writable=True))
@pass_context
def template(context: CommandContext, file: Path) -> None:
    """Write an example of a file that `import` takes."""
    with services(context.settings()) as all_services:
        file.write_bytes(all_services.people_import.template(_kind(file)))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


def _kind(file: Path) -> FileKind:
    return FileKind.XLSX if file.suffix.lower() == ".xlsx" else FileKind.CSV


def as_data(user: UserView) -> dict[str, object]:
    """An account for programs."""
    return {
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "disabled": user.is_disabled,
        "created_at": user.created_at.isoformat(),
    }


@contextmanager
def about(context: CommandContext, email: str) -> Iterator[tuple[Services, Actor, UserView]]:
    """The services, who asks (the installation itself), and whose account it is about. Raises NotFound."""
    with services(context.settings()) as all_services:
        person = all_services.accounts.by_email(email)
        yield all_services, installation(person.organization_id), person


def _print_access(context: CommandContext, made: NewAccess, text: str) -> None:
    data = as_data(made.user)
    if made.one_time_password is not None:
        data["one_time_password"] = made.one_time_password
        text += f"\nOne-time password: {made.one_time_password}"
    print_answer(data, text, as_json=context.json_output)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidInput("There is no terminal to ask for the password on; use --password-stdin.")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
