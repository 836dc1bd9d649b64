"""What tests on a real OpenStack ask it past our code."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.openstack_cloud import asked_directly


@pytest.fixture(scope="module")
def admin() -> Iterator[Any]:
    """The cloud's administrator: sees all projects, and makes the days bad that a tenant cannot."""
    with asked_directly("admin") as connection:
        yield connection
