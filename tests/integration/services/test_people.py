"""Administrators and accounts: who may, what ends at once, what is kept."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import text
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.people import DesktopsOfDeleted, PeopleService
from yunzhuo.services.rules.lifecycle import State

pytestmark = pytest.mark.slow

CLIENT = "192.0.2.7"
CHANGES: dict[str, Callable[[PeopleService, Actor, str], object]] = {
    "disable": lambda people, actor, user_id: people.disable(actor, user_id),
    "enable": lambda people, actor, user_id: people.enable(actor, user_id),
    "reset": lambda people, actor, user_id: people.reset_password(actor, user_id),
    "role": lambda people, actor, user_id: people.change_role(actor, user_id, Role.USER),
    "delete": lambda people, actor, user_id: people.delete(actor, user_id, DesktopsOfDeleted()),
}


def entries(yunzhuo: Installation, verb: str) -> list[dict[str, object]]:
    """What the audit log says of this verb."""
    with yunzhuo.connection() as connection:
        query = text("SELECT * FROM audit_entries WHERE verb = :verb ORDER BY id")
        rows = connection.execute(query, {"verb": verb}).mappings().all()
    return [{**row, "before": json.loads(row["before"] or "null"), "after": json.loads(row["after"] or "null")} for row in rows]


def other_organization(yunzhuo: Installation) -> Actor:
    """An administrator of another organization."""
    itself = installation(yunzhuo.services.accounts.default_organization_id())
    other = yunzhuo.services.organizations.create(itself, "other")
    made = yunzhuo.services.people.create(installation(other.id), "stranger@other.local", Role.ADMINISTRATOR, password=PASSWORD)
    return made.user.actor()


def test_a_generated_password_is_told_once_and_has_to_be_changed(yunzhuo: Installation, boss: Actor) -> None:
    made = yunzhuo.services.people.create(boss, " Wang@School.LOCAL ", Role.USER, language="zh_CN")
    assert (made.user.email, made.user.language, made.user.must_change_password) == ("wang@school.local", "zh_CN", True)
    assert made.one_time_password is not None
    granted = yunzhuo.services.sign_ins.sign_in("wang@school.local", made.one_time_password, client_address=CLIENT)
    assert granted.user.must_change_password
    assert made.one_time_password not in yunzhuo.everything_stored()
    (entry,) = (entry for entry in entries(yunzhuo, "user:create") if entry["object_id"] == made.user.id)
    assert (entry["actor_id"], entry["after"]) == (boss.user_id, {"email": "wang@school.local", "role": "user"})


def test_a_given_password_is_the_persons_own(yunzhuo: Installation, boss: Actor) -> None:
    made = yunzhuo.services.people.create(boss, "wang@school.local", Role.ADMINISTRATOR, password=PASSWORD)
    assert (made.one_time_password, made.user.must_change_password, made.user.role) == (None, False, Role.ADMINISTRATOR)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.people.create(boss, "WANG@school.local", Role.USER)
    assert refusal.value.code == "email_taken"
    with pytest.raises(InvalidInput) as wrong:
        yunzhuo.services.people.create(boss, "x@school.local", Role.USER, password="short")
    assert set(wrong.value.fields) == {"password"}


def test_users_may_none_of_it(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    people = yunzhuo.services.people
    asked: list[Callable[[], object]] = [
        lambda: people.list(lin),
        lambda: people.get(lin, mei.user_id),
        lambda: people.create(lin, "x@school.local", Role.USER),
        *(partial(change, people, lin, mei.user_id) for change in CHANGES.values()),
    ]
    for ask in asked:
        with pytest.raises(Forbidden):
            ask()


@pytest.mark.parametrize("change", CHANGES)
def test_another_organizations_people_are_not_there(yunzhuo: Installation, lin: Actor, change: str) -> None:
    stranger = other_organization(yunzhuo)
    with pytest.raises(NotFound):
        CHANGES[change](yunzhuo.services.people, stranger, lin.user_id)
    with pytest.raises(NotFound):
        yunzhuo.services.people.get(stranger, lin.user_id)
    assert [person.user.email for person in yunzhuo.services.people.list(stranger).items] == [stranger.email]


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_does_it_to_themselves(yunzhuo: Installation, boss: Actor, change: str) -> None:
    yunzhuo.person("deputy", Role.ADMINISTRATOR)
    with pytest.raises(Conflict) as refusal:
        CHANGES[change](yunzhuo.services.people, boss, boss.user_id)
    assert refusal.value.code == "own_account"


@pytest.mark.parametrize("change", ["disable", "role", "delete"])
def test_the_last_administrator_stays(yunzhuo: Installation, boss: Actor, change: str) -> None:
    itself = installation(boss.organization_id)
    disabled = yunzhuo.person("deputy", Role.ADMINISTRATOR)
    yunzhuo.services.people.disable(boss, disabled.user_id)
    with pytest.raises(Conflict) as refusal:
        CHANGES[change](yunzhuo.services.people, itself, boss.user_id)
    assert refusal.value.code == "last_administrator"
    yunzhuo.services.people.enable(boss, disabled.user_id)
    CHANGES[change](yunzhuo.services.people, itself, boss.user_id)


def test_disabled_means_at_once(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    _accounts, people = yunzhuo.services.accounts, yunzhuo.services.people
    session = yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    token = yunzhuo.services.tokens.create_with_password(lin.email, PASSWORD, client_address=CLIENT)
    assert people.disable(boss, lin.user_id).is_disabled
    assert people.disable(boss, lin.user_id).is_disabled
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    with pytest.raises(NotSignedIn):  # a request that came in before and asks only now
        yunzhuo.request(lin)
    assert not people.enable(boss, lin.user_id).is_disabled
    for ended, check in ((session, yunzhuo.services.sessions.user), (token, yunzhuo.services.tokens.user)):
        with pytest.raises(NotSignedIn):
            check(ended.secret)
    yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    (entry,) = entries(yunzhuo, "user:disable")
    assert (entry["before"], entry["after"]) == ({"disabled": False}, {"disabled": True})


def test_a_reset_password_ends_everything_and_is_masked(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    session = yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    made = yunzhuo.services.people.reset_password(boss, lin.user_id)
    assert made.one_time_password
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sessions.user(session.secret)
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    assert yunzhuo.services.sign_ins.sign_in(lin.email, made.one_time_password, client_address=CLIENT).user.must_change_password
    (entry,) = entries(yunzhuo, "user:reset_password")
    assert entry["before"] == {"password": "***", "must_change": False}
    assert entry["after"] == {"password": "***", "must_change": True}


def test_an_account_with_desktops_is_not_deleted_without_an_answer(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.available(lin)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.people.delete(boss, lin.user_id)
    assert (refusal.value.code, refusal.value.details) == ("user_has_desktops", {"desktops": 1})
    assert yunzhuo.services.people.get(boss, lin.user_id).desktops == 1


def test_desktops_of_a_deleted_account_are_deleted_as_operations(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    first, second = yunzhuo.available(lin), yunzhuo.request(lin).desktop.id
    operations = yunzhuo.services.people.delete(boss, lin.user_id, DesktopsOfDeleted())
    assert {operation.desktop_id for operation in operations} == {first, second}
    yunzhuo.run()
    assert not yunzhuo.services.desktops.list(boss).items
    assert not yunzhuo.cloud.servers.list()
    with pytest.raises(NotFound):
        yunzhuo.services.people.get(boss, lin.user_id)
    with pytest.raises(NotSignedIn):
        yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT)
    assert yunzhuo.services.accounts.add(lin.email, PASSWORD, Role.USER).id != lin.user_id
    (entry,) = entries(yunzhuo, "user:delete")
    assert entry["before"] == {"email": lin.email, "role": "user"}


def test_desktops_of_a_deleted_account_can_go_to_somebody_else(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    for nobody in ("nobody", lin.user_id, other_organization(yunzhuo).user_id):
        with pytest.raises(InvalidInput) as refusal:
            yunzhuo.services.people.delete(boss, lin.user_id, DesktopsOfDeleted(nobody))
        assert set(refusal.value.fields) == {"to"}
    assert yunzhuo.services.people.delete(boss, lin.user_id, DesktopsOfDeleted(mei.user_id)) == []
    found = yunzhuo.services.desktops.get(mei, desktop_id)
    assert (found.owner_id, found.state) == (mei.user_id, State.AVAILABLE)
    (entry,) = entries(yunzhuo, "desktop:hand_over")
    assert (entry["before"], entry["after"]) == ({"owner": lin.user_id}, {"owner": mei.user_id})


def test_the_installation_itself_deletes_accounts_with_desktops(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    yunzhuo.available(lin)
    assert yunzhuo.services.people.delete(installation(boss.organization_id), lin.user_id, DesktopsOfDeleted())
    (entry,) = entries(yunzhuo, "user:delete")
    assert entry["actor_id"] is None


def test_people_are_listed_page_by_page_and_found(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    people = yunzhuo.services.people
    for number in range(5):
        yunzhuo.person(f"pupil-{number}")
    found, cursor = [], None
    while True:
        page = people.list(boss, limit=2, cursor=cursor)
        found += [person.user.email for person in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(found)
    assert len(found) == len(set(found)) == 7
    people.disable(boss, lin.user_id)
    assert [person.user.email for person in people.list(boss, search="PUPIL-3").items] == ["pupil-3@school.local"]
    assert [person.user.email for person in people.list(boss, role=Role.ADMINISTRATOR).items] == [boss.email]
    assert [person.user.email for person in people.list(boss, is_disabled=True).items] == [lin.email]
    with pytest.raises(InvalidInput):
        people.list(boss, cursor="???")


def test_a_time_zone_is_kept(yunzhuo: Installation, lin: Actor) -> None:
    accounts = yunzhuo.services.accounts
    accounts.choose_time_zone(lin, "Asia/Shanghai")
    assert accounts.by_email(lin.email).time_zone == "Asia/Shanghai"
    with pytest.raises(InvalidInput):
        accounts.choose_time_zone(lin, "../../etc/passwd")
    accounts.choose_time_zone(lin, None)
    assert accounts.by_email(lin.email).time_zone is None
