"""Rights beyond the built-in roles: roles of an organization's own, groups, delegation, tokens, operators who visit."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, NotSignedIn
from yunzhuo.services.access import GRANTS, Actor, Role, Scope, covers, installation, may, merged, scope_of
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.delegations import DELEGATED_VERBS
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.tokens import TokenWish
from yunzhuo.services.verbs import VERBS


def now(yunzhuo: Installation, actor: Actor) -> Actor:
    """The actor as their next request finds them."""
    return yunzhuo.services.organizations.widened(yunzhuo.services.accounts.by_email(actor.email).actor())


def test_each_role_reaches_as_far_as_the_one_before_it() -> None:
    assert covers(GRANTS[Role.ADMINISTRATOR], GRANTS[Role.TEACHER])
    assert covers(GRANTS[Role.ADMINISTRATOR], GRANTS[Role.AUDITOR])
    assert covers(GRANTS[Role.OPERATOR], GRANTS[Role.ADMINISTRATOR])
    assert not covers(GRANTS[Role.ADMINISTRATOR], GRANTS[Role.OPERATOR])
    assert not covers(GRANTS[Role.TEACHER], GRANTS[Role.AUDITOR])
    assert merged([{"a:b": Scope.OWN}, {"a:b": Scope.GROUP}, {"a:b": Scope.OWN}]) == {"a:b": Scope.GROUP}
    assert set(DELEGATED_VERBS) <= VERBS.keys()


@pytest.mark.parametrize("role", list(Role))
def test_a_verb_that_nobody_was_given_is_denied(role: Role) -> None:
    actor = Actor("me", "here", "me@here", role)
    assert scope_of(actor, "desktop:explode") is None
    assert not may(actor, "desktop:explode", organization_id="here", owner_id="me")
    assert not may(actor, "desktop:read", organization_id="there", owner_id="me")


def test_a_token_allows_less_and_never_more(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    narrow = replace(lin, scopes=frozenset({"desktop:read", "user:read"}))
    assert yunzhuo.services.desktops.get(narrow, desktop_id).id == desktop_id
    assert not yunzhuo.services.desktops.get(narrow, desktop_id).actions
    for ask in (
        lambda: yunzhuo.services.desktops.act(narrow, desktop_id, Action.STOP),
        lambda: yunzhuo.services.desktops.rename(narrow, desktop_id, "x"),
        lambda: yunzhuo.services.people.list(narrow),
        lambda: yunzhuo.services.accounts.choose_language(narrow, "en"),
    ):
        with pytest.raises(Forbidden):
            ask()
    wide = replace(lin, scopes=frozenset({"desktop:*"}))
    assert yunzhuo.services.desktops.act(wide, desktop_id, Action.STOP).desktop.id == desktop_id
    with pytest.raises(Forbidden):
        yunzhuo.services.desktops.get(replace(lin, scopes=frozenset()), desktop_id)


def test_a_role_of_ones_own_counts_for_people_and_groups_until_it_is_gone(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor
) -> None:
    roles, groups = yunzhuo.services.roles, yunzhuo.services.groups
    helpers = roles.create(boss, "Helpers", {"user:read": "organization", "user:reset_password": "organization"})
    group = groups.create(boss, "Help desk")
    with pytest.raises(Forbidden):
        yunzhuo.services.people.list(now(yunzhuo, lin))
    roles.grant(boss, helpers.id, group.id)
    groups.put_member(boss, group.id, lin.user_id)
    assert yunzhuo.services.people.reset_password(now(yunzhuo, lin), mei.user_id).one_time_password
    roles.change(boss, helpers.id, {"user:read": "organization"})
    with pytest.raises(Forbidden):
        yunzhuo.services.people.reset_password(now(yunzhuo, lin), mei.user_id)
    assert yunzhuo.services.people.list(now(yunzhuo, lin)).items
    groups.drop_member(boss, group.id, lin.user_id)
    with pytest.raises(Forbidden):
        yunzhuo.services.people.list(now(yunzhuo, lin))
    roles.grant(boss, helpers.id, lin.user_id)
    roles.delete(boss, helpers.id)
    with pytest.raises(Forbidden):
        yunzhuo.services.people.list(now(yunzhuo, lin))


def test_nobody_gives_away_or_rules_over_more_than_they_have(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    roles, people = yunzhuo.services.roles, yunzhuo.services.people
    for beyond in ({"organization:create": "organization"}, {"desktop:connect": "organization"}):
        with pytest.raises(Forbidden):
            roles.create(boss, "Beyond", beyond)
    for wrong in ({"host:read": "installation"}, {"no:verb": "own"}, {}):
        with pytest.raises(InvalidInput):
            roles.create(boss, "Wrong", wrong)
    makers = roles.create(boss, "Makers", {"user:create": "organization", "user:change_role": "organization"})
    roles.grant(boss, makers.id, lin.user_id)
    maker = now(yunzhuo, lin)
    assert people.create(maker, "new@school.local", Role.USER).user.role is Role.USER
    for role in (Role.TEACHER, Role.ADMINISTRATOR, Role.OPERATOR):
        with pytest.raises(Forbidden):
            people.create(maker, "more@school.local", role)
    with pytest.raises(Forbidden):
        people.change_role(maker, boss.user_id, Role.USER)
    chief = yunzhuo.person("chief", Role.OPERATOR)
    for change in (people.disable, people.reset_password, people.delete):
        with pytest.raises(Forbidden):
            change(boss, chief.user_id)


def test_a_person_lets_another_one_use_their_desktops_for_a_time(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    delegations, desktops = yunzhuo.services.delegations, yunzhuo.services.desktops
    until = yunzhuo.clock.now() + timedelta(hours=1)
    delegations.let(lin, mei.user_id, ["desktop:connect"], until)
    helper = now(yunzhuo, mei)
    assert [view.id for view in desktops.list(helper).items] == [desktop_id]
    opened = yunzhuo.services.consoles.open(helper, desktop_id, ConsoleProtocol.VNC)
    assert opened.ticket
    with pytest.raises(Forbidden):
        desktops.act(helper, desktop_id, Action.STOP)
    (told,) = delegations.list(helper)
    assert (told.from_email, told.verbs) == (lin.email, ["desktop:connect", "desktop:read"])
    yunzhuo.pass_time(3601)
    with pytest.raises(NotFound):
        desktops.get(now(yunzhuo, mei), desktop_id)
    delegations.let(lin, mei.user_id, ["desktop:start"], yunzhuo.clock.now() + timedelta(days=1))
    assert desktops.get(now(yunzhuo, mei), desktop_id).id == desktop_id
    delegations.take_back(lin, mei.user_id)
    with pytest.raises(NotFound):
        desktops.get(now(yunzhuo, mei), desktop_id)
    for verbs, later in ((["desktop:delete"], 1), (["user:read"], 1), ([], -1), ([], 1000)):
        with pytest.raises(InvalidInput):
            delegations.let(lin, mei.user_id, verbs, yunzhuo.clock.now() + timedelta(days=later))


def test_an_operator_goes_into_an_organization_and_owns_nothing_there(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    chief = yunzhuo.person("chief", Role.OPERATOR)
    other = yunzhuo.services.organizations.create(chief, "Other")
    yunzhuo.services.catalog.synchronize(other.id)
    widened = yunzhuo.services.organizations.widened
    guest = widened(chief, "Other")
    assert (guest.organization_id, guest.is_visiting) == (other.id, True)
    yunzhuo.services.people.create(guest, "head@other.local", Role.ADMINISTRATOR, password=PASSWORD)
    assert [person.user.email for person in yunzhuo.services.people.list(guest).items] == ["head@other.local"]
    with pytest.raises(Forbidden):
        yunzhuo.request(guest)
    for somebody in (boss, lin):
        with pytest.raises(NotFound):
            widened(somebody, "Other")
        assert widened(somebody, somebody.organization_id).organization_id == somebody.organization_id
    with pytest.raises(NotFound):
        widened(replace(chief, scopes=frozenset({"desktop:*"})), "Other")


def test_the_first_organization_is_the_same_whatever_its_name(yunzhuo: Installation, lin: Actor) -> None:
    chief = installation(lin.organization_id)
    yunzhuo.pass_time(1)
    yunzhuo.services.organizations.create(chief, "Other")
    yunzhuo.services.organizations.rename(chief, lin.organization_id, "School")
    assert yunzhuo.person("mei").organization_id == lin.organization_id
    assert yunzhuo.services.accounts.default_organization_id() == lin.organization_id
    assert len(yunzhuo.services.organizations.list(chief)) == 2


def test_nobody_of_a_disabled_organization_gets_in(yunzhuo: Installation, boss: Actor) -> None:
    chief = yunzhuo.person("chief", Role.OPERATOR)
    organizations = yunzhuo.services.organizations
    other = organizations.create(chief, "Other")
    yunzhuo.services.people.create(installation(other.id), "x@other.local", Role.USER, password=PASSWORD)
    session = yunzhuo.services.sign_ins.sign_in("x@other.local", PASSWORD, client_address="192.0.2.1")
    token = yunzhuo.services.tokens.create_with_password("x@other.local", PASSWORD, client_address="192.0.2.1")
    organizations.disable(chief, other.id)
    for ask in (
        lambda: yunzhuo.services.sessions.user(session.secret),
        lambda: yunzhuo.services.tokens.user(token.secret),
        lambda: yunzhuo.services.sign_ins.sign_in("x@other.local", PASSWORD, client_address="192.0.2.1"),
    ):
        with pytest.raises(NotSignedIn):
            ask()
    organizations.enable(chief, other.id)
    assert yunzhuo.services.sign_ins.sign_in("x@other.local", PASSWORD, client_address="192.0.2.1").secret
    with pytest.raises(Conflict):
        organizations.disable(chief, chief.organization_id)
    with pytest.raises(Conflict):
        organizations.create(chief, "Other")


def test_nobody_rules_over_what_lets_somebody_mightier_in(yunzhuo: Installation, boss: Actor) -> None:
    chief, services = yunzhuo.person("chief", Role.OPERATOR), yunzhuo.services
    program = services.tokens.add_service(chief, "program@school.local", Role.OPERATOR)
    for ask in (
        lambda: services.factors.reset(boss, chief.user_id),
        lambda: services.sessions.end_all_of(boss, chief.user_id),
        lambda: services.tokens.create_for(boss, program.id, TokenWish("mine")),
        lambda: services.tokens.add_service(boss, "other@school.local", Role.OPERATOR),
        lambda: services.registration.invite(boss, "new@school.local", Role.OPERATOR),
    ):
        with pytest.raises(Forbidden):
            ask()
    assert services.tokens.create_for(chief, program.id, TokenWish("theirs")).secret


def test_an_address_that_another_organization_has_is_refused_without_a_word_of_it(yunzhuo: Installation, boss: Actor) -> None:
    chief = installation(boss.organization_id)
    other = yunzhuo.services.organizations.create(chief, "Other")
    yunzhuo.services.people.create(installation(other.id), "x@other.local", Role.USER, password=PASSWORD)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.people.create(boss, "x@other.local", Role.USER)
    assert refusal.value.code == "email_refused"
    assert "already" not in refusal.value.message
