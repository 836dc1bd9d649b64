"""Structured logging: constant event names, data as keywords, never a secret.

Every process calls :func:`configure` once. Request and operation ids are bound with ``structlog.contextvars``.
"""

import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Literal, TextIO

import structlog

_SECRET_WORDS = ("password", "secret", "token", "ticket", "authorization", "cookie", "key")
_SAFE_KEYS = frozenset({"key_id", "token_id", "ticket_id", "idempotency_key"})


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every keyword that sounds like a secret; the last line of defense, not the first."""
    for name in event:
        if _sounds_secret(name):
            event[name] = "***"
    return event


@lru_cache(maxsize=1024)
def _sounds_secret(name: str) -> bool:
    """Keywords are constants, and the same few stand in every line."""
    lowered = name.lower()
    return lowered not in _SAFE_KEYS and any(word in lowered for word in _SECRET_WORDS)


def configure(
    process: str, *, level: str = "info", style: Literal["console", "json"] = "console", stream: TextIO | None = None
) -> None:
    """Send everything this process logs to ``stream`` (standard error), one event a line, with the process's name bound."""
    stream = stream or sys.stderr
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            pad_event_to=28,
            # Its own choice would be rich's traceback, with every local variable: secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if style == "json" else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "uvicorn.access", "kombu", "alembic", "qemu.qmp", "asyncio", "celery"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """A logger with ``bound`` on every event."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**bound)
    return logger
