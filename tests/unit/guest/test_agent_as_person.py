"""What an agent does as the person: files in pieces, and no way out of the home folder by a path."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from yunzhuo_agent import person
from yunzhuo_agent.asked import Asked
from yunzhuo_agent.status import Choices, boot, look

BIG = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "outside").write_text("not yours")
    monkeypatch.chdir(folder)
    return folder


def ask(verb: str, **arguments: Any) -> dict[str, Any]:
    return person.answer({"id": "q", "verb": verb, **arguments})


def write(path: str, content: bytes, offset: int = 0) -> dict[str, Any]:
    return ask("write_piece", path=path, offset=offset, content=base64.b64encode(content).decode())


def test_a_file_in_pieces(home: Path) -> None:
    name = "Downloads/-课件 'one'.bin"
    assert write(name, BIG) == {}
    for _ in range(2):
        assert write(name, b"the end", len(BIG)) == {}
    assert (home / name).read_bytes() == BIG + b"the end"
    piece = ask("read_piece", path=name, offset=len(BIG) - 1, max_bytes=person.PIECE_BYTES)
    assert base64.b64decode(piece["content"]) == BIG[-1:] + b"the end"
    assert piece["size_bytes"] == len(BIG) + 7
    write("Downloads/.hidden", b"x")
    (home / "Downloads" / "folder").mkdir()
    assert [file["name"] for file in ask("list_files", path="Downloads")["files"]] == ["-课件 'one'.bin"]
    assert ask("move_file", path=name, new_path="Downloads/two") == {}
    for _ in range(2):
        assert ask("delete_file", path="Downloads/two") == {}
    assert ask("list_files", path="Downloads") == ask("list_files", path="no such folder") == {"files": []}


@pytest.mark.parametrize("path", ["", ".", "/etc/hostname", "../outside", "Downloads/../../outside", "a\0b", 7, None, "//"])
@pytest.mark.parametrize("verb", ["read_piece", "write_piece", "move_file", "delete_file"])
def test_paths_that_lead_out(home: Path, verb: str, path: object) -> None:
    (home / "mine").write_text("mine")
    rest = {"offset": 0, "max_bytes": 10, "content": "eA=="}
    assert ask(verb, path=path, new_path="other", **rest)["code"] == "bad_path"
    if verb == "move_file":
        assert ask(verb, path="mine", new_path=path)["code"] == "bad_path"
    assert (home.parent / "outside").read_text() == "not yours"
    assert (home / "mine").exists()


def test_what_is_no_plain_file_is_not_waited_for(home: Path) -> None:
    os.mkfifo(home / "pipe")
    for path in ("pipe", "missing"):
        assert ask("read_piece", path=path, offset=0, max_bytes=1)["code"] == "no_file"
    assert ask("write_piece", path="pipe", offset=0, content="")["code"] in {"no_file", "failed"}
    (home / "folder").mkdir()
    assert ask("read_piece", path="folder", offset=0, max_bytes=1)["code"] == "no_file"


def test_pieces_that_do_not_fit() -> None:
    write("short", b"12345")
    assert write("short", b"", 6)["code"] == "out_of_step"
    assert write("missing", b"", 1)["code"] == "no_file"
    assert write("large", b"x" * (person.PIECE_BYTES + 1))["code"] == "out_of_step"
    assert ask("write_piece", path="short", offset=0, content="not base64!")["code"] == "failed"
    assert Path("short").read_bytes() == b"12345"


@pytest.mark.parametrize("verb", ["run", "", "__init__", None, "answer"])
def test_no_other_verbs(verb: str) -> None:
    assert ask(verb)["code"] == "unknown_verb"
    assert Asked(Choices()).answer({"id": "q", "verb": verb})["code"] == "unknown_verb"


def test_the_same_question_again_is_answered_and_not_done_again(home: Path) -> None:
    name = "root" if os.geteuid() == 0 else os.environ["USER"]
    asked = Asked(Choices(user=name, home=str(home)))
    (home / "one").write_text("1")
    move = {"id": "q1", "verb": "move_file", "path": "one", "new_path": "two"}
    assert asked.answer(move) == asked.answer(move) == {"id": "q1"}
    assert asked.answer({**move, "id": "q2"})["code"] == "no_file"


def test_nobody_is_signed_in() -> None:
    assert Asked(Choices(user="nobody-of-this-name")).answer({"id": "q", "verb": "list_files", "path": "."})["code"] == "nobody"


def test_how_the_desktop_is(tmp_path: Path) -> None:
    choices = Choices(user="no-such-user", ready_files=(f"{tmp_path}/rea*",))
    before = look(choices)
    assert not before["is_ready"]
    assert before["signed_in_since"] is None
    assert 0 < before["memory_used_mib"] < before["memory_mib"]
    (tmp_path / "ready").touch()
    assert look(choices)["is_ready"]
    assert len(boot()) == 36


def test_it_runs_on_pythons_own_library_alone() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import yunzhuo_agent.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", program, "guest"], check=True, cwd=Path(__file__).parents[3])


def test_an_answer_is_json(home: Path) -> None:
    question = b'{"verb": "list_files", "path": "none"}'
    ran = subprocess.run([sys.executable, "-I", person.__file__], input=question, capture_output=True, check=True)
    assert json.loads(ran.stdout) == {"files": []}
