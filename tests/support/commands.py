"""Commands as people and their programs call them."""

import json
from typing import Any

import pytest

from yunzhuo.cli import main


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """What a command says to a program, once it has ended with this exit code."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that goes well says to a person."""
    capsys.readouterr()
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """What a person reads of a command that ends with this exit code, and nothing beside it."""
    capsys.readouterr()
    assert main(list(arguments)) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    return told.err
