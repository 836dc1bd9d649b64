"""A browser for the tests, where the distribution has none as a package."""

import shutil
from pathlib import Path

from infras.setup.command import Log, run, say


def install(root: Path, log: Log) -> None:
    """Let Playwright bring its own Chromium where no ``chromium`` is on the path."""
    if shutil.which("chromium"):
        return
    say("installing Playwright's Chromium, with the Debian packages it needs")
    run("installing Chromium", [".venv/bin/playwright", "install", "--with-deps", "chromium"], log, cwd=root)
