"""A Windows library without code: it hands every function on to another library.

Wine 8 has no ``bcryptprimitives.dll``, of which everything written in Rust wants one function: random bytes, which another
library has under another name. Format: Microsoft's "PE Format", sections "COFF File Header", "Optional Header" and ".edata".
"""

import struct
from collections.abc import Mapping

_SECTION_AT = 0x1000  # in memory
_FILE_ALIGNMENT = 0x200
_X64 = 0x8664
_IS_DLL = 0x2022  # executable, large addresses, DLL
_PE32_PLUS = 0x20B
_READABLE_DATA = 0x40000040
_DIRECTORIES = 16


def forwarding_dll(name: str, functions: Mapping[str, str]) -> bytes:
    """The library's bytes; ``functions`` says where each really is: ``{"ProcessPrng": "advapi32.SystemFunction036"}``."""
    exports = _exports(name, dict(sorted(functions.items())))
    raw_size = -(-len(exports) // _FILE_ALIGNMENT) * _FILE_ALIGNMENT
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = struct.pack("<HHIIIHH", _X64, 1, 0, 0, 0, 112 + 8 * _DIRECTORIES, _IS_DLL)
    optional = struct.pack(
        "<HBBIIIIIQIIHHHHHHIIIIHHQQQQII",
        *(_PE32_PLUS, 0, 0),
        *(0, raw_size, 0, 0, _SECTION_AT),  # sizes of code and data; no entry point
        *(0x180000000, 0x1000, _FILE_ALIGNMENT),  # base address, alignment in memory and in the file
        *(6, 0, 0, 0, 6, 0, 0),  # versions
        *(2 * _SECTION_AT, _FILE_ALIGNMENT, 0),  # sizes of the image and of its headers; no checksum
        *(3, 0x160),  # console; may lie anywhere
        *(1 << 20, 1 << 12, 1 << 20, 1 << 12),  # stack and heap
        *(0, _DIRECTORIES),
    )
    directories = struct.pack("<II", _SECTION_AT, len(exports)) + bytes(8 * (_DIRECTORIES - 1))
    section = struct.pack(
        "<8sIIIIIIHHI", b".edata", len(exports), _SECTION_AT, raw_size, _FILE_ALIGNMENT, 0, 0, 0, 0, _READABLE_DATA
    )
    headers = dos + b"PE\0\0" + coff + optional + directories + section
    return headers.ljust(_FILE_ALIGNMENT, b"\0") + exports.ljust(raw_size, b"\0")


def _exports(name: str, functions: Mapping[str, str]) -> bytes:
    """The export directory with all that it points to. An address that lies inside it is another function's name."""
    n, table_size = len(functions), 40
    addresses, names, ordinals = table_size, table_size + 4 * n, table_size + 8 * n
    texts = bytearray()

    def placed(text: str) -> int:
        at = _SECTION_AT + ordinals + 2 * n + len(texts)
        texts.extend(text.encode("ascii") + b"\0")
        return at

    own_name = placed(name)
    named = [placed(each) for each in functions]
    forwarded = [placed(each) for each in functions.values()]
    directory = struct.pack(
        "<IIHHIIIIIII",
        *(0, 0, 0, 0, own_name, 1, n, n),
        *(_SECTION_AT + addresses, _SECTION_AT + names, _SECTION_AT + ordinals),
    )
    return directory + struct.pack(f"<{n}I{n}I{n}H", *forwarded, *named, *range(n)) + bytes(texts)
