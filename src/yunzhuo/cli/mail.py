"""``yunzhuo mail``: whether letters go out."""

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.phoenix.common.errors import Conflict
from yunzhuo.services.assembly import services


@click.group(cls=Group)
def mail() -> None:
    """Mail."""


@mail.command()
@click.argument("email")
@pass_context
def test(context: CommandContext, email: str) -> None:
    """Send a letter now, past the queue, and say what the server says."""
    settings = context.settings()
    with services(settings) as all_services:
        if not all_services.outbox.sends:
            raise Conflict("no_mail", "No mail server is configured: set [mail] host.")
        all_services.outbox.send_now(email, settings.language)
    print_answer({"sent_to": email}, f"{settings.mail.host} has taken a letter to {email}.", as_json=context.json_output)
