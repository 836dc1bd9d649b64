"""Text in cells: nothing is a formula, and everything is read back as it was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.spreadsheets import harmless, meant

_COMPUTED = "=+-@\t\r\n\0＝＋－＠"


@given(st.text(max_size=20))
def test_no_cell_begins_a_formula(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(tuple(_COMPUTED))
    assert cell in (text, f"'{text}")
    if not text.startswith("'"):
        assert meant(cell) == text


@pytest.mark.parametrize("sign", list(_COMPUTED))
def test_each_sign_that_begins_one(sign: str) -> None:
    assert harmless(f"{sign}1") == f"'{sign}1"
    assert meant(f"'{sign}1") == f"{sign}1"


def test_what_needs_no_apostrophe_keeps_its_own() -> None:
    assert (harmless("'quoted'"), meant("'quoted'"), meant("'")) == ("'quoted'", "'quoted'", "'")
    assert (harmless(None), harmless(7), harmless(-7), harmless("")) == ("", "7", "'-7", "")
