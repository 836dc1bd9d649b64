"""Idle rules on pages: said for the organization and for a pool, taken back, and told on a desktop's card."""

from datetime import timedelta

from tests.support.installation import Installation
from tests.support.pages import Page, Visitor
from tests.support.pools import make_pool

from yunzhuo.services.access import Actor, installation
from yunzhuo.services.rules.idle import IdleDeed, Terms

HERE = "/admin/idle"
RULES = {
    "disconnected_minutes": "60",
    "closed_minutes": "",
    "disconnected_deed": "suspend",
    "no_input_minutes": "30",
    "no_input_deed": "end_screen",
    "unassigned_minutes": "",
    "notice_minutes": "5",
    "busy_percent": "20",
}


def test_rules_are_said_and_taken_back(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    itself = installation(lin.organization_id)
    pool_id = make_pool(yunzhuo, itself, name="Room 302")
    assert "Nothing is done." in Page(administrator.client.get(HERE).text).text
    assert "Told 5 minutes before." in administrator.change(HERE, subject=pool_id, **RULES).text
    own, pool = yunzhuo.services.idle.list(itself)
    assert (own.is_set, pool.is_set) == (False, True)
    assert pool.terms == Terms(60, None, IdleDeed.SUSPEND, 30, IdleDeed.END_SCREEN, None, 5, 20)
    for wrong in (
        {"disconnected_minutes": "soon"},
        {"busy_percent": "1"},
        {"disconnected_deed": "explode"},
        {"notice_minutes": ""},
    ):
        administrator.change(HERE, subject=pool_id, **{**RULES, **wrong})
        assert yunzhuo.services.idle.list(itself)[1].terms == pool.terms
    administrator.change(HERE, subject=pool_id, change="drop")
    assert [each.is_set for each in yunzhuo.services.idle.list(itself)] == [False, False]


def test_a_card_tells_when_its_desktop_is_switched_off(yunzhuo: Installation, visitor: Visitor, lin: Actor) -> None:
    yunzhuo.services.idle.put(installation(lin.organization_id), lin.organization_id, Terms(disconnected_minutes=30))
    yunzhuo.available(lin)
    assert "Nobody uses it" not in Page(visitor.client.get("/desktops").text).text
    yunzhuo.clock.set(yunzhuo.clock.now() + timedelta(minutes=31))
    yunzhuo.services.idle_keeper.round()
    assert "Nobody uses it" in Page(visitor.client.get("/desktops").text).text
