"""What agents say is taken within bounds, whatever the bytes; a moment of random and changed ones each time."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.gateway.fuzz import change

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules import agent_words
from yunzhuo.services.rules.agent_words import (
    MAX_TURN_BYTES,
    Code,
    Turn,
    Verb,
    question_json,
    read_question,
    read_turn,
)

STATUS = {"is_ready": True, "load": 0.25, "memory_mib": 1024, "memory_used_mib": 300, "signed_in_since": 1_764_000_000}
FILE = {"name": "课.bin", "size_bytes": 5, "modified_at": 1_764_000_000}
ANSWER = {"id": "q1", "code": None, "said": "", "text": "粘贴", "content": "AAEC", "size_bytes": 3, "files": [FILE]}
TURN = {"boot": "0a1b2c3d-0000", "agent": "0.1.0", "wait_seconds": 20.0, "status": STATUS, "answer": ANSWER}


def turn(**changes: Any) -> bytes:
    return json.dumps({**TURN, **changes}).encode()


def test_a_turn_is_read() -> None:
    read = read_turn(turn())
    assert read.answer is not None
    assert (read.boot, read.status.memory_mib, read.answer.text) == ("0a1b2c3d-0000", 1024, "粘贴")
    assert read_turn(turn(answer={"id": "q", "code": "no_file"})).answer == agent_words.Answer(id="q", code=Code.NO_FILE)
    assert read_turn(turn(word_of_a_newer_agent=[1])) == read


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (MAX_TURN_BYTES + 1),
        turn(boot="../../etc"),
        turn(boot=7),
        turn(agent="a b"),
        turn(wait_seconds=26),
        turn(wait_seconds="1"),
        turn(status={**STATUS, "is_ready": 1}),
        turn(status={**STATUS, "load": float("nan")}),
        turn(status={**STATUS, "load": -1}),
        turn(status={**STATUS, "memory_mib": 2**31}),
        turn(status={**STATUS, "signed_in_since": 10**11}),
        turn(answer={**ANSWER, "id": ""}),
        turn(answer={**ANSWER, "code": "anything"}),
        turn(answer={**ANSWER, "said": "x" * 201}),
        turn(answer={**ANSWER, "files": [FILE] * 2001}),
        turn(answer={**ANSWER, "files": [{**FILE, "size_bytes": -1}]}),
        turn(answer={**ANSWER, "content": "\x80"}),
        turn(answer={**ANSWER, "content": "AAEC\n"}),
        turn(answer={**ANSWER, "text": "x" * (agent_words.PIECE_BYTES + 1)}),
    ],
)
def test_what_no_agent_says(wrong: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_turn(wrong)
    assert "xxx" not in str(refusal.value.details)


@given(
    verb=some.sampled_from(Verb),
    wanted=some.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("path", "new_path", "text", "content"), some.text(max_size=10)),
            **dict.fromkeys(("offset", "max_bytes"), some.integers(0, agent_words.PIECE_BYTES)),
        },
    ),
)
def test_a_question_reaches_the_agent_as_it_was_asked(verb: Verb, wanted: dict[str, Any]) -> None:
    asked = read_question(verb, "q7", json.dumps(wanted).encode())
    assert question_json(asked) == {"question": {"id": "q7", "verb": verb, **wanted}}
    assert question_json(None) == {"question": None}


def test_a_refusal_says_where_it_is_wrong_and_nothing_of_what_was_there() -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_turn(turn(boot="../xxx", status={**STATUS, "load": "xxx"}))
    assert refusal.value.details == {"fields": {"boot": "string_pattern_mismatch", "status.load": "float_type"}}
    with pytest.raises(InvalidInput) as refusal:
        read_turn(b"xxx")
    assert refusal.value.details == {"fields": {"body": "json_invalid"}}
    with pytest.raises(InvalidInput) as refusal:
        read_turn(turn() + b" " * MAX_TURN_BYTES)
    assert refusal.value.code == "too_large"
    with pytest.raises(InvalidInput) as refusal:
        read_turn(turn(answer={**ANSWER, "files": [{}] * 3}))
    fields = refusal.value.details["fields"]
    assert isinstance(fields, dict)
    assert len(fields) == 5
    with pytest.raises(InvalidInput) as refusal:
        read_question("status", "q", json.dumps({"max_bytes": -1}).encode())
    assert refusal.value.details == {"fields": {"max_bytes": "greater_than_equal"}}


@pytest.mark.parametrize("verb", ["run", "read_file", "", "STATUS", "__class__", "status/../run"])
def test_what_no_agent_is_asked(verb: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_question(verb, "q", b"{}")
    assert refusal.value.code == "unknown_verb"


def test_the_largest_piece_fits_both_ways() -> None:
    content = "A" * (agent_words.PIECE_BYTES // 3 * 4 + 4)
    assert len(turn(answer={**ANSWER, "content": content})) < MAX_TURN_BYTES
    body = json.dumps({"path": "Downloads/x", "offset": 0, "content": content}).encode()
    assert read_question("write_piece", "q", body).verb is Verb.WRITE_PIECE


_JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from([*TURN, *ANSWER, "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(changes=some.dictionaries(some.sampled_from(list(TURN)), _JSON, max_size=3))
def test_whatever_stands_in_a_turn_is_read_or_refused(changes: dict[str, Any]) -> None:
    body = turn(**changes)
    try:
        read = read_turn(body)
    except InvalidInput:
        return
    assert Turn.model_validate_json(read.model_dump_json()) == read
    if read.status.signed_in_since is not None:
        assert read.status.signed_in_at is not None


def test_changed_bytes_are_read_or_refused() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    refused = 0
    for _ in range(2000):
        body = change(dice, turn()) if dice.random() < 0.9 else dice.randbytes(dice.randrange(200))
        try:
            read_turn(body)
        except InvalidInput:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {body.hex()}") from error
    assert 0 < refused < 2000
