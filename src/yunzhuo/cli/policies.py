"""``yunzhuo policy``: what screens allow, for whom."""

from dataclasses import asdict

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in, organization_option
from yunzhuo.cli.quotas import find_group
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.policies import VIEW_ONLY, Bound, Permission, Policy, PolicySubject

_FLAGS = (VIEW_ONLY, *Permission)
_SAID = {"yes": True, "no": False}


@click.group(cls=Group)
def policy() -> None:
    """What screens allow: clipboard, files, USB, time, bandwidth."""


@policy.command("list")
@organization_option
@pass_context
def list_policies(context: CommandContext, organization: str | None) -> None:
    """Show what is said, for whom."""
    with acting_in(context, organization) as (all_services, itself):
        found = all_services.policies.list(itself)
    rows = [(each.subject, each.subject_name, _text(each.says)) for each in found]
    data = [asdict(each) for each in found]
    print_answer({"items": data}, table(("OF", "NAME", "SAYS"), rows), as_json=context.json_output)


@policy.command("set")
@click.option("--user", metavar="EMAIL", help="For this person.")
@click.option("--group", metavar="NAME", help="For the people of this group.")
@click.option("--pool", metavar="NAME", help="For this pool's desktops.")
@click.option("--desktop", metavar="ID", help="For this desktop.")
@organization_option
@click.argument("says", nargs=-1, metavar="[PART=VALUE]...")
@pass_context
def set_policy(
    context: CommandContext,
    user: str | None,
    group: str | None,
    pool: str | None,
    desktop: str | None,
    organization: str | None,
    says: tuple[str, ...],
) -> None:
    """Say what screens allow, for whom, in the place of what was said before: for the organization unless an option names
    somebody else. Nothing said takes the policy away.

    PART is view_only, clipboard_to_desktop, clipboard_from_desktop, file_transfer or usb with yes or no, or session_seconds
    or kib_per_second with a number (0: no bound).
    """
    if sum(each is not None for each in (user, group, pool, desktop)) > 1:
        raise click.UsageError("Say one of --user, --group, --pool and --desktop.")
    said = dict(_part(each) for each in says)
    with acting_in(context, organization) as (all_services, itself):
        subject, subject_id = PolicySubject.ORGANIZATION, itself.organization_id
        if user:
            subject, subject_id = PolicySubject.USER, all_services.accounts.by_email(user).id
        elif group:
            subject, subject_id = PolicySubject.GROUP, find_group(all_services, itself, group).id
        elif pool:
            subject, subject_id = PolicySubject.POOL, _pool_id(all_services, itself, pool)
        elif desktop:
            subject, subject_id = PolicySubject.DESKTOP, desktop
        all_services.policies.put(itself, subject, subject_id, said)
    text = "The policy is set." if said else "There is no policy any more."
    print_answer({"of": subject, "says": said}, text, as_json=context.json_output)


def _part(text: str) -> tuple[str, object]:
    """``usb=no``, ``session_seconds=3600``. Raises UsageError; what a number may be the service says."""
    name, _, value = text.partition("=")
    if name in _FLAGS and value in _SAID:
        return name, _SAID[value]
    if name in list(Bound) and value.isdecimal():
        return name, int(value)
    parts = ", ".join((*(f"{flag}=yes|no" for flag in _FLAGS), *(f"{bound}=NUMBER" for bound in Bound)))
    raise click.UsageError(f"{text!r} is none of {parts}.")


def _pool_id(all_services: Services, itself: Actor, name: str) -> str:
    found = next((each for each in all_services.pools.list(itself) if name in (each.name, each.id)), None)
    if found is None:
        raise NotFound("pool_not_found", f"There is no pool {name}.")
    return found.id


def _text(says: Policy) -> str:
    words = {True: "yes", False: "no"}
    return " ".join(f"{name}={words[value] if isinstance(value, bool) else value}" for name, value in sorted(says.items()))
