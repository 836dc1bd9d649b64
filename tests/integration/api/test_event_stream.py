"""The event stream: to each what concerns them, once and in order, as long as they may see it."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api import SECRET_KEY, Template, known
from tests.support.asgi import Conversation
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.events import KEEP, EventService, EventView
from yunzhuo.services.tokens import TokenWish
from yunzhuo.web.event_hub import Bounds, Door, EventHub
from yunzhuo.web.stream import create_stream
from yunzhuo.webkit import cookies
from yunzhuo.webkit.asgi import App

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow

BOUNDS = Bounds(queue_length=20, streams_per_user=4, check_seconds=0.05)


class Stream:
    """The stream process's application over an installation."""

    def __init__(self, yunzhuo: Installation, hub: EventHub, template: Template, keepalive_seconds: float = 60) -> None:
        self.yunzhuo = yunzhuo
        self._tokens = template.tokens
        self.hub = hub
        self.app: App = create_stream(hub, yunzhuo.services.events, secret_key=SECRET_KEY, keepalive_seconds=keepalive_seconds)

    def token(self, person: Actor) -> dict[str, str]:
        """What a program of this person's shows."""
        return {"Authorization": f"Bearer {self._tokens[person.email.partition('@')[0]]}"}

    def cookie(self, person: Actor, password: str = PASSWORD) -> dict[str, str]:
        """What a page of this person's shows."""
        granted = self.yunzhuo.services.sign_ins.sign_in(person.email, password, client_address="192.0.2.7")
        value = str(cookies.serializer(SECRET_KEY).dumps({cookies.SECRET_FIELD: granted.secret, "language": "en"}))
        return {"Cookie": f"other=1; {cookies.COOKIE_NAME}={value}"}

    async def open(self, headers: dict[str, str], path: str = "/api/v1/events", query: str = "") -> Conversation:
        """An open stream."""
        talk = Conversation(self.app, "GET", path, headers, query)
        await talk.until("retry:")
        return talk


def told(text: str) -> list[dict[str, Any]]:
    """The events of a stream: id, event, data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":") and ": " in line)
        if "data" in fields:
            found.append({"id": int(fields["id"]), "event": fields["event"], **json.loads(fields["data"])})
    return found


@pytest.fixture
async def hub(yunzhuo: Installation) -> AsyncIterator[EventHub]:
    services = yunzhuo.services
    async with EventHub(services.events, Door(services.sessions, services.tokens), poll_seconds=0.005, bounds=BOUNDS) as hub:
        yield hub


@pytest.fixture
def stream(yunzhuo: Installation, hub: EventHub, template: Template) -> Stream:
    return Stream(yunzhuo, hub, template)


async def test_a_change_is_told_as_it_happens(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    talk = await stream.open(stream.token(lin))
    assert talk.status == 200
    assert talk.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert talk.headers["cache-control"] == "no-store"
    desktop = yunzhuo.request(lin, name="物理").desktop
    event = told(await talk.until("building"))[0]
    assert event["event"] == "desktop.changed"
    assert event["object_id"] == desktop.id
    assert event["at"] == "2026-03-02T08:00:00Z"
    assert (event["state"], event["wanted"]) == ("building", "running")
    assert event["operation"]["status"] == "waiting"
    yunzhuo.run()
    events = told(await talk.until('"state":"available"'))
    assert [each["id"] for each in events] == sorted({each["id"] for each in events})
    assert events[-1]["operation"]["status"] == "succeeded"
    await talk.give_up()


async def test_everybody_is_told_what_concerns_them(yunzhuo: Installation, stream: Stream) -> None:
    lin, mei, boss = known(yunzhuo, "lin"), known(yunzhuo, "mei"), known(yunzhuo, "boss")
    talks = {person.email: await stream.open(stream.token(person)) for person in (lin, mei, boss)}
    first, second = yunzhuo.request(lin).desktop.id, yunzhuo.request(mei).desktop.id
    await talks[boss.email].until(second)
    await talks[lin.email].until(first)
    await talks[mei.email].until(second)
    seen = {email: {event["object_id"] for event in told(talk.body.decode())} for email, talk in talks.items()}
    assert seen == {lin.email: {first}, mei.email: {second}, boss.email: {first, second}}
    for talk in talks.values():
        await talk.give_up()


async def test_what_was_missed_is_told_first_and_once(yunzhuo: Installation, stream: Stream) -> None:
    lin, mei = known(yunzhuo, "lin"), known(yunzhuo, "mei")
    yunzhuo.available(lin)
    seen = yunzhuo.services.events.latest_id()
    yunzhuo.request(mei)
    missed = [yunzhuo.request(lin).desktop.id for _ in range(3)]
    for headers, query in [({"Last-Event-ID": str(seen)}, ""), ({}, f"last_event_id={seen}")]:
        talk = await stream.open({**stream.token(lin), **headers}, query=query)
        later = yunzhuo.request(lin).desktop.id
        events = told(await talk.until(later))
        assert list(dict.fromkeys(event["object_id"] for event in events)) == [*missed, later]
        assert len({event["event_id"] for event in events}) == len(events)
        missed.append(later)
        await talk.give_up()


async def test_whoever_missed_a_great_many_is_told_all_of_them(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    desktop_id = yunzhuo.request(lin).desktop.id
    seen = yunzhuo.services.events.latest_id()
    with yunzhuo.connection() as connection:
        columns = "organization_id, user_id, kind, object_id, data, at"
        copied = f"INSERT INTO events ({columns}) SELECT {columns} FROM events WHERE id = {seen}"
        for _ in range(1234):
            connection.exec_driver_sql(copied)
    last = yunzhuo.services.events.latest_id()
    talk = await stream.open({**stream.token(lin), "Last-Event-ID": str(seen)})
    events = told(await talk.until(f'"event_id":{last},'))
    assert [event["event_id"] for event in events] == list(range(last - 1233, last + 1))
    assert {event["object_id"] for event in events} == {desktop_id}
    await talk.give_up()


async def test_events_that_come_while_old_ones_are_told_come_once(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    token = stream.token(lin)
    keep = await stream.open(token)  # the hub is reading already
    for _ in range(5):
        talk = Conversation(stream.app, "GET", "/api/v1/events", {**token, "Last-Event-ID": "0"})
        await asyncio.gather(*(asyncio.to_thread(yunzhuo.request, lin) for _ in range(2)))
        written = yunzhuo.services.events.missed_by(lin, 0)
        await talk.until(f"id: {written[-1].id}\n")
        await asyncio.sleep(0.03)  # what comes twice comes now
        ids = [event["event_id"] for event in told(talk.body.decode())]
        assert sorted(ids) == [event.id for event in written]
        await talk.give_up()
    await keep.give_up()


async def test_a_page_shows_its_cookie_and_a_program_its_token(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    for path, headers in [("/events", stream.cookie(lin)), ("/api/v1/events", stream.token(lin))]:
        talk = await stream.open(headers, path)
        assert talk.status == 200
        await talk.give_up()
    for path, headers in [
        ("/api/v1/events", stream.cookie(lin)),
        ("/events", stream.token(lin)),
        ("/events", {}),
        ("/events", {"Cookie": f"{cookies.COOKIE_NAME}=forged"}),
        ("/api/v1/events", {"Authorization": "Bearer x"}),
        ("/api/v1/events", {"Authorization": "Bearer"}),
    ]:
        talk = Conversation(stream.app, "GET", path, headers)
        await talk.end()
        assert talk.status == 401
        assert json.loads(talk.body)["code"] == "not_signed_in"
        assert talk.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 30, "٣"])
async def test_an_impossible_place_to_go_on_is_refused(yunzhuo: Installation, stream: Stream, given: str) -> None:
    token = stream.token(known(yunzhuo, "lin"))
    talk = Conversation(stream.app, "GET", "/api/v1/events", token, query=f"last_event_id={given}")
    await talk.end()
    assert talk.status == 422
    assert "last_event_id" in json.loads(talk.body)["errors"]


async def test_a_stream_ends_with_its_session(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    token = stream.token(lin)
    ended, kept = await stream.open(token), await stream.open(stream.cookie(lin), "/events")
    yunzhuo.services.tokens.revoke_present(lin, token["Authorization"].split()[1])
    await ended.end()
    assert ended.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    desktop_id = yunzhuo.request(lin).desktop.id
    await kept.until(desktop_id)
    assert desktop_id.encode() not in ended.body
    yunzhuo.clock.set(yunzhuo.clock.now() + timedelta(days=1))
    await kept.end()


async def test_silence_is_broken_now_and_then(yunzhuo: Installation, hub: EventHub, template: Template) -> None:
    stream = Stream(yunzhuo, hub, template, keepalive_seconds=0.02)
    talk = await stream.open(stream.token(known(yunzhuo, "lin")))
    await talk.until(": keepalive\n\n: keepalive\n\n")
    await talk.give_up()


async def test_a_slow_reader_is_cut_off_and_told_to_come_again(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    slow, quick = await stream.open(stream.token(lin)), await stream.open(stream.token(lin))
    slow.stop_reading()
    desktop_id = yunzhuo.request(lin).desktop.id
    for number in range(BOUNDS.queue_length + 10):
        yunzhuo.services.desktops.rename(lin, desktop_id, f"name {number}")
        if number % 10 == 0:
            await asyncio.sleep(0.02)
    last = yunzhuo.services.events.latest_id()
    await quick.until(f"id: {last}\n")
    slow.go_on_reading()
    await slow.end()
    assert slow.body.endswith(b"retry: 1000\n\n")
    assert len(told(slow.body.decode())) < BOUNDS.queue_length
    await quick.give_up()


async def test_whoever_leaves_is_forgotten_and_the_table_left_alone(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    talk = await stream.open(stream.token(lin))
    talk.leave()
    await talk.end()
    missed = yunzhuo.request(lin).desktop.id
    talk = await stream.open(stream.token(lin))
    later = yunzhuo.request(lin).desktop.id
    assert missed not in await talk.until(later)  # a new stream begins now
    await talk.give_up()


async def test_one_person_has_a_bounded_number_of_streams(yunzhuo: Installation, stream: Stream) -> None:
    token = stream.token(known(yunzhuo, "lin"))
    talks = [await stream.open(token) for _ in range(BOUNDS.streams_per_user)]
    one_more = Conversation(stream.app, "GET", "/api/v1/events", token)
    await one_more.end()
    assert one_more.status == 409
    assert json.loads(one_more.body)["code"] == "too_many_streams"
    for talk in talks:
        await talk.give_up()


async def test_at_the_end_all_streams_end_and_none_begins(yunzhuo: Installation, stream: Stream) -> None:
    token = stream.token(known(yunzhuo, "lin"))
    talk = await stream.open(token)
    stream.hub.close()
    await talk.end()
    late = Conversation(stream.app, "GET", "/api/v1/events", token)
    await late.end()
    assert late.status == 503
    assert int(late.headers["retry-after"]) > 0


class UnluckyEvents(EventService):
    """Event table of a database that is away when told so."""

    is_away = False

    def after(self, last_id: int, *, limit: int = 500) -> Sequence[EventView]:
        if self.is_away:
            raise OSError("the database is away")
        return super().after(last_id, limit=limit)


async def test_a_database_that_is_away_is_waited_for(yunzhuo: Installation, template: Template) -> None:
    """Nothing is told meanwhile, nothing is lost, and nobody is sent away."""
    lin = known(yunzhuo, "lin")
    db = Database(yunzhuo.settings.database_url)
    events = UnluckyEvents(db, AuditLog(db, yunzhuo.clock), yunzhuo.clock)
    async with EventHub(events, Door(yunzhuo.services.sessions, yunzhuo.services.tokens), poll_seconds=0.005) as hub:
        stream = Stream(yunzhuo, hub, template)
        talk = await stream.open(stream.token(lin))
        events.is_away = True
        await asyncio.sleep(0.05)
        desktop_id = yunzhuo.request(lin).desktop.id
        await asyncio.sleep(0.05)
        events.is_away = False
        await talk.until(desktop_id)
        await talk.give_up()
    db.close()


async def test_what_is_too_long_ago_is_not_passed_over_in_silence(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    yunzhuo.request(lin)
    seen = yunzhuo.services.events.latest_id()
    yunzhuo.available(lin)
    yunzhuo.pass_time(KEEP.total_seconds() + 1)
    assert yunzhuo.services.events.forget_old() > 0
    later = yunzhuo.request(lin).desktop.id
    token = stream.token(lin)
    talk = await stream.open({**token, "Last-Event-ID": str(seen)})
    assert "event: stream.reset" in await talk.until(later)
    await talk.give_up()
    talk = await stream.open({**token, "Last-Event-ID": str(yunzhuo.services.events.latest_id())})
    again = yunzhuo.request(lin).desktop.id
    assert "stream.reset" not in await talk.until(again)
    await talk.give_up()


async def test_who_is_disabled_hears_nothing_more_at_once(yunzhuo: Installation, template: Template) -> None:
    """Not at the next check, which here is an hour away."""
    services = yunzhuo.services
    bounds = Bounds(check_seconds=3600)
    lin, boss = known(yunzhuo, "lin"), known(yunzhuo, "boss")
    async with EventHub(services.events, Door(services.sessions, services.tokens), poll_seconds=0.005, bounds=bounds) as hub:
        stream = Stream(yunzhuo, hub, template)
        talks = [await stream.open(stream.token(lin)), await stream.open(stream.cookie(lin), "/events")]
        kept = await stream.open(stream.token(boss))
        services.people.disable(boss, lin.user_id)
        for talk in talks:
            await talk.end()
        yunzhuo.request(boss)
        await kept.until("desktop.changed")
        await kept.give_up()


async def test_who_has_to_choose_a_password_first_hears_nothing(yunzhuo: Installation, stream: Stream) -> None:
    lin, boss = known(yunzhuo, "lin"), known(yunzhuo, "boss")
    password = yunzhuo.services.people.reset_password(boss, lin.user_id).one_time_password or ""
    talk = Conversation(stream.app, "GET", "/events", stream.cookie(lin, password))
    await talk.end()
    assert (talk.status, json.loads(talk.body)["code"]) == (403, "first_step_needed")


async def test_a_token_that_may_not_hear_events_does_not(yunzhuo: Installation, stream: Stream) -> None:
    lin = known(yunzhuo, "lin")
    made = yunzhuo.services.tokens.create(lin, TokenWish("x", ["desktop:start"]))
    talk = Conversation(stream.app, "GET", "/api/v1/events", {"Authorization": f"Bearer {made.secret}"}, "")
    await talk.end()
    assert (talk.status, json.loads(talk.body)["code"]) == (403, "forbidden")
