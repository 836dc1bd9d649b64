"""Quotas: counted right, kept in races, told before a wish is refused; usage day by day."""

import threading
from datetime import date

import pytest
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action

pytestmark = pytest.mark.slow


def allow(yunzhuo: Installation, boss: Actor, subject: Subject, subject_id: str, **most: int) -> None:
    """Set quotas, an organization's own as an operator."""
    asker = installation(boss.organization_id) if subject is Subject.ORGANIZATION else boss
    for resource, amount in most.items():
        yunzhuo.services.quotas.put(asker, subject, subject_id, Resource(resource), amount)


def test_what_is_left_is_told_before_a_wish_is_refused(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    allow(yunzhuo, boss, Subject.USER, lin.user_id, desktops=2)
    yunzhuo.request(lin)
    mine = {each.resource: each for each in yunzhuo.services.quotas.mine(lin)}
    assert (mine[Resource.DESKTOPS].used, mine[Resource.DESKTOPS].most, mine[Resource.DESKTOPS].left) == (1, 2, 1)
    assert (mine[Resource.VCPUS].used, mine[Resource.VCPUS].most) == (yunzhuo.flavor(lin).vcpus, None)
    yunzhuo.request(lin)
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.request(lin)
    assert refusal.value.code == "desktop_limit_reached"


@pytest.mark.parametrize(
    ("resource", "most", "taken"),
    [("desktops", 1, 1), ("running", 1, 1), ("vcpus", 1, 1), ("memory_mib", 512, 1), ("disk_mib", 2 * 4096, 2)],
)
def test_every_resource_is_counted_when_a_desktop_is_asked_for(
    yunzhuo: Installation, boss: Actor, lin: Actor, resource: str, most: int, taken: int
) -> None:
    small = yunzhuo.flavor(lin)
    most = {"memory_mib": small.memory_mib, "disk_mib": 2 * small.disk_mib, "vcpus": small.vcpus}.get(resource, most)
    allow(yunzhuo, boss, Subject.ORGANIZATION, boss.organization_id, **{resource: most})
    for _ in range(taken):
        yunzhuo.request(lin)
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.request(lin)
    assert refusal.value.details["resource"] == resource
    assert len(yunzhuo.services.desktops.list(lin).items) == taken


def test_a_stopped_desktop_is_not_running_and_cannot_start_beyond_the_quota(
    yunzhuo: Installation, boss: Actor, lin: Actor
) -> None:
    first = yunzhuo.available(lin)
    allow(yunzhuo, boss, Subject.USER, lin.user_id, running=1)
    yunzhuo.services.desktops.act(lin, first, Action.STOP)
    yunzhuo.run()
    yunzhuo.available(lin)
    with pytest.raises(LimitReached):
        yunzhuo.services.desktops.act(lin, first, Action.START)


def test_a_larger_size_counts_from_the_moment_it_is_asked_for(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    small, large = yunzhuo.services.catalog.flavors(lin)[:2]
    first, second = yunzhuo.available(lin), yunzhuo.available(lin)
    allow(yunzhuo, boss, Subject.USER, lin.user_id, memory_mib=small.memory_mib + large.memory_mib)
    yunzhuo.services.desktops.resize(lin, first, large.id)
    with pytest.raises(LimitReached):
        yunzhuo.services.desktops.resize(lin, second, large.id)


def test_snapshots_are_counted_over_all_desktops(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    first, second = yunzhuo.available(lin), yunzhuo.available(lin)
    allow(yunzhuo, boss, Subject.USER, lin.user_id, snapshots=1)
    yunzhuo.services.snapshots.create(lin, first, "one")
    with pytest.raises(LimitReached):
        yunzhuo.services.snapshots.create(lin, second, "two")


def test_a_groups_quota_is_shared(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    group = yunzhuo.services.groups.create(boss, "class")
    for each in (lin, mei):
        yunzhuo.services.groups.put_member(boss, group.id, each.user_id)
    allow(yunzhuo, boss, Subject.GROUP, group.id, desktops=1)
    yunzhuo.request(lin)
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.request(mei)
    assert refusal.value.details["of"] == "group"
    assert {each.resource: each.left for each in yunzhuo.services.quotas.mine(mei)}[Resource.DESKTOPS] == 0
    yunzhuo.request(boss)


@pytest.mark.parametrize("subject", list(Subject))
def test_the_last_place_is_taken_once_however_many_ask_at_once(
    yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor, subject: Subject
) -> None:
    group = yunzhuo.services.groups.create(boss, "class")
    people = [lin] if subject is Subject.USER else [lin, mei]
    for each in people:
        yunzhuo.services.groups.put_member(boss, group.id, each.user_id)
    subject_id = {Subject.USER: lin.user_id, Subject.GROUP: group.id, Subject.ORGANIZATION: boss.organization_id}[subject]
    allow(yunzhuo, boss, subject, subject_id, desktops=3)
    refused: list[LimitReached] = []

    def ask(actor: Actor) -> None:
        try:
            yunzhuo.request(actor)
        except LimitReached as refusal:
            refused.append(refusal)

    threads = [threading.Thread(target=ask, args=(people[number % len(people)],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(yunzhuo.services.desktops.list(boss).items) == 3
    assert len(refused) == 5


def test_quotas_are_set_by_those_who_may(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    quotas = yunzhuo.services.quotas
    with pytest.raises(Forbidden):
        quotas.put(boss, Subject.ORGANIZATION, boss.organization_id, Resource.DESKTOPS, 1)
    with pytest.raises(InvalidInput):
        quotas.put(boss, Subject.USER, lin.user_id, Resource.DESKTOPS, -1)
    with pytest.raises(NotFound):
        quotas.put(boss, Subject.USER, "nobody", Resource.DESKTOPS, 1)
    quotas.put(boss, Subject.USER, lin.user_id, Resource.DESKTOPS, 1)
    (found,) = quotas.list(boss)
    assert (found.subject_name, found.resource, found.most) == (lin.email, Resource.DESKTOPS, 1)
    quotas.put(boss, Subject.USER, lin.user_id, Resource.DESKTOPS, None)
    assert not quotas.list(boss)


def test_usage_is_kept_by_day_and_counted_once(yunzhuo: Installation, boss: Actor, lin: Actor, mei: Actor) -> None:
    usage, flavor = yunzhuo.services.usage, yunzhuo.flavor(lin)
    yunzhuo.available(lin)
    yunzhuo.services.reconciler.round()
    usage.count()
    for _ in range(3):
        yunzhuo.pass_time(600)
        usage.count()
        usage.count()
    *before, today = usage.days(lin, days=3)
    assert (today.desktops, today.running_seconds) == (1, 1800)
    assert (today.vcpu_seconds, today.memory_mib_seconds) == (1800 * flavor.vcpus, 1800 * flavor.memory_mib)
    assert [day.running_seconds for day in before] == [0, 0]
    assert (today.day, len(usage.days(lin))) == (date(2026, 3, 2), 30)
    assert usage.days(boss, days=1)[0] == today
    assert usage.days(mei, days=1)[0].running_seconds == 0
    assert usage.days(mei, days=1, user_id=lin.user_id)[0].running_seconds == 0
    yunzhuo.pass_time(6 * 3600)
    usage.count()
    assert usage.days(lin, days=1)[0].running_seconds == 1800 + 900  # nobody looked: no more than a quarter of an hour


def test_hours_that_are_used_up_keep_desktops_off(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.reconciler.round()
    yunzhuo.services.usage.count()
    for _ in range(8):
        yunzhuo.pass_time(900)
        yunzhuo.services.usage.count()
    allow(yunzhuo, boss, Subject.USER, lin.user_id, hours=2)
    assert {each.resource: each.used for each in yunzhuo.services.quotas.mine(lin)}[Resource.HOURS] == 2
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    with pytest.raises(LimitReached) as refusal:
        yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    assert refusal.value.details["resource"] == "hours"


def test_another_organizations_usage_and_quotas_are_not_there(yunzhuo: Installation, boss: Actor, lin: Actor) -> None:
    other = yunzhuo.services.organizations.create(installation(boss.organization_id), "other")
    head = yunzhuo.services.people.create(
        installation(other.id), "head@other.local", Role.ADMINISTRATOR, password=PASSWORD
    ).user.actor()
    allow(yunzhuo, boss, Subject.USER, lin.user_id, desktops=1)
    yunzhuo.available(lin)
    yunzhuo.services.reconciler.round()
    yunzhuo.services.usage.count()
    yunzhuo.pass_time(600)
    yunzhuo.services.usage.count()
    assert not yunzhuo.services.quotas.list(head)
    assert yunzhuo.services.usage.days(head, days=1)[0].running_seconds == 0
    assert yunzhuo.services.overview.look(head).figures.desktops == 0
    with pytest.raises(NotFound):
        yunzhuo.services.quotas.of_user(head, lin.user_id)


def test_personal_disks_are_counted_with_their_snapshots(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    quotas, disks = yunzhuo.services.quotas, yunzhuo.services.personal_disks
    quotas.put(installation(boss.organization_id), Subject.ORGANIZATION, boss.organization_id, Resource.PERSONAL_DISK_MIB, 400)
    disks.create(lin, size_mib=128)
    disks.take_snapshot(lin, "first")
    with pytest.raises(LimitReached) as full:
        disks.create(mei, size_mib=256)
    assert (full.value.details["resource"], full.value.details["used"]) == (Resource.PERSONAL_DISK_MIB, 256)
    quotas.put(boss, Subject.USER, lin.user_id, Resource.PERSONAL_DISK_SNAPSHOTS, 1)
    with pytest.raises(LimitReached):
        disks.take_snapshot(lin, "second")
    assert [each.name for each in disks.get(lin).snapshots] == ["first"]
    mine = {each.resource: (each.used, each.most) for each in quotas.mine(lin)}
    assert (mine[Resource.PERSONAL_DISKS], mine[Resource.PERSONAL_DISK_MIB]) == ((1, None), (256, 400))
    assert mine[Resource.PERSONAL_DISK_SNAPSHOTS] == (1, 1)
    disks.delete(lin)
    disks.create(mei, size_mib=256)
    quotas.put(boss, Subject.USER, lin.user_id, Resource.PERSONAL_DISKS, 0)
    with pytest.raises(LimitReached):
        disks.create(lin, size_mib=64)
