"""Nova's words as ours: which servers are ours, what their status is, and names that Nova cannot keep."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.cloud.errors import ServerBusy
from yunzhuo.phoenix.cloud.openstack import server_states
from yunzhuo.phoenix.cloud.openstack.server_states import DESKTOP, IMAGE, Seen
from yunzhuo.phoenix.cloud.openstack.verbs import RESUME, START, STOP, check, is_already
from yunzhuo.phoenix.cloud.resources import Address, ServerStatus

_NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_PLAIN: dict[str, Any] = {
    "id": "2f1c7a52-0a43-4b56-9d6e-5b7f0c1d2e3f",
    "name": "one",
    "status": "ACTIVE",
    "created": "2026-03-02T07:59:00Z",
    "image": {"id": "image"},
    "flavor": {"id": "flavor"},
    "tags": ["yunzhuo", "desktop-d1"],
    "metadata": {DESKTOP: "d1"},
    "OS-EXT-STS:task_state": None,
    "addresses": {
        "net": [{"addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed"}, {"addr": "10.9.0.5", "OS-EXT-IPS:type": "floating"}]
    },
}


def read(**changes: Any) -> Seen | None:
    return server_states.read({**_PLAIN, **changes}, owner_tag="yunzhuo", observed_at=_NOW)


def seen(**changes: Any) -> Seen:
    found = read(**changes)
    assert found is not None
    return found


def test_a_server_of_ours() -> None:
    server = seen().server
    assert (server.desktop_id, server.image_id, server.flavor_id, server.status) == (
        "d1",
        "image",
        "flavor",
        ServerStatus.RUNNING,
    )
    assert server.addresses == (Address("net", "10.0.0.5"), Address("net", "10.9.0.5", is_floating=True))
    assert (server.created_at, server.observed_at, server.fault) == (datetime(2026, 3, 2, 7, 59, tzinfo=UTC), _NOW, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": ["desktop-d1"]},
        {"tags": ["yunzhuo"]},
        {"tags": ["another", "desktop-d1"]},
        {"tags": None},
        {"metadata": {}},
        {"metadata": {DESKTOP: "d2"}},
        {"status": "DELETED"},
    ],
)
def test_what_is_not_ours_is_not_seen(changes: dict[str, Any]) -> None:
    assert read(**changes) is None


def test_an_error_has_its_reason_and_what_was_rolled_back_its_first_image() -> None:
    broken = seen(status="ERROR", fault={"message": "No valid host was found.", "code": 500}).server
    assert (broken.status, broken.fault) == (ServerStatus.ERROR, "No valid host was found.")
    # Nova writes the reason after the status: that there is none yet is told as it is.
    assert seen(status="ERROR").server.fault is None
    assert seen(status="ERROR", fault={"code": 500, "message": ""}).server.fault is None
    assert seen(metadata={DESKTOP: "d1", IMAGE: "first"}).server.image_id == "first"


def test_a_status_that_nobody_knows_is_unknown() -> None:
    assert seen(status="TELEPORTED").server.status is ServerStatus.UNKNOWN
    assert seen(status="RESCUE").server.status is ServerStatus.RESCUED


@pytest.mark.parametrize(
    ("changes", "verb", "expected"),
    [
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "powering-off"}, STOP, True),
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "powering-off"}, START, False),
        ({"status": "SHUTOFF"}, STOP, True),
        ({"status": "SHUTOFF", "OS-EXT-STS:task_state": "powering-on"}, START, True),
        ({"status": "BUILD", "OS-EXT-STS:task_state": "spawning"}, START, True),
        ({"status": "ACTIVE", "OS-EXT-STS:task_state": "deleting"}, START, False),
        ({"status": "SUSPENDED"}, RESUME, False),
    ],
)
def test_what_is_or_is_on_its_way_is_asked_for_in_vain(changes: dict[str, Any], verb: Any, expected: bool) -> None:
    assert is_already(seen(**changes), verb) is expected


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "SHUTOFF", "OS-EXT-STS:task_state": "image_snapshot"},
        {"status": "VERIFY_RESIZE"},
        {"status": "SUSPENDED"},
        {"status": "ERROR"},
        {"status": "SOFT_DELETED"},
        {"status": "RESCUE"},
    ],
)
def test_a_server_that_cannot_start_is_busy(changes: dict[str, Any]) -> None:
    with pytest.raises(ServerBusy):
        check(seen(**changes), START)


def test_sleepers_are_woken_as_they_were_put_to_sleep() -> None:
    assert RESUME.body(seen(status="PAUSED")) == {"unpause": None}
    assert RESUME.body(seen(status="SUSPENDED")) == {"resume": None}
    assert START.body(seen(status="SHELVED_OFFLOADED")) == {"unshelve": None}
    assert START.body(seen(status="SHUTOFF")) == {"os-start": None}


@given(st.text(min_size=1, max_size=40))
def test_any_name_comes_back_as_it_went(name: str) -> None:
    kept = server_states.nova_name(name)
    assert kept == kept.strip()
    assert all(ord(character) <= 0xFFFF for character in kept)
    assert server_states.read_name(kept, server_states.name_metadata(name)) == name


def test_a_name_that_was_changed_in_the_cloud_counts() -> None:
    kept = server_states.name_metadata("Übung 🎓")
    assert server_states.read_name("Übung \ufffd", kept) == "Übung 🎓"
    assert server_states.read_name("renamed", kept) == "renamed"
    assert server_states.read_name("given", {server_states.NAME: "\\x"}) == "given"


def test_of_what_is_being_made_only_its_beginning_and_its_end_are_news() -> None:
    words = [server_states.telling(_PLAIN | {"status": "BUILD", "OS-EXT-STS:task_state": task}) for task in (None, "spawning")]
    assert words[0] == words[1]
    assert server_states.telling(_PLAIN) not in words
    assert server_states.telling(_PLAIN) != server_states.telling(_PLAIN | {"OS-EXT-STS:task_state": "powering-off"})
