"""How far a build is, from what mmdebstrap writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.image_progress import PACKAGE_STEPS, Meter, PackageOutput, Progress, Step

WRITTEN = """\
I: running apt-get update...
Get:1 http://mirror.example/debian bookworm InRelease [151 kB]
Reading package lists...
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror.example/debian bookworm/main amd64 libc6 amd64 2.36-9 [2759 kB]
Get:2 http://mirror.example/debian bookworm/main amd64 dash amd64 0.5 [98 kB]
I: extracting archives...
I: installing essential packages...
Unpacking libc6:amd64 (2.36-9) ...
Setting up libc6:amd64 (2.36-9) ...
Unpacking dash (0.5) ...
Setting up dash (0.5) ...
I: installing remaining packages inside the chroot...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror.example/debian bookworm/main amd64 icewm amd64 3.3.1 [1 kB]
Get:2 http://mirror.example/debian bookworm/main amd64 nano amd64 7.2 [1 kB]
Unpacking icewm (3.3.1) ...
Unpacking nano (7.2) ...
Setting up icewm (3.3.1) ...
Setting up nano (7.2) ...
I: cleaning package lists and apt cache...
I: creating tarball...
"""

LINES = st.one_of(
    st.sampled_from(WRITTEN.splitlines()),
    st.text(max_size=40),
    st.integers(0, 10**6).map(lambda count: f"0 upgraded, {count} newly installed, 0 to remove"),
)


class Stopwatch:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_each_package_moves_its_step_on() -> None:
    output = PackageOutput()
    told = [heard for line in WRITTEN.splitlines() if (heard := output.read(line)) is not None]
    assert told == [
        ("lists", 0.0),
        ("base", 0.0),
        *(("base", pytest.approx(count / 6)) for count in range(1, 7)),
        ("download", 0.0),
        ("download", 0.5),
        ("download", 1.0),
        ("install", 0.25),
        ("install", 0.5),
        ("install", 0.75),
        ("install", 1.0),
        ("pack", 0.0),
        ("pack", 0.0),
    ]


@pytest.mark.slow
@given(st.lists(LINES, max_size=60))
def test_whatever_is_written_the_whole_never_goes_back_or_beyond(lines: list[str]) -> None:
    clock, reported = Stopwatch(), list[Progress]()
    meter, output = Meter(PACKAGE_STEPS, reported.append, clock), PackageOutput()
    for line in lines:
        clock.seconds += 1
        if told := output.read(line):
            meter.reach(*told)
    fractions = [progress.fraction for progress in reported]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert all(progress.seconds_left >= 0 for progress in reported)


def test_the_estimate_follows_the_pace_of_this_computer() -> None:
    clock, reported = Stopwatch(), list[Progress]()
    meter = Meter((Step("one", "first", 50), Step("two", "second", 50)), reported.append, clock)
    meter.reach("one")
    assert reported[-1].seconds_left == pytest.approx(100)
    clock.seconds = 100
    meter.reach("two")
    assert reported[-1].fraction == pytest.approx(0.5)
    assert 80 < reported[-1].seconds_left < 100
    clock.seconds = 150
    meter.finish()
    assert reported[-1] == Progress("done", 1.0, 0.0)


def test_reports_are_not_too_frequent_within_a_step() -> None:
    clock, reported = Stopwatch(), list[Progress]()
    meter = Meter(PACKAGE_STEPS, reported.append, clock)
    for count in range(100):
        clock.seconds += 0.01
        meter.reach("install", count / 100)
    assert len(reported) <= 6


def test_unknown_steps_are_no_news() -> None:
    reported = list[Progress]()
    Meter(PACKAGE_STEPS, reported.append).reach("frobnicate", 0.5)
    assert reported == []


def test_progress_reads_as_a_line() -> None:
    assert str(Progress("installing packages", 0.34, 41.6)) == "installing packages (34%, about 42 s left)"
    assert str(Progress("done", 1.0, 0.0)) == "done (100%)"
