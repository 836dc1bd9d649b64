"""QEMU's command line, as a pure function of what a machine is.

Two parts: :func:`hardware_args` is what the guest can see, and must be the same in a golden and in its clones (QEMU restores
a device's state only into the same device); the rest is where its files, sockets and memory are on our side.
"""

from dataclasses import dataclass
from enum import StrEnum

from yunzhuo.host.layout import DISK_NAME, PROBE_NAME, SPICE_SOCKET, VNC_SOCKET

QEMU = "qemu-system-x86_64"
NAME_PREFIX = "yunzhuo-"
DISK_DRIVE = "disk"

# After start QEMU may not gain privileges, start programs, or change its scheduling (qemu(1), -sandbox).
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

# Kernel messages of the guest are kept in memory of bounded size: a guest must not be able to fill our disk.
_SERIAL_BYTES = 65536

# Code that TCG has translated, at most this much a machine.
_TCG_CACHE_MIB = 256

# slirp4netns answers DNS here for the whole network of guests (see network.py); QEMU's own forwarder would read our
# resolv.conf, whose server may be on a loopback address that guests must not reach.
GUEST_DNS = "10.0.3.3"


class Accelerator(StrEnum):
    """How guest code is run."""

    KVM = "kvm"
    TCG = "tcg"


class GuestNetwork(StrEnum):
    """What a guest's network card leads to."""

    NAMESPACE = "namespace"
    """The network namespace that QEMU runs in."""
    NOTHING = "nothing"
    """Nowhere: QEMU drops what leaves the guest."""


class Memory(StrEnum):
    """Where the guest's memory is."""

    PLAIN = "plain"
    """Made empty."""
    SHARED = "shared"
    """In the file given, and kept there: how a golden is built."""
    PRIVATE_COPY = "private-copy"
    """Starts as the file given, copied page by page on write: how a clone starts at once."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the guest can see of its machine. Without ``kernel_args`` its firmware starts the disk."""

    vcpus: int
    memory_mib: int
    accelerator: Accelerator
    kernel_args: str | None


@dataclass(frozen=True, slots=True)
class Channels:
    """Numbers of the inherited descriptors of listening sockets: QEMU's monitor and three ports into the guest."""

    monitor: int
    agent: int
    ready: int
    identity: int


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine. ``kernel`` and ``initrd`` are relative to its folder; ``memory_fd`` is an inherited descriptor.

    The two are not looked at where the hardware has no ``kernel_args``. ``is_held`` lets the guest stand still at first.
    """

    machine_id: str
    hardware: Hardware
    kernel: str
    initrd: str
    network: GuestNetwork
    channels: Channels
    memory: Memory = Memory.PLAIN
    memory_fd: int = -1
    waits_for_state: bool = False
    is_held: bool = False
    is_disposable: bool = False


def hardware_args(hardware: Hardware) -> list[str]:
    """What the guest can see, in a fixed order (the order decides addresses on the buses)."""
    is_kvm = hardware.accelerator is Accelerator.KVM
    return [
        *("-M", "pc,memory-backend=mem"),
        *("-accel", "kvm" if is_kvm else f"tcg,thread=multi,tb-size={_TCG_CACHE_MIB}"),
        *("-cpu", "host" if is_kvm else "qemu64"),
        *("-smp", str(hardware.vcpus)),
        *("-m", f"{hardware.memory_mib}M"),
        *("-rtc", "base=utc,clock=host"),
        *("-device", f"virtio-blk-pci,drive={DISK_DRIVE}"),
        *("-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=ready,name=desktop.ready"),
        *("-device", "virtserialport,chardev=identity,name=desktop.identity"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        *("-device", "virtserialport,chardev=vdagent,name=com.redhat.spice.0"),
        *("-device", "virtio-vga,xres=1280,yres=800,edid=on"),
        *("-device", "virtio-net-pci,netdev=network,romfile="),
        *("-device", "virtio-tablet-pci"),
        *("-device", "virtio-keyboard-pci"),
        *("-device", "intel-hda"),
        *("-device", "hda-duplex,audiodev=sound"),
        *("-device", "virtio-rng-pci,rng=random"),
        *("-device", "vmgenid,guid=auto"),
        *(("-append", hardware.kernel_args) if hardware.kernel_args is not None else ()),
    ]


def qemu_args(spec: MachineSpec) -> list[str]:
    """The whole command line, program first."""
    return [
        *(QEMU, "-nodefaults", "-no-user-config"),
        *("-name", f"{NAME_PREFIX}{spec.machine_id}"),
        *("-sandbox", _SANDBOX),
        *("-display", "none"),
        *_memory_args(spec),
        *_channel_args(spec.channels),
        *_disk_args(spec),
        *("-netdev", _netdev(spec.network)),
        *("-object", "rng-random,id=random,filename=/dev/urandom"),
        *_screen_args(),
        *(("-kernel", spec.kernel, "-initrd", spec.initrd) if spec.hardware.kernel_args is not None else ()),
        *hardware_args(spec.hardware),
        *(("-incoming", "defer") if spec.waits_for_state else ()),
        *(("-S",) if spec.is_held else ()),
    ]


def _memory_args(spec: MachineSpec) -> list[str]:
    size = f"id=mem,size={spec.hardware.memory_mib}M"
    if spec.memory is Memory.PLAIN:
        return ["-object", f"memory-backend-ram,{size}"]
    share = "on" if spec.memory is Memory.SHARED else "off"
    return ["-object", f"memory-backend-file,{size},mem-path=/proc/self/fd/{spec.memory_fd},share={share}"]


def _channel_args(channels: Channels) -> list[str]:
    def listening(name: str, descriptor: int) -> tuple[str, str]:
        return "-chardev", f"socket,id={name},fd={descriptor},server=on,wait=off"

    return [
        *listening("monitor", channels.monitor),
        *("-mon", "chardev=monitor,mode=control"),
        *listening("ready", channels.ready),
        *listening("identity", channels.identity),
        *listening("agent", channels.agent),
        *("-chardev", "spicevmc,id=vdagent,name=vdagent"),
        *("-chardev", f"ringbuf,id=serial,size={_SERIAL_BYTES}"),
        *("-serial", "chardev:serial"),
    ]


def _disk_args(spec: MachineSpec) -> list[str]:
    # A disk that is thrown away when its machine dies need not survive a power cut; a person's disk must.
    cache = "unsafe" if spec.is_disposable else "writeback"
    return ["-drive", f"file={DISK_NAME},if=none,id={DISK_DRIVE},format=qcow2,cache={cache},discard=unmap,detect-zeroes=unmap"]


def _netdev(network: GuestNetwork) -> str:
    if network is GuestNetwork.NOTHING:
        return "user,id=network,ipv6=off,restrict=on"
    return f"user,id=network,ipv6=off,dns={GUEST_DNS}"


def _screen_args() -> list[str]:
    # Both screens refuse everybody until their passwords are set through the monitor.
    return [
        *("-vnc", f"unix:{VNC_SOCKET},password=on"),
        *("-spice", f"unix=on,addr={SPICE_SOCKET},disable-agent-file-xfer=off,seamless-migration=off"),
        *("-audiodev", "spice,id=sound"),
    ]


def probe_args(accelerator: Accelerator, kernel: str, initrd: str, kernel_args: str) -> list[str]:
    """A machine that only shows whether a guest kernel runs: its serial port is QEMU's standard output."""
    return [
        *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-name", f"{NAME_PREFIX}{PROBE_NAME}"),
        *("-sandbox", _SANDBOX),
        *("-display", "none"),
        *("-M", "pc"),
        *("-accel", accelerator.value),
        *("-cpu", "host" if accelerator is Accelerator.KVM else "qemu64"),
        *("-m", "256M"),
        *("-kernel", kernel),
        *("-initrd", initrd),
        *("-append", f"{kernel_args} yunzhuo.probe console=ttyS0".strip()),
        *("-serial", "stdio"),
    ]
