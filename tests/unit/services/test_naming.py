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
        ("x" * 53 + " y", "x" * 53 + "-0f8b1c2d"),
        ("-- A_b --", "a-b-0f8b1c2d"),
    ],
)
def test_hostnames_resemble_names(name: str, hostname: str) -> None:
    assert naming.hostname(name, ID) == hostname


@given(st.text(min_size=1, max_size=300), st.integers(1, 10**6))
def test_default_names_fit(image: str, number: int) -> None:
    name = naming.default_name(image, number)
    assert len(name) <= naming.MAX_NAME
    assert name.endswith(str(number))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (" \t", "A name needs at least one character."),
        ("x" * 65, "A name has at most 64 characters; this one has 65."),
        ("a\u202eb", "A name cannot contain control characters."),
        ("a\nb", "A name cannot contain control characters."),
        ("a\u2028b", "A name cannot contain control characters."),
        ("a\u2029b", "A name cannot contain control characters."),
        ("\ud800", "A name cannot contain control characters."),
        ("\ue000", "A name cannot contain control characters."),
        ("\uffff", "A name cannot contain control characters."),
    ],
)
def test_why_a_name_is_refused(name: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        naming.checked_name(name)
    assert refused.value.message == "The name is not valid."
    assert refused.value.fields == {"name": why}


def test_names_as_they_are_kept() -> None:
    assert naming.checked_name("  e\u0301t\u00e9 \u7269\u7406 ") == "\u00e9t\u00e9 \u7269\u7406"
    assert naming.checked_name("x" * 64) == "x" * 64
    assert naming.default_name("Linux desktop", 7) == "Linux desktop 7"
    assert naming.default_name("x" * 61 + "   y", 12) == "x" * 61 + " 12"
    assert naming.default_name("x" * 80, 12) == "x" * 61 + " 12"


@pytest.mark.parametrize("key", ["a", "!~", "x" * 128])
def test_keys_that_are_taken(key: str) -> None:
    assert naming.checked_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "\x7f", "\u00e9", "a\n"])
def test_keys_that_are_not(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        naming.checked_idempotency_key(key)
    assert refused.value.message == "The Idempotency-Key is not valid."
    assert refused.value.fields == {"Idempotency-Key": "1 to 128 visible ASCII characters."}


def test_the_part_of_an_id_has_no_hyphens() -> None:
    assert naming.hostname("a", "12-34-56-78-9") == "a-12345678"
