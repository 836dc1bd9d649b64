"""The administration's pages, without a browser: what administrators do, and that nobody else finds them."""

import re

import pytest
from flask import Flask
from tests.support.installation import PASSWORD, Installation
from tests.support.pages import Form, Page, Visitor, signed_in, somebody

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.lifecycle import Action, State

PATHS = [
    "/admin",
    "/admin/users",
    "/admin/users/new",
    "/admin/desktops",
    "/admin/operations",
    "/admin/hosts",
    "/admin/catalog",
    "/admin/settings",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_administration_is_there_for_administrators_alone(visitor: Visitor, administrator: Visitor, path: str) -> None:
    administrator.get(path)
    visitor.get(path, status=404)
    assert 'href="/admin"' not in visitor.get("/desktops").html
    assert 'href="/admin"' in administrator.get("/desktops").html


def test_forms_of_the_administration_are_not_there_for_users_either(visitor: Visitor, lin: Actor) -> None:
    token = {"csrf_token": visitor.get("/profile").form("").fields["csrf_token"]}
    posts = ("role", "disabled", "password-reset", "delete")
    for path in ("/admin/desktops/actions", *(f"/admin/users/{lin.user_id}/{post}" for post in posts)):
        assert visitor.client.post(path, data=token).status_code == 404, path


def test_strangers_are_sent_to_sign_in(stranger: Visitor) -> None:
    assert stranger.client.get("/admin/users").headers["Location"] == "/sign-in?next=/admin/users"


def test_a_new_users_one_time_password_is_shown_once_and_has_to_be_changed(app: Flask, administrator: Visitor) -> None:
    made = administrator.fill_in("/admin/users/new", email="wang@school.local", password="")
    assert made.status_code == 200
    password = re.search(r'id="one-time-password">([^<]+)<', made.text)
    assert password
    assert "wang@school.local" in administrator.get("/admin/users?q=wang").text
    newcomer = Visitor(app.test_client())
    newcomer.sign_in("wang@school.local", password[1])
    assert newcomer.client.get("/desktops").headers["Location"] == "/password"
    again = administrator.fill_in("/admin/users/new", email="wang@school.local")
    assert (again.status_code, "There is an account with this address already." in again.text) == (409, True)
    short = administrator.fill_in("/admin/users/new", email="li@school.local", password="short")
    assert (short.status_code, "At least 10 characters." in short.text) == (422, True)


def test_an_account_is_disabled_enabled_reset_and_changed(
    app: Flask, yunzhuo: Installation, administrator: Visitor, lin: Actor
) -> None:
    path = f"/admin/users/{lin.user_id}"
    browser = signed_in(app, lin)
    administrator.send(path, administrator.get(path).form("/disabled"))
    assert browser.client.get("/desktops").status_code == 303
    assert "Nobody gets in with this account." in administrator.get(path).text
    administrator.send(path, administrator.get(path).form("/disabled"))
    browser.sign_in(lin.email, PASSWORD)

    reset = administrator.send(path, administrator.get(path).form("/password-reset"))
    assert 'id="one-time-password"' in reset.text
    assert browser.client.get("/desktops").status_code == 303

    administrator.send(path, administrator.get(path).form("/role"), role="administrator")
    assert yunzhuo.services.accounts.by_email(lin.email).role is Role.ADMINISTRATOR


def test_ones_own_account_is_left_alone(app: Flask, yunzhuo: Installation) -> None:
    boss = somebody(yunzhuo, "boss", Role.ADMINISTRATOR)
    browser = signed_in(app, boss)
    page = browser.get(f"/admin/users/{boss.user_id}")
    assert "This is your own account." in page.text
    token = page.forms[0].fields["csrf_token"]
    answer = browser.send("", Form(f"/admin/users/{boss.user_id}/disabled", "post", {"csrf_token": token, "disabled": "yes"}))
    assert "This cannot be done to your own account." in browser.get(answer.headers["Location"]).text


def test_deleting_an_account_asks_what_happens_to_its_desktops(
    yunzhuo: Installation, administrator: Visitor, lin: Actor
) -> None:
    desktop_id, mei = yunzhuo.available(lin), somebody(yunzhuo, "mei")
    path = f"/admin/users/{lin.user_id}/delete"
    assert "What happens to 1 desktop?" in administrator.get(path).text
    unanswered = administrator.fill_in(path)
    assert (unanswered.status_code, "Say what happens to this person" in unanswered.text) == (409, True)
    nobody = administrator.fill_in(path, desktops="hand_over", to="nobody@school.local")
    assert (nobody.status_code, "There is no such account, or it cannot have desktops." in nobody.text) == (422, True)
    assert administrator.fill_in(path, desktops="hand_over", to=mei.email).status_code == 303
    assert yunzhuo.services.desktops.get(mei, desktop_id).owner_email == mei.email
    administrator.get(path, status=404)
    answer = administrator.fill_in(f"/admin/users/{mei.user_id}/delete", desktops="delete")
    assert "and 1 desktop is being deleted." in administrator.get(answer.headers["Location"]).text
    assert "deleted account" in administrator.get("/admin/desktops").text
    yunzhuo.run()


def test_many_are_changed_by_one_confirmation_and_each_has_its_result(
    yunzhuo: Installation, administrator: Visitor, lin: Actor
) -> None:
    first, second = yunzhuo.available(lin, name="First one"), yunzhuo.available(lin, name="Second one")
    path = f"/admin/desktops?owner={lin.user_id}&sort=name"
    page = administrator.get(path)
    assert lin.email in page.text
    token = page.form("/admin/desktops/actions").fields["csrf_token"]
    wish: dict[str, object] = {"csrf_token": token, "action": "stop", "back": path}

    none = administrator.client.post("/admin/desktops/actions", data=wish)
    assert none.headers["Location"] == path
    assert "Select at least one desktop first." in administrator.get(path).text

    asked = Page(administrator.client.post("/admin/desktops/actions", data={**wish, "id": [first, second]}).text)
    assert "Stop: 2 desktops" in asked.text
    assert yunzhuo.services.desktops.get(lin, first).state is State.AVAILABLE
    yunzhuo.services.desktops.act(lin, second, Action.STOP)
    wish |= {"id": [first, second], "confirmed": "yes"}
    results = Page(administrator.client.post("/admin/desktops/actions", data=wish).text)
    assert "First one Accepted" in results.text
    assert "Second one Another change to this desktop is still going on." in results.text
    yunzhuo.run()
    assert "Stopped" in administrator.get(path).text
    again = Page(administrator.client.post("/admin/desktops/actions", data={**wish, "id": [first]}).text)
    assert "First one Not possible in its state: Stopped." in again.text


def test_whatever_an_address_says_the_table_is_shown(administrator: Visitor) -> None:
    for query in ("page=0", "page=-1", "page=99999999999999999999", "page=x", "sort=x&order=y", "state=x", "owner=nobody"):
        administrator.get(f"/admin/desktops?{query}")
    for query in ("role=x", "disabled=x", "q=%25"):
        administrator.get(f"/admin/users?{query}")


def test_the_overview_shows_what_failed_and_tries_it_again(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    assert "Everything works." in administrator.get("/admin").text
    desktop_id = yunzhuo.failed(lin, name="Unlucky")
    page = administrator.get("/admin")
    assert "Everything works." not in page.text
    assert "There is no room for it right now." in page.text
    answer = administrator.send("/admin", page.form(f"/desktops/{desktop_id}/actions"))
    assert answer.headers["Location"] == "/admin"
    yunzhuo.run()
    assert "Everything works." in administrator.get("/admin").text


def test_what_new_desktops_need_and_is_not_in_the_cloud_is_said(yunzhuo: Installation, administrator: Visitor) -> None:
    yunzhuo.weather.change_options(missing_key_pair="of the lab")
    text = administrator.get("/admin").text
    assert "the cloud has not the key pair that the settings name" in text
    assert "of the lab" in text
    assert administrator.client.get("/readyz").status_code == 200


def test_a_cloud_that_is_away_is_said(yunzhuo: Installation, administrator: Visitor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="hosts.list", kind=FaultKind.FAIL_BEFORE))
    assert "The cloud does not answer." in administrator.get("/admin").text
    yunzhuo.weather.faults.set(Fault(operation="hosts.list", kind=FaultKind.FAIL_BEFORE))
    assert "The cloud does not answer." in administrator.get("/admin/hosts", status=503).text


def test_times_are_in_the_persons_time_zone(yunzhuo: Installation, administrator: Visitor, app: Flask) -> None:
    boss = somebody(yunzhuo, "boss", Role.ADMINISTRATOR)
    browser = signed_in(app, boss)
    path = f"/admin/users?q={boss.email}"
    times = re.compile(r">([^<]*2026[^<]*)</time>")
    before = times.findall(browser.get(path).html)
    assert browser.fill_in("/profile", language="en", time_zone="Asia/Shanghai").status_code == 303
    after = times.findall(browser.get(path).html)
    assert before != after
    assert 'value="Asia/Shanghai"\n                        selected' in browser.get("/profile").html
    assert "There is no such time zone." in browser.fill_in("/profile", language="en", time_zone="Mars").text
