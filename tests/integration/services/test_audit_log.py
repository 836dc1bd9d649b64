"""The audit log: what is in it, that it is a chain, and what breaks that."""

import csv
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.audit_files import COLUMNS, lines
from yunzhuo.services.audit_search import AuditView, AuditWish
from yunzhuo.services.rules.chain import START, link
from yunzhuo.services.rules.lifecycle import Action

pytestmark = pytest.mark.slow


def entries(yunzhuo: Installation, actor: Actor, **wish: Any) -> list[AuditView]:
    return list(yunzhuo.services.audit_reader.search(actor, AuditWish(**wish), limit=200).items)


def tamper(yunzhuo: Installation, *statements: str) -> None:
    with yunzhuo.connection() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_entry_says_who_did_what_for_whom_and_what_it_was_before(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Chemistry")
    asked = yunzhuo.services.organizations.widened(boss)
    yunzhuo.services.desktops.rename(asked, desktop_id, "Physics")
    (entry,) = entries(yunzhuo, boss, verb="desktop:update")
    assert (entry.actor_email, entry.owner_email, entry.object_id) == (boss.email, lin.email, desktop_id)
    assert (entry.before, entry.after) == ({"name": "Chemistry"}, {"name": "Physics"})
    assert (entry.outcome, entry.client_address) == ("done", "192.0.2.7")


def test_what_is_refused_is_on_record_once(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    theirs = yunzhuo.request(mei).desktop.id
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.act(lin, theirs, Action.STOP)
    with pytest.raises(Forbidden):
        yunzhuo.services.people.list(lin)
    with pytest.raises(Conflict):
        yunzhuo.services.people.disable(boss, boss.user_id)
    yunzhuo.services.bulk.change(lin, [theirs], Action.START)
    found = [(each.actor_id, each.verb, each.after) for each in entries(yunzhuo, boss, outcome="refused")]
    assert found == [
        (lin.user_id, "desktop:start", {"code": "desktop_not_found"}),
        (boss.user_id, "user:disable", {"code": "own_account"}),
        (lin.user_id, "user:read", {"code": "forbidden"}),
        (lin.user_id, "desktop:stop", {"code": "desktop_not_found"}),
    ]


def test_the_log_is_a_chain_that_anybody_can_compute(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.request(lin)
    keeper = yunzhuo.services.audit_keeper
    assert keeper.verify().unchained == keeper.seal() > 0
    assert keeper.seal() == 0
    found = keeper.verify()
    assert (found.is_sound, found.unchained) == (True, 0)
    first, *_ = sorted(entries(yunzhuo, boss), key=lambda entry: entry.sequence or 0)
    assert first.sequence == 1
    told = {
        "id": first.id,
        "organization": boss.organization_id,
        "actor": first.actor_id,
        "owner": first.owner_id,
        "verb": first.verb,
        "object_type": first.object_type,
        "object": first.object_id,
        "outcome": first.outcome,
        "before": first.before,
        "after": first.after,
        "client_address": first.client_address,
        "request_id": first.request_id,
        "at": first.at.isoformat(timespec="microseconds"),
    }
    assert link(START, 1, told) == first.chain_hash


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET outcome = 'refused' WHERE sequence = 2",
        "UPDATE audit_entries SET actor_id = NULL WHERE sequence = 3",
        "UPDATE audit_entries SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 3",
        "DELETE FROM audit_entries WHERE sequence = 2",
        # The second look is what MariaDB needs in order to delete from what it looks at.
        "DELETE FROM audit_entries WHERE sequence = (SELECT last FROM (SELECT max(sequence) AS last FROM audit_entries) AS it)",
        "DELETE FROM audit_entries WHERE sequence = 1",
    ],
)
def test_whatever_is_changed_or_removed_is_found(yunzhuo: Installation, boss: Actor, lin: Actor, statement: str) -> None:
    with pytest.raises(Forbidden):
        yunzhuo.services.people.list(lin)
    yunzhuo.request(lin)
    yunzhuo.services.audit_keeper.seal()
    assert yunzhuo.services.audit_keeper.verify().is_sound
    tamper(yunzhuo, statement)
    assert not yunzhuo.services.audit_keeper.verify().is_sound


def test_a_log_that_was_written_anew_does_not_fit_the_heads_that_were_written_out(
    yunzhuo: Installation, boss: Actor, lin: Actor
) -> None:
    yunzhuo.request(lin)
    keeper = yunzhuo.services.audit_keeper
    assert keeper.export_head()
    assert not keeper.export_head()  # once a day
    assert keeper.verify().heads == 1
    tamper(
        yunzhuo,
        "UPDATE audit_entries SET outcome = 'failed' WHERE sequence = 1",
        "UPDATE audit_entries SET sequence = NULL, chain_hash = NULL",
        f"UPDATE audit_chain SET head_sequence = 0, head_hash = '{START}'",
    )
    keeper.seal()
    found = keeper.verify()
    assert not found.is_sound
    assert "written out" in found.problems[0]


def test_old_entries_go_and_the_rest_still_holds(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    keeper = yunzhuo.services.audit_keeper
    yunzhuo.request(lin)
    keeper.export_head()
    before = keeper.verify().entries
    assert keeper.prune() == 0
    yunzhuo.pass_time(yunzhuo.settings.audit.keep_days * 86400 + 60)
    yunzhuo.services.groups.create(installation(boss.organization_id), "young")
    keeper.seal()
    assert keeper.prune() == before
    keeper.seal()
    found = keeper.verify()
    assert (found.is_sound, found.dropped, found.entries) == (True, before, 2)
    (told,) = entries(yunzhuo, boss, verb="audit:prune")
    assert told.after
    assert (told.after["entries"], told.after["up_to"]) == (before, before)
    tamper(yunzhuo, "UPDATE audit_chain SET base_sequence = base_sequence + 1")
    assert not keeper.verify().is_sound


def test_many_writers_and_keepers_at_once_make_one_chain(yunzhuo: Installation, boss: Actor) -> None:
    def work(number: int) -> None:
        for index in range(5):
            yunzhuo.services.groups.create(boss, f"{number}-{index}")
            yunzhuo.services.audit_keeper.seal()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yunzhuo.services.audit_keeper.seal()
    found = yunzhuo.services.audit_keeper.verify()
    assert found.is_sound
    assert found.entries >= 20


def test_secrets_are_masked_and_what_is_long_is_cut(yunzhuo: Installation, boss: Actor) -> None:
    yunzhuo.services.people.create(boss, "x@school.local", Role.USER, password=PASSWORD)
    text = json.dumps([(each.before, each.after) for each in entries(yunzhuo, boss)])
    assert PASSWORD not in text
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.rename(boss, "nothing" * 100, "x")
    assert entries(yunzhuo, boss, outcome="refused")[0].object_id is None


def test_an_organizations_log_is_its_own(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    itself = installation(boss.organization_id)
    other = yunzhuo.services.organizations.create(itself, "other")
    made = yunzhuo.services.people.create(installation(other.id), "head@other.local", Role.ADMINISTRATOR, password=PASSWORD)
    yunzhuo.request(lin)
    found = entries(yunzhuo, made.user.actor())
    assert {entry.verb for entry in found} == {"user:create"}
    assert not any(entry.object_id == made.user.id for entry in entries(yunzhuo, boss))


def test_a_page_of_it_goes_on_where_the_one_before_ended(yunzhuo: Installation, boss: Actor) -> None:
    for number in range(7):
        yunzhuo.services.groups.create(boss, f"group {number}")
    wish, seen, cursor = AuditWish(verb="group"), [], None
    while True:
        page = yunzhuo.services.audit_reader.search(boss, wish, limit=3, cursor=cursor)
        seen += [entry.id for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == 7
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_of_it_is_whole_and_harmless(yunzhuo: Installation, boss: Actor, lin: Actor, kind: str) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.rename(lin, desktop_id, "=cmd|'/c calc'!A1")
    yunzhuo.services.groups.create(boss, "@SUM(A1)")
    wish = AuditWish()
    text = "".join(lines(yunzhuo.services.audit_reader.export(boss, wish), kind))
    read: dict[str, Callable[[], list[dict[str, object]]]] = {
        "csv": lambda: list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))),
        "json": lambda: [json.loads(line) for line in text.splitlines()],
    }
    rows = read[kind]()
    assert set(rows[0]) == set(COLUMNS)
    assert len(rows) == len(entries(yunzhuo, boss))
    if kind == "csv":
        cells = [str(cell) for row in rows for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    (told,) = entries(yunzhuo, boss, verb="audit:export")
    assert told.actor_id == boss.user_id
