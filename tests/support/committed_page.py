"""Pages that are made from the code, kept in the repository: a test that makes one finds out when it has drifted."""

import difflib
import os
from pathlib import Path

REFRESH_VARIABLE = "REFRESH_DOCS"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def check(page: Path, text: str) -> None:
    """Fail with the difference when ``page`` does not read ``text``; with ``REFRESH_DOCS=1``, make it so instead."""
    if os.environ.get(REFRESH_VARIABLE):
        page.write_text(text, encoding="utf-8")
    committed = page.read_text(encoding="utf-8") if page.exists() else ""
    if committed != text:
        name = str(page.relative_to(DOCS.parent))
        difference = difflib.unified_diff(committed.splitlines(), text.splitlines(), name, "as the code is now", lineterm="")
        raise AssertionError(
            "\n".join([f"{name} does not say what the code does; `make docs-pages` writes it anew:", *difference])
        )
