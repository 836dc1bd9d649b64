"""The link stage of SPICE, seen from between: what passes, what is put in place of the viewer's password, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.spice import link_message, link_reply, password_of, proof
from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.handshake import Turn
from yunzhuo.gateway.protocol.spice import SpiceLink

PASSWORD = "sesame42"


def link() -> SpiceLink:
    return SpiceLink(password=PASSWORD, max_message_bytes=4096)


def test_a_link_with_the_servers_own_password() -> None:
    between = link()
    assert between.from_viewer(link_message()) == Turn(to_screen=link_message())
    assert between.from_screen(link_reply()) == Turn(to_viewer=link_reply())
    turn = between.from_viewer(proof())
    assert turn.to_viewer == b""
    assert turn.to_screen[:4] == b"\1\0\0\0"
    assert password_of(turn.to_screen[4:]) == PASSWORD.encode() + b"\0"
    assert not between.done
    assert between.from_screen(bytes(4) + b"first words") == Turn(to_viewer=bytes(4) + b"first words")
    assert between.done


@pytest.mark.parametrize(("viewer", "screen"), [(0, 1), (1, 0), (0, 0)])
def test_where_one_side_does_not_select_there_is_no_word_for_it(viewer: int, screen: int) -> None:
    between = link()
    between.from_viewer(link_message(capabilities=viewer))
    between.from_screen(link_reply(capabilities=screen))
    assert password_of(between.from_viewer(proof(selects=False)).to_screen) == PASSWORD.encode() + b"\0"


@given(cuts=st.lists(st.integers(1, 40), min_size=1))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    def portions(data: bytes) -> list[bytes]:
        parts, place, number = [], 0, 0
        while place < len(data):
            size = cuts[number % len(cuts)]
            parts.append(data[place : place + size])
            place, number = place + size, number + 1
        return parts

    between = link()
    to_screen = b"".join(between.from_viewer(part).to_screen for part in portions(link_message()))
    to_viewer = b"".join(between.from_screen(part).to_viewer for part in portions(link_reply()))
    sent = b"".join(between.from_viewer(part).to_screen for part in portions(proof()))
    to_viewer += b"".join(between.from_screen(part).to_viewer for part in portions(bytes(4) + b"more"))
    assert (to_screen, to_viewer) == (link_message(), link_reply() + bytes(4) + b"more")
    assert password_of(sent[4:]) == PASSWORD.encode() + b"\0"
    assert between.done


def test_a_viewer_in_a_hurry_waits_for_the_key() -> None:
    between = link()
    assert between.from_viewer(link_message() + proof()) == Turn(to_screen=link_message())
    turn = between.from_screen(link_reply())
    assert turn.to_viewer == link_reply()
    assert password_of(turn.to_screen[4:]) == PASSWORD.encode() + b"\0"


def test_what_the_server_refuses_the_viewer_reads() -> None:
    between = link()
    between.from_viewer(link_message())
    refusal = link_reply()[:12] + (4).to_bytes(4, "little") + (7).to_bytes(4, "little")
    assert between.from_screen(refusal) == Turn(to_viewer=refusal)
    assert not between.done
    between = link()
    between.from_viewer(link_message())
    between.from_screen(link_reply())
    between.from_viewer(proof())
    assert between.from_screen(b"\7\0\0\0") == Turn(to_viewer=b"\7\0\0\0")
    assert not between.done


@pytest.mark.parametrize(
    "said",
    [
        b"RFB 003.008\nRFB ",
        b"REDQ" + b"\1\0\0\0" + link_message()[8:],
        link_message()[:12] + (5000).to_bytes(4, "little") + link_message()[16:],
        link_message()[:12] + (2).to_bytes(4, "little") + link_message()[16:],
        link_message()[:22] + (2**31).to_bytes(4, "little") + link_message()[26:],
        link_message() + b"x" * 5000,
    ],
)
def test_a_viewer_that_does_not_speak_it(said: bytes) -> None:
    with pytest.raises(ScreenError):
        link().from_viewer(said)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad", link_reply(key=bytes(162)), link_reply()[:12] + b"\4\0\0\0" + bytes(4), b"REDQ" + bytes(12)]
)
def test_a_server_that_does_not_speak_it(said: bytes) -> None:
    between = link()
    between.from_viewer(link_message())
    with pytest.raises(ScreenError):
        between.from_screen(said)


def test_a_server_that_speaks_first_is_none() -> None:
    with pytest.raises(ScreenError):
        link().from_screen(b"RFB 003.008\n")


def test_another_proof_than_a_password_is_refused() -> None:
    between = link()
    between.from_viewer(link_message())
    between.from_screen(link_reply())
    with pytest.raises(ScreenError):
        between.from_viewer(b"\2\0\0\0")


def test_a_password_that_spice_cannot_carry() -> None:
    with pytest.raises(ScreenError):
        SpiceLink(password="x" * 61, max_message_bytes=4096)
