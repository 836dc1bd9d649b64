"""Which accelerator machines get. ``/dev/kvm`` that opens proves nothing: a guest kernel has to have run on it."""

import asyncio
import shutil
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from yunzhuo.host.argv import QEMU, Accelerator, probe_args
from yunzhuo.host.images import StoredImage
from yunzhuo.host.launch import start_process
from yunzhuo.host.layout import LOG_NAME, PROBE_NAME, ROOT_FROM_MACHINE, Layout
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.privileges import KVM_DEVICE, QemuAccount
from yunzhuo.host.processes import boot_id
from yunzhuo.host.store import write_whole
from yunzhuo.phoenix.common.logging import get_logger

_PROOF = b"yunzhuo-probe-ok"
_PATIENCE_SECONDS = 5.0
_POLL_SECONDS = 0.05

logger = get_logger()


class _Remembered(BaseModel):
    """What the last probe showed, and what it was true for."""

    model_config = ConfigDict(frozen=True)

    boot_id: str
    qemu_version: str
    account_uid: int
    accelerator: Accelerator


def qemu_program() -> tuple[int, int, int] | None:
    """Which file QEMU is: another answer after every upgrade. None when it is not there."""
    path = shutil.which(QEMU)
    try:
        found = Path(path).stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns) if found else None


async def qemu_version() -> str:
    """The first line of ``qemu-system-x86_64 --version``. Raises MachineFailed when QEMU is not there."""
    try:
        process = await asyncio.create_subprocess_exec(QEMU, "--version", stdout=asyncio.subprocess.PIPE)
    except OSError as error:
        raise MachineFailed(f"{QEMU} cannot be started ({error.strerror}); install qemu-system-x86.") from error
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise MachineFailed(f"{QEMU} --version failed.")
    return output.decode(errors="replace").splitlines()[0]


async def choose(
    wish: Literal["auto", "kvm", "tcg"], layout: Layout, account: QemuAccount, version: str, image: StoredImage
) -> Accelerator:
    """The accelerator for this computer. Costs up to five seconds once for each boot and QEMU version."""
    if wish != "auto":
        return Accelerator(wish)
    if not KVM_DEVICE.exists():
        return Accelerator.TCG
    remembered = _recall(layout.accelerator_memory)
    if remembered and (remembered.boot_id, remembered.qemu_version, remembered.account_uid) == (
        boot_id(),
        version,
        account.uid,
    ):
        return remembered.accelerator
    found = Accelerator.KVM if await works(Accelerator.KVM, layout, account, image) else Accelerator.TCG
    logger.info("accelerator_chosen", accelerator=found.value)
    memory = _Remembered(boot_id=boot_id(), qemu_version=version, account_uid=account.uid, accelerator=found)
    write_whole(layout.accelerator_memory, memory.model_dump_json().encode())
    return found


async def works(
    accelerator: Accelerator,
    layout: Layout,
    account: QemuAccount,
    image: StoredImage,
    *,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> bool:
    """Whether the image's own kernel (it must have one) gets as far as its first program, as QEMU's user."""
    folder = layout.desktops / PROBE_NAME
    folder.mkdir(exist_ok=True)
    account.let_pass(folder)
    base = f"{ROOT_FROM_MACHINE}/images/{image.id}"
    args = probe_args(accelerator, f"{base}/vmlinuz", f"{base}/initrd.gz", image.manifest.kernel_args or "")
    try:
        process = start_process([*account.prefix(with_kvm=accelerator is Accelerator.KVM), *args], folder)
    except MachineFailed as failure:
        logger.warning("accelerator_probe_failed", why=failure.message)
        return False
    try:
        async with asyncio.timeout(patience_seconds):
            while not process.has_ended and not _is_proved(folder):  # noqa: ASYNC110 - a file does not tell that it grew
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        pass  # a kernel that has not come so far by now hangs
    finally:
        await process.kill()
    proved = _is_proved(folder)
    if not proved:
        logger.info("accelerator_unusable", accelerator=accelerator.value, said=_tail(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return proved


@cache
def host_cpu() -> str:
    """What KVM guests see of this computer's processor: a golden made on another one cannot be restored here."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    wanted = ("model name", "flags", "microcode")
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))


def _recall(path: Path) -> _Remembered | None:
    try:
        return _Remembered.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _is_proved(folder: Path) -> bool:
    return _PROOF in (folder / LOG_NAME).read_bytes()


def _tail(folder: Path) -> str:
    return (folder / LOG_NAME).read_bytes()[-200:].decode(errors="replace")
