"""Keys of desktops' agents: made from the installation's account key whenever one is needed, and stored nowhere.

``yza1.DESKTOP.ISSUE.MARK``: the mark says that we made it for this desktop and this issue. Which issue counts
is not known here.
"""

import re
from dataclasses import dataclass

from yunzhuo.phoenix.security.keyring import Keyring

_PURPOSE = "agent-key"
_KEY = re.compile(r"yza1\.([0-9a-f-]{36})\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})", re.ASCII)
LONGEST_KEY = 4 + 1 + 36 + 1 + 36 + 1 + 43


@dataclass(frozen=True, slots=True)
class AgentKey:
    """What a key says: the one desktop that it speaks for, and which of that desktop's keys it is."""

    desktop_id: str
    issue: str


class AgentKeys:
    """Makes keys, and knows them again. No I/O."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def make(self, key: AgentKey) -> str:
        """The key as text; the same each time."""
        return f"yza1.{key.desktop_id}.{key.issue}.{self._keyring.mark(_PURPOSE, _said(key))}"

    def read(self, text: str) -> AgentKey | None:
        """What a key says, or None: it is not one of ours."""
        found = _KEY.fullmatch(text) if len(text) <= LONGEST_KEY else None
        if found is None:
            return None
        key = AgentKey(found[1], found[2])
        return key if self._keyring.fits(_PURPOSE, _said(key), found[3]) else None

    def line_secret(self) -> str:
        """What Yunzhuo's own processes show each other."""
        return self._keyring.mark("agents-line", "1")


def _said(key: AgentKey) -> str:
    return f"{key.desktop_id}.{key.issue}"
