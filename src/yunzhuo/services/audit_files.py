"""Audit entries as files: CSV for spreadsheets, one JSON object a line for programs."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields

from yunzhuo.services.audit_search import AuditView
from yunzhuo.services.rules.spreadsheets import harmless

COLUMNS = tuple(field.name for field in fields(AuditView))
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/x-ndjson; charset=utf-8"}


def lines(entries: Iterable[AuditView], kind: str) -> Iterator[str]:
    """The file, line by line; ``kind`` is ``csv`` or ``json``. What a spreadsheet would compute is made harmless."""
    if kind == "json":
        for entry in entries:
            yield json.dumps({**asdict(entry), "at": entry.at.isoformat()}, ensure_ascii=False) + "\n"
        return
    yield "\ufeff" + _row(COLUMNS)
    for entry in entries:
        told = {**asdict(entry), "at": entry.at.isoformat()}
        yield _row([_text(told[name]) for name in COLUMNS])


def _text(value: object) -> str:
    return harmless(json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else value)


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
