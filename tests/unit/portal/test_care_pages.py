"""The pages of a desktop's virtual machine: what administrators do to it, and its console log. Others do not find them."""

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import CHINESE, Visitor, signed_in, somebody

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.lifecycle import State


def _press(visitor: Visitor, desktop_id: str, deed: str, **values: str) -> str:
    """Answer the question of a deed, and tell what the page says then."""
    where = f"/desktops/{desktop_id}/machine"
    form = visitor.get(f"{where}/{deed}").form("")
    assert visitor.send(f"{where}/{deed}", form, **values).status_code == 303
    return visitor.get(where).text


def test_a_desktop_is_locked_and_unlocked(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Lesson")
    before = administrator.get(f"/desktops/{desktop_id}/machine").text
    assert "Whoever works at it goes on." in before
    assert "Unlock" not in before
    question = administrator.get(f"/desktops/{desktop_id}/machine/lock").text
    assert "Lock “Lesson”?" in question
    assert not yunzhuo.services.desktops.get(lin, desktop_id).is_locked, "a question changes nothing"
    after = _press(administrator, desktop_id, "lock")
    assert "It is locked." in after
    assert "Shelve" not in after
    assert yunzhuo.services.desktops.get(lin, desktop_id).is_locked
    assert "已锁定" in administrator.get(f"/desktops/{desktop_id}/machine", headers=CHINESE).text
    assert "It is unlocked." in _press(administrator, desktop_id, "unlock")
    assert not yunzhuo.services.desktops.get(lin, desktop_id).is_locked


def test_a_desktop_is_rescued_with_a_chosen_system(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    image = yunzhuo.services.catalog.images(lin)[0]
    assert image.name in administrator.get(f"/desktops/{desktop_id}/machine/rescue").text
    assert "Another system is being started in it." in _press(administrator, desktop_id, "rescue", image=image.id)
    yunzhuo.pass_time(5)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.RESCUED
    assert "End the rescue" in administrator.get(f"/desktops/{desktop_id}/machine").text
    _press(administrator, desktop_id, "unrescue")
    yunzhuo.pass_time(5)
    yunzhuo.services.reconciler.round()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE


def test_what_the_cloud_refuses_is_said(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="care.shelve", kind=FaultKind.FAIL_BEFORE))
    assert "The cloud does not answer." in _press(administrator, desktop_id, "shelve")
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert "This did not work" not in _press(administrator, desktop_id, "rescue", image="nothing")


def test_while_a_desktop_changes_nothing_is_offered(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    assert "Nothing can be done to it now" in administrator.get(f"/desktops/{desktop_id}/machine").text


def test_the_console_log_is_read(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    assert "YUNZHUO READY" in administrator.get(f"/desktops/{desktop_id}/console-log").text
    yunzhuo.weather.faults.set(Fault(operation="care.console_log", kind=FaultKind.FAIL_BEFORE))
    assert "The cloud does not answer." in administrator.get(f"/desktops/{desktop_id}/console-log", 503).text


@pytest.mark.parametrize("role", [Role.USER, Role.TEACHER, Role.AUDITOR])
def test_for_others_there_is_nothing_of_it(app: Flask, yunzhuo: Installation, lin: Actor, role: Role) -> None:
    person = somebody(yunzhuo, "other", role)
    visitor = signed_in(app, person)
    for owner in (lin, *([] if role is Role.AUDITOR else [person])):
        desktop_id = yunzhuo.available(owner)
        for page in ("machine", "machine/lock", "console-log"):
            visitor.get(f"/desktops/{desktop_id}/{page}", 404)


def test_administrators_see_the_way_there(app: Flask, yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    assert "Virtual machine" in administrator.get(f"/desktops/{desktop_id}/details").text
    assert "Virtual machine" not in signed_in(app, lin).get(f"/desktops/{desktop_id}/details").text
