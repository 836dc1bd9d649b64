"""The RFB security handshakes, byte by byte as RFC 6143 has them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.screens import CHALLENGE, PASSWORD, RESPONSE
from tests.gateway.test_frames import cut
from yunzhuo.gateway.protocol.errors import ScreenError
from yunzhuo.gateway.protocol.rfb import ScreenSecurity, Version, ViewerSecurity, vnc_response

V33, V37, V38 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"


# openssl enc -des-ecb -nopad -K (the password's eight bytes, each with its bits mirrored)
@pytest.mark.parametrize(
    ("password", "challenge", "response"),
    [
        (PASSWORD, CHALLENGE, RESPONSE.hex()),
        ("COW", CHALLENGE, "dc72fe4da173cc3f3c684d6637ed8c28"),
        ("a-long-password", bytes.fromhex("ffeeddccbbaa99887766554433221100"), "1a5df208843b17f087c39a09580ef5d2"),
    ],
)
def test_vnc_response(password: str, challenge: bytes, response: str) -> None:
    assert vnc_response(challenge, password).hex() == response


SCREENS = {
    "3.8 with a password": (PASSWORD, V38 + b"\1\2" + CHALLENGE + bytes(4), V38 + b"\2" + RESPONSE, Version.V3_8),
    "3.8 open": ("", V38 + b"\2\x10\1" + bytes(4), V38 + b"\1", Version.V3_8),
    "3.8 open, password at hand": (PASSWORD, V38 + b"\1\1" + bytes(4), V38 + b"\1", Version.V3_8),
    "3.7 with a password": (PASSWORD, V37 + b"\2\1\2" + CHALLENGE + bytes(4), V37 + b"\2" + RESPONSE, Version.V3_7),
    "3.7 open": ("", V37 + b"\1\1", V37 + b"\1", Version.V3_7),
    "3.3 with a password": (PASSWORD, V33 + b"\0\0\0\2" + CHALLENGE + bytes(4), V33 + RESPONSE, Version.V3_3),
    "3.3 open": ("", V33 + b"\0\0\0\1", V33, Version.V3_3),
    "a number of somebody's own": ("", b"RFB 003.889\n\0\0\0\1", V33, Version.V3_3),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCREENS)), st.binary(max_size=40), st.lists(st.integers(0, 100), max_size=12))
def test_screens(name: str, rest: bytes, places: list[int]) -> None:
    password, said, answered, version = SCREENS[name]
    security = ScreenSecurity(password=password, max_reason_bytes=100)
    assert b"".join(security.receive(part) for part in cut(said + rest, places)) == answered
    assert security.done
    assert security.version is version
    assert security.take_rest() == rest
    assert security.take_rest() == b""


REFUSALS = {
    "not RFB": (b"HTTP/1.1 400", "rfb_not_spoken"),
    "only types we do not know": (V38 + b"\3\5\6\x10", "screen_security_unknown"),
    "3.3, a type we do not know": (V33 + b"\0\0\1\1", "screen_security_unknown"),
    "no types, with a reason": (V38 + b"\0\0\0\0\4busy", "screen_refused"),
    "3.3, invalid": (V33 + b"\0\0\0\0\0\0\0\4busy", "screen_refused"),
    "wrong password, 3.8": (V38 + b"\1\2" + CHALLENGE + b"\0\0\0\1\0\0\0\2no", "screen_refused"),
    "wrong password, 3.7": (V37 + b"\1\2" + CHALLENGE + b"\0\0\0\1", "screen_refused"),
    "too many attempts": (V33 + b"\0\0\0\2" + CHALLENGE + b"\0\0\0\2", "screen_refused"),
    "a reason of 4 GiB": (V38 + b"\0\xff\xff\xff\xff", "screen_refused"),
    "no reason at all": (V38 + b"\0\0\0\0\0", "screen_refused"),
}


@pytest.mark.parametrize(("said", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_screens_that_refuse(said: bytes, code: str) -> None:
    for parts in ([said], [said[place : place + 1] for place in range(len(said))]):
        with pytest.raises(ScreenError) as caught:
            say(parts)
        assert caught.value.code == code


def say(parts: list[bytes]) -> None:
    security = ScreenSecurity(password=PASSWORD, max_reason_bytes=100)
    for part in parts:
        security.receive(part)


def test_the_reason_is_told() -> None:
    with pytest.raises(ScreenError, match="busy"):
        ScreenSecurity(password="", max_reason_bytes=100).receive(V38 + b"\0\0\0\0\4busy")


VIEWERS = {
    "3.8": (V38 + b"\1", b"\1\1" + bytes(4), Version.V3_8),
    "3.7": (V37 + b"\1", b"\1\1", Version.V3_7),
    "3.3": (V33, b"\0\0\0\1", Version.V3_3),
    "a number of somebody's own": (b"RFB 004.001\n", b"\0\0\0\1", Version.V3_3),
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(VIEWERS)), st.binary(max_size=40), st.lists(st.integers(0, 100), max_size=12))
def test_viewers(name: str, rest: bytes, places: list[int]) -> None:
    said, answered, version = VIEWERS[name]
    security = ViewerSecurity()
    assert b"".join(security.receive(part) for part in cut(said + rest, places)) == answered
    assert security.done
    assert security.version is version
    assert security.take_rest() == rest


@pytest.mark.parametrize("said", [b"GET / HTTP/1", V38 + b"\2", V38 + b"\0"])
def test_viewers_that_do_not_speak_it(said: bytes) -> None:
    with pytest.raises(ScreenError):
        ViewerSecurity().receive(said)


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.lists(st.binary(max_size=60), max_size=8), st.sampled_from([b"", V33, V37, V38]))
def test_garbage_raises_nothing_but_screen_errors(viewer: bool, parts: list[bytes], start: bytes) -> None:
    security = ViewerSecurity() if viewer else ScreenSecurity(password=PASSWORD, max_reason_bytes=100)
    try:
        for part in (start, *parts):
            security.receive(part)
            if not security.done:
                assert len(security.take_rest()) <= 255
                break
    except ScreenError:
        pass
