"""The chain of the audit log: whatever is changed, left out or put in another order changes every hash after it."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.chain import START, canonical, link

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
ENTRIES = st.dictionaries(st.text(max_size=6), VALUES | st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=5)


def test_a_link_as_it_is_written_down() -> None:
    """By hand: whoever verifies an exported log has to be able to do it without us."""
    entry = {"verb": "用户", "at": None, "ok": True}
    assert canonical(entry) == '{"at":null,"ok":true,"verb":"用户"}'.encode()
    expected = hashlib.sha256(b"0" * 64 + b"\n7\n" + '{"at":null,"ok":true,"verb":"用户"}'.encode()).hexdigest()
    assert link(START, 7, entry) == expected
    assert START == "0" * 64


@given(ENTRIES)
def test_the_order_of_names_is_nothing(entry: dict[str, object]) -> None:
    assert canonical(dict(reversed(entry.items()))) == canonical(entry)


@given(ENTRIES, ENTRIES, st.integers(0, 10**9))
def test_another_entry_place_or_past_is_another_hash(one: dict[str, object], other: dict[str, object], sequence: int) -> None:
    first = link(START, sequence, one)
    assert len(first) == 64
    assert first != link(START, sequence + 1, one)
    assert first != link(first, sequence, one)
    assert (first == link(START, sequence, other)) is (canonical(one) == canonical(other))


def test_text_that_is_no_utf_8_has_a_hash_too() -> None:
    assert canonical({"name": "\ud800"}) == b'{"name":"\xed\xa0\x80"}'
