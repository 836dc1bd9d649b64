"""Plain tables for terminals: columns as wide as their widest cell, Chinese characters counted as two."""

from collections.abc import Sequence

from rich.cells import cell_len


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows under their heads, without a line's trailing blanks; a sentence when there are none."""
    if not rows:
        return "There are none."
    cells = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(lines)
