"""What a school does to a gateway in a year: hours of SPICE, a manager that is away, a thousand people at the same moment, and
people who are gone without a word. ``make test-hour`` gives the first two their real length."""

import asyncio
import hashlib
import os
import random
import signal
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.exceptions import InvalidStatus

from tests.gateway.conftest import StartGateway, config_for, end_well, fixture, folder_with_key
from tests.gateway.managers import StandInManager, session_of
from tests.gateway.running import RunningGateway
from tests.gateway.screens import Screen
from tests.gateway.spice import link_reply, password_of
from tests.gateway.test_native_spice import NativeViewer
from tests.gateway.test_stopping import free_port
from tests.gateway.test_tls import certificate
from tests.gateway.viewers import Viewer, upgrade
from tests.gateway.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.servers, pytest.mark.slow]

SPICE_SECONDS: Final = float(os.environ.get("YUNZHUO_TEST_SPICE_SECONDS", "40"))
AWAY_SECONDS: Final = float(os.environ.get("YUNZHUO_TEST_AWAY_SECONDS", "6"))
CHANNELS: Final = {1: "main", 2: "display", 3: "inputs", 4: "cursor"}
MANY: Final = 1000
_MESSAGE: Final = struct.Struct("<HI")


@dataclass
class Flow:
    """One direction of a channel at one of its ends: how much, and what."""

    size: int = 0
    seen: Any = field(default_factory=hashlib.sha256)

    def note(self, data: bytes) -> None:
        self.size += len(data)
        self.seen.update(data)

    def same_as(self, other: "Flow") -> bool:
        return self.size == other.size and bool(self.seen.digest() == other.seen.digest())


@dataclass
class End:
    """One end of a channel."""

    sent: Flow = field(default_factory=Flow)
    got: Flow = field(default_factory=Flow)
    broke: bool = False

    async def talk(self, writer: asyncio.StreamWriter, seed: int, until: float) -> None:
        """Says messages of every length, small ones mostly, as SPICE does."""
        chance = random.Random(seed)
        while time.monotonic() < until:
            size = chance.choice((0, 4, 18, 120, 120, 1400, 9000, 70_000))
            message = _MESSAGE.pack(200 + seed % 7, size) + chance.randbytes(size)
            self.sent.note(message)
            writer.write(message)
            await writer.drain()
            await asyncio.sleep(chance.uniform(0, 0.04))

    async def listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65536):
                self.got.note(data)
        except ConnectionError:
            pass
        self.broke = True


@dataclass
class TalkingServer:
    """A SPICE server whose every channel talks as well as it listens."""

    until: float
    ends: dict[int, End] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(16)
        asked = await reader.readexactly(int.from_bytes(header[12:], "little"))
        writer.write(link_reply())
        assert password_of((await reader.readexactly(132))[4:]).rstrip(b"\0") == b"sesame42"
        writer.write(bytes(4))
        end = self.ends[asked[4]] = End()
        listening = asyncio.create_task(end.listen(reader))
        await end.talk(writer, 100 + asked[4], self.until)
        await listening
        writer.close()


@asynccontextmanager
async def talk(
    gateway: RunningGateway, manager: StandInManager, folder: Path, chain: Path
) -> AsyncIterator[tuple[str, dict[int, tuple[NativeViewer, End]], TalkingServer]]:
    """A native viewer with four channels, through TLS, and its server: the ticket, the near ends, the far ones."""
    far = TalkingServer(time.monotonic() + SPICE_SECONDS)
    listener = await asyncio.start_unix_server(far.serve, folder / "spice.sock")
    target = {"unix_path": str(folder / "spice.sock"), "password": "sesame42"}
    ticket = manager.issue(Screen(target=target), protocol="spice", times=len(CHANNELS))
    near: dict[int, tuple[NativeViewer, End]] = {}
    async with asyncio.TaskGroup() as talking:
        for channel in CHANNELS:
            tls = ssl.create_default_context(cafile=str(chain))
            viewer = NativeViewer(*await asyncio.open_connection("127.0.0.1", gateway.port, ssl=tls))
            assert await viewer.link(ticket, channel=channel) == 0
            near[channel] = (viewer, End())
            talking.create_task(near[channel][1].talk(viewer.writer, channel, far.until))
            talking.create_task(near[channel][1].listen(viewer.reader))
        yield ticket, near, far
        for viewer, _ in near.values():
            viewer.writer.transport.abort()
    listener.close()
    await listener.wait_closed()


async def test_spice_goes_on_while_certificate_and_processes_change(
    start_gateway: StartGateway, manager: StandInManager, screen: Screen, tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path)
    files = {"tls_certificate_file": chain.name, "tls_private_file": private.name}
    gateway = await start_gateway(processes=2, listen={"port": free_port(), **files}, report_seconds=1)

    async def all_there() -> bool:
        return (await gateway.get("/healthz")).status_code == 200

    await eventually(all_there, 60)
    async with talk(gateway, manager, tmp_path, chain) as (ticket, near, far):
        await asyncio.sleep(SPICE_SECONDS / 3)
        (tmp_path / "fresh").mkdir()
        for fresh in certificate(tmp_path / "fresh"):
            fresh.replace(tmp_path / fresh.name)
        gateway.process.send_signal(signal.SIGHUP)

        async def renewed() -> bool:
            return [entry["event"] for entry in gateway.log].count("gateway_process_retires") == 2

        await eventually(renewed, 60)
        newcomer = await Viewer.open(
            gateway,
            manager.issue(screen),
            url=f"wss://127.0.0.1:{gateway.port}/v1/console",
            ssl=ssl.create_default_context(cafile=str(chain)),
        )
        await newcomer.close()

        async def all_said() -> bool:
            return time.monotonic() > far.until and all(
                end.sent.size == far.ends[channel].got.size and far.ends[channel].sent.size == end.got.size
                for channel, (_, end) in near.items()
            )

        await eventually(all_said, SPICE_SECONDS + 60)
        for channel, (_, end) in near.items():
            assert end.sent.same_as(far.ends[channel].got), CHANNELS[channel]
            assert far.ends[channel].sent.same_as(end.got), CHANNELS[channel]
            assert not end.broke, CHANNELS[channel]
            assert not far.ends[channel].broke, CHANNELS[channel]
            assert min(end.sent.size, end.got.size) > 10_000 * SPICE_SECONDS, "that was no talk"
        assert session_of(ticket) not in manager.ended


@fixture("function")
async def fickle(tmp_path: Path) -> AsyncIterator[tuple[StandInManager, RunningGateway]]:
    """A manager that may go away without anybody else noticing, and its gateway."""
    manager = StandInManager()
    await manager.start()
    limits = {"redeem_timeout_seconds": 1}
    gateway = await RunningGateway.start(config_for(manager, limits=limits, report_seconds=0.5), folder_with_key(tmp_path))
    yield manager, gateway
    await end_well(gateway, manager)
    await manager.stop()


async def test_the_manager_is_away(fickle: tuple[StandInManager, RunningGateway], screen: Screen) -> None:
    manager, gateway = fickle
    kept_ticket, left_ticket, late_ticket = (manager.issue(screen) for _ in range(3))
    kept, left = await Viewer.open(gateway, kept_ticket), await Viewer.open(gateway, left_ticket)
    port = manager.port
    await manager.stop()
    back_at = time.monotonic() + AWAY_SECONDS
    await left.write(b"bye")
    assert await left.read(3) == b"bye"
    await left.close()
    while time.monotonic() < back_at:
        await kept.write(b"still here")
        assert await kept.read(10) == b"still here"
        with pytest.raises(InvalidStatus) as refusal:
            await Viewer.open(gateway, late_ticket)
        answer = refusal.value.response
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert b"manager_unavailable" in (answer.body or b"")
        await asyncio.sleep(0.5)
    native = NativeViewer(*await asyncio.open_connection("127.0.0.1", gateway.port))
    assert await native.link(manager.issue(screen)) == 1, "an error, not a refusal: trying again may help"
    native.writer.close()
    assert manager.ended == {}
    await manager.start(port)
    assert await manager.end_of(left_ticket, 60) == {"bytes_in": 3, "bytes_out": 3, "reason": "viewer_closed"}
    assert await gateway.metric("yunzhuo_gateway_reports_lost_total") == 0
    newcomer = await Viewer.open(gateway, late_ticket)
    await kept.write(b"all the time")
    assert await kept.read(12) == b"all the time"

    async def shown() -> bool:
        return session_of(kept_ticket) in manager.reports

    await eventually(shown, 20)
    for viewer in (kept, newcomer):
        await viewer.close()
    for ticket in (kept_ticket, late_ticket):
        await manager.end_of(ticket)


async def test_a_thousand_at_the_same_moment(start_gateway: StartGateway, manager: StandInManager, screen: Screen) -> None:
    patient = {"handshake_timeout_seconds": 120, "redeem_timeout_seconds": 120, "connect_timeout_seconds": 120}
    gateway = await start_gateway(limits={**patient, "max_connections_per_address": 2 * MANY})
    viewer = await Viewer.open(gateway, manager.issue(screen))
    tickets = [manager.issue(screen) for _ in range(MANY)]

    async def first_answer(ticket: str) -> tuple[bytes, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(upgrade(ticket))
        return await reader.readuntil(b"\r\n\r\n"), writer

    async with asyncio.timeout(240):
        coming = asyncio.gather(*(first_answer(ticket) for ticket in tickets))
        rounds = 0
        while not coming.done():
            await viewer.write(b"still here")
            assert await viewer.read(10, 120) == b"still here"
            rounds += 1
            await asyncio.sleep(0.02)
        answers = await coming
    assert rounds > 1
    assert {head.split(b"\r\n")[0] for head, _ in answers} == {b"HTTP/1.1 101 Switching Protocols"}
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == MANY + 1
    for _, writer in answers:
        writer.transport.abort()  # and all are gone at the same moment
    for ticket in tickets:
        await manager.end_of(ticket, 120)
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == 1
    await viewer.close()


async def test_people_who_are_gone_without_a_word(start_gateway: StartGateway, manager: StandInManager, screen: Screen) -> None:
    patient = {"redeem_timeout_seconds": 60, "connect_timeout_seconds": 60}
    gateway = await start_gateway(limits={"idle_ping_seconds": 0.5, "pong_timeout_seconds": 2, **patient})
    chance = random.Random(7)
    tickets = [manager.issue(screen) for _ in range(200)]

    async def come_and_go(ticket: str) -> None:
        """Gone somewhere between the first byte and the middle of a frame, in three ways."""
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        said = upgrade(ticket) + b"\x82\x8c" + bytes(4) + b"RFB 003.008\n" + b"\x82\x81" + bytes(4) + b"\1" + b"\x82\xfe\x10"
        writer.write(said[: chance.randrange(len(said) + 1)])
        await asyncio.sleep(chance.uniform(0, 0.2))
        way = chance.choice(("reset", "closed", "silent"))
        if way == "closed":
            writer.close()
        elif way == "reset":
            writer.transport.abort()
        else:
            reader.set_exception(ConnectionError())  # nothing is read or said any more, and nobody hangs up
            silent.append(writer)

    silent: list[asyncio.StreamWriter] = []
    await asyncio.gather(*(come_and_go(ticket) for ticket in tickets))
    assert silent

    async def all_given_up() -> bool:
        return await gateway.metric("yunzhuo_gateway_connections_open") == 0

    await eventually(all_given_up, 60)
    assert await gateway.metric("yunzhuo_gateway_sessions_open") == 0
    async with asyncio.timeout(30):
        await screen.deserted.wait()
    redeemed = {asked["ticket"] for asked in manager.redeemed} & set(tickets)
    assert redeemed
    for ticket in redeemed:
        await manager.end_of(ticket, 60)
    for writer in silent:
        writer.transport.abort()
    viewer = await Viewer.open(gateway, manager.issue(screen))
    await viewer.write(b"all is well")
    assert await viewer.read(11) == b"all is well"
    await viewer.close()
