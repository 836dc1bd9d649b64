"""QEMU's command line follows from what the machine is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.argv import (
    GUEST_DNS,
    Accelerator,
    Channels,
    GuestNetwork,
    Hardware,
    MachineSpec,
    Memory,
    hardware_args,
    probe_args,
    qemu_args,
)

HARDWARE = Hardware(vcpus=2, memory_mib=1024, accelerator=Accelerator.TCG, kernel_args="root=/dev/vda rw")
SPEC = MachineSpec(
    machine_id="0d9c",
    hardware=HARDWARE,
    kernel="../../images/light/vmlinuz",
    initrd="../../images/light/initrd.gz",
    network=GuestNetwork.NAMESPACE,
    channels=Channels(monitor=11, agent=12, ready=13, identity=14),
)


def value_of(args: list[str], option: str) -> str:
    return args[args.index(option) + 1]


def values_of(args: list[str], option: str) -> list[str]:
    return [args[place + 1] for place, one in enumerate(args) if one == option]


def test_a_machine_is_named_sandboxed_and_shown_to_nobody_without_a_password() -> None:
    args = qemu_args(SPEC)
    assert value_of(args, "-name") == "yunzhuo-0d9c"
    assert value_of(args, "-sandbox") == "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    assert value_of(args, "-vnc") == "unix:screen/vnc.sock,password=on"
    assert "disable-ticketing" not in value_of(args, "-spice")
    assert {"-nodefaults", "-no-user-config"} <= set(args)


def test_no_path_is_absolute_so_the_tree_can_be_moved() -> None:
    allowed = {"/dev/urandom", "/proc/self/fd/9", "/dev/vda"}
    spec = replace(SPEC, memory=Memory.PRIVATE_COPY, memory_fd=9, waits_for_state=True)
    paths = {part.split(" ")[0] for arg in qemu_args(spec) for part in arg.split("=") if part.startswith("/")}
    assert {path.split(",")[0] for path in paths} <= allowed


def test_the_sockets_are_those_handed_over() -> None:
    chardevs = values_of(qemu_args(SPEC), "-chardev")
    for name, descriptor in (("monitor", 11), ("agent", 12), ("ready", 13), ("identity", 14)):
        assert f"socket,id={name},fd={descriptor},server=on,wait=off" in chardevs


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (Memory.PLAIN, "memory-backend-ram,id=mem,size=1024M"),
        (Memory.SHARED, "memory-backend-file,id=mem,size=1024M,mem-path=/proc/self/fd/9,share=on"),
        (Memory.PRIVATE_COPY, "memory-backend-file,id=mem,size=1024M,mem-path=/proc/self/fd/9,share=off"),
    ],
)
def test_memory_is_its_own_shared_or_copied_on_write(memory: Memory, expected: str) -> None:
    assert values_of(qemu_args(replace(SPEC, memory=memory, memory_fd=9)), "-object")[0] == expected


def test_only_a_clone_waits_for_a_state() -> None:
    assert "-incoming" not in qemu_args(SPEC)
    assert value_of(qemu_args(replace(SPEC, waits_for_state=True)), "-incoming") == "defer"


def test_a_guest_stands_still_at_first_only_where_asked() -> None:
    assert "-S" not in qemu_args(SPEC)
    assert "-S" in qemu_args(replace(SPEC, is_held=True))


def test_a_persons_disk_survives_a_power_cut() -> None:
    assert "cache=writeback" in value_of(qemu_args(SPEC), "-drive")
    assert "cache=unsafe" in value_of(qemu_args(replace(SPEC, is_disposable=True)), "-drive")


def test_without_a_namespace_nothing_leaves_the_guest() -> None:
    assert value_of(qemu_args(SPEC), "-netdev") == f"user,id=network,ipv6=off,dns={GUEST_DNS}"
    alone = value_of(qemu_args(replace(SPEC, network=GuestNetwork.NOTHING)), "-netdev")
    assert "restrict=on" in alone
    assert GUEST_DNS not in alone


def test_kvm_shows_the_real_processor() -> None:
    kvm = hardware_args(replace(HARDWARE, accelerator=Accelerator.KVM))
    assert (value_of(kvm, "-accel"), value_of(kvm, "-cpu")) == ("kvm", "host")
    assert value_of(hardware_args(HARDWARE), "-accel").startswith("tcg,thread=multi")


@given(
    machine_id=st.text("abcdef0123456789-", min_size=1, max_size=36),
    memory=st.sampled_from(Memory),
    descriptors=st.tuples(*[st.integers(3, 1000)] * 5),
    network=st.sampled_from(GuestNetwork),
    is_disposable=st.booleans(),
)
def test_what_the_guest_sees_depends_on_its_hardware_alone(
    machine_id: str, memory: Memory, descriptors: tuple[int, int, int, int, int], network: GuestNetwork, is_disposable: bool
) -> None:
    spec = replace(
        SPEC,
        machine_id=machine_id,
        memory=memory,
        memory_fd=descriptors[4],
        channels=Channels(*descriptors[:4]),
        network=network,
        is_disposable=is_disposable,
    )
    seen = hardware_args(HARDWARE)
    args = qemu_args(spec)
    place = args.index("-M")
    assert args[place : place + len(seen)] == seen


def test_the_probe_only_boots_the_images_kernel() -> None:
    args = probe_args(Accelerator.KVM, "vmlinuz", "initrd.gz", "quiet")
    assert value_of(args, "-append") == "quiet yunzhuo.probe console=ttyS0"
    assert "-drive" not in args
    assert "-netdev" not in args


def test_an_image_without_a_kernel_is_started_by_the_firmware() -> None:
    args = qemu_args(replace(SPEC, hardware=replace(HARDWARE, kernel_args=None)))
    assert not {"-kernel", "-initrd", "-append"} & set(args)
    assert value_of(args, "-m") == "1024M"
