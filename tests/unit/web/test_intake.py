"""Bodies are there before a thread is taken, and never larger than what is taken."""

import asyncio
import json

import pytest
from tests.support.asgi import Conversation

from yunzhuo.webkit.asgi import Receive, Scope, Send
from yunzhuo.webkit.intake import MAX_HEAD_BYTES, Intake

LIMIT = 100


class Application:
    """Answers with what reached it."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        message = await receive()
        assert not message["more_body"]
        told = {
            "length": len(message["body"]),
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(told).encode(), "more_body": False})


async def ask(headers: dict[str, str], parts: list[bytes]) -> tuple[int, dict[str, str]]:
    """The length of the body that reached the application, and its headers."""
    talk = Conversation(Intake(Application(), max_body_bytes=LIMIT), "POST", "/", headers)
    talk.say(parts)
    await talk.end()
    told = json.loads(talk.body)
    assert len(told["headers"]) == len(dict(told["headers"]))
    return told["length"], dict(told["headers"])


@pytest.mark.parametrize("parts", [[b"x" * LIMIT], [b"x"] * LIMIT, [b"", b"x", b""]])
async def test_a_body_is_handed_over_whole(parts: list[bytes]) -> None:
    length = sum(map(len, parts))
    assert await ask({"Content-Length": str(length)}, parts) == (length, {"content-length": str(length)})
    assert await ask({"Transfer-Encoding": "chunked"}, parts) == (length, {"content-length": str(length)})


async def test_a_declared_length_that_is_too_large_is_not_even_read() -> None:
    talk = Conversation(Intake(Application(), max_body_bytes=LIMIT), "POST", "/", {"Content-Length": str(LIMIT + 1)})
    await talk.end()
    told = json.loads(talk.body)
    assert (told["length"], dict(told["headers"])["content-length"]) == (0, str(LIMIT + 1))


async def test_a_length_that_turns_out_too_large_is_told_in_the_same_way() -> None:
    talk = Conversation(Intake(Application(), max_body_bytes=LIMIT), "POST", "/", {"Transfer-Encoding": "chunked"})
    talk.say([b"x" * 60, b"x" * 60], is_all=False)
    await talk.end()
    told = json.loads(talk.body)
    assert told["length"] == 0
    assert int(dict(told["headers"])["content-length"]) > LIMIT


async def test_without_a_body_nothing_is_waited_for() -> None:
    talk = Conversation(Intake(Application(), max_body_bytes=LIMIT), "GET", "/")
    await talk.end()
    assert json.loads(talk.body)["length"] == 0


async def test_names_that_wsgi_cannot_tell_apart_are_dropped() -> None:
    _, headers = await ask({"X_Forwarded_For": "1.2.3.4", "X-Forwarded-For": "5.6.7.8", "Content-Length": "1"}, [b"x"])
    assert headers == {"x-forwarded-for": "5.6.7.8", "content-length": "1"}


async def test_whoever_leaves_costs_no_thread() -> None:
    application = Application()
    talk = Conversation(Intake(application, max_body_bytes=LIMIT), "POST", "/", {"Content-Length": "50"})
    talk.say([b"x"], is_all=False)
    talk.leave()
    await talk.end()
    assert application.calls == 0
    assert talk.messages == []


async def test_whoever_takes_too_long_is_told_so() -> None:
    application = Application()
    intake = Intake(application, max_body_bytes=LIMIT, body_seconds=0.05)
    talk = Conversation(intake, "POST", "/", {"Content-Length": "50", "X-Request-ID": "my-request"})
    talk.say([b"x"], is_all=False)
    await talk.end()
    assert application.calls == 0
    assert talk.status == 408
    assert talk.headers["content-type"] == "application/problem+json"
    assert talk.headers["connection"] == "close"
    assert json.loads(talk.body)["request_id"] == talk.headers["x-request-id"] == "my-request"


async def test_a_giant_head_is_refused() -> None:
    application = Application()
    talk = Conversation(Intake(application, max_body_bytes=LIMIT), "GET", "/", {"Cookie": "x" * MAX_HEAD_BYTES})
    await talk.end()
    assert (talk.status, application.calls) == (431, 0)


async def test_whoever_reads_slowly_holds_no_thread() -> None:
    is_done = asyncio.Event()

    async def generous(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        is_done.set()

    talk = Conversation(Intake(generous, max_body_bytes=LIMIT), "GET", "/")
    talk.stop_reading()
    async with asyncio.timeout(5):
        await is_done.wait()
    assert talk.messages == []
    talk.go_on_reading()
    await talk.end()
    assert talk.body == b"x" * 100_000


async def test_the_time_for_a_body_is_not_the_time_for_an_answer() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    talk = Conversation(Intake(slow, max_body_bytes=LIMIT, body_seconds=0.05), "GET", "/")
    await talk.end()
    assert talk.status == 204
