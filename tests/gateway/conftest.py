"""A manager, screens and gateways for tests. One gateway with the default settings serves all tests that need no other."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from tests.gateway.managers import StandInManager
from tests.gateway.running import KEY, RunningGateway
from tests.gateway.screens import PASSWORD, Screen
from yunzhuo.gateway.config import GatewayConfig, parse

StartGateway = Callable[..., Awaitable[RunningGateway]]
StartScreen = Callable[..., Awaitable[Screen]]


def config_for(manager: StandInManager, **settings: Any) -> GatewayConfig:
    """Free ports, the stand-in manager, and everything logged."""
    return parse(
        {
            "manager_url": f"http://127.0.0.1:{manager.port}",
            "drain_seconds": 0,
            **settings,
            "listen": {"port": 0, **settings.get("listen", {})},
            "private": {"port": 0, **settings.get("private", {})},
            "log": {"level": "debug", "style": "json"},
        }
    )


def fixture(scope: Literal["function", "package"]) -> Callable[[Callable[..., Any]], Any]:
    """A fixture on the one event loop that all tests here share, for they share a gateway."""
    return pytest_asyncio.fixture(scope=scope, loop_scope="package")


@fixture("package")
async def manager() -> AsyncIterator[StandInManager]:
    manager = StandInManager()
    await manager.start()
    yield manager
    await manager.stop()


@fixture("package")
async def gateway(manager: StandInManager, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    """A gateway with the settings that it ships with, but with time for a machine that has much else to do."""
    limits = {"handshake_timeout_seconds": 60, "redeem_timeout_seconds": 60, "connect_timeout_seconds": 60}
    gateway = await RunningGateway.start(
        config_for(manager, limits=limits), folder_with_key(tmp_path_factory.mktemp("gateway"))
    )
    yield gateway
    await end_well(gateway, manager)


@fixture("package")
async def impatient(manager: StandInManager, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    """A gateway with little time, little room and the portal at https://portal.example.test."""
    limits = {
        "max_connections": 5,
        "handshake_timeout_seconds": 1,
        "redeem_timeout_seconds": 1,
        "connect_timeout_seconds": 1,
        "idle_ping_seconds": 0.5,
        "pong_timeout_seconds": 1.5,
    }
    config = config_for(manager, limits=limits, allowed_origins=["https://portal.example.test"])
    gateway = await RunningGateway.start(config, folder_with_key(tmp_path_factory.mktemp("impatient")))
    yield gateway
    await end_well(gateway, manager)


@fixture("function")
async def start_gateway(manager: StandInManager, tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Starts a gateway with settings of the test's own."""
    started: list[RunningGateway] = []

    async def start(*, supervised: bool = True, **settings: Any) -> RunningGateway:
        config = config_for(manager, **settings)
        gateway = await RunningGateway.start(config, folder_with_key(tmp_path), supervised=supervised)
        started.append(gateway)
        return gateway

    yield start
    for gateway in started:
        await end_well(gateway, manager)


def folder_with_key(folder: Path) -> Path:
    key = folder / "gateway.key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    return folder


async def end_well(gateway: RunningGateway, manager: StandInManager) -> None:
    """A gateway has to end in good order, and its log, written at its most talkative, may hold no secret and no mishap."""
    if gateway.process.returncode is None:
        assert await gateway.end() == 0, gateway.text
    for secret in (KEY, PASSWORD, *manager.tickets):
        assert secret not in gateway.text
    assert "Traceback" not in gateway.text, gateway.text


@fixture("function")
async def start_screen(tmp_path: Path) -> AsyncIterator[StartScreen]:
    started: list[Screen] = []

    async def start(*, tcp: bool = False, **settings: Any) -> Screen:
        screen = Screen(**settings)
        await screen.start(None if tcp else tmp_path)
        started.append(screen)
        return screen

    yield start
    for screen in started:
        await screen.stop()


@fixture("function")
async def screen(start_screen: StartScreen) -> Screen:
    return await start_screen()
