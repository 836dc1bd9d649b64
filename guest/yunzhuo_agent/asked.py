"""What comes of a question: the table of all that may be asked, and the person's own process that does it."""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404 # lists of arguments, never a shell
import sys
from pathlib import Path
from typing import Any

from yunzhuo_agent.status import Choices, Person, person

#: All that Yunzhuo may ask; of each the person's process knows what it does (``status`` is in every turn).
VERBS = frozenset(
    {
        "status",
        "list_files",
        "write_piece",
        "read_piece",
        "move_file",
        "delete_file",
        "get_clipboard",
        "set_clipboard",
        "message",
    }
)
_PROGRAM = Path(__file__).with_name("person.py")
_SECONDS = 25
_MOST_ANSWER_BYTES = 4 * 1024 * 1024


class Asked:
    """Answers questions; one that comes again, as its answer was lost on the way, is answered again and not done twice."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._last: dict[str, Any] = {"id": ""}

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer, with the question's id. Never raises."""
        asked = str(question.get("id", ""))[:64]
        if asked and asked == self._last["id"]:
            return self._last
        self._last = {"id": asked, **self._done(question)}
        return self._last

    def _done(self, question: dict[str, Any]) -> dict[str, Any]:
        verb = question.get("verb")
        if verb not in VERBS:
            return {"code": "unknown_verb"}
        if verb == "status":
            return {}
        somebody = person(self._choices)
        if somebody is None:
            return {"code": "nobody", "said": "nobody is signed in"}
        try:
            return _as(somebody, self._choices.home or somebody.home, question)
        except subprocess.TimeoutExpired:
            return {"code": "failed", "said": "it took too long"}
        except (OSError, ValueError) as error:
            return {"code": "failed", "said": type(error).__name__}


def _as(somebody: Person, home: str, question: dict[str, Any]) -> dict[str, Any]:
    """Have the person's process do it."""
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        groups = os.getgrouplist(somebody.name, somebody.gid)
        become = {"user": somebody.uid, "group": somebody.gid, "extra_groups": groups}
    elif os.geteuid() != somebody.uid:
        raise PermissionError(somebody.name)
    environment = {
        "HOME": home,
        "USER": somebody.name,
        "LOGNAME": somebody.name,
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    }
    ran = subprocess.run(  # nosec B603 # our own program, no shell
        [sys.executable, "-I", str(_PROGRAM)],
        input=json.dumps(question).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=home,
        env=environment,
        timeout=_SECONDS,
        check=False,
        start_new_session=True,
        umask=0o022,
        **become,
    )
    said = json.loads(ran.stdout[:_MOST_ANSWER_BYTES])
    return said if isinstance(said, dict) else {"code": "failed"}
