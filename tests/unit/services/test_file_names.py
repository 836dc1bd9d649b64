"""Names that can be carried, and those that cannot."""

import pytest

from yunzhuo.services.rules import file_names


@pytest.mark.parametrize("name", ["a", "report 2.odt", "数据结构 实验.pdf", "-rf", 'it\'s "x" $(id)', "ü" * 120, "👩‍🔬.png"])
def test_plain_names_are_good(name: str) -> None:
    assert file_names.is_good(name)
    assert file_names.path_of(name) == f"Downloads/{name}"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "..\\b", "a\0", "a\nb", "\x1b[31m", "x\u202egpj.exe", " a", "x" * 241, "\ud800"],
)
def test_tricks_are_not(name: str) -> None:
    assert not file_names.is_good(name)


def test_where_it_lies() -> None:
    assert file_names.partial_path_of("a b.txt") == "Downloads/.a b.txt.partial"
    assert file_names.is_good("x" * 240)
    assert not file_names.is_good("x" * 241)
    assert not file_names.is_good("a ")
    assert not file_names.is_good("a\u2028b")
    assert not file_names.is_good("a\u2029b")
