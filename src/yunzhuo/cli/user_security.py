"""``yunzhuo user``, what lets people in: the way in when all else fails, invitations, sessions, factors, tokens."""

from collections.abc import Sequence

import click

from yunzhuo.cli.context import Command, CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.cli.users import ROLE, about, as_data
from yunzhuo.services.access import READ_ONLY, Role, installation
from yunzhuo.services.assembly import services
from yunzhuo.services.tokens import TokenView, TokenWish

_SECONDS_PER_DAY = 86400


@click.command(cls=Command)
@click.argument("email")
@pass_context
def recover(context: CommandContext, email: str) -> None:
    """The way in when all else fails: a one-time password, second factors removed, the account enabled, all sessions ended."""
    with services(context.settings()) as all_services:
        person, password = all_services.regaining.recover(email)
    text = f"{person.email} can sign in again; second factors are removed, sessions and tokens are ended."
    text += f"\nOne-time password: {password}"
    print_answer({**as_data(person), "one_time_password": password}, text, as_json=context.json_output)


@click.command(cls=Command)
@click.argument("email")
@click.option("--role", type=ROLE, default=Role.USER.value, show_default=True)
@pass_context
def invite(context: CommandContext, email: str, role: str) -> None:
    """Let somebody make an account; without a mail server the link is printed."""
    with services(context.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        made = all_services.registration.invite(itself, email, Role(role))
    text = f"{made.email} is invited until {made.expires_at:%Y-%m-%d}." + (f"\n{made.link}" if made.link else "")
    data = {"id": made.id, "email": made.email, "role": made.role, "expires_at": made.expires_at.isoformat(), "link": made.link}
    print_answer(data, text, as_json=context.json_output)


@click.command(cls=Command)
@click.option("--withdraw", metavar="EMAIL", help="Let the invitation of this address count no more.")
@pass_context
def invitations(context: CommandContext, withdraw: str | None) -> None:
    """Show the invitations that still count."""
    with services(context.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        for each in all_services.registration.invitations(itself):
            if each.email == (withdraw or "").strip().lower():
                all_services.registration.withdraw(itself, each.id)
        found = all_services.registration.invitations(itself)
    rows = [(each.email, each.role, f"{each.expires_at:%Y-%m-%d %H:%M}") for each in found]
    items = [
        {"id": each.id, "email": each.email, "role": each.role, "expires_at": each.expires_at.isoformat()} for each in found
    ]
    print_answer({"items": items}, table(("ADDRESS", "ROLE", "UNTIL"), rows), as_json=context.json_output)


@click.command(cls=Command)
@click.argument("email")
@pass_context
def sessions(context: CommandContext, email: str) -> None:
    """Show the browsers that somebody is signed in with."""
    with about(context, email) as (all_services, itself, person):
        found = all_services.sessions.list_of(itself, person.id)
    rows = [(each.client_address, f"{each.last_seen_at:%Y-%m-%d %H:%M}", (each.user_agent or "")[:60]) for each in found]
    items = [
        {
            "id": each.id,
            "client_address": each.client_address,
            "user_agent": each.user_agent,
            "created_at": each.created_at.isoformat(),
            "last_seen_at": each.last_seen_at.isoformat(),
        }
        for each in found
    ]
    print_answer({"items": items}, table(("FROM", "LAST SEEN", "BROWSER"), rows), as_json=context.json_output)


@click.command("end-sessions", cls=Command)
@click.argument("email")
@pass_context
def end_sessions(context: CommandContext, email: str) -> None:
    """Sign somebody out everywhere: sessions and tokens."""
    with about(context, email) as (all_services, itself, person):
        ended = all_services.sessions.end_all_of(itself, person.id)
    print_answer(
        {"email": person.email, "ended": ended}, f"{person.email} is signed out everywhere.", as_json=context.json_output
    )


@click.command("sign-ins", cls=Command)
@click.argument("email")
@pass_context
def sign_ins(context: CommandContext, email: str) -> None:
    """Show the tries to come in by an account, the newest first."""
    with about(context, email) as (all_services, itself, person):
        found = all_services.sessions.history_of(itself, person.id)
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.method, each.outcome, each.client_address or "") for each in found]
    items = [
        {"at": each.at.isoformat(), "method": each.method, "outcome": each.outcome, "client_address": each.client_address}
        for each in found
    ]
    print_answer({"items": items}, table(("WHEN", "HOW", "RESULT", "FROM"), rows), as_json=context.json_output)


@click.command("reset-factors", cls=Command)
@click.argument("email")
@pass_context
def reset_factors(context: CommandContext, email: str) -> None:
    """Take all second factors from somebody who has lost them; sessions and tokens end."""
    with about(context, email) as (all_services, itself, person):
        all_services.factors.reset(itself, person.id)
    print_answer({"email": person.email}, f"{person.email} has no second factors any more.", as_json=context.json_output)


@click.command("add-service", cls=Command)
@click.argument("email")
@click.option("--role", type=ROLE, default=Role.USER.value, show_default=True)
@pass_context
def add_service(context: CommandContext, email: str, role: str) -> None:
    """Make a service account: an address for a name, tokens and no password."""
    with services(context.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        made = all_services.tokens.add_service(itself, email, Role(role))
    print_answer(as_data(made), f"{made.email} was added as a service account.", as_json=context.json_output)


@click.group(cls=Group)
def token() -> None:
    """API tokens of an account."""


@token.command("create")
@click.argument("email")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it counts.")
@click.option("--read-only", is_flag=True, help="It may only look.")
@click.option("--verb", "verbs", multiple=True, help="It may only this; can be said several times.")
@pass_context
def create_token(context: CommandContext, email: str, name: str, days: int, read_only: bool, verbs: tuple[str, ...]) -> None:
    """Make a token for a service account; it is printed this once."""
    limits = [*([READ_ONLY] if read_only else []), *verbs] or None
    with about(context, email) as (all_services, itself, person):
        made = all_services.tokens.create_for(itself, person.id, TokenWish(name, limits, days * _SECONDS_PER_DAY))
    data = {**_token_data(made.token), "token": made.secret}
    print_answer(data, f"{made.secret}\nIt counts until {made.token.expires_at:%Y-%m-%d}.", as_json=context.json_output)


@token.command("list")
@click.argument("email")
@pass_context
def list_tokens(context: CommandContext, email: str) -> None:
    """Show an account's tokens that count."""
    with about(context, email) as (all_services, itself, person):
        found = all_services.tokens.list_of(itself, person.id)
    print_answer({"items": [_token_data(each) for each in found]}, table(_HEADS, _rows(found)), as_json=context.json_output)


@token.command("revoke")
@click.argument("email")
@click.argument("token_id")
@pass_context
def revoke_token(context: CommandContext, email: str, token_id: str) -> None:
    """Make a token worthless."""
    with about(context, email) as (all_services, itself, person):
        all_services.tokens.revoke_of(itself, person.id, token_id)
    print_answer({"id": token_id}, "The token is worthless now.", as_json=context.json_output)


_HEADS = ("ID", "NAME", "MAY", "LAST USED", "UNTIL")


def _rows(found: Sequence[TokenView]) -> list[tuple[str, ...]]:
    return [
        (
            each.id,
            each.name,
            "all" if each.verbs is None else ", ".join(each.verbs),
            f"{each.last_used_at:%Y-%m-%d %H:%M}" if each.last_used_at else "never",
            f"{each.expires_at:%Y-%m-%d}",
        )
        for each in found
    ]


def _token_data(view: TokenView) -> dict[str, object]:
    return {
        "id": view.id,
        "name": view.name,
        "verbs": view.verbs,
        "last_used_at": view.last_used_at.isoformat() if view.last_used_at else None,
        "expires_at": view.expires_at.isoformat(),
    }


COMMANDS = (recover, invite, invitations, sessions, end_sessions, sign_ins, reset_factors, add_service, token)
