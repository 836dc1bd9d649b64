"""What people do with desktops, from the wish to the machine in the cloud."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.resources import ServerStatus
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State, Step


def test_a_desktop_is_built_step_by_step(yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin, name="Physics")
    assert accepted.desktop.state is State.BUILDING
    assert accepted.operation.status is OperationStatus.WAITING
    assert yunzhuo.services.desktops.get(lin, accepted.desktop.id).operation.status is OperationStatus.QUEUED
    assert [step.name for step in accepted.operation.steps] == [Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY]
    yunzhuo.run()
    desktop = yunzhuo.services.desktops.get(lin, accepted.desktop.id)
    assert desktop.state is State.AVAILABLE
    assert desktop.name == "Physics"
    assert desktop.operation.error is None
    assert all(step.status is OperationStatus.SUCCEEDED and step.ended_at for step in desktop.operation.steps)
    (server,) = yunzhuo.cloud.servers.list()
    assert server.desktop_id == desktop.id
    assert desktop.hostname.startswith("physics-")


def test_stop_start_reboot_delete(yunzhuo: Installation, lin: Actor) -> None:
    desktops = yunzhuo.services.desktops
    desktop_id = yunzhuo.available(lin)
    assert desktops.act(lin, desktop_id, Action.STOP).desktop.state is State.STOPPING
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.STOPPED
    assert yunzhuo.cloud.servers.list()[0].status is ServerStatus.STOPPED
    assert desktops.act(lin, desktop_id, Action.START).desktop.state is State.STARTING
    yunzhuo.run()
    assert desktops.act(lin, desktop_id, Action.REBOOT).desktop.state is State.REBOOTING
    yunzhuo.run()
    assert desktops.get(lin, desktop_id).state is State.AVAILABLE
    deletion = desktops.act(lin, desktop_id, Action.DELETE).operation
    yunzhuo.run()
    assert desktops.operation(lin, deletion.id).status is OperationStatus.SUCCEEDED
    assert yunzhuo.cloud.servers.list() == ()
    with pytest.raises(NotFound):
        desktops.get(lin, desktop_id)
    assert desktops.list(lin).items == []


def test_what_the_state_does_not_allow_is_refused(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    with pytest.raises(Conflict, match="available cannot do this: start"):
        yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    with pytest.raises(Conflict) as refusal:
        yunzhuo.services.desktops.act(lin, desktop_id, Action.REBOOT)
    assert refusal.value.code == "operation_in_progress"


def test_not_yours_is_not_there(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    desktops = yunzhuo.services.desktops
    accepted = yunzhuo.request(lin)
    with pytest.raises(NotFound):
        desktops.get(mei, accepted.desktop.id)
    with pytest.raises(NotFound):
        desktops.act(mei, accepted.desktop.id, Action.DELETE)
    with pytest.raises(NotFound):
        desktops.rename(mei, accepted.desktop.id, "Mine")
    with pytest.raises(NotFound):
        desktops.operation(mei, accepted.operation.id)
    assert desktops.list(mei).items == []
    assert [desktop.owner_email for desktop in desktops.list(boss).items] == ["lin@school.local"]
    assert desktops.get(boss, accepted.desktop.id).id == accepted.desktop.id


@pytest.mark.parametrize(("image", "flavor", "field"), [("no", None, "image"), (None, "no", "flavor")])
def test_unknown_image_or_flavor(yunzhuo: Installation, lin: Actor, image: str | None, flavor: str | None, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        yunzhuo.services.desktops.request(
            lin, image_id=image or yunzhuo.image(lin).id, flavor_id=flavor or yunzhuo.flavor(lin).id
        )
    assert set(refusal.value.fields) == {field}


def test_a_flavor_too_small_for_the_image(yunzhuo: Installation, lin: Actor) -> None:
    big = next(image for image in yunzhuo.services.catalog.images(lin) if image.name == "Big desktop")
    with pytest.raises(InvalidInput, match="cannot be made") as refusal:
        yunzhuo.services.desktops.request(lin, image_id=big.id, flavor_id=yunzhuo.flavor(lin).id)
    assert "too small" in refusal.value.fields["flavor"]


def test_the_same_key_makes_one_desktop(yunzhuo: Installation, lin: Actor, mei: Actor) -> None:
    first = yunzhuo.request(lin, name="A", idempotency_key="k1")
    again = yunzhuo.request(lin, name="A", idempotency_key="k1")
    assert again.desktop.id == first.desktop.id
    assert again.operation.id == first.operation.id
    with pytest.raises(Conflict, match="another request"):
        yunzhuo.request(lin, name="B", idempotency_key="k1")
    assert yunzhuo.request(mei, name="A", idempotency_key="k1").desktop.id != first.desktop.id
    with pytest.raises(InvalidInput):
        yunzhuo.request(lin, idempotency_key="with space")


def test_the_same_key_from_eight_threads_makes_one_desktop(yunzhuo: Installation, lin: Actor) -> None:
    image, flavor = yunzhuo.image(lin).id, yunzhuo.flavor(lin).id

    def request(_number: int) -> str:
        return yunzhuo.services.desktops.request(lin, image_id=image, flavor_id=flavor, idempotency_key="once").desktop.id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(request, range(8)))) == 1
    assert len(yunzhuo.services.desktops.list(lin).items) == 1


def test_the_limit_holds_for_requests_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    with installation(tmp_path_factory.mktemp("limit"), limits={"desktops_per_user": 3}) as yunzhuo:
        lin = yunzhuo.person()
        image, flavor = yunzhuo.image(lin).id, yunzhuo.flavor(lin).id

        def request(_number: int) -> bool:
            try:
                yunzhuo.services.desktops.request(lin, image_id=image, flavor_id=flavor)
            except LimitReached:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(request, range(8))) == 3
        with pytest.raises(LimitReached, match="3 of 3"):
            yunzhuo.request(lin)


def test_pages_follow_on_each_other(yunzhuo: Installation, lin: Actor) -> None:
    made = [yunzhuo.request(lin, name=f"Desktop {number}").desktop.id for number in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = yunzhuo.services.desktops.list(lin, limit=3, cursor=cursor)
        assert len(page.items) <= 3
        seen += [desktop.id for desktop in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    for wrong in ("x", "eA==", "%%%"):
        with pytest.raises(InvalidInput):
            yunzhuo.services.desktops.list(lin, cursor=wrong)


def test_search_and_state(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.available(lin, name="Chemistry 100%")
    yunzhuo.request(lin, name="Physics")

    def names(search: str | None = None, state: State | None = None, limit: int = 50) -> list[str]:
        found = yunzhuo.services.desktops.list(lin, search=search, state=state, limit=limit)
        return [desktop.name for desktop in found.items]

    assert names(search="chem") == ["Chemistry 100%"]
    assert names(search="0%") == ["Chemistry 100%"]
    assert names(search="_") == []
    assert names(state=State.BUILDING) == ["Physics"]
    assert names(state=State.AVAILABLE, limit=1) == ["Chemistry 100%"]
    assert names(state=State.STOPPED) == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 300, "a\nb", "a\x00b", "a\u202eb", "\ud800"])
def test_names_that_cannot_be(yunzhuo: Installation, lin: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        yunzhuo.request(lin, name=name)
    assert "name" in refusal.value.fields
    desktop_id = yunzhuo.request(lin, name="good").desktop.id
    with pytest.raises(InvalidInput):
        yunzhuo.services.desktops.rename(lin, desktop_id, name)
    assert yunzhuo.services.desktops.get(lin, desktop_id).name == "good"
