"""What the link to the manager makes of answers, and that its own heads cannot be torn apart."""

import asyncio
from pathlib import Path

import pytest

from yunzhuo.gateway.config import parse
from yunzhuo.gateway.manager import ManagerAway, ManagerLink

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
ANSWERS: dict[str, tuple[bytes, bytes | None]] = {
    "whole": (GOOD, b"{}"),
    "in chunks": (CHUNKED, b"{}"),
    "after an interim one": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + GOOD, b"{}"),
    "two at once": (GOOD + GOOD, b"{}"),
    "ended by the connection": (b"HTTP/1.1 200 OK\r\n\r\n{}", None),
    "half": (GOOD[:-1], None),
    "with a head without end": (b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyy\r\n" * 2000, None),
    "too long": (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000), None),
    "with two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", None),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", None),
}


def link_to(port: int, folder: Path) -> ManagerLink:
    config = parse({"manager_url": f"http://127.0.0.1:{port}", "key_file": str(folder / "key")})
    return ManagerLink(config, "key")


@pytest.mark.parametrize("step", [1 << 20, 7], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("said", "body"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_whole_or_none(said: bytes, body: bytes | None, step: int, tmp_path: Path) -> None:
    if step == 7 and len(said) > 10_000:
        step = 10_000
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n{}")
        for start in range(0, len(said), step):
            writer.write(said[start : start + step])
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    manager = link_to(server.sockets[0].getsockname()[1], tmp_path)
    for asked in (1, 2):
        if body is None:
            with pytest.raises(ManagerAway):
                await manager.post("/x", {})
        else:
            assert (await manager.post("/x", {})).body == body
        await asyncio.sleep(0.01)
        assert connections == asked, "a connection that is closed, or has said too much, is not used again"
    manager.close()
    server.close()


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0b"])
async def test_no_header_becomes_two(value: str, tmp_path: Path) -> None:
    with pytest.raises(ManagerAway, match="impossible_header"):
        await link_to(9, tmp_path).send("GET", "/", [("X-Organization", value)], b"")
