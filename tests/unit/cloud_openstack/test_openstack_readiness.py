"""What Nova is asked while a guest starts, and what its answers mean."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.nova_answers import SERVER_ID, TAG, active_server

from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.guest import OpenStackGuest
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.config.settings import OpenStackSettings

LOG, STATE, ACTIONS = "log", "state", "actions"


class Nova(Connection):
    """One server that was created, whose guest has said something, and what was asked about them since the last look at it."""

    def __init__(self) -> None:
        self.settings = OpenStackSettings(tag=TAG)
        self.task: str | None = None
        self.said = "booting"
        self.last_action = "create"
        self._questions: list[str] = []

    def asked(self) -> list[str]:
        asked, self._questions = self._questions, []
        return asked

    def get(self, *arguments: Any, **_keywords: Any) -> Mapping[str, Any]:
        assert arguments[1].endswith("/os-instance-actions")
        self._questions.append(ACTIONS)
        return {"instanceActions": [{"action": self.last_action}]}

    def ask(self, *arguments: Any, **_keywords: Any) -> Mapping[str, Any]:
        if arguments[1] == "POST":
            self._questions.append(LOG)
            return {"output": self.said}
        self._questions.append(STATE)
        return active_server(self.task)


@pytest.fixture
def nova() -> Nova:
    return Nova()


def guest(nova: Nova, *, moment_seconds: float = 60) -> OpenStackGuest:
    return OpenStackGuest(nova, ServerLookup(nova, moment_seconds=moment_seconds))


def test_a_guest_that_starts_is_asked_for_its_log_alone(nova: Nova) -> None:
    starting = guest(nova, moment_seconds=0)
    assert not starting.ready(SERVER_ID)
    assert nova.asked() == [STATE, LOG, ACTIONS], "that it is ours, and that it starts, is asked once"
    assert not starting.ready(SERVER_ID)
    assert nova.asked() == [LOG]


def test_what_the_guest_of_a_server_says_that_was_just_seen_at_rest_is_read_once(nova: Nova) -> None:
    nova.said = "YUNZHUO READY"
    assert guest(nova).ready(SERVER_ID)
    assert nova.asked() == [STATE, LOG]


def test_what_else_a_guest_says_is_read_again_once_its_server_rests(nova: Nova) -> None:
    nova.said = "YUNZHUO READY"
    assert guest(nova, moment_seconds=0).ready(SERVER_ID)
    assert nova.asked() == [STATE, LOG, STATE, LOG]


def test_what_a_guest_says_whose_server_is_about_to_start_anew_is_of_the_boot_before(nova: Nova) -> None:
    nova.said, nova.task = "YUNZHUO READY", "rebooting"
    assert not guest(nova).ready(SERVER_ID)


@pytest.mark.parametrize("action", ["resume", "unpause", "live-migration"])
def test_a_guest_that_goes_on_where_it_was_need_not_say_anything(nova: Nova, action: str) -> None:
    nova.said, nova.last_action = "", action
    assert guest(nova).ready(SERVER_ID)
