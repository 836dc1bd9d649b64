"""Small pictures of screens: within their bounds, and never more than a ValueError whatever a screen claims to be."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from yunzhuo.phoenix.common import pictures


@pytest.mark.parametrize(("size", "expected"), [((1280, 800), (480, 300)), ((600, 1200), (150, 300)), ((64, 48), (64, 48))])
def test_pictures_keep_the_screens_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    dump = b"P6\n%d %d\n255\n" % size + bytes((10, 200, 30)) * (size[0] * size[1])
    picture = Image.open(io.BytesIO(pictures.small_of_ppm(dump)))
    assert (picture.format, picture.size) == ("JPEG", expected)
    pixel = picture.getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert all(abs(seen - painted) < 12 for seen, painted in zip(pixel, (10, 200, 30), strict=True))


@pytest.mark.parametrize("width", range(61, 65))
def test_rows_that_qemu_rounds_up_stand_below_each_other(width: int) -> None:
    left_half_dark = (bytes(width // 2 * 3) + b"\xff" * (width - width // 2) * 3).ljust(-(-width * 3 // 4) * 4, b"\x80")
    picture = Image.open(io.BytesIO(pictures.small_of_ppm(b"P6\n%d 64\n255\n" % width + left_half_dark * 64))).convert("L")
    for row in (0, 32, 63):
        assert [picture.getpixel((column, row)) < 128 for column in (4, width - 5)] == [True, False]  # type: ignore[operator]


@pytest.mark.parametrize(
    "dump",
    [
        b"",
        b"P6\n2 2\n255\nxx",
        b"P6\n100000 100000\n255\n" + bytes(64),
        b"P6\n8193 5120\n255\n" + bytes(64),
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"P6\n-1 5\n255\n",
        b"P6\n0 0\n255\n",
        b"P6\n2 2\n255\n" + bytes(13),
    ],
)
def test_what_is_no_screen_is_refused(dump: bytes) -> None:
    with pytest.raises(ValueError, match="screen"):
        pictures.small_of_ppm(dump)


@given(st.binary(max_size=64), st.sampled_from([b"", b"P6\n", b"P6\n1 9\n255\n", b"P6\n3 3\n255\n", b"P6\n3 3\n"]))
def test_any_bytes_end_well(rest: bytes, head: bytes) -> None:
    with suppress(ValueError):
        pictures.small_of_ppm(head + rest)
