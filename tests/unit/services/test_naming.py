"""Names that people give, and names that machines get."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules import naming

ID = "0f8b1c2d-0000-4000-8000-000000000000"


@given(st.text())
def test_a_name_is_kept_trimmed_or_refused(name: str) -> None:
    try:
        kept = naming.checked_name(name)
    except InvalidInput:
        return
    assert 1 <= len(kept) <= naming.MAX_NAME
    assert naming.checked_name(kept) == kept
    assert not any(unicodedata.category(character).startswith("C") for character in kept)


@given(st.text())
def test_a_hostname_is_a_label(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", naming.hostname(name, ID))


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("Physics", "physics-0f8b1c2d"),
        ("物理", "desktop-0f8b1c2d"),
        ("Übung 3!", "ubung-3-0f8b1c2d"),
        ("x" * 64, "x" * 54 + "-0f8b1c2d"),
    ],
)
def test_hostnames_resemble_names(name: str, hostname: str) -> None:
    assert naming.hostname(name, ID) == hostname


@given(st.text(min_size=1, max_size=300), st.integers(1, 10**6))
def test_default_names_fit(image: str, number: int) -> None:
    name = naming.default_name(image, number)
    assert len(name) <= naming.MAX_NAME
    assert name.endswith(str(number))
