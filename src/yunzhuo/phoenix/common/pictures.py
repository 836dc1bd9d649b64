"""Small pictures of screens: a few KiB of JPEG, whatever the screen's size."""

import io
import re

from PIL import Image

#: A small picture is at most this wide and high, in pixels, and keeps the screen's proportions.
LARGEST = (480, 300)
#: The largest screen that is looked at, in pixels: 8192 by 5120.
MAX_SCREEN_PIXELS = 8192 * 5120
MEDIA_TYPE = "image/jpeg"

_QUALITY = 80
_HEAD = re.compile(rb"P6\n(\d{1,5}) (\d{1,5})\n255\n")


def small(screen: Image.Image) -> bytes:
    """A JPEG of a screen, no larger than :data:`LARGEST`."""
    picture = screen.convert("RGB")
    picture.thumbnail(LARGEST, Image.Resampling.HAMMING)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def small_of_ppm(dump: bytes) -> bytes:
    """A JPEG of a screen that is a binary PPM (netpbm's P6, as QEMU's ``screendump`` writes it).

    The guest decides how large its screen is. QEMU 7.2 rounds rows up to four bytes, which netpbm does not know (ui/console.c,
    ppm_save: the stride of its line buffer). Raises ValueError for anything but a whole picture of a size that is looked at.
    """
    head = _HEAD.match(dump)
    if head is None:
        raise ValueError("not a picture of a screen")
    width, height = int(head[1]), int(head[2])
    if not 0 < width * height <= MAX_SCREEN_PIXELS:
        raise ValueError("the screen is too large, or nothing")
    row_bytes, rest = divmod(len(dump) - head.end(), height)
    if rest or row_bytes not in (width * 3, -(-width * 3 // 4) * 4):
        raise ValueError("not a whole picture of a screen")
    return small(Image.frombuffer("RGB", (width, height), dump[head.end() :], "raw", "RGB", row_bytes, 1))
