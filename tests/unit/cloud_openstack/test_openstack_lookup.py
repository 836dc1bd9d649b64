"""Looks at servers that stand for the next one, and how that ends."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.nova_answers import SERVER_ID, TAG, active_server

from yunzhuo.phoenix.cloud.openstack.connection import Connection
from yunzhuo.phoenix.cloud.openstack.server_lookup import ServerLookup
from yunzhuo.phoenix.cloud.openstack.verbs import STOP, Asking
from yunzhuo.phoenix.config.settings import OpenStackSettings


class Nova(Connection):
    """One server, and how often it was looked at."""

    def __init__(self) -> None:
        self.settings = OpenStackSettings(tag=TAG)
        self.task: str | None = None
        self.looks = 0

    def ask(self, *arguments: Any, **_keywords: Any) -> Mapping[str, Any]:
        if arguments[1] == "POST":
            self.task = "powering-off"
            return {}
        self.looks += 1
        return active_server(self.task)


@pytest.fixture
def nova() -> Nova:
    return Nova()


@pytest.fixture
def lookup(nova: Nova) -> ServerLookup:
    return ServerLookup(nova)


def rests(lookup: ServerLookup) -> bool:
    return lookup.rests_running(SERVER_ID, within_seconds=1)


def test_who_has_just_seen_a_server_at_rest_does_not_look_again(nova: Nova, lookup: ServerLookup) -> None:
    lookup.see(SERVER_ID)
    assert rests(lookup)
    assert nova.looks == 1


def test_what_goes_on_is_looked_at_each_time(nova: Nova, lookup: ServerLookup) -> None:
    lookup.see(SERVER_ID)
    nova.task = "rebooting"
    lookup.see(SERVER_ID)
    assert not rests(lookup)
    assert not rests(lookup)
    assert nova.looks == 4


def test_after_a_wish_nothing_counts_that_was_seen_before(nova: Nova, lookup: ServerLookup) -> None:
    Asking(nova, lookup).act(SERVER_ID, STOP)
    assert not rests(lookup)


def test_a_look_stands_for_the_next_one_for_a_moment_only(nova: Nova) -> None:
    lookup = ServerLookup(nova, moment_seconds=0)
    lookup.see(SERVER_ID)
    assert rests(lookup)
    assert nova.looks == 2
