"""What every machine on this computer has in common: where things are, who QEMU runs as, which QEMU and accelerator."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from yunzhuo.host import accelerator
from yunzhuo.host.argv import Accelerator, Channels, Hardware, MachineSpec, Memory
from yunzhuo.host.images import INITRD_FILE, KERNEL_FILE, Images, StoredImage
from yunzhuo.host.layout import DISK_NAME, ROOT_FROM_MACHINE, Layout
from yunzhuo.host.monitor import MachineFailed
from yunzhuo.host.network import Network
from yunzhuo.host.privileges import QemuAccount
from yunzhuo.host.waiting import finish
from yunzhuo.phoenix.cloud.errors import FlavorNotFound
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import FlavorSettings, HostSettings


@dataclass(slots=True)
class Engine:
    """The host's own surroundings; one for each host process. ``languages``: those to prepare, the installation's own first."""

    settings: HostSettings
    layout: Layout
    account: QemuAccount
    network: Network
    images: Images
    languages: tuple[str, ...]
    _version: str | None = None
    _program: object = None
    _accelerator: Accelerator | None = None
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def known_accelerator(self) -> Accelerator | None:
        """The accelerator in use; None until the first image made it possible to find out."""
        return self._accelerator

    def flavor(self, flavor_id: str) -> FlavorSettings:
        """Raises FlavorNotFound."""
        for flavor in self.settings.flavors:
            if flavor.id == flavor_id:
                return flavor
        raise FlavorNotFound(flavor_id)

    async def version(self) -> str:
        """QEMU's version, asked again when its file has changed: it may be upgraded while we run.

        Raises MachineFailed when there is no QEMU.
        """
        program = accelerator.qemu_program()
        if self._version is None or program != self._program:
            self._version, self._program = await accelerator.qemu_version(), program
        return self._version

    async def accelerator(self, image: StoredImage) -> Accelerator:
        """The accelerator for machines. Raises MachineFailed.

        An image without a kernel of its own cannot show which works: then another shows it, or nothing is taken for sure.
        """
        async with self._choosing:
            if self._accelerator is None:
                prober = image if image.has_kernel else self.images.default()
                if self.settings.accelerator == "auto" and not (prober and prober.has_kernel):
                    return Accelerator.TCG
                version = await self.version()
                self._accelerator = await accelerator.choose(
                    self.settings.accelerator, self.layout, self.account, version, prober or image
                )
        return self._accelerator

    async def hardware(self, image: StoredImage, *, vcpus: int, memory_mib: int) -> Hardware:
        """What a guest of ``image`` sees. Raises MachineFailed."""
        chosen = await self.accelerator(image)
        return Hardware(vcpus=vcpus, memory_mib=memory_mib, accelerator=chosen, kernel_args=image.manifest.kernel_args)

    def spec(
        self,
        machine_id: str,
        hardware: Hardware,
        image: StoredImage,
        channels: Channels,
        *,
        memory: Memory = Memory.PLAIN,
        memory_fd: int = -1,
        waits_for_state: bool = False,
        is_held: bool = False,
        is_disposable: bool = False,
    ) -> MachineSpec:
        """A machine of this engine, by paths relative to its folder."""
        base = f"{ROOT_FROM_MACHINE}/images/{image.id}"
        return MachineSpec(
            machine_id=machine_id,
            hardware=hardware,
            kernel=f"{base}/{KERNEL_FILE}",
            initrd=f"{base}/{INITRD_FILE}",
            network=self.network.kind,
            channels=channels,
            memory=memory,
            memory_fd=memory_fd,
            waits_for_state=waits_for_state or memory is Memory.PRIVATE_COPY,
            is_held=is_held,
            is_disposable=is_disposable,
        )


async def make_overlay(target: Path, backing: str, size_mib: int) -> None:
    """An empty disk of ``size_mib`` at ``target`` on top of ``backing``, a path relative to ``target``'s folder.

    Raises MachineFailed.
    """
    await run_qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", backing, str(target), f"{size_mib}M")


async def run_qemu_img(command: str, *arguments: str) -> bytes:
    """What ``qemu-img`` writes out. It works to its end even when we are cancelled meanwhile. Raises MachineFailed."""
    return await finish(_run_qemu_img(command, *arguments))


def require_fitting(image: StoredImage, flavor: FlavorSettings) -> None:
    """Raises InvalidInput when the flavor is smaller than the image needs."""
    needs = image.manifest
    if not image.fits(flavor):
        raise InvalidInput(
            f"The size {flavor.name} is too small for the image {needs.name}: it needs at least "
            f"{needs.min_memory_mib} MiB of memory and {needs.min_disk_mib} MiB of disk.",
            code="flavor_too_small",
            fields={"flavor": "too small for the image"},
        )


async def _run_qemu_img(command: str, *arguments: str) -> bytes:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec("qemu-img", command, *arguments, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise MachineFailed(f"qemu-img cannot be started ({error.strerror}); install qemu-utils.") from error
    output, said = await process.communicate()
    if process.returncode != 0:
        raise MachineFailed(f"qemu-img {command} failed: {said.decode(errors='replace').strip()}")
    return output


def image_disk(image: StoredImage) -> str:
    """An image's disk as a machine's folder sees it."""
    return f"{ROOT_FROM_MACHINE}/images/{image.id}/{DISK_NAME}"
