"""What of a process's output reaches its log and the console."""

from pathlib import Path

import pytest

from yunzhuo.scheduler.relay import OLD_LOG_FILES, ConsoleFilter, LogFile

INFO = "2026-01-31T08:00:00.000000Z [info     ] request_served                process=web"
WARNING = "2026-01-31T08:00:00.000000Z [warning  ] slow_answer                   process=web"
JSON_INFO = '{"process": "web", "event": "request_served", "level": "info"}'
JSON_ERROR = '{"process": "web", "event": "request_failed", "level": "error"}'
TRACEBACK = "Traceback (most recent call last):"


def shown(*lines: str) -> list[str]:
    wanted = ConsoleFilter()
    return [line for line in lines if wanted.wants(line, now=0.0)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((INFO, "more about it", WARNING, TRACEBACK, '  File "x"', "KeyError: y", INFO, "chatter"), [WARNING, "KeyError: y"]),
        ((JSON_INFO, JSON_ERROR, JSON_INFO), [JSON_ERROR]),
        (("chatter", TRACEBACK, '  File "x"', "KeyError: y"), ["KeyError: y"]),
        (("error: port 8080 is taken", INFO, "", "chatter"), ["error: port 8080 is taken"]),
    ],
    ids=["console", "json", "traceback", "one-line failure"],
)
def test_warnings_and_what_belongs_to_them_are_shown(lines: tuple[str, ...], expected: list[str]) -> None:
    assert shown(*lines) == expected


def test_a_flood_does_not_drown_the_console() -> None:
    wanted = ConsoleFilter(lines_per_second=3)

    assert sum(wanted.wants(WARNING, now=10.0 + n / 1000) for n in range(500)) == 3
    assert wanted.wants(WARNING, now=11.0)


def test_a_log_is_kept_within_bounds(tmp_path: Path) -> None:
    log_file = LogFile(tmp_path / "web.log", max_bytes=1000)
    for number in range(1000):
        log_file.write(f"line {number}")
    log_file.close()
    log_file.write("too late")

    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["web.log", *(f"web.log.{n}" for n in range(1, OLD_LOG_FILES + 1))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert log_file.last_lines(2) == ["line 998", "line 999"]
