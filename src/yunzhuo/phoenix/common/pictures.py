"""Small pictures of screens: a few KiB of JPEG, whatever the screen's size."""

import io

from PIL import Image

#: A small picture is at most this wide and high, in pixels, and keeps the screen's proportions.
LARGEST = (480, 300)
#: The largest screen that is looked at, in pixels: 8192 by 5120.
MAX_SCREEN_PIXELS = 8192 * 5120
MEDIA_TYPE = "image/jpeg"

_QUALITY = 80


def small(screen: Image.Image) -> bytes:
    """A JPEG of a screen, no larger than :data:`LARGEST`."""
    picture = screen.convert("RGB")
    picture.thumbnail(LARGEST, Image.Resampling.HAMMING)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()


def small_of_ppm(dump: bytes) -> bytes:
    """A JPEG of a screen that is a binary PPM (netpbm's P6, as QEMU's ``screendump`` writes it).

    The guest decides how large its screen is. Raises ValueError for anything but a whole picture of a size that is looked at.
    """
    try:
        with Image.open(io.BytesIO(dump), formats=["PPM"]) as screen:
            if screen.width * screen.height > MAX_SCREEN_PIXELS:
                raise ValueError("the screen is too large")
            return small(screen)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a picture of a screen") from error
