"""For all tests."""

import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from hypothesis import Phase

from tests.support import installation
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq

# How long an example takes says how busy the computer is, not whether the code is right.
hypothesis.settings.register_profile("yunzhuo", deadline=None)
# A change that is noticed is noticed by any example: the smallest one took minutes.
hypothesis.settings.register_profile("mutation", deadline=None, phases=[Phase.explicit, Phase.generate])
hypothesis.settings.load_profile("yunzhuo")

# structlog's own choice, rich's tracebacks with every local variable, takes seconds for each.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=["sqlite", "mariadb"], default="sqlite", help="where installations on the memory cloud keep state"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--database") == "mariadb":
        installation.use_mariadb()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import modules all of whose tests ``-m 'not (slow or ...)'`` leaves out: that took a fifth of the fast run.

    The markers of such a module stand in its ``pytestmark``.
    """
    left_out = _left_out(config.getoption("markexpr"))
    if not left_out or not collection_path.name.startswith("test_"):
        return None
    marked = _OF_MODULE.search(collection_path.read_text(encoding="utf-8"))
    return True if marked and left_out & set(_MARKER.findall(marked[0])) else None


_OF_MODULE = re.compile(r"^pytestmark = [^\[\n]*(\[[^\]]*\])?", re.MULTILINE)
_MARKER = re.compile(r"pytest\.mark\.(\w+)")
_EXCLUDED = re.compile(r"(?:^|and )not \(([\w ]+)\)$")


def _left_out(expression: str) -> set[str]:
    """The markers with any of which a test is not run, where the expression ends by saying so."""
    found = _EXCLUDED.search(expression)
    return set(found[1].split(" or ")) if found else set()


@pytest.fixture(scope="session")
def mariadb() -> MariaDb:
    """A MariaDB for all tests of this process; each makes databases of its own."""
    return installation.mariadb()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    """A RabbitMQ for all tests of this process, which have it one after another."""
    broker = RabbitMq()
    yield broker
    broker.close()
