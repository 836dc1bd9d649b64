"""What a server's screen would show: a sky of its own colors, a window, and a clock that goes."""

import colorsys
import hashlib
from datetime import datetime

from PIL import Image, ImageDraw

from yunzhuo.phoenix.common import pictures

_SIZE = (960, 600)
_WINDOW = (120, 96, 660, 456)
_SECONDS_A_MINUTE = 60


def paint(identity: str, boot_id: str, moment: datetime) -> bytes:
    """The small picture of a server's screen at a moment; another disk and another boot look different."""
    of_disk, of_boot = (hashlib.sha256(text.encode()).digest() for text in (identity, boot_id))
    screen = _sky(of_disk[0] / 255)
    brush = ImageDraw.Draw(screen)
    brush.rectangle((0, 0, _SIZE[0], 24), fill=(28, 34, 44))
    brush.text((_SIZE[0] - 96, 4), moment.strftime("%H:%M:%S"), fill=(235, 238, 242), font_size=16)
    brush.rounded_rectangle(_WINDOW, 8, fill=(250, 250, 252))
    left, top, right, bottom = _WINDOW
    brush.rectangle((left, top + 8, right, top + 32), fill=(214, 219, 226))
    written = 2 + moment.second * 8 // _SECONDS_A_MINUTE
    for line in range(written):
        length = 80 + of_boot[line] * (right - left - 140) // 255
        at = top + 56 + line * 34
        if at < bottom - 20:
            brush.rectangle((left + 28, at, left + 28 + length, at + 12), fill=(120, 132, 148))
    return pictures.small(screen)


def _sky(hue: float) -> Image.Image:
    """From a deep color above to a light one below."""
    column = Image.new("RGB", (1, _SIZE[1]))
    for row in range(_SIZE[1]):
        light = 0.35 + 0.45 * row / _SIZE[1]
        column.putpixel((0, row), tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, light, 0.5)))
    return column.resize(_SIZE)
