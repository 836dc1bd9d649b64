"""The page about a click says what really happens when a desktop is opened."""

from pathlib import Path

import pytest
from tests.support.committed_page import DOCS, check
from tests.support.recording.click import recorded_click, recorded_processes
from tests.support.recording.page import page
from tests.support.running import running_yunzhuo

pytestmark = [
    pytest.mark.machine,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    # The other tests that need goldens and the computer's whole attention.
    pytest.mark.xdist_group("e2e"),
]


def test_the_page_about_a_click_is_what_a_click_does(tmp_path: Path) -> None:
    with (
        recorded_processes(tmp_path),
        # One golden only: nothing else is to be made in the background while we look.
        running_yunzhuo(tmp_path / "var", HOST__PREPARED_FLAVORS='["small"]') as yunzhuo,
        yunzhuo.api(yunzhuo.add_user("lin@school.local")) as api,
    ):
        recorded_click(api, tmp_path, name="The first brings every process to its pace")
        recording = recorded_click(api, tmp_path, name="The recorded one")

    check(DOCS / "reference" / "a-click.md", page(recording))
