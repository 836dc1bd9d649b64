"""Keys of agents: made again the same, known again, and nobody else's."""

from hypothesis import given
from hypothesis import strategies as some

from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.security.agent_keys import AgentKey, AgentKeys
from yunzhuo.phoenix.security.keyring import Keyring

KEYS = AgentKeys(Keyring("the account key of one installation"))


def test_a_key_is_known_again_and_made_again() -> None:
    key = AgentKey(new_id(), new_id())
    assert KEYS.read(KEYS.make(key)) == key
    assert KEYS.make(key) == KEYS.make(key)
    assert AgentKeys(Keyring("another installation's")).read(KEYS.make(key)) is None
    assert KEYS.line_secret() not in KEYS.make(key)


@given(place=some.integers(0, 126), character=some.characters())
def test_a_key_that_was_changed_is_none(place: int, character: str) -> None:
    text = KEYS.make(AgentKey("0" * 36, "1" * 36))
    changed = text[:place] + character + text[place + 1 :]
    assert (KEYS.read(changed) is not None) == (changed == text)


@given(some.text())
def test_any_text_is_no_key(text: str) -> None:
    assert KEYS.read(text) is None
