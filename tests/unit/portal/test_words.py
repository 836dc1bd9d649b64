"""What pages say of what goes on, of what failed and why, in both languages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from tests.support.installation import START, Installation
from tests.support.pages import CHINESE, Visitor

from yunzhuo.services.access import Actor
from yunzhuo.services.changes import Failure, QueuePlace
from yunzhuo.services.license_book import Limit
from yunzhuo.services.licensing import LicenseNotice
from yunzhuo.services.pool_history import PoolTimes
from yunzhuo.services.rollout_book import ImageRef, RolloutView
from yunzhuo.services.rules.licensing import Phase
from yunzhuo.services.rules.lifecycle import Action, OperationStatus
from yunzhuo.services.rules.pool_times import Spread, WaitPhase
from yunzhuo.services.rules.rollouts import RolloutStatus
from yunzhuo.web.portal import license_words, messages, pool_pictures, rollout_words


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (None, "Place 2 of 7 in the queue", "排队第 2 位，共 7 位"),
        (0.2, "Place 2 of 7 in the queue, about 1 s", "排队第 2 位，共 7 位，约 1 秒"),
        (59.4, "Place 2 of 7 in the queue, about 59 s", "排队第 2 位，共 7 位，约 59 秒"),
        (60, "Place 2 of 7 in the queue, about 1 min", "排队第 2 位，共 7 位，约 1 分钟"),
        (61, "Place 2 of 7 in the queue, about 2 min", "排队第 2 位，共 7 位，约 2 分钟"),
    ],
)
def test_who_waits_is_told_for_how_long(
    app: Flask, yunzhuo: Installation, lin: Actor, seconds: float | None, english: str, chinese: str
) -> None:
    waiting = yunzhuo.services.desktops.get(lin, yunzhuo.request(lin).desktop.id).operation
    for headers, words in (({}, english), (CHINESE, chinese)):
        with app.test_request_context(headers=headers):
            assert messages.progress(replace(waiting, queue=QueuePlace(2, 7, seconds))) == words


def test_who_waits_in_no_queue_waits_for_a_turn(app: Flask, yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin).operation
    with app.test_request_context():
        assert messages.progress(replace(accepted, queue=None)) == "Waiting for its turn"
        assert messages.progress(replace(accepted, queue=None, status=OperationStatus.SUCCEEDED)) == ""


def test_what_is_being_done_says_at_which_step_it_is(yunzhuo: Installation, lin: Actor, administrator: Visitor) -> None:
    yunzhuo.run()
    yunzhuo.request(lin)
    yunzhuo.work()
    here = f"/admin/operations?q={lin.email}"
    assert "Step 3 of 4: start-up" in administrator.get(here).text
    assert "第 3 步，共 4 步：" in administrator.get(here, headers=CHINESE).text


@pytest.mark.parametrize(
    ("disturbance", "words"),
    [
        ("fail", "The cloud says: The machine broke."),
        ("delete", "Its virtual machine is not there any more."),
        ("kill", "Stopped"),
    ],
)
def test_what_became_of_a_machine_is_said_where_its_desktop_is(
    yunzhuo: Installation, lin: Actor, visitor: Visitor, disturbance: str, words: str
) -> None:
    desktop_id = yunzhuo.available(lin)
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    assert words not in visitor.get("/desktops").text
    getattr(yunzhuo.weather.disturb, disturbance)(server.id)
    for _ in range(2):  # what is missing once may be on its way
        yunzhuo.pass_time(60)
        yunzhuo.services.reconciler.round()
    assert words in visitor.get("/desktops").text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"error": Failure("no_capacity", "")}, "There is no room for it right now."),
        ({"error": Failure("meteorite", "")}, "The cause is not known here (meteorite)."),
        ({"action": Action.CREATE, "status": OperationStatus.CANCELLED}, "Its creation was cancelled."),
        ({}, "Its virtual machine is not in the state it should be in."),
    ],
)
def test_why_a_desktop_needs_attention_is_a_sentence(
    app: Flask, yunzhuo: Installation, lin: Actor, changes: Mapping[str, Any], words: str
) -> None:
    desktop = yunzhuo.services.desktops.get(lin, yunzhuo.available(lin))
    with app.test_request_context():
        assert messages.reason(replace(desktop, operation=replace(desktop.operation, **changes))).startswith(words)


@pytest.mark.parametrize(
    ("phase", "days", "words"),
    [
        (Phase.ACTIVE, None, []),
        (Phase.ACTIVE, 31, []),
        (Phase.ACTIVE, 1, ["The license ends in 1 day, on March 2, 2026."]),
        (Phase.GRACE, 1, ["The license has ended. Nothing new is made; what is there goes on for 1 more day."]),
        (Phase.ENDED, None, ["The license has ended. Desktops can be stopped, saved and deleted. Renew it."]),
        (Phase.WITHDRAWN, 5, ["The vendor has withdrawn the license. Desktops can be stopped, saved and deleted."]),
    ],
)
def test_the_bar_says_what_a_license_comes_to(app: Flask, phase: Phase, days: int | None, words: list[str]) -> None:
    with app.test_request_context():
        assert license_words.notice_sentences(LicenseNotice(phase, START, days, {})) == words
        used = license_words.notice_sentences(LicenseNotice(phase, START, days, {Limit.USERS: 95}))
    assert used == [*words, "Users: 95 % of what is licensed are used."]


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (None, "The goal is 20 seconds."),
        (0.875, "The goal is 20 seconds. 88 % of the latest people were at their desktop by then."),
    ],
)
def test_a_goal_is_said_with_how_many_were_within_it(app: Flask, within: float | None, words: str) -> None:
    making, waiting = Spread(8, 12, 3), Spread(9.96, 40, 3)
    with app.test_request_context():
        shown = pool_pictures.times_picture(PoolTimes(20, {WaitPhase.BUILD: making}, making, waiting, within))
        assert shown.goal_words == words
        assert (shown.goal_percent, [bar.is_late for bar in shown.totals]) == (50.0, [False, True])
        assert [pool_pictures.seconds(value) for value in (8, 12.4, 40)] == ["8.0 s", "12 s", "40 s"]
        none = pool_pictures.times_picture(PoolTimes(20, dict.fromkeys(WaitPhase), None, None, None))
        assert (none.goal_percent, none.goal_words) == (None, "The goal is 20 seconds.")


@pytest.mark.parametrize(
    ("status", "is_back", "words"),
    [
        (RolloutStatus.RUNNING, False, "Stage 1 of 2: up to 5 desktops, 2 at once."),
        (RolloutStatus.RUNNING, True, "Goes back, a share at a time."),
        (RolloutStatus.PAUSED, False, "Paused."),
        (RolloutStatus.STOPPED, False, "Stopped by itself: new desktops could not be made."),
        (RolloutStatus.DONE, True, "Done."),
    ],
)
def test_where_a_rollout_stands_is_a_sentence(app: Flask, status: RolloutStatus, is_back: bool, words: str) -> None:
    image = ImageRef("i", "Linux", "1")
    view = RolloutView(
        id="r",
        status=status,
        is_back=is_back,
        origin=image,
        target=image,
        stages=(50, 100),
        stage=0,
        level=5,
        at_once=2,
        at_once_percent=20,
        most_failures=3,
        notice_hours=0,
        there=10,
        have_it=1,
        with_people=2,
        changing=1,
        is_stage_reached=False,
        problem=None,
        verbs=frozenset(),
        gives_way=False,
        started_at=START,
        ended_at=None,
    )
    with app.test_request_context():
        assert rollout_words.standing(view).startswith(words)
        assert (rollout_words.people(view) is None) is (status is RolloutStatus.DONE)
