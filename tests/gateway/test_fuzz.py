"""The fuzzer runs, for a moment, with a seed of its own each time."""

import random

from tests.gateway import fuzz


def test_a_moment_of_fuzzing() -> None:
    assert fuzz.main(1.0, random.SystemRandom().randrange(1 << 32)) > 50
