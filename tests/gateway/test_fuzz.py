"""The fuzzer runs, for a moment or a minute, with a seed of its own each time; what it has found once stays found."""

import random
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.gateway import fuzz, fuzz_guided

CORPUS = sorted(file for file in (Path(__file__).parent / "corpus").iterdir() if file.is_file())
MACHINES = [run.__name__ for run, _ in fuzz.TARGETS]


def test_a_moment_of_fuzzing() -> None:
    assert fuzz.main(1.0, random.SystemRandom().randrange(1 << 32)) > 50


@pytest.mark.slow
def test_half_a_minute_of_fuzzing() -> None:
    assert fuzz.main(30.0, random.SystemRandom().randrange(1 << 32)) > 500


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="there is no atheris for this Python or this computer")
@pytest.mark.parametrize("machine", MACHINES)
def test_half_a_minute_of_fuzzing_that_is_guided(machine: str) -> None:
    assert fuzz_guided.one(machine, 30 / len(MACHINES), is_kept=False)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_covers_much_is_borne(machine: str) -> None:
    streams = fuzz_guided.kept(machine)
    assert streams, "make fuzz keeps them"
    run = next(run for run, _ in fuzz.TARGETS if run.__name__ == machine)
    for stream in streams:
        whole, cut = run([stream]), run([stream[start : start + 3] for start in range(0, len(stream), 3)])
        assert (bool(whole.error), whole.understood) == (bool(cut.error), cut.understood), stream.hex()


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_was_found_once(file: Path) -> None:
    """Named after the machine that could not bear it."""
    machine, _, _ = file.name.partition("-")
    run = next(run for run, _ in fuzz.TARGETS if run.__name__ == machine)
    data = file.read_bytes()
    assert bool(run([data]).error) == bool(run([data[:7], data[7:]]).error)
