"""Progress without a terminal."""

import pytest

from yunzhuo.cli.progress import PLAIN_LINE_SECONDS, PlainLines, shown


def test_a_line_comes_with_each_step_and_every_few_seconds() -> None:
    said: list[str] = []
    now = 0.0
    report = PlainLines("image", said.append, lambda: now)

    for second in range(12):
        now = float(second)
        report(second / 100, "packages" if second < 11 else "disk")

    assert said == ["image: packages (0%)", "image: packages (5%)", "image: packages (10%)", "image: disk (11%)"]
    assert PLAIN_LINE_SECONDS == 5


def test_no_terminal_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("image") as report:
        report(0.5, "packages")

    assert capsys.readouterr().err == "image: packages (50%)\n"
