"""``yunzhuo desktop bulk`` and ``create-many``: hundreds of desktops in one go, and what would become of them."""

from collections.abc import Iterator, Sequence

import click

from yunzhuo.cli.asking import acting, all_desktops, chosen, found, operation_data
from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import Services
from yunzhuo.services.bulk import CHANGES, Outcomes
from yunzhuo.services.desktops import NewDesktop
from yunzhuo.services.rules.lifecycle import Action, State

# A failed create is tried again under the name that pages and the API have for it.
_VERBS = {"retry" if action is Action.CREATE else action.value: action for action in sorted(CHANGES)}
_LOSES = frozenset({Action.REBUILD, Action.DELETE, Action.FORCE_DELETE})

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would become of each, and do nothing.")


@click.command("bulk", cls=Command)
@click.argument("verb", type=click.Choice(list(_VERBS)))
@click.argument("references", metavar="[ID|NAME]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All that fit the filters.")
@click.option("--search", metavar="TEXT", help="With --all: only names with this in them.")
@click.option("--owner", metavar="EMAIL", help="With --all: only this person's.")
@click.option("--state", type=click.Choice([each.value for each in State]), help="With --all: only those in this state.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_dry_run
@pass_context
def bulk(
    context: CommandContext,
    verb: str,
    references: tuple[str, ...],
    is_all: bool,
    search: str | None,
    owner: str | None,
    state: str | None,
    yes: bool,
    dry_run: bool,
) -> int:
    """Change many desktops: VERB is asked of each, and each has its own result."""
    action = _VERBS[verb]
    if bool(references) is is_all:
        raise InvalidInput("Say which desktops, or --all.")
    with acting(context) as (all_services, actor):
        if is_all:
            fitting = [
                each
                for each in all_desktops(all_services, actor, search)
                if owner in (None, each.owner_email) and state in (None, each.state)
            ]
        else:
            fitting = [found(all_services, actor, reference) for reference in references]
        if action in _LOSES and not (yes or dry_run):
            click.confirm(f"{verb.capitalize()} {len(fitting)} desktops? What is on their disks is lost.", abort=True, err=True)
        names = {each.id: each.name for each in fitting}
        outcomes = all_services.bulk.change(actor, list(names), action, rehearse=dry_run)
    return _told(context, outcomes, [names.get(item.desktop_id or "", "") for item in outcomes.items])


@click.command("create-many", cls=Command)
@click.option("--count", type=click.IntRange(1, 500), help="How many, all for the person who asks.")
@click.option("--for", "emails", metavar="EMAIL", multiple=True, help="One for this person; may be said many times.")
@click.option("--for-file", type=click.File(), help="One for each address in this file, one a line.")
@click.option("--name", "prefix", metavar="PREFIX", help="What they are called, a number added.")
@click.option("--image", help="Name or id; else the default image.")
@click.option("--flavor", help="Name or id; else the smallest flavor.")
@click.option("--key", help="The same key again makes none twice.")
@_dry_run
@pass_context
def create_many(
    context: CommandContext,
    count: int | None,
    emails: tuple[str, ...],
    for_file: Sequence[str] | None,
    prefix: str | None,
    image: str | None,
    flavor: str | None,
    key: str | None,
    dry_run: bool,
) -> int:
    """Make many desktops, each with its own result."""
    people = [*emails, *(line.strip() for line in for_file or () if line.strip())]
    if (count is None) is (not people):
        raise InvalidInput("Say --count, or whom they are for.")
    with acting(context) as (all_services, actor):
        images = {each.id: each.name for each in all_services.catalog.images(actor)}
        flavors = {each.id: each.name for each in all_services.catalog.flavors(actor)}
        image_id, flavor_id = chosen("image", images, image), chosen("flavor", flavors, flavor)
        owners = list(_owners(all_services, actor, people, count or 0))
        wanted = [
            NewDesktop(image_id, flavor_id, f"{prefix} {number}" if prefix else None, owner)
            for number, owner in enumerate(owners, start=1)
        ]
        outcomes = all_services.bulk.create(actor, wanted, idempotency_key=key, rehearse=dry_run)
    return _told(context, outcomes, [people[n] if people else str(n + 1) for n in range(len(wanted))])


def _owners(all_services: Services, actor: Actor, people: Sequence[str], count: int) -> Iterator[str]:
    yield from (all_services.accounts.by_email(email).id for email in people)
    yield from [actor.user_id] * count


def _told(context: CommandContext, outcomes: Outcomes, names: Sequence[str]) -> int:
    good = "would be accepted" if outcomes.is_rehearsal else "accepted"
    rows = [
        (name, item.desktop_id or "", good if item.accepted else f"refused: {item.refusal.message if item.refusal else ''}")
        for name, item in zip(names, outcomes.items, strict=True)
    ]
    outlook = outcomes.outlook
    text = table(("NAME", "DESKTOP", "RESULT"), rows) + f"\n{outcomes.accepted} of {len(outcomes.items)} {good}."
    if outlook.waiting:
        about = f", the last one for about {round(outlook.expected_seconds)} s" if outlook.expected_seconds is not None else ""
        text += f" {outlook.at_once} at once, {outlook.waiting} in the queue{about}."
    data = {
        "dry_run": outcomes.is_rehearsal,
        "accepted": outcomes.accepted,
        "at_once": outlook.at_once,
        "waiting": outlook.waiting,
        "expected_seconds": outlook.expected_seconds,
        "results": [
            {
                "id": item.desktop_id,
                "operation": operation_data(item.accepted.operation) if item.accepted and not outcomes.is_rehearsal else None,
                "problem": {"code": item.refusal.code, "message": item.refusal.message} if item.refusal else None,
            }
            for item in outcomes.items
        ],
    }
    print_answer(data, text, as_json=context.json_output)
    return 1 if outcomes.accepted < len(outcomes.items) else 0
