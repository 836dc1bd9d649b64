"""``yunzhuo user``: accounts, on this installation's own behalf."""

import sys

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import Role
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import services


@click.group(cls=Group)
def user() -> None:
    """Accounts."""


@user.command()
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.USER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@pass_context
def add(context: CommandContext, email: str, role: str, password_stdin: bool) -> None:
    """Make an account; it needs no confirmation."""
    password = _password(password_stdin)
    with services(context.settings()) as all_services:
        made = all_services.accounts.add(email, password, Role(role))
    print_answer(as_data(made), f"{made.email} was added with the role {made.role}.", as_json=context.json_output)


@user.command("list")
@pass_context
def list_users(context: CommandContext) -> None:
    """Show all accounts."""
    with services(context.settings()) as all_services:
        users = all_services.accounts.all()
    rows = [(each.email, each.role, "disabled" if each.is_disabled else "", f"{each.created_at:%Y-%m-%d}") for each in users]
    text = table(("ADDRESS", "ROLE", "", "SINCE"), rows)
    print_answer({"items": [as_data(each) for each in users]}, text, as_json=context.json_output)


def as_data(user: UserView) -> dict[str, object]:
    """An account for programs."""
    return {
        "id": user.id,
        "email": user.email,
        "role": user.role,
        "disabled": user.is_disabled,
        "created_at": user.created_at.isoformat(),
    }


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidInput("There is no terminal to ask for the password on; use --password-stdin.")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
