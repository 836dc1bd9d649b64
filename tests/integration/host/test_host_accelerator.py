"""An accelerator counts once a guest kernel has run on it."""

import time
from pathlib import Path

import pytest

from tests.support.local_cloud import local_settings, put_image
from yunzhuo.host import accelerator
from yunzhuo.host.argv import Accelerator
from yunzhuo.host.images import Images, StoredImage
from yunzhuo.host.layout import Layout
from yunzhuo.host.privileges import KVM_DEVICE, QemuAccount, qemu_account

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]


@pytest.fixture
def account(home: Path) -> QemuAccount:
    return qemu_account(local_settings(home).host.qemu_user)


@pytest.fixture
def layout(home: Path, account: QemuAccount) -> Layout:
    settings = local_settings(home)
    layout = Layout(settings.host_dir)
    layout.make(account)
    put_image(settings)
    return layout


@pytest.fixture
def image(layout: Layout) -> StoredImage:
    (image,) = Images(layout.images).list()
    return image


async def test_a_kernel_that_runs_is_proof(layout: Layout, account: QemuAccount, image: StoredImage) -> None:
    # The one accelerator that every computer has stands in for KVM on one where that works.
    assert await accelerator.works(Accelerator.TCG, layout, account, image, patience_seconds=120)
    assert list(layout.desktops.iterdir()) == []


async def test_a_kernel_that_does_not_run_is_none(layout: Layout, account: QemuAccount, image: StoredImage) -> None:
    (image.folder / "vmlinuz").unlink()
    (image.folder / "vmlinuz").write_bytes(b"no kernel")
    began_at = time.monotonic()
    assert not await accelerator.works(Accelerator.TCG, layout, account, image, patience_seconds=5)
    assert time.monotonic() - began_at < 10
    assert list(layout.desktops.iterdir()) == []


async def test_the_answer_is_remembered_for_this_boot_and_this_qemu(
    layout: Layout, account: QemuAccount, image: StoredImage
) -> None:
    version = await accelerator.qemu_version()
    chosen = await accelerator.choose("auto", layout, account, version, image)
    if not KVM_DEVICE.exists():
        assert chosen is Accelerator.TCG
        return
    assert layout.accelerator_memory.exists()
    (image.folder / "vmlinuz").unlink()
    (image.folder / "vmlinuz").write_bytes(b"no kernel: a second probe would fail")
    assert await accelerator.choose("auto", layout, account, version, image) is chosen
    assert await accelerator.choose("auto", layout, account, "another version", image) is Accelerator.TCG


@pytest.mark.parametrize("wish", ["kvm", "tcg"])
async def test_what_the_settings_say_is_not_questioned(
    layout: Layout, account: QemuAccount, image: StoredImage, wish: str
) -> None:
    chosen = await accelerator.choose("kvm" if wish == "kvm" else "tcg", layout, account, "any", image)
    assert chosen.value == wish
