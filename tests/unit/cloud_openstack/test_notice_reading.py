"""Nova's notifications as Nova sent them, and whatever else may come over a message bus."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.cloud.openstack.notice_reading import MAX_BYTES, Told, Unreadable, read

# Recorded from the test cloud's Nova 34; ids, and the context of who asked, are invented.
RECORDED = Path(__file__).with_name("nova-power-off-end.json").read_bytes()
ACTIVE = Path(__file__).with_name("nova-update.json").read_bytes()
NO_NEWS = Path(__file__).with_name("nova-update-noise.json").read_bytes()
SERVER = "1d5b1e4a-0000-4000-8000-00000000c10d"
PROJECT = "0a1b2c3d4e5f40718293a4b5c6d7e8f9"

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def message(**changes: Any) -> dict[str, Any]:
    """What is inside the recorded envelope, with some of it changed."""
    inner: dict[str, Any] = json.loads(json.loads(RECORDED)["oslo.message"])
    return inner | changes


def enveloped(inner: object) -> bytes:
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()


def of(uuid: object = SERVER, project: object = PROJECT) -> dict[str, Any]:
    return {"nova_object.data": {"uuid": uuid, "tenant_id": project}}


def bears(body: bytes | str) -> Told | None:
    """Nothing but Unreadable is raised, and what is understood has its form."""
    try:
        told = read(body)
    except Unreadable:
        return None
    assert told is None or (len(told.server_id) == len(SERVER) and told.event.startswith("instance."))
    return told


def test_a_notification_that_nova_sent() -> None:
    told = read(RECORDED)
    assert told is not None
    assert (told.server_id, told.project_id, told.event) == (SERVER, PROJECT, "instance.power_off.end")
    assert told.sent_at is not None
    assert told.sent_at.utcoffset() is not None
    assert read(RECORDED.decode()) == told


@pytest.mark.parametrize(
    "event",
    ["instance.power_off.start", "instance.exists", "compute_task.build_instances.error", "service.update", "instance", ""],
)
def test_what_shows_nothing_new_on_a_server_is_nothing(event: str) -> None:
    assert read(enveloped(message(event_type=event))) is None


def test_an_update_counts_when_it_says_something_new() -> None:
    assert read(NO_NEWS) is None
    told = read(ACTIVE)
    assert told is not None
    assert told.event == "instance.update"
    renamed = json.loads(json.loads(NO_NEWS)["oslo.message"])
    renamed["payload"]["nova_object.data"]["old_display_name"] = "before"
    assert read(enveloped(renamed)) is not None


@pytest.mark.parametrize("event", ["instance.update", "instance.create.end", "instance.create.error", "instance.delete.end"])
def test_what_may_show_something_is_told(event: str) -> None:
    told = read(enveloped(message(event_type=event)))
    assert told is not None
    assert told.server_id == SERVER


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"oslo.message": {}}',
        b'{"oslo.message": "[]"}',
        b"[" * 100_000,
        b"1" * 5000,
        b'{"a":' * 50_000,
        b" " * (MAX_BYTES + 1),
        enveloped(message(event_type=7)),
        enveloped(message(payload=[])),
        enveloped(message(payload=of(uuid="../../servers"))),
        enveloped(message(payload=of(uuid=["1"]))),
        enveloped(message(payload=of(project="a b"))),
        enveloped(message(payload={"nova_object.data": None})),
    ],
    ids=range(16),
)
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body)


@pytest.mark.parametrize("timestamp", [None, 5, "", "now", "9" * 100, "0001-01-01T00:00:00+23:59"])
def test_a_time_that_cannot_be_read_is_none(timestamp: object) -> None:
    told = read(enveloped(message(timestamp=timestamp, payload=of())))
    assert told is not None
    assert told.sent_at is None


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_whatever_comes_is_borne(body: bytes | str) -> None:
    bears(body)


@given(_JSON, _JSON, _JSON, _JSON)
def test_whatever_stands_where_something_is_looked_for_is_borne(event: Any, uuid: Any, project: Any, sent_at: Any) -> None:
    bears(enveloped(message(event_type=event, payload=of(), timestamp=sent_at)))
    bears(enveloped(message(payload=of(uuid, project), timestamp=sent_at)))
    bears(json.dumps({"oslo.message": event, "event_type": event, "payload": uuid}))


@given(st.data())
def test_a_notification_with_some_bytes_changed_is_borne(data: st.DataObject) -> None:
    changed = bytearray(RECORDED)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    bears(bytes(changed))
