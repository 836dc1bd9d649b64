"""Schedules on pages: made, changed, done at once, paused and deleted; what became of their runs, in words."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import Visitor, signed_in, somebody
from tests.support.pools import make_pool

from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.rules.schedules import RunStatus
from yunzhuo.services.schedule_wishes import RunView, ScheduleView
from yunzhuo.web.portal import schedule_words

HERE = "/admin/schedules"


@pytest.fixture
def chief(lin: Actor) -> Actor:
    return installation(lin.organization_id)


def wish(whose: str, **changes: str) -> dict[str, str]:
    usual = {"name": "Mornings", "action": "start", "rule": "0 7 * * 1-5", "time_zone": "Asia/Shanghai"}
    return {**usual, "subject": whose, "catch_up_minutes": "30", **changes}


def test_a_schedule_is_made_changed_run_paused_and_deleted(
    yunzhuo: Installation, administrator: Visitor, lin: Actor, chief: Actor
) -> None:
    group = yunzhuo.services.groups.create(chief, "Class 7")
    yunzhuo.services.groups.put_member(chief, group.id, lin.user_id)
    new = f"{HERE}/new"
    for wrong in ({"rule": "every day"}, {"time_zone": "Moon/Base"}, {"subject": "sky:1"}, {"action": "explode"}):
        told = administrator.change(new, HERE, **wish(f"group:{group.id}", **wrong))
        assert told.headings == ["New schedule"]
        assert _schedules(yunzhuo, chief, "Mornings") == []
    made = administrator.change(new, HERE, **wish(f"group:{group.id}"))
    assert "Saved." in made.text
    assert "Group Class 7" in made.text
    assert "Monday to Friday at 7:00" in made.text
    assert "It has not been due yet" in made.text
    assert "Mornings" in made.text
    (schedule,) = _schedules(yunzhuo, chief, "Mornings")
    here = f"{HERE}/{schedule.id}"
    again = administrator.change(new, HERE, **wish(f"group:{group.id}")).text
    assert "of this name" in again
    changed = administrator.change(here, **wish(f"group:{group.id}", name="Evenings", action="stop"), change="settings")
    assert "Evenings" in changed.text
    assert "Stop desktops" in changed.text
    wrong_rule = administrator.change(here, **wish(f"group:{group.id}", rule="61 * * * *"), change="settings")
    assert "Saved." not in wrong_rule.text
    desktop_id = yunzhuo.available(lin)
    assert "Going on" in administrator.change(here, change="run").text
    assert "done already" in administrator.change(here, change="run").text
    _let_it_run(yunzhuo)
    assert "1 desktop changed" in administrator.get(here).text
    assert yunzhuo.services.desktops.get(lin, desktop_id).state == "stopped"
    administrator.change(here, change="run")
    _let_it_run(yunzhuo)
    assert "0 desktops changed · 1 left as it was" in administrator.get(here).text
    assert "Paused: what falls due" in administrator.change(here, change="pause").text
    assert "Due next" in administrator.change(here, change="resume").text
    administrator.change(here, change="explode")
    yunzhuo.services.groups.delete(chief, group.id)
    assert "What it was for is gone" in administrator.get(here).text
    assert "Evenings" not in administrator.change(here, change="delete").text
    assert _schedules(yunzhuo, chief, "Evenings") == []


def _schedules(yunzhuo: Installation, chief: Actor, name: str) -> list[ScheduleView]:
    return [each for each in yunzhuo.services.schedules.list(chief) if each.name == name]


def _let_it_run(yunzhuo: Installation) -> None:
    for _ in range(2):
        yunzhuo.services.schedule_keeper.round()
        yunzhuo.run()


def test_a_schedule_of_a_pool_names_it(yunzhuo: Installation, app: Flask, administrator: Visitor, chief: Actor) -> None:
    pool_id = make_pool(yunzhuo, chief, name="Room 302", spares=0)
    assert "Pool Room 302" in administrator.change(f"{HERE}/new", HERE, **wish(f"pool:{pool_id}", name="Rooms")).text
    assert "Pool Room 302" in administrator.get(HERE).text
    (schedule,) = _schedules(yunzhuo, chief, "Rooms")
    boss = signed_in(app, somebody(yunzhuo, "boss", Role.ADMINISTRATOR))
    assert "Rooms" in boss.get(HERE).text
    user = signed_in(app, somebody(yunzhuo, "mei"))
    user.get(HERE, status=404)
    yunzhuo.services.schedules.delete(chief, schedule.id)


@pytest.mark.parametrize(
    ("status", "begun", "untouched", "refused", "words"),
    [
        (RunStatus.MISSED, 0, 0, 0, "Nobody looked in time."),
        (RunStatus.SUCCEEDED, 1, 0, 0, "1 desktop changed"),
        (RunStatus.PARTLY, 2, 1, 3, "2 desktops changed · 1 left as it was · 3 refused"),
        (RunStatus.FAILED, 0, 0, 1, "0 desktops changed · 1 refused"),
    ],
)
def test_what_became_of_a_run_is_a_sentence(
    app: Flask, status: RunStatus, begun: int, untouched: int, refused: int, words: str
) -> None:
    now = datetime(2026, 3, 2, 7, tzinfo=UTC)
    run = RunView("run", "schedule", "Mornings", now, status, now, now, begun, untouched, refused, None)
    with app.test_request_context():
        assert schedule_words.outcome(run) == words
