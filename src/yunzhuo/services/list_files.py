"""Lists as files: CSV and XLSX, read with limits and written so that no spreadsheet takes a text for a formula."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services.rules.spreadsheets import harmless, meant

MAX_ROWS = 20_000
MAX_BYTES = 8 * 1024 * 1024
_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
_MAX_MEMBERS = 100
_MAX_CELL = 1000


class FileKind(StrEnum):
    """What a list can be."""

    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES = {
    FileKind.CSV: "text/csv; charset=utf-8",
    FileKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list: where it stands (the heading is line 1), and its cells by their column."""

    number: int
    cells: Mapping[str, str]


def read(content: bytes, kind: FileKind, columns: Sequence[str], needed: str) -> Sequence[Line]:
    """The lines of a list of these columns, of which one is ``needed``; empty ones left out.

    Raises InvalidInput for what is no such list, or too large.
    """
    if len(content) > MAX_BYTES:
        raise _unreadable(f"At most {MAX_BYTES // 1024 // 1024} MiB.", code="file_too_large")
    rows = _csv_rows(content) if kind is FileKind.CSV else _xlsx_rows(content, len(columns) + 1)
    try:
        heading = [cell.strip().lower() for cell in next(rows, [])]
        while heading and not heading[-1]:
            heading.pop()
        if needed not in heading or set(heading) - set(columns) or len(set(heading)) != len(heading):
            raise _unreadable(
                f"The first line names the columns: {', '.join(columns)}; {needed} is needed, the others are not."
            )
        lines = [Line(number, _cells(heading, row, number)) for number, row in enumerate(rows, 2) if any(map(str.strip, row))]
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unreadable("It is not CSV in UTF-8.") from error
    if not lines:
        raise _unreadable("There is nothing in it.")
    return lines


def write(rows: Iterable[Sequence[object]], heading: Sequence[str], kind: FileKind) -> bytes:
    """A list as a file."""
    if kind is FileKind.CSV:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(heading)
        writer.writerows([harmless(cell) for cell in row] for row in rows)
        return text.getvalue().encode("utf-8-sig")  # the mark lets spreadsheets read it as UTF-8
    from openpyxl import Workbook  # noqa: PLC0415 (a third of a second for each process that has no such file)

    book = Workbook(write_only=True)
    sheet = book.create_sheet("list")
    sheet.append(list(heading))
    for row in rows:
        sheet.append([harmless(cell) for cell in row])
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def _cells(heading: Sequence[str], row: Sequence[str], number: int) -> dict[str, str]:
    if number > MAX_ROWS + 1:
        raise _unreadable(f"At most {MAX_ROWS} lines at once.", code="file_too_large")
    if any(map(str.strip, row[len(heading) :])):
        raise _unreadable(f"Line {number} has more cells than there are columns.")
    return {name: meant(cell.strip()) for name, cell in zip(heading, row, strict=False)}


def _csv_rows(content: bytes) -> Iterator[list[str]]:
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    first = text.readline()
    text.seek(0)
    yield from csv.reader(text, delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)


def _xlsx_rows(content: bytes, width: int) -> Iterator[list[str]]:
    from openpyxl import load_workbook  # noqa: PLC0415 (as above)

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            members = packed.infolist()
            # What a member claims to unpack to is also all that is ever read of it.
            if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
                raise _unreadable("It unpacks to more than is taken.", code="file_too_large")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size is not to be believed
        for row in sheet.iter_rows(max_col=width, values_only=True):
            yield ["" if cell is None else str(cell)[:_MAX_CELL] for cell in islice(row, width)]
        book.close()
    except InvalidInput:
        raise
    except Exception as error:  # whatever the library trips over, the file is to blame
        raise _unreadable("It is not an XLSX file.") from error


def _unreadable(reason: str, *, code: str = "file_unreadable") -> InvalidInput:
    return InvalidInput("The list cannot be read.", code=code, fields={"file": reason})
