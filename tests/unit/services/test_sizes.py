"""Which size a desktop can be changed to."""

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.sizes import Misfit, Size, why_not_resize

SIZES = st.builds(Size, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
PRESENT, MINIMUM = Size(2, 1024, 8192), Size(0, 512, 4096)


def test_each_reason_is_told() -> None:
    assert why_not_resize(PRESENT, PRESENT, MINIMUM) is Misfit.SAME
    assert why_not_resize(PRESENT, Size(1, 256, 8192), MINIMUM) is Misfit.TOO_SMALL
    assert why_not_resize(PRESENT, Size(1, 512, 4096), MINIMUM) is Misfit.DISK_SHRINKS
    assert why_not_resize(PRESENT, Size(1, 512, 8192), MINIMUM) is None


@given(SIZES, SIZES, SIZES)
def test_what_is_offered_keeps_the_disk_and_the_images_minimum(present: Size, wished: Size, minimum: Size) -> None:
    if why_not_resize(present, wished, minimum) is None:
        assert wished.disk_mib >= max(present.disk_mib, minimum.disk_mib)
        assert wished.memory_mib >= minimum.memory_mib
        assert wished != present


@given(SIZES, SIZES)
def test_there_is_a_way_back_unless_the_disk_grew(present: Size, wished: Size) -> None:
    if present != wished and why_not_resize(present, wished, Size(0, 0, 0)) is None and present.disk_mib == wished.disk_mib:
        assert why_not_resize(wished, present, Size(0, 0, 0)) is None
