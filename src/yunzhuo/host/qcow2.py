"""The header of a qcow2 file, read without any program: what may be given to qemu-img, and what may not.

A disk from elsewhere can name other files to be read with our rights: as its backing file, or as the file of its data
(QEMU's docs/interop/qcow2.txt; even ``qemu-img info`` has followed such a name, CVE-2024-4467). So this is looked at first.
"""

import struct
from dataclasses import dataclass

from yunzhuo.phoenix.common.errors import InvalidInput

HEADER_BYTES = 112
_MAGIC = b"QFI\xfb"
_VERSIONS = (2, 3)
_FIRST_WITH_FEATURES = 3
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_FEATURES = struct.Struct(">Q")
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_KNOWN_FEATURES = _DIRTY | _CORRUPT | _EXTERNAL_DATA | _COMPRESSION | _EXTENDED_L2


class ImageRefused(InvalidInput):
    """A file cannot become an image."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This file cannot become an image: {why}", code="image_refused", fields={"file": why})


@dataclass(frozen=True, slots=True)
class Header:
    """What an acceptable header says. ``size_bytes`` is that of the disk a machine would see."""

    size_bytes: int


def read_header(start: bytes) -> Header:
    """The header in the first :data:`HEADER_BYTES` of a file. Raises ImageRefused."""
    if len(start) < _HEADER.size or not start.startswith(_MAGIC):
        raise ImageRefused("it is not in the format qcow2 (qemu-img convert -O qcow2 makes one of most others).")
    _, version, backing_offset, backing_size, _, size_bytes, encryption, *_ = _HEADER.unpack_from(start)
    if version not in _VERSIONS:
        raise ImageRefused(f"it has version {version} of the format qcow2, which is not known.")
    if backing_offset or backing_size:
        raise ImageRefused("it is only what differs from a backing file; qemu-img convert makes it whole.")
    if encryption:
        raise ImageRefused("it is encrypted.")
    if version >= _FIRST_WITH_FEATURES:
        _require_plain(_FEATURES.unpack_from(start.ljust(HEADER_BYTES, b"\0"), _HEADER.size)[0])
    if size_bytes == 0:
        raise ImageRefused("its disk is empty.")
    return Header(size_bytes)


def _require_plain(features: int) -> None:
    if features & _EXTERNAL_DATA:
        raise ImageRefused("its data are in another file; qemu-img convert makes it whole.")
    if features & _CORRUPT:
        raise ImageRefused("it is marked as damaged; qemu-img check -r all may repair it.")
    if features & ~_KNOWN_FEATURES:
        raise ImageRefused("it uses features of the format qcow2 that are not known.")
