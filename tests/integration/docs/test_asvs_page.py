"""The page of attacks and of OWASP ASVS: complete, and every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "asvs.md"
# Which numbers of ASVS 5.0.0 are of level 1 or 2: section -> numbers.
LEVELS_1_AND_2 = """
1.1:1-2 1.2:1-9 1.3:1-11 1.4:1-3 1.5:1-2 2.1:1-3 2.2:1-3 2.3:1-4 2.4:1-1 3.2:1-2 3.3:1-4 3.4:1-6 3.5:1-5 3.7:1-2
4.1:1-3 4.2:1-1 4.3:1-2 4.4:1-4 5.1:1-1 5.2:1-3 5.3:1-2 5.4:1-3 6.1:1-3 6.2:1-12 6.3:1-4 6.4:1-4 6.5:1-5 6.6:1-3 6.8:1-4
7.1:1-3 7.2:1-4 7.3:1-2 7.4:1-5 7.5:1-2 7.6:1-2 8.1:1-2 8.2:1-3 8.3:1-1 8.4:1-1 9.1:1-3 9.2:1-4
10.1:1-2 10.2:1-2 10.3:1-4 10.4:1-11 10.5:1-5 10.6:1-2 10.7:1-3 11.1:1-2 11.2:1-3 11.3:1-3 11.4:1-4 11.5:1-1 11.6:1-1
12.1:1-3 12.2:1-2 12.3:1-4 13.1:1-1 13.2:1-5 13.3:1-2 13.4:1-5 14.1:1-2 14.2:1-4 14.3:1-3 15.1:1-3 15.2:1-3 15.3:1-7
16.1:1-1 16.2:1-5 16.3:1-4 16.4:1-3 16.5:1-3 17.1:1-1 17.2:1-4 17.3:1-2
"""


def required() -> list[str]:
    found = re.findall(r"(\d+\.\d+):(\d+)-(\d+)", LEVELS_1_AND_2)
    return [f"{section}.{number}" for section, first, last in found for number in range(int(first), int(last) + 1)]


def test_every_requirement_of_levels_1_and_2_stands_there_once() -> None:
    rows = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+\.\d+\.\d+", line)]
    assert [number.strip() for row in rows for number in row[1].split(",")] == required()
    for row in rows:
        assert row[3].strip() in {"yes", "partly", "no", "–"}, row
        assert row[4].strip(), row


def test_every_test_that_is_named_is_there() -> None:
    files: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        files[path.stem] = files.get(path.stem, "") + path.read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)::(test_\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 150
    missing = [f"{file}::{test}" for file, test in named if not re.search(rf"def {test}\(", files.get(file, ""))]
    assert missing == []
