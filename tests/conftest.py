"""For all tests."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from tests.support import installation
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq

# How long an example takes says how busy the computer is, not whether the code is right.
hypothesis.settings.register_profile("yunzhuo", deadline=None)
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
