"""The process that desktops' agents call (docs/adr/0037): over TLS from anywhere, on the loopback for our own processes.

Keys, texts and pieces of files pass here: nothing of a head or a body may be logged.
"""

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from yunzhuo.phoenix.common.errors import InvalidInput, NotFound, NotSignedIn, YunzhuoError
from yunzhuo.phoenix.common.logging import configure, get_logger
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.agent_keys import AgentKey
from yunzhuo.phoenix.security.authority import write_private
from yunzhuo.services.agent_door import agents_authority
from yunzhuo.services.agents import AgentService, Heard, same_words
from yunzhuo.services.assembly import services
from yunzhuo.services.rules.agent_words import MAX_TURN_BYTES, Turn, question_json, read_question, read_turn
from yunzhuo.web.agent_desk import AgentAway, AgentDesk, TooFast, TooManyWait, new_question_id
from yunzhuo.webkit import serving

log = get_logger()

TURN_PATH = "/agent/v1/turn"
_BODY_SECONDS = 30.0
# Most bodies are small; those of this size and more are read so many at a time, whatever the number of desktops.
_LARGE_BYTES = 64 * 1024
_LARGE_AT_ONCE = 32
# The driver waits for 30 s (2 s to learn whether a desktop is ready), and is to hear from us before.
_ASK_SECONDS = 28.0
_STATUS_SECONDS = 1.5
_WRITE_SECONDS = 2.0
_WRITE_ANYWAY_SECONDS = 15.0
_ARRIVALS_SECONDS = 10.0
_RETRY_LATER = {"Retry-After": "1"}


class AgentDoor:
    """What agents ask, as an ASGI application."""

    def __init__(self, desk: AgentDesk, agents: AgentService) -> None:
        self._desk = desk
        self._agents = agents
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._arrived: dict[str, float] = {}
        self.app = Starlette(routes=[Route(TURN_PATH, self.take_turn, methods=["POST"])])

    async def take_turn(self, request: Request) -> Response:
        """One request of an agent, whose key is looked at before anything of its body."""
        try:
            key = self._agents.known(_bearer(request))
            self._desk.pace(key.desktop_id)
            await asyncio.to_thread(self._agents.admit, key)
            turn = read_turn(await self._body(request))
            return await self._answer(request, key, turn)
        except NotSignedIn as error:
            return _refusal(HTTPStatus.UNAUTHORIZED, error)
        except TooFast as error:
            return _refusal(HTTPStatus.TOO_MANY_REQUESTS, error, _RETRY_LATER)
        except InvalidInput as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error, {"Connection": "close"})
        except YunzhuoError as error:
            log.warning("agent_not_served", code=error.code)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, error, _RETRY_LATER)
        except (TimeoutError, ClientDisconnect):
            return Response(status_code=HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"})

    async def _answer(self, request: Request, key: AgentKey, turn: Turn) -> Response:
        heard = Heard(key.desktop_id, turn.boot, turn.agent, turn.status, self._agents.now())
        if self._desk.hear(heard, key.issue, turn) and self._is_worth_a_record(key.desktop_id):
            await asyncio.to_thread(self._agents.arrived, heard)
        waiting = asyncio.create_task(self._desk.next_question(key.desktop_id, key.issue, turn.wait_seconds))
        leaving = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not waiting.done():
                waiting.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)
        question = None if waiting.cancelled() else waiting.result()
        return JSONResponse(question_json(question), headers={"Cache-Control": "no-store"})

    def _is_worth_a_record(self, desktop_id: str) -> bool:
        """Whoever names another boot with each turn shall not fill the record."""
        now = time.monotonic()
        if now - self._arrived.get(desktop_id, -_ARRIVALS_SECONDS) < _ARRIVALS_SECONDS:
            return False
        self._arrived = {each: at for each, at in self._arrived.items() if now - at < _ARRIVALS_SECONDS}
        self._arrived[desktop_id] = now
        return True

    async def _body(self, request: Request) -> bytes:
        declared = request.headers.get("content-length", "")
        is_large = not declared.isdecimal() or int(declared) >= _LARGE_BYTES
        async with asyncio.timeout(_BODY_SECONDS), self._large if is_large else contextlib.nullcontext():
            return await _read(request)


class AgentLineDoor:
    """What Yunzhuo's own processes want asked: the other end of ``phoenix.cloud.agents``."""

    def __init__(self, desk: AgentDesk, agents: AgentService) -> None:
        self._desk = desk
        self._agents = agents
        self._secret = agents.line_secret.encode()
        self.app = Starlette(routes=[Route("/v1/servers/{server_id}/{verb}", self.ask, methods=["POST"])])

    async def ask(self, request: Request) -> Response:
        """Answers with a code in place of an HTTP status: what went wrong in a desktop is not this process's failure."""
        if not hmac.compare_digest(_bearer(request).encode(), self._secret):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        try:
            return JSONResponse(await self._asked(request), headers={"Cache-Control": "no-store"})
        except InvalidInput as error:
            return _refusal(HTTPStatus.BAD_REQUEST, error)
        except YunzhuoError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, error)

    async def _asked(self, request: Request) -> dict[str, Any]:
        verb = request.path_params["verb"]
        question = read_question(verb, new_question_id(), await _read(request))
        try:
            place = await asyncio.to_thread(self._agents.place_of, request.path_params["server_id"])
        except NotFound:
            return {"code": "no_agent"}
        try:
            told = await self._desk.ask(place, question, _STATUS_SECONDS if verb == "status" else _ASK_SECONDS)
        except AgentAway:
            return {"code": "away" if place.was_heard else "no_agent"}
        except TooManyWait:
            return {"code": "busy"}
        except TimeoutError:
            return {"code": "too_late"}
        answer = told.answer.model_dump(exclude={"id"})
        return answer | {"is_ready": told.heard.status.is_ready and told.heard.boot != place.left_boot}


class AgentRecorder:
    """Writes down what agents say: what changed, every two seconds, and everything every fifteen."""

    def __init__(self, desk: AgentDesk, agents: AgentService) -> None:
        self._desk = desk
        self._agents = agents
        self._written: dict[str, Heard] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            try:
                await self.write()
            except YunzhuoError as error:  # the database is away: the next round writes it
                log.warning("agents_not_written", code=error.code)

    async def write(self) -> None:
        """Write down what is news."""
        news = [heard for heard in self._desk.heard() if self._is_news(heard)]
        if news:
            await asyncio.to_thread(self._agents.heard, news)
            self._written.update({heard.desktop_id: heard for heard in news})

    def _is_news(self, heard: Heard) -> bool:
        before = self._written.get(heard.desktop_id)
        if before is None or not same_words(before, heard):
            return True
        return (heard.at - before.at).total_seconds() >= _WRITE_ANYWAY_SECONDS


def run(settings: Settings, supervised: bool) -> int:
    """Serve agents until told to end; the exit code is 0. Raises Unavailable when a port is taken, InvalidInput without an
    address that desktops are told."""
    configure("agents", level=settings.log.level, style=settings.log.style)
    if not settings.agents.public_url:
        raise InvalidInput("Desktops are told no address: set [agents] public_url.", code="invalid_settings")
    certificate, private_key = _certificate(settings)
    tls = serving.tls_of(certificate, private_key, setting="[agents] tls_certificate and tls_key")
    listener = serving.listen(settings.agents.host, settings.agents.port, setting="[agents] port")
    local = serving.listen(settings.agents.local_host, settings.agents.local_port, setting="[agents] local_port")
    with services(settings) as all_services:
        desk = AgentDesk()
        public, line = AgentDoor(desk, all_services.agents), AgentLineDoor(desk, all_services.agents)

        @asynccontextmanager
        async def beside() -> AsyncIterator[None]:
            writing = asyncio.create_task(AgentRecorder(desk, all_services.agents).run())
            async with serving.served_beside(line.app, local):
                try:
                    yield
                finally:
                    writing.cancel()
                    await asyncio.gather(writing, return_exceptions=True)

        log.info("agents_listening", url=settings.agents.public_url, host=settings.agents.host, port=settings.agents.port)
        serving.serve(
            public.app,
            listener,
            supervised=supervised,
            beside=beside(),
            on_end=desk.close,
            tls=tls,
            most_connections=settings.agents.connections,
        )
    return 0


def _certificate(settings: Settings) -> tuple[str, str]:
    """The files to serve with: the installation's, or a new certificate of our own authority, made at each start."""
    agents = settings.agents
    if agents.tls_certificate:
        return agents.tls_certificate, agents.tls_key
    host = urlsplit(agents.public_url).hostname or ""
    file = settings.secrets_dir / "agents-tls.pem"
    write_private(file, agents_authority(settings).vouch(host, datetime.now(UTC)))
    return str(file), ""


async def _read(request: Request) -> bytes:
    """The body. Raises InvalidInput as soon as it is too large, TimeoutError, ClientDisconnect."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_TURN_BYTES:
            raise InvalidInput("This is larger than what is taken here.", code="too_large")
    return bytes(content)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _bearer(request: Request) -> str:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _refusal(status: HTTPStatus, error: YunzhuoError, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": error.code, "message": error.message}, status_code=status, headers=headers)
