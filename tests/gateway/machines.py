"""A machine of QEMU's without a disk. Its firmware says so on the screen, which VNC and SPICE carry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.screens import PASSWORD, Screen
from tests.gateway.waiting import eventually


@dataclass
class Machine:
    """Its process, and where its screens are."""

    process: asyncio.subprocess.Process
    screen: Screen
    spice: Screen


@asynccontextmanager
async def a_machine(folder: Path) -> AsyncIterator[Machine]:
    """Runs for as long as it is needed."""
    path, spice_path, secret = folder / "vnc.sock", folder / "spice.sock", folder / "password"
    secret.write_text(PASSWORD)
    process = await asyncio.create_subprocess_exec(
        "qemu-system-x86_64",
        *("-nodefaults", "-display", "none", "-vga", "std", "-accel", "tcg", "-m", "32"),
        *("-object", f"secret,id=password,file={secret}"),
        *("-vnc", f"unix:{path},password-secret=password"),
        *("-spice", f"unix=on,addr={spice_path},password-secret=password"),
    )

    async def listens() -> bool:
        assert process.returncode is None
        return path.is_socket() and spice_path.is_socket()

    await eventually(listens, 20)
    screens = [Screen(target={"unix_path": str(place), "password": PASSWORD}) for place in (path, spice_path)]
    yield Machine(process, *screens)
    if process.returncode is None:
        process.kill()
        await process.wait()
