"""What happens behind our back is seen, told and put right; what nobody owns is removed by rule only."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.common.errors import Unavailable
from yunzhuo.phoenix.db.models import AuditEntry
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.rules.reconcile import FindingKind


def kinds(yunzhuo: Installation) -> list[FindingKind]:
    return [finding.kind for finding in yunzhuo.services.reconciler.look()]


def ghost(yunzhuo: Installation, tag: str) -> str:
    """A server in the cloud with our kind of tag."""
    options = yunzhuo.weather.options
    request = ServerRequest(tag, "ghost", "ghost", options.images[0].id, options.flavors[0].id)
    return yunzhuo.cloud.servers.create(request).id


def test_a_look_finds_and_changes_nothing(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    assert kinds(yunzhuo) == []
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.kill(server.id)
    ghost(yunzhuo, "11111111-2222-4333-8444-555555555555")
    for _ in range(2):
        assert sorted(kinds(yunzhuo)) == [FindingKind.CHANGED, FindingKind.STRANGER]
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    yunzhuo.services.reconciler.round()
    assert kinds(yunzhuo) == [FindingKind.STRANGER]


def test_another_name_in_the_cloud_is_shown_and_on_record(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Chemistry")
    (server,) = yunzhuo.cloud.servers.list()
    yunzhuo.weather.disturb.rename(server.id, "hacked")
    before = yunzhuo.services.events.latest_id()
    yunzhuo.services.reconciler.round()
    seen = yunzhuo.services.desktops.get(boss, desktop_id)
    assert (seen.name, seen.server_name, seen.host) == ("Chemistry", "hacked", server.host)
    assert yunzhuo.services.desktops.get(lin, desktop_id).server_name is None
    assert [event.object_id for event in yunzhuo.services.events.after(before)] == [desktop_id]
    db = Database(yunzhuo.settings.database_url)
    with db.reading() as tx:
        entry = tx.scalars(select(AuditEntry).where(AuditEntry.verb == "cloud:change")).one()
        assert (entry.actor_id, entry.object_id) == (None, desktop_id)
        assert (entry.before, entry.after) == (
            {"status": "running", "name": "Chemistry"},
            {"status": "running", "name": "hacked"},
        )
    db.close()
    assert kinds(yunzhuo) == []


def test_a_server_that_came_after_its_create_had_failed_is_given_to_its_desktop(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
    accepted = yunzhuo.request(lin)
    yunzhuo.run()
    assert kinds(yunzhuo) == [FindingKind.NO_SERVER]
    server_id = ghost(yunzhuo, accepted.desktop.id)  # the cloud had taken it after all
    assert kinds(yunzhuo) == [FindingKind.ADOPTED]
    yunzhuo.services.reconciler.round()
    assert kinds(yunzhuo) == []
    yunzhuo.services.desktops.act(lin, accepted.desktop.id, Action.CREATE)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).state is State.AVAILABLE
    assert [server.id for server in yunzhuo.cloud.servers.list()] == [server_id]


def test_leftovers_are_told_of_and_removed_by_rule_whoever_looks(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    gone = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, gone, Action.DELETE)
    yunzhuo.run()
    stranger, left = ghost(yunzhuo, "11111111-2222-4333-8444-555555555555"), ghost(yunzhuo, gone)
    yunzhuo.services.reconciler.round()
    told = {each.cloud_id: (each.reason, each.is_removed_by_rule) for each in yunzhuo.services.leftovers.list(boss)}
    assert told == {stranger: (FindingKind.STRANGER, False), left: (FindingKind.LEFT_BEHIND, True)}
    yunzhuo.pass_time(yunzhuo.settings.reconcile.leftover_seconds)
    with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:  # after a restart, say
        others.reconciler.round()
    yunzhuo.pass_time(1)
    yunzhuo.services.reconciler.round()
    assert [server.id for server in yunzhuo.cloud.servers.list()] == [stranger]
    assert [each.cloud_id for each in yunzhuo.services.leftovers.list(boss)] == [stranger]


def test_a_cloud_that_does_not_answer_leaves_everything_as_it_was(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.list", kind=FaultKind.FAIL_BEFORE, count=1))
    with pytest.raises(Unavailable):
        yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


@pytest.mark.slow
def test_many_changes_are_few_transactions(tmp_path: Path) -> None:
    with installation(tmp_path / "home", limits={"desktops_per_user": 60}, admission={"builds_per_cloud": 0}) as yunzhuo:
        lin = yunzhuo.person("lin")
        for _ in range(12):
            yunzhuo.request(lin)
        yunzhuo.run()
        for server in yunzhuo.cloud.servers.list():
            yunzhuo.weather.disturb.kill(server.id)
        before = yunzhuo.weather.calls.last_id()
        yunzhuo.services.reconciler.round()
        assert yunzhuo.weather.calls.count(after_id=before) == 1
        assert {desktop.state for desktop in yunzhuo.services.desktops.list(lin, limit=100).items} == {State.STOPPED}
        db = Database(yunzhuo.settings.database_url)
        with db.reading() as tx:
            assert tx.scalar(select(func.count()).where(AuditEntry.verb == "cloud:change")) == 12
        db.close()
