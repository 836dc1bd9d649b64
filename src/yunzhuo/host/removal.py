"""Removing a server's folder so that no crash leaves half a server behind."""

import shutil
from pathlib import Path

from yunzhuo.host.layout import GONE_PREFIX
from yunzhuo.host.store import sync_folder


def remove_folder(folder: Path) -> None:
    """Remove ``folder``: first its name, in one step, then what is in it. A crash in between is tidied at the next start."""
    gone = folder.with_name(f"{GONE_PREFIX}{folder.name}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    sync_folder(folder.parent)
    shutil.rmtree(gone, ignore_errors=True)
