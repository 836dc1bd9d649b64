"""Where in a TOML file something stands, for whoever has to mend it. (``tomllib`` tells lines of what is no TOML only.)"""

import re
from collections.abc import Iterator

_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z0-9_-]+)\s*\]\]")
_TABLE = re.compile(r"\s*\[[^\[]")
_KEY = re.compile(r"\s*(?:([A-Za-z0-9_-]+)|\"([^\"]+)\"|'([^']+)')\s*=")
_FENCE = re.compile(r'"""|\'\'\'')


def line_of(text: str, place: str) -> int | None:
    """The line, from 1, of a place like ``pools.0.capacity``: of its key, else of its table's head.

    None when it stands nowhere, or is written in another way than ``[[pools]]`` and ``key = ...``, a line each.
    """
    section, *rest = place.split(".")
    index, key = (int(rest[0]), rest[1] if len(rest) > 1 else None) if rest else (None, section)
    head = None
    for number, (table, count, found) in _keys(text):
        is_here = (table, count) == ((None, 0) if index is None else (section, index))
        if is_here and found == key and found is not None:
            return number
        if index is not None and is_here and found is None:
            head = number
        if index is None and (table, found) == (section, None):
            head = head or number
    return head


def _keys(text: str) -> Iterator[tuple[int, tuple[str | None, int, str | None]]]:
    """Each line with a head or a key: in which table, which one of that name, and the key (None: the head)."""
    table: str | None = None
    counts: dict[str, int] = {}
    is_in_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        was_in_text = is_in_text
        is_in_text ^= len(_FENCE.findall(line)) % 2 == 1
        if was_in_text:
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = header[1]
            counts[table] = counts.get(table, -1) + 1
            yield number, (table, counts[table], None)
        elif _TABLE.match(line) and not line.lstrip().startswith('["'):
            table = ""
        elif key:
            yield number, (table, counts.get(table or "", 0), key[1] or key[2] or key[3])
