"""A database may take any transaction that writes back in favor of another one: each is run again by itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import yunzhuo.services

SERVICES = Path(yunzhuo.services.__file__).parent
RETRY = "retried_when_contended"


def test_every_method_that_writes_is_run_again_when_its_transaction_was_taken_back() -> None:
    writing = list(methods_that_write())
    assert len(writing) > 100
    assert [name for name, decorators in writing if RETRY not in decorators] == []


def test_rights_are_checked_once_however_often_a_transaction_is_run() -> None:
    decorated = [decorators for _, decorators in methods_that_write() if len(decorators) > 1]
    assert len(decorated) > 40
    assert all(decorators[-1] == RETRY for decorators in decorated)


def methods_that_write() -> Iterator[tuple[str, list[str]]]:
    """Name and decorators of every function of a service that begins a transaction, by reading the source."""
    for path in sorted(SERVICES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(_begins(each) for each in ast.walk(node)):
                yield f"{path.stem}.{node.name}", [ast.unparse(each).partition("(")[0] for each in node.decorator_list]


def _begins(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction"
