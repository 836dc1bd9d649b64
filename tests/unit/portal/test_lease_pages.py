"""Ends of desktops on pages: put off, said, and looked through as a calendar; the bin; for how long desktops are given."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.support.installation import START, Installation
from tests.support.pages import CHINESE, Page, Visitor, signed_in, somebody
from tests.support.pools import make_pool

from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State

HERE = "/admin/leases"
TERMS = {"days": "14", "extend_days": "7", "extend_times": "2", "warn_hours": "72, 24，1", "bin_days": "3"}


@pytest.fixture
def chief(lin: Actor) -> Actor:
    return installation(lin.organization_id)


def test_terms_are_said_for_one_and_taken_back(yunzhuo: Installation, administrator: Visitor, chief: Actor) -> None:
    pool_id = make_pool(yunzhuo, chief, name="Room 302", spares=0)
    told = administrator.change(HERE, subject=pool_id, **{**TERMS, "bin_days": "0"}).text
    assert "14 days" in told
    assert "2 times, by 7 days each" in told
    _, pool = yunzhuo.services.leases.terms(chief)
    assert (pool.is_set, pool.terms) == (True, Terms(14, 7, 2, (72, 24, 1), 0))
    for wrong, words in (
        ({"days": "soon"}, "ten years"),
        ({"extend_days": ""}, "from 1 on"),
        ({"warn_hours": "a day"}, "One to five numbers"),
        ({"extend_times": "101"}, "from 0 to 100"),
    ):
        assert words in administrator.change(HERE, subject=pool_id, **{**TERMS, "bin_days": "0", **wrong}).text
        assert yunzhuo.services.leases.terms(chief)[1].terms == pool.terms
    without_end = {"days": "", "extend_times": "0", "bin_days": "0"}
    told = administrator.change(HERE, subject=pool_id, **{**TERMS, **without_end}).text
    assert "Without an end" in told
    assert "Only by administrators" in told
    administrator.change(HERE, subject=pool_id, change="drop")
    assert [each.is_set for each in yunzhuo.services.leases.terms(chief)] == [False, False]


def test_terms_hold_for_what_is_there_where_that_is_said(
    yunzhuo: Installation, administrator: Visitor, lin: Actor, chief: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    for said, left in (("", None), ("yes", timedelta(days=14))):
        administrator.change(HERE, subject=lin.organization_id, **TERMS, for_present=said)
        ends_at = yunzhuo.services.desktops.get(lin, desktop_id).ends_at
        assert (ends_at and ends_at - yunzhuo.clock.now()) == left
    yunzhuo.services.leases.drop_terms(chief, lin.organization_id)


def test_an_end_is_said_by_the_clocks_of_whoever_says_it(
    yunzhuo: Installation, app: Flask, administrator: Visitor, lin: Actor, visitor: Visitor, chief: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    here = f"/desktops/{desktop_id}/lease"
    assert "It has no end." in visitor.get(here).text
    day = yunzhuo.clock.now() + timedelta(days=9)
    assert "taken away on" in administrator.change(here, change="end", ends_at=day.strftime("%Y-%m-%dT%H:%M")).text
    assert yunzhuo.services.desktops.get(lin, desktop_id).ends_at == day.replace(second=0, microsecond=0)
    for wrong in ("next week", "9999-12-31T23:59x", "2001-01-01T00:00"):
        assert "A day and time to come." in administrator.change(here, change="end", ends_at=wrong).text
    told = visitor.change(here, change="extend").text
    assert "The end is put off." not in told
    assert yunzhuo.services.desktops.get(lin, desktop_id).ends_at == day.replace(second=0, microsecond=0)
    assert "The end is put off." in administrator.change(here, change="extend").text
    assert administrator.change(here, change="explode").text
    assert "It has no end." in administrator.change(here, change="end", ends_at="").text
    stranger = signed_in(app, somebody(yunzhuo, "mei"))
    stranger.get(here, status=404)


def test_what_is_in_the_bin_comes_back_or_goes_for_good(
    yunzhuo: Installation, lin: Actor, visitor: Visitor, chief: Actor
) -> None:
    yunzhuo.services.leases.put_terms(chief, lin.organization_id, Terms(bin_days=3))
    desktop_id = yunzhuo.available(lin, name="Maths")
    assert "“Maths” is in the bin." in visitor.change(f"/desktops/{desktop_id}/delete").text
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.BINNED
    here = f"/bin/{desktop_id}"
    assert "It is out of the bin" in visitor.change("/bin", here, change="undelete").text
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED
    refused = visitor.change("/bin", here, change="undelete").text
    assert "It is out of the bin" not in refused
    yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE)
    yunzhuo.run()
    assert "in the bin" in visitor.get(f"/desktops/{desktop_id}/lease").text
    visitor.change("/bin", here, change="explode")
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.BINNED
    assert "deleted for good" in visitor.change("/bin", here, change="delete").text
    yunzhuo.run()
    with pytest.raises(NotFound):
        yunzhuo.services.desktops.get(lin, desktop_id)
    yunzhuo.services.leases.drop_terms(chief, lin.organization_id)


def test_a_calendar_tells_what_ends_on_which_day(
    yunzhuo: Installation, app: Flask, administrator: Visitor, lin: Actor, chief: Actor
) -> None:
    day = START.replace(year=2030, month=5, day=20)
    for number in range(4):
        desktop_id = yunzhuo.available(lin, name=f"Course {number}")
        yunzhuo.services.leases.set_end(chief, desktop_id, day)
    month = administrator.get("/admin/calendar?month=2030-05")
    assert "May 2030" in month.text
    assert "1 more" in month.text
    assert _courses(month) == 3
    assert _courses(administrator.get("/admin/calendar?month=2030-05&day=2030-05-20")) == 3 + 4
    assert _courses(administrator.get("/admin/calendar?month=2030-05&day=2030-05-21")) == 3
    assert "Nothing ends in this month." in administrator.get("/admin/calendar?month=2030-07").text
    this_month = administrator.get("/admin/calendar").headings, administrator.get("/admin/calendar").text
    for wrong in ("2030-13", "May", "99999-01"):
        found = administrator.get(f"/admin/calendar?month={wrong}")
        assert (found.headings, found.text) == this_month
    chinese = Visitor(administrator.client, CHINESE)
    assert "2030年5月" in chinese.get("/admin/calendar?month=2030-05").text


def _courses(page: Page) -> int:
    return page.text.count("Course ")


def test_ends_of_all_are_not_shown_to_everybody(yunzhuo: Installation, visitor: Visitor, chief: Actor) -> None:
    for path in (HERE, "/admin/calendar"):
        visitor.get(path, status=404)
    visitor.change("/desktops", HERE, subject=chief.organization_id, **TERMS)
    assert not any(each.is_set for each in yunzhuo.services.leases.terms(chief))
