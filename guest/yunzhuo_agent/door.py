"""Where the agent calls, whom it believes there, and its key: read from the config drive at each start, or a file."""

from __future__ import annotations

import contextlib
import email
import json
import os
import ssl
import subprocess  # nosec B404 # lists of arguments, never a shell
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

#: Where cloud-init puts it, once an instance; also its name inside the user data.
WRITTEN = Path("/etc/yunzhuo-agent/door.json")
#: What was on the config drive at this start: newer after a restore, a roll back.
FETCHED = Path("/run/yunzhuo-agent/door.json")
_DRIVES = (Path("/dev/disk/by-label/config-2"), Path("/dev/disk/by-label/CONFIG-2"))
_USER_DATA = Path("openstack/latest/user_data")
_MOST_BYTES = 64 * 1024
_MOUNT_SECONDS = 30
# So late may a drive come up that is looked for at the start of the system.
_DRIVE_SECONDS = 60.0
_LOOK_SECONDS = 0.5


class DoorUnknown(Exception):
    """Nobody has said where to call, or what was said cannot be used."""


@dataclass(frozen=True)
class Door:
    """An HTTPS address, the authority (PEM; empty: the system's) and the key."""

    host: str
    port: int
    authority: str = field(repr=False)
    key: str = field(repr=False)

    def tls(self) -> ssl.SSLContext:
        """What proves the other side before a word is said. Raises DoorUnknown for an authority that is none."""
        try:
            context = ssl.create_default_context(cadata=self.authority or None)
        except ssl.SSLError as error:
            raise DoorUnknown("the authority is no certificate") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def read(files: list[Path]) -> Door:
    """What the first of the files that is there says. Raises DoorUnknown."""
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            return parse(_head(file))
    raise DoorUnknown(f"none of {', '.join(map(str, files))} is there")


def parse(text: bytes) -> Door:
    """A door as JSON: ``url``, ``authority``, ``key``. Raises DoorUnknown."""
    try:
        said = json.loads(text)
        url, authority, key = (said[name] for name in ("url", "authority", "key"))
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DoorUnknown("it is no JSON with url, authority and key") from error
    if parts.scheme != "https" or not host or not isinstance(authority, str) or not isinstance(key, str):
        raise DoorUnknown("it names no https address")
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise DoorUnknown("it has no key")
    return Door(host, port, authority, key)


def in_user_data(text: bytes) -> bytes | None:
    """The door that stands in user data (cloud-config as JSON, alone or as a part of a message); None: there is none."""
    for part in _parts(text):
        body = part.partition(b"\n")[2] if part.startswith(b"#cloud-config") else part
        try:
            for file in json.loads(body)["write_files"]:
                if file["path"] == str(WRITTEN):
                    return str(file["content"]).encode()
        except (ValueError, KeyError, TypeError):
            continue
    return None


def fetch(target: Path = FETCHED) -> bool:
    """Put what the config drive says into ``target``, for root alone. Answers whether there was anything.

    Mounts the drive: to be called as root, in a mount namespace of its own.
    """
    target.unlink(missing_ok=True)
    drive = find_drive(_DRIVES, 0 if WRITTEN.exists() else _DRIVE_SECONDS)
    if drive is None:
        return False
    with _mounted(drive) as folder:
        file = folder / _USER_DATA
        found = in_user_data(_head(file)) if file.is_file() else None
    if found is None:
        return False
    target.parent.mkdir(mode=0o700, exist_ok=True)
    partial = target.with_name(".door.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(found)
    partial.replace(target)
    return True


def find_drive(drives: Sequence[Path], seconds: float) -> Path | None:
    """The first of them that is there. Nothing else says that the system still looks for its devices, so they are waited for
    so long."""
    until = time.monotonic() + seconds
    while True:
        found = next((each for each in drives if each.exists()), None)
        if found is not None or time.monotonic() >= until:
            return found
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def _mounted(drive: Path) -> Iterator[Path]:
    folder = FETCHED.parent / "drive"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = "ro,nosuid,nodev,noexec"
    subprocess.run(["mount", "-o", options, str(drive), str(folder)], check=True, timeout=_MOUNT_SECONDS)  # nosec B603, B607 # the system's own program, no shell
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False, timeout=_MOUNT_SECONDS)  # nosec B603, B607 # the system's own program, no shell
        with contextlib.suppress(OSError):
            folder.rmdir()


def _parts(text: bytes) -> Iterator[bytes]:
    if text.lstrip()[:1] in (b"#", b"{"):
        yield text.lstrip()
        return
    for part in email.message_from_bytes(text).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MOST_BYTES)
