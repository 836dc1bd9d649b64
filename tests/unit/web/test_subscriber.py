"""What waits for one open stream."""

from yunzhuo.services.access import Actor, Role
from yunzhuo.web.event_hub import KEEPALIVE, Bounds, Credential, Proof, Subscriber


def subscriber() -> Subscriber:
    return Subscriber(Actor("lin", "school", "lin@school.local", Role.USER), Credential(Proof.TOKEN, "secret"), Bounds())


async def test_a_stream_whose_news_were_all_replayed_goes_on() -> None:
    lin = subscriber()
    lin.offer(7, b"seven")
    lin.has_replayed([7])
    assert await lin.next(0.01) == KEEPALIVE
    lin.offer(7, b"seven")
    lin.offer(8, b"eight")
    assert await lin.next(0.01) == b"eight"


async def test_what_was_not_replayed_is_sent() -> None:
    lin = subscriber()
    lin.offer(7, b"seven")
    lin.offer(8, b"eight")
    lin.has_replayed([7])
    assert await lin.next(0.01) == b"eight"


async def test_the_last_words_of_a_stream_that_has_ended_outlive_a_replay() -> None:
    lin = subscriber()
    lin.offer(7, b"seven")
    lin.end(b"come again")
    lin.has_replayed([7])
    assert await lin.next(0.01) == b"come again"
    assert await lin.next(0.01) is None
