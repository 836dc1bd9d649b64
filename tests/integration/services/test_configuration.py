"""Pools, schedules and quotas as one document: compared, applied whole or not at all, told so that nothing changes."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.installation import Installation
from tests.support.pools import make_pool

from yunzhuo.phoenix.cloud.network_resources import SubnetRequest
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.access import installation as itself
from yunzhuo.services.configuration import Piece, Plan, StepKind
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.schedules import Deed as ScheduleDeed

pytestmark = pytest.mark.slow


@pytest.fixture
def school(yunzhuo: Installation, boss: Actor, lin: Actor) -> Mapping[str, Any]:
    """A document that is whole; its group and its people are there."""
    yunzhuo.services.groups.create(boss, "Class 1")
    return {
        "pools": [
            {
                "name": "Room 302",
                "image": yunzhuo.image(boss).name,
                "flavor": yunzhuo.flavor(boss).name,
                "capacity": 40,
                "spares": 2,
                "hours": ["Mon-Fri 07:30-18:00 8"],
                "time_zone": "Asia/Shanghai",
                "release_after_minutes": 30,
                "members": ["Class 1", "Lin@school.local"],
            },
        ],
        "schedules": [
            {"name": "Evening", "rule": "0  22 * * *", "action": "stop", "pool": "Room 302", "paused": True},
            {"name": "Morning", "rule": "0 7 * * 1-5", "action": "start", "group": "Class 1"},
        ],
        "quotas": [
            {"group": "Class 1", "running": 30, "desktops": 60},
            {"person": "lin@school.local", "desktops": 3},
        ],
    }


def applied(yunzhuo: Installation, actor: Actor, document: Mapping[str, Any], *, prune: bool = False) -> Plan:
    configuration = yunzhuo.services.configuration
    plan = configuration.plan(actor, document, prune=prune)
    assert configuration.apply(actor, document, plan.fingerprint, prune=prune) == plan
    assert configuration.plan(actor, document, prune=prune).steps == ()
    return plan


def changed(document: Mapping[str, Any], section: str, number: int, **values: object) -> Mapping[str, Any]:
    """The document with something else in one of its entries."""
    entries = [dict(each) for each in document[section]]
    entries[number] |= values
    return {**document, section: entries}


def mistakes(yunzhuo: Installation, actor: Actor, document: Mapping[str, Any]) -> Mapping[str, str]:
    with pytest.raises(InvalidInput) as raised:
        yunzhuo.services.configuration.plan(actor, document)
    assert raised.value.code == "configuration_invalid"
    return raised.value.fields


def told(plan: Plan) -> list[tuple[StepKind, str, dict[str, tuple[object, object]]]]:
    return [
        (step.deed, step.key.name, {each.field: (each.before, each.after) for each in step.differences}) for step in plan.steps
    ]


def test_what_a_document_says_is_made_and_told_again(
    yunzhuo: Installation, boss: Actor, lin: Actor, school: Mapping[str, Any]
) -> None:
    services = yunzhuo.services
    plan = applied(yunzhuo, boss, school)
    assert [(step.deed, step.key.kind, step.key.name) for step in plan.steps] == [
        (StepKind.ADD, Piece.POOL, "Room 302"),
        (StepKind.ADD, Piece.SCHEDULE, "Evening"),
        (StepKind.ADD, Piece.SCHEDULE, "Morning"),
        (StepKind.ADD, Piece.QUOTA, "Class 1"),
        (StepKind.ADD, Piece.QUOTA, "Class 1"),
        (StepKind.ADD, Piece.QUOTA, "lin@school.local"),
    ]
    (pool,) = services.pools.list(boss)
    assert (pool.capacity, pool.spares, pool.hours, pool.release_after_minutes) == (40, 2, ["mon-fri 07:30-18:00 8"], 30)
    assert [each.name for each in services.pools.members(boss, pool.id)] == ["Class 1", "lin@school.local"]
    evening, morning = services.schedules.list(boss)
    assert (evening.subject_id, evening.is_paused, evening.rule) == (pool.id, True, "0 22 * * *")
    assert (morning.subject_name, morning.action, morning.is_paused) == ("Class 1", ScheduleDeed.START, False)
    assert {(each.subject_name, each.resource): each.most for each in services.quotas.list(boss)} == {
        ("Class 1", Resource.DESKTOPS): 60,
        ("Class 1", Resource.RUNNING): 30,
        ("lin@school.local", Resource.DESKTOPS): 3,
    }
    exported = services.configuration.export(boss)
    assert exported["pools"][0]["members"] == ["Class 1", "lin@school.local"]
    assert services.configuration.plan(boss, exported).steps == ()
    # What was deleted by hand comes back, all of it.
    services.pools.delete(boss, pool.id)
    for schedule in (evening, morning):
        services.schedules.delete(boss, schedule.id)
    applied(yunzhuo, boss, exported)
    assert services.configuration.export(boss) == exported


def test_only_what_is_mentioned_changes(yunzhuo: Installation, boss: Actor, mei: Actor, school: Mapping[str, Any]) -> None:
    services = yunzhuo.services
    applied(yunzhuo, boss, school)
    by_hand = make_pool(yunzhuo, boss, members=[mei], name="By hand")
    little = {
        "pools": [{"name": "Room 302", "spares": 4, "release_after_minutes": 0, "members": ["mei@school.local", "Class 1"]}],
        "schedules": [{"name": "Evening", "group": "Class 1", "paused": False}],
        "quotas": [{"person": "lin@school.local", "desktops": "none", "hours": 100}],
    }
    assert told(applied(yunzhuo, boss, little)) == [
        (
            StepKind.CHANGE,
            "Room 302",
            {
                "spares": (2, 4),
                "release_after_minutes": (30, None),
                "members": (("Class 1", "lin@school.local"), ("Class 1", "mei@school.local")),
            },
        ),
        (StepKind.CHANGE, "Evening", {"paused": (True, False), "pool": ("Room 302", None), "group": (None, "Class 1")}),
        (StepKind.ADD, "lin@school.local", {"most": (None, 100), "document": (None, "main")}),
        (StepKind.REMOVE, "lin@school.local", {"most": (3, None), "document": ("main", None)}),
    ]
    pool = next(each for each in services.pools.list(boss) if each.name == "Room 302")
    assert (pool.capacity, pool.spares, pool.release_after_minutes) == (40, 4, None)
    assert [each.name for each in services.pools.members(boss, by_hand)] == ["mei@school.local"]
    assert services.schedules.list(boss)[0].next_at is not None
    assert len(services.schedules.list(boss)) == 2


def test_all_mistakes_are_told_at_once_each_at_its_place_and_nothing_is_done(
    yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]
) -> None:
    wrong = {
        "colour": 1,
        "pools": [
            *school["pools"],
            {**school["pools"][0], "capacity": 0},
            {**school["pools"][0], "name": "New", "capacity": "many", "spears": 3},
            {"name": "Other", "image": "Plan 9", "flavor": school["pools"][0]["flavor"], "members": ["Class 9", "mei@x.test"]},
            {**school["pools"][0], "name": "Third", "spares": 41, "hours": ["noon"], "time_zone": "Mars"},
            "not a table",
        ],
        "schedules": [
            {"name": "Evening", "rule": "whenever", "action": "stop", "pool": "Room 302"},
            {"name": "Noon", "rule": "0 12 * * *", "action": "stop", "pool": "Room 999"},
            {"name": "Never", "rule": "0 12 30 2 *", "action": "stop", "pool": "Room 302"},
            {"name": "Both", "rule": "0 12 * * *", "action": "explode", "pool": "Room 302", "group": "Class 1"},
            {"name": "Less"},
        ],
        "quotas": [
            {"group": "Class 1", "person": "lin@school.local", "desktops": 3},
            {"group": "Class 1"},
            {"person": "lin@school.local", "desktops": 3},
            {"person": "LIN@school.local", "desktops": 4},
            {"group": "Class 1", "running": "lots"},
        ],
    }
    assert set(mistakes(yunzhuo, boss, wrong)) == {
        "colour",
        *("pools.1.capacity", "pools.2.capacity", "pools.2.spears", "pools.3.image", "pools.3.members.0", "pools.3.members.1"),
        *("pools.3.capacity", "pools.4.spares", "pools.4.hours", "pools.4.time_zone", "pools.5"),
        *("schedules.0.rule", "schedules.1.pool", "schedules.2.rule", "schedules.3.action"),
        *("schedules.4.pool", "schedules.4.rule", "schedules.4.action"),
        *("quotas.0", "quotas.1", "quotas.3.desktops", "quotas.4.running"),
    }
    assert mistakes(yunzhuo, boss, {"pools": [*school["pools"], {"name": " Room 302 "}]}).keys() == {"pools.1.name"}
    assert mistakes(yunzhuo, boss, {"pools": {"Room 302": {}}}).keys() == {"pools"}
    with pytest.raises(InvalidInput):
        yunzhuo.services.configuration.apply(boss, wrong, "")
    assert yunzhuo.services.configuration.export(boss) == {"name": "main"}


def test_what_cannot_be_changed_is_told_before_anything_is(
    yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]
) -> None:
    applied(yunzhuo, boss, school)
    wrong = {"pools.0.release_after_minutes", "pools.0.kind"}
    assert mistakes(yunzhuo, boss, changed(school, "pools", 0, kind="dedicated")).keys() == wrong
    kind = changed(school, "pools", 0, kind="dedicated", release_after_minutes=0)
    assert mistakes(yunzhuo, boss, kind).keys() == {"pools.0.kind"}
    yunzhuo.services.pools.delete(boss, yunzhuo.services.pools.list(boss)[0].id)
    # What it is for is gone: that is no mistake of a document that does not mention it.
    assert yunzhuo.services.configuration.plan(boss, {"schedules": [{"name": "Evening", "paused": False}]}).steps


def test_what_was_shown_is_what_is_done(yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]) -> None:
    configuration = yunzhuo.services.configuration
    shown = configuration.plan(boss, school)
    make_pool(yunzhuo, boss, name="Room 302")
    with pytest.raises(Conflict) as raised:
        configuration.apply(boss, school, shown.fingerprint)
    assert raised.value.code == "plan_moved"
    assert configuration.plan(boss, {"schedules": school["schedules"]}).steps  # nothing of it was done
    assert yunzhuo.services.schedules.list(boss) == []


def test_nothing_is_half_done(yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]) -> None:
    """The last step is not allowed: an organization's own quota is for operators."""
    whole = {**school, "quotas": [*school["quotas"], {"organization": True, "desktops": 500}]}
    configuration = yunzhuo.services.configuration
    with pytest.raises(Forbidden):
        configuration.apply(boss, whole, configuration.plan(boss, whole).fingerprint)
    assert configuration.export(boss) == {"name": "main"}
    operator = itself(boss.organization_id)
    applied(yunzhuo, operator, whole)
    assert configuration.export(operator)["quotas"][0] == {"organization": True, "desktops": 500}


def test_pruning_takes_what_this_document_made_and_nothing_else(
    yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]
) -> None:
    services = yunzhuo.services
    by_hand = make_pool(yunzhuo, boss, name="By hand")
    services.quotas.put(boss, Subject.USER, boss.user_id, Resource.DESKTOPS, 9)
    applied(yunzhuo, boss, {**school, "name": "rooms"})
    wish = {**school["pools"][0], "name": "Lab"}
    applied(yunzhuo, boss, {"name": "labs", "pools": [wish], "schedules": []})
    assert services.configuration.plan(boss, {"name": "rooms"}).steps == ()  # removing is asked for
    # The schedule that stays is about the pool that would go.
    with pytest.raises(InvalidInput) as raised:
        services.configuration.plan(boss, {"name": "rooms", "schedules": school["schedules"]}, prune=True)
    assert raised.value.fields.keys() == {"schedules.0.pool"}
    # One that another document mentions is that one's from then on.
    takes_over = told(applied(yunzhuo, boss, {"name": "labs", "schedules": [{"name": "Morning"}]}))
    assert takes_over == [(StepKind.CHANGE, "Morning", {"document": ("rooms", "labs")})]
    gone = applied(yunzhuo, boss, {"name": "rooms", "quotas": school["quotas"][:1]}, prune=True)
    assert [(step.deed, step.key.name) for step in gone.steps] == [
        (StepKind.REMOVE, "lin@school.local"),
        (StepKind.REMOVE, "Evening"),
        (StepKind.REMOVE, "Room 302"),
    ]
    assert {each.name for each in services.pools.list(boss)} == {"By hand", "Lab"}
    assert [each.name for each in services.schedules.list(boss)] == ["Morning"]
    assert {each.subject_name for each in services.quotas.list(boss)} == {"Class 1", "boss@school.local"}
    assert services.pools.get(boss, by_hand).name == "By hand"


def test_each_piece_needs_its_right(yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]) -> None:
    services = yunzhuo.services
    narrow = Actor(
        **{
            **{name: getattr(boss, name) for name in ("user_id", "organization_id", "email", "role")},
            "scopes": frozenset({"pool:*", "group:read", "user:read"}),
        }
    )
    with pytest.raises(Forbidden):
        services.configuration.plan(narrow, school)
    with pytest.raises(Forbidden):
        services.configuration.plan(narrow, {}, prune=True)
    only_pools = {"pools": school["pools"]}
    applied(yunzhuo, narrow, only_pools)
    applied(yunzhuo, boss, school)
    assert services.configuration.export(narrow).keys() == {"name", "pools"}
    reads = Actor(boss.user_id, boss.organization_id, boss.email, Role.ADMINISTRATOR, scopes=frozenset({"*:read"}))
    wish = changed(only_pools, "pools", 0, spares=3)
    shown = services.configuration.plan(reads, wish)
    with pytest.raises(Forbidden):
        services.configuration.apply(reads, wish, shown.fingerprint)
    with pytest.raises(Forbidden):
        services.configuration.plan(yunzhuo.person("somebody"), only_pools)


def test_a_pools_network_and_security_groups_by_name(yunzhuo: Installation, boss: Actor, school: Mapping[str, Any]) -> None:
    yunzhuo.cloud.networks.create("lab", SubnetRequest("lab", "10.9.0.0/24"))
    for name in ("exam", "web"):
        yunzhuo.cloud.security_groups.create(name, "", [])
    yunzhuo.services.catalog.synchronize_places()
    applied(yunzhuo, boss, school)
    operator = itself(boss.organization_id)
    placed = changed(school, "pools", 0, network="lab", security_groups=["web", "exam"])
    assert mistakes(yunzhuo, boss, placed).keys() == {
        *("pools.0.network", "pools.0.security_groups.0", "pools.0.security_groups.1")
    }, "they are not for an administrator to see"
    assert told(applied(yunzhuo, operator, placed)) == [
        (StepKind.CHANGE, "Room 302", {"network": (None, "lab"), "security_groups": ((), ("exam", "web"))})
    ]
    (pool,) = yunzhuo.services.configuration.export(operator)["pools"]
    assert (pool["network"], pool["security_groups"]) == ("lab", ["exam", "web"])
    assert yunzhuo.services.configuration.plan(boss, placed).steps == (), "what is there already may be said"
    assert told(applied(yunzhuo, operator, changed(school, "pools", 0, network="none", security_groups=[]))) == [
        (StepKind.CHANGE, "Room 302", {"network": ("lab", None), "security_groups": (("exam", "web"), ())})
    ]
    assert mistakes(yunzhuo, operator, changed(school, "pools", 0, network="moon")) == {
        "pools.0.network": "There is no network moon."
    }
