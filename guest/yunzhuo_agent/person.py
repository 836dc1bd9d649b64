"""What is done as the person: one question as JSON from standard input, one answer to standard output.

Started by the agent as a program of its own, with the person's rights and in their home folder: whatever a path leads to, by
links too, is what that person may reach. It needs nothing else of this package.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import shutil
import stat
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PIECE_BYTES = 1024 * 1024
_MOST_FILES = 2000
_CLIPBOARD_SECONDS = 10
_OF_SESSION = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "LANG")
_Answer = dict[str, Any]


class Refused(Exception):
    """It is not done; ``code`` says why."""

    def __init__(self, code: str, said: str = "") -> None:
        super().__init__(said)
        self.code = code


def answer(question: dict[str, Any]) -> _Answer:
    """What comes of a question."""
    act = _VERBS.get(str(question.get("verb")))
    if act is None:
        return {"code": "unknown_verb"}
    try:
        return act(question)
    except Refused as refused:
        return {"code": refused.code, "said": str(refused)[:200]}
    except FileNotFoundError:
        return {"code": "no_file"}
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return {"code": "disk_full"} if is_full else {"code": "failed", "said": error.strerror or ""}
    except (KeyError, TypeError, ValueError) as error:
        return {"code": "failed", "said": f"not a question: {type(error).__name__}"}


def list_files(question: dict[str, Any]) -> _Answer:
    """The plain files in a folder; hidden ones, and names that are no text, are left out."""
    found: list[dict[str, Any]] = []
    try:
        with os.scandir(_path(question["path"])) as entries:
            for entry in entries:
                if len(found) == _MOST_FILES:
                    break
                with contextlib.suppress(OSError, UnicodeEncodeError):
                    if entry.name.startswith(".") or not entry.is_file():
                        continue
                    entry.name.encode()
                    told = entry.stat()
                    modified_at = min(max(int(told.st_mtime), 0), 4_102_444_800)
                    found.append({"name": entry.name, "size_bytes": told.st_size, "modified_at": modified_at})
    except (FileNotFoundError, NotADirectoryError):
        pass
    return {"files": found}


def write_piece(question: dict[str, Any]) -> _Answer:
    """Put a piece behind the first ``offset`` bytes, and cut off what was there."""
    path, offset = _path(question["path"]), int(question["offset"])
    content = base64.b64decode(question["content"], validate=True)
    if len(content) > PIECE_BYTES or offset < 0:
        raise Refused("out_of_step")
    if offset == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path, os.O_WRONLY | (os.O_CREAT if offset == 0 else 0)) as file:
        if os.fstat(file).st_size < offset:
            raise Refused("out_of_step")
        os.ftruncate(file, offset)
        done = 0
        while done < len(content):
            done += os.pwrite(file, content[done:], offset + done)
    return {}


def read_piece(question: dict[str, Any]) -> _Answer:
    """A piece, and how large the file is."""
    offset, wanted = int(question["offset"]), min(int(question["max_bytes"]), PIECE_BYTES)
    with _opened(_path(question["path"]), os.O_RDONLY) as file:
        content = b""
        while len(content) < wanted:
            part = os.pread(file, wanted - len(content), offset + len(content))
            if not part:
                break
            content += part
        return {"content": base64.b64encode(content).decode(), "size_bytes": os.fstat(file).st_size}


def move_file(question: dict[str, Any]) -> _Answer:
    """Give a file another path, in the place of one that is there."""
    path, new_path = _path(question["path"]), _path(question["new_path"])
    if not path.is_file():
        raise Refused("no_file")
    path.replace(new_path)
    return {}


def delete_file(question: dict[str, Any]) -> _Answer:
    """Remove a file, if it is there."""
    _path(question["path"]).unlink(missing_ok=True)
    return {}


def get_clipboard(_question: dict[str, Any]) -> _Answer:
    """The clipboard as text; empty when it holds none."""
    ran = subprocess.run(  # nosec B603 # a list of arguments, no shell
        _clipboard_program("get"), env=_session(), capture_output=True, timeout=_CLIPBOARD_SECONDS, check=False
    )
    return {"text": ran.stdout[:PIECE_BYTES].decode(errors="replace") if ran.returncode == 0 else ""}


def set_clipboard(question: dict[str, Any]) -> _Answer:
    """Put text into the clipboard. The program stays behind to serve it, so it gets none of our pipes."""
    ran = subprocess.run(  # nosec B603 # a list of arguments, no shell
        _clipboard_program("set"),
        env=_session(),
        input=str(question["text"]).encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_CLIPBOARD_SECONDS,
        check=False,
    )
    if ran.returncode:
        raise Refused("failed", f"exit code {ran.returncode}")
    return {}


def message(question: dict[str, Any]) -> _Answer:
    """A window with the text, until it is closed; does not wait for that. The text is never taken for an option."""
    text, session = str(question["text"]), _session()
    for program, arguments, is_read in _WINDOWS:
        if shutil.which(program):
            window = subprocess.Popen(  # nosec B603 # a list of arguments, no shell
                [program, *(each.replace("TEXT", text) for each in arguments)],
                env=session,
                stdin=subprocess.PIPE if is_read else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if window.stdin is not None:
                with window.stdin as pipe, contextlib.suppress(BrokenPipeError):
                    pipe.write(text.encode())
            return {}
    raise Refused("no_program")


def _path(path: Any) -> Path:
    """A path in the home folder, which is where we are. Raises Refused."""
    parts = path.split("/") if isinstance(path, str) else []
    is_named = any(part not in ("", ".") for part in parts)
    if not is_named or parts[0] == "" or ".." in parts or "\0" in path:
        raise Refused("bad_path")
    return Path(path)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Any:
    """A plain file's descriptor. What is no plain file (a pipe, say, at which one would wait) is as good as not there."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except (IsADirectoryError, NotADirectoryError) as error:
        raise Refused("no_file") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("no_file")
        yield descriptor
    finally:
        os.close(descriptor)


def _session() -> dict[str, str]:
    """The environment of the person's graphical session, as their own programs have it. Raises Refused: there is none."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if process.stat().st_uid != os.getuid():
                continue
            pairs = (each.split("=", 1) for each in (process / "environ").read_bytes().decode(errors="replace").split("\0"))
            found = {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0] in _OF_SESSION}  # noqa: PLR2004
            if "DISPLAY" in found or "WAYLAND_DISPLAY" in found:
                return {**os.environ, **found}
    raise Refused("nobody", "no graphical session")


def _clipboard_program(way: str) -> list[str]:
    session = _session()
    for program, needs, commands in _CLIPBOARDS:
        if needs in session and shutil.which(program):
            return commands[way]
    raise Refused("no_program")


_CLIPBOARDS = (
    (
        "wl-copy",
        "WAYLAND_DISPLAY",
        {"get": ["wl-paste", "--no-newline", "--type", "text"], "set": ["wl-copy", "--type", "text/plain"]},
    ),
    (
        "xclip",
        "DISPLAY",
        {
            "get": ["xclip", "-selection", "clipboard", "-out", "-target", "UTF8_STRING"],
            "set": ["xclip", "-selection", "clipboard", "-in"],
        },
    ),
    ("xsel", "DISPLAY", {"get": ["xsel", "--clipboard", "--output"], "set": ["xsel", "--clipboard", "--input"]}),
)
# Program, arguments, and whether it reads the text from standard input.
_WINDOWS = (
    ("gxmessage", ("-title", "Message", "-center", "-ontop", "-sticky", "-wrap", "-buttons", "OK", "-file", "-"), True),
    ("zenity", ("--info", "--no-markup", "--title=Message", "--text=TEXT"), False),
    ("xmessage", ("-center", "-buttons", "OK", "-file", "-"), True),
    ("notify-send", ("--urgency=critical", "--", "Message", "TEXT"), False),
)
_VERBS: dict[str, Callable[[dict[str, Any]], _Answer]] = {
    "list_files": list_files,
    "write_piece": write_piece,
    "read_piece": read_piece,
    "move_file": move_file,
    "delete_file": delete_file,
    "get_clipboard": get_clipboard,
    "set_clipboard": set_clipboard,
    "message": message,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin)), ensure_ascii=False))
