"""Thumbnails: for the owner alone, looked at once for many who ask, quick to say that there is none."""

import threading
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import Forbidden, NotFound, NotOffered, Unavailable
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action

pytestmark = pytest.mark.slow

LOOK = "servers.screenshot"


def test_a_screen_is_looked_at_once_in_a_few_seconds(yunzhuo: Installation, lin: Actor) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    yunzhuo.pass_time(1)
    first = thumbnails.look(lin, desktop_id)
    assert first.content.startswith(b"\xff\xd8")
    assert first.taken_at == yunzhuo.clock.now()
    yunzhuo.pass_time(4)
    assert thumbnails.look(lin, desktop_id) == first
    assert yunzhuo.weather.calls.count(LOOK) == 1
    yunzhuo.pass_time(4)
    later = thumbnails.look(lin, desktop_id)
    assert yunzhuo.weather.calls.count(LOOK) == 2
    assert later.etag != first.etag


@pytest.mark.parametrize("action", [Action.STOP, Action.SUSPEND])
def test_what_is_off_shows_what_was_there_before(yunzhuo: Installation, lin: Actor, action: Action) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    yunzhuo.pass_time(60)
    asked_at = yunzhuo.clock.now()
    yunzhuo.services.desktops.act(lin, desktop_id, action)
    yunzhuo.run()
    yunzhuo.pass_time(3600)
    assert asked_at <= thumbnails.look(lin, desktop_id).taken_at < yunzhuo.clock.now()


def test_what_was_restored_does_not_show_what_is_gone(yunzhuo: Installation, lin: Actor) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    thumbnails.look(lin, desktop_id)
    yunzhuo.pass_time(1)
    yunzhuo.services.desktops.rebuild(lin, desktop_id)
    yunzhuo.run()
    with pytest.raises(NotFound) as refusal:
        thumbnails.look(lin, desktop_id)
    assert refusal.value.code == "no_screenshot"


def test_nobody_else_may_look(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    thumbnails.look(lin, desktop_id)
    with pytest.raises(NotFound):
        thumbnails.look(mei, desktop_id)
    with pytest.raises(Forbidden):
        thumbnails.look(boss, desktop_id)


def test_a_desktop_without_a_machine_has_no_picture(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    with pytest.raises(NotFound):
        yunzhuo.services.thumbnails.look(lin, desktop_id)


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    with installation(tmp_path / "home", consoles={"thumbnails": False}) as yunzhuo:
        lin = yunzhuo.person()
        desktop_id = yunzhuo.available(lin)
        with pytest.raises(NotOffered) as refusal:
            yunzhuo.services.thumbnails.look(lin, desktop_id)
        assert refusal.value.code == "thumbnails_off"
        assert yunzhuo.weather.calls.count(LOOK) == 0


def test_a_cloud_that_fails_is_asked_again(yunzhuo: Installation, lin: Actor) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation=LOOK, kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(CloudUnavailable):
        thumbnails.look(lin, desktop_id)
    assert thumbnails.look(lin, desktop_id).content


def test_while_one_waits_for_the_cloud_nobody_else_does(yunzhuo: Installation, lin: Actor) -> None:
    thumbnails, desktop_id = yunzhuo.services.thumbnails, yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation=LOOK, kind=FaultKind.SLOW, seconds=0.5))
    waiting = threading.Thread(target=thumbnails.look, args=(lin, desktop_id))
    waiting.start()
    eventually(lambda: yunzhuo.weather.calls.count(LOOK) == 1, 5)
    with pytest.raises(Unavailable) as refusal:
        thumbnails.look(lin, desktop_id)
    assert refusal.value.code == "thumbnail_not_now"
    waiting.join()
    assert thumbnails.look(lin, desktop_id).content
    assert yunzhuo.weather.calls.count(LOOK) == 1
