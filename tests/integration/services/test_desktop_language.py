"""A desktop's session speaks what its person reads, whenever one begins."""

import pytest
from tests.support.installation import Installation

from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action


def spoken(yunzhuo: Installation, desktop_id: str) -> str | None:
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    return server.language


@pytest.mark.parametrize("action", [Action.START, Action.REBOOT, Action.REBUILD])
def test_a_choice_counts_from_the_next_session_on(yunzhuo: Installation, lin: Actor, action: Action) -> None:
    desktop_id = yunzhuo.available(lin)
    assert spoken(yunzhuo, desktop_id) is None
    yunzhuo.services.accounts.choose_language(lin, "zh_CN")
    yunzhuo.run()
    assert spoken(yunzhuo, desktop_id) is None, "nobody's session ends because of a choice"
    if action is Action.START:
        yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
        yunzhuo.run()
    if action is Action.REBUILD:
        yunzhuo.services.desktops.rebuild(lin, desktop_id)
    else:
        yunzhuo.services.desktops.act(lin, desktop_id, action)
    yunzhuo.run()
    assert spoken(yunzhuo, desktop_id) == "zh_CN"


def test_a_new_desktop_speaks_its_owners_language(yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.services.accounts.choose_language(lin, "zh_CN")
    assert spoken(yunzhuo, yunzhuo.available(lin)) == "zh_CN"
