"""An organization's own project: made, filled, limited and taken away, and what was there before stays where it was."""

from collections.abc import Iterator

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.errors import NoCapacity, ProjectInUse
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.project_resources import OF_VOLUMES, QuotaKind
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound, Unavailable
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.access import installation as installation_itself
from yunzhuo.services.projects import Placing
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def schools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Where every new organization gets a project of its own."""
    home = tmp_path_factory.mktemp("schools") / "home"
    with installation(home, cloud={"driver": "memory", "project_per_organization": True}) as made:
        made.services.address_upkeep.round()
        yield made


@pytest.fixture(scope="module")
def chief(schools: Installation) -> Actor:
    return schools.person("chief", Role.OPERATOR)


def school(yunzhuo: Installation, chief: Actor, name: str) -> tuple[str, Actor]:
    """A new organization with a project, and its administrator."""
    organization = yunzhuo.services.organizations.create(chief, name).id
    yunzhuo.services.project_upkeep.make_missing()
    return organization, head_of(yunzhuo, organization)


def head_of(yunzhuo: Installation, organization: str) -> Actor:
    """An administrator of a new organization, which knows what the cloud offers."""
    yunzhuo.services.catalog.synchronize(organization)
    made = yunzhuo.services.people.create(
        installation_itself(organization), f"head@{organization[:8]}.school", Role.ADMINISTRATOR
    )
    return yunzhuo.services.accounts.by_email(made.user.email).actor()


def limit(
    yunzhuo: Installation, chief: Actor, organization: str, most: int | None, resource: Resource = Resource.DESKTOPS
) -> None:
    """How much an organization may have, of desktops if nothing else is said."""
    visiting = yunzhuo.services.organizations.widened(chief, organization)
    yunzhuo.services.quotas.put(visiting, Subject.ORGANIZATION, organization, resource, most)


def project_of(yunzhuo: Installation, chief: Actor, organization: str) -> str:
    project = yunzhuo.services.projects.get(chief, organization).id
    assert project is not None
    return project


def test_what_a_new_organization_asks_for_is_in_its_own_project(schools: Installation, chief: Actor) -> None:
    north, in_north = school(schools, chief, "North")
    south, in_south = school(schools, chief, "South")
    view = schools.services.projects.get(chief, north)
    assert (view.placing, view.elsewhere) == (Placing.OWN, 0)
    found = {each.name: each for each in schools.services.organizations.list(chief)}
    assert (found["North"].placing, found["North"].project_id) == (Placing.OWN, view.id)

    theirs, others = schools.available(in_north), schools.available(in_south)
    assert schools.cloud.servers.find(theirs) is None
    assert schools.cloud.servers.find(theirs, view.id) is not None
    assert schools.cloud.servers.find(others, view.id) is None
    assert schools.cloud.servers.find(others, project_of(schools, chief, south)) is not None

    schools.services.addresses.assign(in_north, theirs)
    schools.run()
    assert schools.services.desktops.get(in_north, theirs).address is not None
    schools.services.addresses.release(in_north, theirs)
    schools.run()
    schools.services.addresses.assign(in_south, others)
    schools.run()
    ips = schools.cloud.addresses.list()
    assert len(ips) == 2, "what is free in one project is of no use in another"
    assert schools.services.desktops.get(in_south, others).address is not None
    assert not schools.services.reconciler.look()

    used = schools.services.projects.get(chief, north).quota
    assert used is not None
    assert (used[QuotaKind.SERVERS].used, used[QuotaKind.ADDRESSES].used) == (1, 1)


def test_nothing_is_made_among_others_while_the_project_is_still_to_come(schools: Installation, chief: Actor) -> None:
    organization = schools.services.organizations.create(chief, "Early").id
    inside = head_of(schools, organization)
    schools.weather.faults.set(Fault(operation="projects.create", kind=FaultKind.FAIL_BEFORE, subject=organization, count=1))
    with pytest.raises(Unavailable):
        schools.services.project_upkeep.make_missing()
    assert schools.services.projects.get(chief, organization).placing is Placing.COMING
    with pytest.raises(Unavailable) as not_yet:
        schools.request(inside)
    assert not_yet.value.code == "project_not_ready"
    schools.services.project_upkeep.make_missing()
    schools.services.project_upkeep.make_missing()
    assert len([each for each in schools.cloud.projects.list() if each.organization_id == organization]) == 1
    assert schools.services.desktops.get(inside, schools.available(inside)).state is State.AVAILABLE


def test_names_and_quotas_are_kept_in_step_by_what_differs(schools: Installation, chief: Actor) -> None:
    organization, inside = school(schools, chief, "Limited")
    project = project_of(schools, chief, organization)
    limit(schools, chief, organization, 2)
    schools.services.organizations.rename(chief, organization, "Limited Academy")
    schools.cloud.projects.set_quota(project, {QuotaKind.VCPUS: 40})  # by whoever runs the cloud
    schools.services.project_upkeep.compare()
    quota = schools.cloud.projects.quota(project)
    assert {kind: use.most for kind, use in quota.items()} == {
        QuotaKind.SERVERS: 2,
        QuotaKind.VCPUS: 40,
        QuotaKind.MEMORY_MIB: None,
        QuotaKind.ADDRESSES: None,
        **dict.fromkeys(OF_VOLUMES),
    }
    assert schools.cloud.projects.get(project).description == "Limited Academy"

    told = schools.weather.calls.count("projects.set_quota")
    schools.services.project_upkeep.compare()
    assert schools.weather.calls.count("projects.set_quota") == told

    image, flavor = schools.cloud.images.list()[0], schools.cloud.flavors.list()[0]
    for _ in range(2):
        schools.available(inside)
    with pytest.raises(NoCapacity):
        schools.cloud.servers.create(ServerRequest(new_id(), "x", "x", image.id, flavor.id, project_id=project))

    limit(schools, chief, organization, None)
    schools.services.project_upkeep.compare()
    assert schools.cloud.projects.quota(project)[QuotaKind.SERVERS].most is None
    assert schools.cloud.projects.quota(project)[QuotaKind.VCPUS].most == 40


def test_a_quota_on_personal_disks_is_the_clouds_on_volumes(schools: Installation, chief: Actor) -> None:
    organization, head = school(schools, chief, "Disks")
    project = project_of(schools, chief, organization)

    def told() -> dict[QuotaKind, int | None]:
        schools.services.project_upkeep.compare()
        return {kind: use.most for kind, use in schools.cloud.projects.quota(project).items() if kind in OF_VOLUMES}

    limits = {
        Resource.PERSONAL_DISKS: 1,
        Resource.PERSONAL_DISK_MIB: 1500,
        Resource.PERSONAL_DISK_SNAPSHOTS: 1,
    }
    for resource, most in limits.items():
        limit(schools, chief, organization, most, resource)
    assert told() == {QuotaKind.VOLUMES: 1, QuotaKind.VOLUMES_MIB: 2048, QuotaKind.VOLUME_SNAPSHOTS: 1}
    schools.services.personal_disks.create(head, size_mib=512)
    schools.services.personal_disks.take_snapshot(head, "kept")
    uses = schools.cloud.projects.quota(project)
    assert {kind: uses[kind].used for kind in OF_VOLUMES} == told()

    # What is there stays when less is allowed, and what is nobody's any more does not keep others from theirs.
    limit(schools, chief, organization, 0, Resource.PERSONAL_DISKS)
    calls = schools.weather.calls.count("projects.set_quota")
    assert told()[QuotaKind.VOLUMES] == 1
    assert schools.weather.calls.count("projects.set_quota") == calls
    limit(schools, chief, organization, 1, Resource.PERSONAL_DISKS)
    schools.weather.faults.set(Fault(operation="volumes.delete", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(Unavailable):
        schools.services.personal_disks.delete(head)
    assert told() == {QuotaKind.VOLUMES: 2, QuotaKind.VOLUMES_MIB: 3072, QuotaKind.VOLUME_SNAPSHOTS: 2}
    schools.services.personal_disks.create(head, size_mib=64)
    schools.services.personal_disks.remove_given_up()
    assert told() == {QuotaKind.VOLUMES: 1, QuotaKind.VOLUMES_MIB: 2048, QuotaKind.VOLUME_SNAPSHOTS: 1}
    for resource in limits:
        limit(schools, chief, organization, None, resource)
    assert set(told().values()) == {None}


def test_an_organization_that_was_there_stays_until_it_is_moved(yunzhuo: Installation) -> None:
    chief = yunzhuo.person("chief", Role.OPERATOR)
    before = yunzhuo.available(chief)
    organization = chief.organization_id
    assert yunzhuo.services.projects.get(chief, organization).placing is Placing.SHARED
    made = yunzhuo.services.projects.make(chief, organization)
    assert (made.placing, made.elsewhere) == (Placing.OWN, 1)
    assert yunzhuo.services.projects.make(chief, organization).id == made.id
    after = yunzhuo.available(chief)
    assert yunzhuo.cloud.servers.find(before) is not None
    assert yunzhuo.cloud.servers.find(after, made.id) is not None
    yunzhuo.services.desktops.act(chief, before, Action.STOP)
    yunzhuo.run()
    yunzhuo.services.desktops.act(chief, before, Action.START)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(chief, before).state is State.AVAILABLE
    assert not yunzhuo.services.reconciler.look()


def test_personal_disks_do_not_follow(yunzhuo: Installation, lin: Actor) -> None:
    chief = yunzhuo.person("chief", Role.OPERATOR)
    yunzhuo.services.personal_disks.create(lin)
    with pytest.raises(Conflict) as refused:
        yunzhuo.services.projects.make(chief, lin.organization_id)
    assert refused.value.code == "personal_disks_elsewhere"
    assert not yunzhuo.cloud.projects.list()
    yunzhuo.services.personal_disks.delete(lin)
    project = yunzhuo.services.projects.make(chief, lin.organization_id).id
    yunzhuo.services.personal_disks.create(lin)
    desktop_id = yunzhuo.available(lin)
    volume = yunzhuo.cloud.volumes.list()[0]
    assert yunzhuo.cloud.volumes.find(volume.disk_id, project) == volume
    server = yunzhuo.cloud.servers.find(desktop_id, project)
    assert server is not None
    assert volume.server_id == server.id


def test_a_project_goes_empty_or_not_at_all(schools: Installation, chief: Actor) -> None:
    organization, inside = school(schools, chief, "Leaving")
    project, desktop_id = project_of(schools, chief, organization), schools.available(inside)
    schools.services.addresses.assign(inside, desktop_id)
    schools.run()
    with pytest.raises(Conflict) as early:
        schools.services.projects.delete(chief, organization)
    assert early.value.code == "organization_not_disabled"
    schools.services.organizations.disable(chief, organization)
    with pytest.raises(Conflict) as full:
        schools.services.projects.delete(chief, organization)
    assert full.value.code == "project_has_desktops"
    operation = schools.services.desktops.act(inside, desktop_id, Action.DELETE).operation
    schools.run()
    assert schools.services.desktops.operation(inside, operation.id).status is OperationStatus.SUCCEEDED

    image, flavor = schools.cloud.images.list()[0], schools.cloud.flavors.list()[0]
    foreign = schools.cloud.servers.create(ServerRequest(new_id(), "theirs", "theirs", image.id, flavor.id, project_id=project))
    with pytest.raises(ProjectInUse):
        schools.services.projects.delete(chief, organization)
    assert schools.services.projects.get(chief, organization).id == project
    schools.cloud.servers.delete(foreign.id)
    schools.pass_time(60)
    schools.services.projects.delete(chief, organization)
    schools.services.projects.delete(chief, organization)
    assert project not in {each.id for each in schools.cloud.projects.list()}
    assert schools.services.projects.get(chief, organization).placing is Placing.SHARED
    assert not schools.cloud.addresses.find(organization)


def test_only_operators_have_a_say(yunzhuo: Installation, boss: Actor) -> None:
    with pytest.raises(Forbidden):
        yunzhuo.services.projects.make(boss, boss.organization_id)
    with pytest.raises(NotFound):
        yunzhuo.services.projects.make(yunzhuo.person("chief", Role.OPERATOR), new_id())
    assert not yunzhuo.cloud.projects.list()
