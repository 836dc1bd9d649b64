"""The fuzzer runs, for a moment or a minute, with a seed of its own each time; what it has found once stays found."""

import random
from pathlib import Path

import pytest

from tests.gateway import fuzz

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_a_moment_of_fuzzing() -> None:
    assert fuzz.main(1.0, random.SystemRandom().randrange(1 << 32)) > 50


@pytest.mark.slow
def test_a_minute_of_fuzzing() -> None:
    assert fuzz.main(60.0, random.SystemRandom().randrange(1 << 32)) > 1000


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_was_found_once(file: Path) -> None:
    """Named after the machine that could not bear it."""
    machine, _, _ = file.name.partition("-")
    run = next(run for run, _ in fuzz.TARGETS if run.__name__ == machine)
    data = file.read_bytes()
    assert bool(run([data]).error) == bool(run([data[:7], data[7:]]).error)
