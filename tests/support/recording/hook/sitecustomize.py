"""Writes down which part of Yunzhuo calls which other part, in every process that is started with this folder on PYTHONPATH.

Python imports a module of this name at its start (see :mod:`site`). When ``CALL_RECORDING_FOLDER`` names a folder, each of
Yunzhuo's processes adds to ``NAME-PID.jsonl`` there, one line a call::

    [monotonic time in ns, [[part, function], ...]]

from the outermost caller of that thread or asyncio task to the called one. A part is a module, or a package that counts as
one. No product code is touched; nothing is imported but the standard library.
"""

import dis
import functools
import inspect
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import CodeType, FrameType

FOLDER_VARIABLE = "CALL_RECORDING_FOLDER"

_PROCESSES = frozenset({"web", "stream", "worker", "scheduler", "gateway", "host"})
_PACKAGE = "yunzhuo."
# These count as one part each, whatever modules they have.
_WHOLE = (
    "gateway.protocol",
    "phoenix.cloud.local",
    "phoenix.cloud.memory",
    "phoenix.cloud",
    "phoenix.db",
    "phoenix.queue",
    "phoenix.security",
    "services.rules",
    "webkit",
)
# Spoken by everybody, telling nothing: clock, ids, errors, logging, settings, shapes of rows and answers, waiting, counting,
# and what a method needs, which stands around it.
_TRANSPARENT = (
    "cli",
    "gateway.metrics",
    "host.waiting",
    "phoenix.cloud.errors",
    "phoenix.cloud.resources",
    "phoenix.common",
    "phoenix.config",
    "phoenix.db.base",
    "phoenix.db.models",
    "services.stated",
    "web.asgi",
)
# Below these a task or a thread has its own beginning: who runs the loop did not make the call.
_BOUNDARIES = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners", "threading", "uvicorn._compat", "uvloop"})
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def part_of(module: str) -> str | None:
    """The part that a module belongs to; None when its calls are not told."""
    if not module.startswith(_PACKAGE):
        return None
    name = module.removeprefix(_PACKAGE)
    if any(_is_within(name, other) for other in _TRANSPARENT):
        return None
    return next((whole for whole in _WHOLE if _is_within(name, whole)), name)


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


class Recorder:
    """A profile function (see :func:`sys.setprofile`) that adds to ``file``."""

    def __init__(self, file: Path) -> None:
        # One write a line: threads do not mix theirs.
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._parts: dict[CodeType, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        try:
            part = self._parts[code]
        except KeyError:
            part = self._parts[code] = _told(frame)
        if part is not None and _begins(frame) and self._caller(frame) != part:
            path = self._path(frame)
            # Private functions are told as beginnings only: a part is called by its public ones.
            if len(path) == 1 or not _is_private(code.co_name):
                os.write(self._descriptor, json.dumps([time.monotonic_ns(), path]).encode() + b"\n")

    def _caller(self, frame: FrameType) -> str | None:
        caller = _outer(frame)
        while caller is not None:
            part = self._part(caller)
            if part is not None:
                return part
            caller = _outer(caller)
        return None

    def _path(self, frame: FrameType | None) -> list[tuple[str, str]]:
        calls: list[tuple[str, str]] = []
        while frame is not None:
            part = self._part(frame)
            if part is not None:
                if calls and calls[-1][0] == part:
                    calls.pop()  # entered further out
                calls.append((part, _name(frame.f_code)))
            frame = _outer(frame)
        return calls[::-1]

    def _part(self, frame: FrameType) -> str | None:
        try:
            return self._parts[frame.f_code]
        except KeyError:
            part = self._parts[frame.f_code] = _told(frame)
            return part


def _told(frame: FrameType) -> str | None:
    """The part of a function that is told of; None for others' code, and for what reads like a value where it is used."""
    code, name = frame.f_code, frame.f_code.co_name
    if _is_wrapper(code):
        return None
    if code.co_filename.startswith("<") or name.startswith("<") or (name.startswith("__") and name != "__call__"):
        return None
    # None when the interpreter is ending and takes modules to pieces.
    part = part_of(frame.f_globals.get("__name__") or "")
    return None if part is None or _is_property(frame) else part


def _is_property(frame: FrameType) -> bool:
    code = frame.f_code
    if not code.co_argcount:
        return False
    owner = type(frame.f_locals.get(code.co_varnames[0]))
    return isinstance(inspect.getattr_static(owner, code.co_name, None), property | functools.cached_property)


def _outer(frame: FrameType) -> FrameType | None:
    caller = frame.f_back
    if caller is None or caller.f_globals.get("__name__") in _BOUNDARIES:
        return None
    return caller


def _is_wrapper(code: CodeType) -> bool:
    """Whether this stands around another function and passes on whatever it is given, as decorators put it there."""
    takes_anything = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    return bool(code.co_freevars) and code.co_flags & takes_anything == takes_anything


def _is_private(name: str) -> bool:
    return name.startswith("_") and name != "__call__"


def _name(code: CodeType) -> str:
    return code.co_qualname.rpartition("<locals>.")[2]


def _begins(frame: FrameType) -> bool:
    """Whether a call event is a call, and not the going on of a generator or a coroutine, or the mere making of one."""
    code, at = frame.f_code, frame.f_lasti
    if not code.co_flags & _SUSPENDABLE:
        return True
    if at < 0:  # 3.11: the call that makes it; it begins when it is first asked to go on
        return False
    opcode, argument = dis.opname[code.co_code[at]], code.co_code[at + 1]
    return opcode == "RETURN_GENERATOR" or (opcode == "RESUME" and argument & 3 == 0)


def process_name(command_line: list[str]) -> str | None:
    """``worker`` of ``python -m yunzhuo worker --supervised``; None for any other program."""
    match command_line:
        case [_, "-m", "yunzhuo", name, *_] if name in _PROCESSES:
            return name
        case _:
            return None


def install() -> None:
    """Begin to record in this process, if it is to."""
    folder, name = os.environ.get(FOLDER_VARIABLE), process_name(sys.orig_argv)
    if folder and name:
        recorder = Recorder(Path(folder) / f"{name}-{os.getpid()}.jsonl")
        threading.setprofile(recorder)
        sys.setprofile(recorder)


install()
