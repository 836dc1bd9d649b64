"""Suspend, resume, rebuild, resize, force delete: the rest of a desktop's life, on good days and bad ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.installation import QUICK_PASSWORDS, Installation, installation

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud, Servers
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.memory.options import FlavorOption
from yunzhuo.phoenix.cloud.resources import RebootKind, ServerStatus
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step, Wanted

# Long stories.
pytestmark = pytest.mark.slow


def server_of(yunzhuo: Installation, desktop_id: str) -> str:
    found = yunzhuo.cloud.servers.find(desktop_id)
    assert found is not None
    return found.id


def do(yunzhuo: Installation, actor: Actor, desktop_id: str, action: Action) -> State:
    yunzhuo.services.desktops.act(actor, desktop_id, action)
    yunzhuo.run()
    return yunzhuo.services.desktops.get(actor, desktop_id).state


def write(yunzhuo: Installation, desktop_id: str, content: bytes) -> None:
    yunzhuo.cloud.guest.write_file(server_of(yunzhuo, desktop_id), "/root/notes", content)


def read(yunzhuo: Installation, desktop_id: str) -> bytes:
    return yunzhuo.cloud.guest.read_file(server_of(yunzhuo, desktop_id), "/root/notes", max_bytes=100)


def test_suspend_and_resume_go_on_with_what_ran(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    yunzhuo.cloud.guest.set_clipboard(server_of(yunzhuo, desktop_id), "half a sentence")
    assert desktops.act(lin, desktop_id, Action.SUSPEND).desktop.state is State.SUSPENDING
    yunzhuo.run()
    suspended = desktops.get(lin, desktop_id)
    assert (suspended.state, suspended.wanted) == (State.SUSPENDED, Wanted.SUSPENDED)
    assert suspended.actions == {Action.RESUME, Action.DELETE_SNAPSHOT, Action.DELETE}
    with pytest.raises(Conflict):
        desktops.act(lin, desktop_id, Action.STOP)
    assert desktops.act(lin, desktop_id, Action.RESUME).desktop.state is State.RESUMING
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert yunzhuo.cloud.guest.get_clipboard(server_of(yunzhuo, desktop_id)) == "half a sentence"


def test_a_suspend_that_breaks_says_so_and_can_be_put_right(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.suspend", kind=FaultKind.BREAK, reason="the disk is full"))
    assert do(yunzhuo, lin, desktop_id, Action.SUSPEND) is State.ERROR
    broken = yunzhuo.services.desktops.get(lin, desktop_id)
    assert broken.failure is not None
    assert "the disk is full" in broken.failure.message
    assert {Action.REBOOT, Action.REBUILD, Action.DELETE} <= broken.actions
    assert Action.START not in broken.actions
    # A soft reboot of what is broken is a hard one.
    assert do(yunzhuo, lin, desktop_id, Action.REBOOT) is State.AVAILABLE


def test_rebuild_puts_back_to_the_image_and_keeps_the_power(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    server_id = server_of(yunzhuo, desktop_id)
    write(yunzhuo, desktop_id, b"mine")
    assert desktops.rebuild(lin, desktop_id).desktop.state is State.REBUILDING
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert server_of(yunzhuo, desktop_id) == server_id
    with pytest.raises(NotFound):
        read(yunzhuo, desktop_id)
    do(yunzhuo, lin, desktop_id, Action.STOP)
    rebuilt = desktops.rebuild(lin, desktop_id)
    assert [step.name for step in rebuilt.operation.steps] == [Step.REBUILD, Step.REBUILT]
    yunzhuo.run()
    after = desktops.get(lin, desktop_id)
    assert (after.state, after.wanted) == (State.STOPPED, Wanted.STOPPED)


def test_rebuild_to_another_image_has_to_fit(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    big = next(image for image in yunzhuo.services.catalog.images(lin) if image.name == "Big desktop")
    for image_id in (big.id, "no-such-image"):
        with pytest.raises(InvalidInput) as refusal:
            desktops.rebuild(lin, desktop_id, image_id=image_id)
        assert set(refusal.value.fields) == {"image"}
    large = next(flavor for flavor in yunzhuo.services.catalog.flavors(lin) if flavor.name == "Large")
    desktops.resize(lin, desktop_id, large.id)
    yunzhuo.run()
    desktops.rebuild(lin, desktop_id, image_id=big.id)
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).image_name == "Big desktop"


def test_an_answer_that_got_lost_rebuilds_without_failing(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.rebuild", kind=FaultKind.FAIL_AFTER, count=1))
    yunzhuo.services.desktops.rebuild(lin, desktop_id)
    yunzhuo.run()
    desktop = yunzhuo.services.desktops.get(lin, desktop_id)
    assert (desktop.state, desktop.operation.status) == (State.AVAILABLE, OperationStatus.SUCCEEDED)


def test_resize_offers_and_takes_what_fits(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    flavors = {flavor.name: flavor.id for flavor in yunzhuo.services.catalog.flavors(lin)}
    write(yunzhuo, desktop_id, b"mine")
    assert desktops.sizes(lin, desktop_id) == [flavors["Medium"], flavors["Large"]]
    assert desktops.resize(lin, desktop_id, flavors["Medium"]).desktop.state is State.RESIZING
    yunzhuo.run()
    resized = desktops.get(lin, desktop_id)
    assert (resized.state, resized.flavor_name) == (State.AVAILABLE, "Medium")
    assert yunzhuo.cloud.servers.get(server_of(yunzhuo, desktop_id)).flavor_id == "medium"
    assert read(yunzhuo, desktop_id) == b"mine"
    for flavor_id, code in (
        (flavors["Small"], "flavor_disk_shrinks"),
        (flavors["Medium"], "flavor_same"),
        ("no-such-flavor", "invalid_input"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            desktops.resize(lin, desktop_id, flavor_id)
        assert (refusal.value.code, set(refusal.value.fields)) == (code, {"flavor"})
    assert desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_changes_end_although_the_machine_was_started_behind_our_back(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    changes: list[Callable[[], object]] = [
        lambda: desktops.resize(lin, desktop_id, desktops.sizes(lin, desktop_id)[0]),
        lambda: desktops.rebuild(lin, desktop_id),
    ]
    for change in changes:
        do(yunzhuo, lin, desktop_id, Action.STOP)
        yunzhuo.cloud.servers.start(server_of(yunzhuo, desktop_id))
        change()
        yunzhuo.run()
        changed = desktops.get(lin, desktop_id)
        assert changed.operation.status is OperationStatus.SUCCEEDED
    assert changed.flavor_name == "Medium"


def test_a_resize_without_room_changes_nothing(yunzhuo: Installation, lin: Actor) -> None:
    giant = FlavorOption(id="giant", name="Giant", vcpus=9999, memory_mib=4096, disk_mib=32768)
    yunzhuo.weather.change_options(flavors=(*yunzhuo.weather.options.flavors, giant))
    yunzhuo.services.catalog.synchronize(yunzhuo.services.accounts.default_organization_id())
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    desktops.resize(lin, desktop_id, desktops.sizes(lin, desktop_id)[-1])
    yunzhuo.run()
    refused = desktops.get(lin, desktop_id)
    assert refused.failure is not None
    assert refused.failure.code == "no_capacity"
    assert (refused.state, refused.flavor_name, refused.wanted) == (State.AVAILABLE, "Small", Wanted.RUNNING)


def test_changes_follow_each_other_without_being_refused_as_busy(yunzhuo: Installation, lin: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    do(yunzhuo, lin, desktop_id, Action.STOP)
    yunzhuo.weather.change_options(snapshot_seconds=5)
    # The cloud is still at it when the operation has ended: a stopped machine does not tell.
    yunzhuo.services.snapshots.create(lin, desktop_id, "before")
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.STOPPED
    assert do(yunzhuo, lin, desktop_id, Action.START) is State.AVAILABLE


def test_what_needs_more_has_a_way_of_its_own(yunzhuo: Installation, lin: Actor) -> None:
    with pytest.raises(InvalidInput):
        yunzhuo.services.desktops.act(lin, yunzhuo.available(lin), Action.RESIZE)


def test_every_new_verb_is_404_for_others(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    for ask in (
        lambda: desktops.act(mei, desktop_id, Action.SUSPEND),
        lambda: desktops.rebuild(mei, desktop_id),
        lambda: desktops.resize(mei, desktop_id, "any"),
        lambda: desktops.sizes(mei, desktop_id),
        lambda: desktops.act(mei, desktop_id, Action.FORCE_DELETE),
        lambda: yunzhuo.services.history.of_desktop(mei, desktop_id),
        lambda: yunzhuo.services.snapshots.list(mei, desktop_id),
        lambda: yunzhuo.services.snapshots.create(mei, desktop_id, "mine now"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_force_delete_is_for_administrators_and_does_not_wait(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktops, desktop_id = yunzhuo.services.desktops, yunzhuo.available(lin)
    with pytest.raises(Forbidden):
        desktops.act(lin, desktop_id, Action.FORCE_DELETE)
    assert Action.FORCE_DELETE not in desktops.get(lin, desktop_id).actions
    assert Action.FORCE_DELETE in desktops.get(boss, desktop_id).actions
    yunzhuo.weather.change_options(delete_seconds=30)
    desktops.act(lin, desktop_id, Action.REBOOT)
    yunzhuo.services.engine.claim(yunzhuo.services.engine.due()[0])  # a worker that never comes back
    forced = desktops.act(boss, desktop_id, Action.FORCE_DELETE).operation
    yunzhuo.work()
    ended = desktops.operation(boss, forced.id)
    assert ended.status is OperationStatus.SUCCEEDED
    assert "Left behind" in (ended.steps[0].detail or "")
    with pytest.raises(NotFound):
        desktops.get(boss, desktop_id)
    yunzhuo.pass_time(60)
    assert yunzhuo.cloud.servers.list() == ()


def test_force_delete_ends_though_the_cloud_does_not_answer_and_the_rest_is_cleaned_up(
    yunzhuo: Installation, lin: Actor, boss: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    server_id = server_of(yunzhuo, desktop_id)
    yunzhuo.weather.faults.set(Fault(operation="*", kind=FaultKind.FAIL_BEFORE, count=None))
    forced = yunzhuo.services.desktops.act(boss, desktop_id, Action.FORCE_DELETE).operation
    yunzhuo.work()
    detail = yunzhuo.services.desktops.operation(boss, forced.id).steps[0].detail or ""
    assert server_id in detail
    yunzhuo.weather.faults.clear()
    for _ in range(3):
        yunzhuo.services.reconciler.round()
        yunzhuo.pass_time(1)
    assert yunzhuo.cloud.servers.list() == ()


def test_a_deletion_that_hangs_can_be_forced(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.change_options(delete_seconds=1000)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run(seconds=5)
    yunzhuo.services.desktops.act(boss, desktop_id, Action.FORCE_DELETE)
    yunzhuo.run(seconds=5)
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, desktop_id)


def test_a_hard_reboot_is_told_to_the_cloud(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.REBOOT, reboot_kind=RebootKind.HARD)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert yunzhuo.cloud.servers.get(server_of(yunzhuo, desktop_id)).status is ServerStatus.RUNNING


class _ServersThatStay:
    """A cloud's servers without suspending."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def __getattr__(self, name: str) -> object:
        return getattr(self._servers, name)

    def suspend(self, server_id: str) -> None:
        raise CloudNotOffered("suspending")


class _CloudThatStays:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.servers = _ServersThatStay(cloud.servers)

    def __getattr__(self, name: str) -> object:
        return getattr(self._cloud, name)


def test_what_the_cloud_does_not_offer_is_refused_and_the_desktop_goes_on(tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        lin = yunzhuo.person("lin")
        desktop_id = yunzhuo.available(lin)
        cloud: Cloud = _CloudThatStays(yunzhuo.cloud)  # type: ignore[assignment]  # the rest is passed on
        with services(yunzhuo.settings, clock=yunzhuo.clock, cloud=cloud, passwords=QUICK_PASSWORDS) as others:
            asked = others.desktops.act(lin, desktop_id, Action.SUSPEND).operation
            others.engine.advance(asked.id)
            desktop = others.desktops.get(lin, desktop_id)
        assert desktop.failure is not None
        assert desktop.failure.code == "not_offered_by_cloud"
        assert (desktop.state, desktop.wanted) == (State.AVAILABLE, Wanted.RUNNING)
