"""Which passwords are among those that are tried first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from yunzhuo.phoenix.security.passwords import one_time_password
from yunzhuo.services.rules.guessing import is_easily_guessed


def test_none_of_the_most_used_that_are_long_enough_is_taken() -> None:
    most_used = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= 10]
    assert len(most_used) > 1000
    assert [password for password in most_used[::20] if not is_easily_guessed(password)] == []


@pytest.mark.parametrize(
    "password",
    ["1234567890", "qwertyuiop", "aaaaaaaaaaaaaaaa", "Password123", "yunzhuo2026", "woaini1314520"],
)
def test_patterns_and_what_people_here_choose(password: str) -> None:
    assert is_easily_guessed(password)


def test_what_says_who_somebody_is() -> None:
    about = ["wang.xiaoming@school.local"]
    assert is_easily_guessed("wangxiaoming", about)
    assert is_easily_guessed("wang.xiaoming@school.local", about)
    assert is_easily_guessed("xiaoming1", about)


@pytest.mark.parametrize("password", ["correct horse battery", "another long one", "我的電腦在三樓的教室裡"])
def test_a_few_words_will_do(password: str) -> None:
    assert not is_easily_guessed(password)


def test_our_own_are_not_refused() -> None:
    assert not is_easily_guessed(one_time_password(10))


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=256))
def test_any_text_gets_an_answer(password: str) -> None:
    assert is_easily_guessed(password, [password[:20]]) in (True, False)
