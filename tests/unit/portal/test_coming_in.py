"""Register, sign in, sign out, choose a password."""

import re

import pytest
from flask import Flask
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.pages import CHINESE, PART, Page, Visitor

from yunzhuo.services.access import Actor, Role
from yunzhuo.web.app import create_app


@pytest.mark.slow
def test_whoever_registers_is_signed_in_and_can_have_a_desktop_by_one_press(stranger: Visitor, yunzhuo: Installation) -> None:
    answer = stranger.fill_in("/register", email="new@school.local", password=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/desktops")

    first = stranger.get("/desktops")
    made = stranger.send("/desktops", first.form("/desktops"))
    assert made.status_code == 303
    assert "Step 2 of 4" in stranger.get(made.headers["Location"]).text
    yunzhuo.run()
    assert "Available" in stranger.get("/desktops").text


def test_one_press_sent_twice_makes_one_desktop(visitor: Visitor) -> None:
    form = visitor.get("/desktops").form("/desktops")
    assert len({visitor.send("/desktops", form).headers["Location"] for _ in range(2)}) == 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"email": "nobody", "password": PASSWORD}, "This is not an e-mail address."),
        ({"email": "", "password": PASSWORD}, "Please fill this in."),
        ({"email": "x@example.test", "password": "short"}, "At least 10 characters."),
        ({"email": "x@example.test", "password": "x" * 257}, "At most 256 characters."),
        ({"email": "taken@school.local", "password": PASSWORD}, "There is an account with this address already."),
    ],
)
def test_what_is_wrong_with_a_registration_is_said_beside_the_field(
    stranger: Visitor, yunzhuo: Installation, values: dict[str, str], complaint: str
) -> None:
    if values["email"].startswith("taken"):
        yunzhuo.person("taken")
    answer = stranger.fill_in("/register", **values)
    assert answer.status_code == 422
    assert complaint in Page(answer.text).text
    assert 'aria-invalid="true"' in answer.text
    assert PASSWORD not in answer.text


def test_closed_registration_says_whom_to_ask(tmp_path_factory: pytest.TempPathFactory) -> None:
    with installation(tmp_path_factory.mktemp("closed") / "var", accounts={"registration": "closed"}) as yunzhuo:
        stranger = Visitor(create_app(yunzhuo.services, secret_key="k" * 40).test_client())
        assert "Ask your administrator" in stranger.get("/register", status=403).text
        assert "/register" not in stranger.get("/sign-in").html


def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(stranger: Visitor, lin: Actor) -> None:
    answers = [
        stranger.fill_in("/sign-in", email=email, password="not the password") for email in (lin.email, "nobody@school.local")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    said = [Page(answer.text).text for answer in answers]
    assert said[0] == said[1]
    assert "The address or the password is wrong." in said[0]


def test_too_many_guesses_say_when_to_come_back(stranger: Visitor, lin: Actor) -> None:
    for _ in range(3):
        stranger.fill_in("/sign-in", email=lin.email, password="a guess")
    answer = stranger.fill_in("/sign-in", email=lin.email, password=PASSWORD)
    assert answer.status_code == 429
    assert "Try again in 15 minutes." in Page(answer.text).text


def test_people_come_back_to_where_they_wanted_to_go(stranger: Visitor, lin: Actor) -> None:
    sent = stranger.client.get("/desktops?q=maths")
    assert (sent.status_code, sent.headers["Location"]) == (303, "/sign-in?next=/desktops?q%3Dmaths")
    answer = stranger.fill_in(sent.headers["Location"], email=lin.email, password=PASSWORD)
    assert answer.headers["Location"] == "/desktops?q=maths"


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)"])
def test_a_link_to_sign_in_leads_nowhere_else(stranger: Visitor, lin: Actor, elsewhere: str) -> None:
    page = Page(stranger.client.get("/sign-in", query_string={"next": elsewhere}).text)
    language = page.form("/language")
    assert stranger.send("/sign-in", language, back=elsewhere, language="en").headers["Location"] == "/desktops"
    values = {**page.form("").fields, "email": lin.email, "password": PASSWORD}
    answer = stranger.client.post("/sign-in", query_string={"next": elsewhere}, data=values)
    assert answer.headers["Location"] == "/desktops"


@pytest.mark.parametrize("path", ["/desktops", "/desktops/new", "/profile", "/password", "/desktops/x", "/desktops/x/card"])
def test_who_is_not_signed_in_is_sent_to_sign_in(stranger: Visitor, path: str) -> None:
    assert stranger.client.get(path).headers["Location"].startswith("/sign-in")
    assert stranger.client.get(path, headers=PART).headers["HX-Redirect"].startswith("/sign-in")


def test_signing_out_ends_the_session_for_good(visitor: Visitor) -> None:
    page = visitor.get("/desktops")
    cookie = visitor.client.get_cookie("yunzhuo_session")
    assert cookie is not None
    assert visitor.send("/desktops", page.form("/sign-out")).status_code == 303
    visitor.client.set_cookie("yunzhuo_session", cookie.value)
    assert visitor.client.get("/desktops").status_code == 303


def test_a_one_time_password_has_to_be_changed_first(stranger: Visitor, yunzhuo: Installation) -> None:
    yunzhuo.services.accounts.add("first@school.local", PASSWORD, Role.ADMINISTRATOR, must_change_password=True)
    stranger.sign_in("first@school.local", PASSWORD)
    assert stranger.client.get("/desktops").headers["Location"] == "/password"
    assert "Choose a password of your own" in stranger.get("/password").text

    other = "another horse battery"
    answer = stranger.fill_in("/password", present=PASSWORD, chosen=other, repeated=other)
    assert answer.headers["Location"] == "/desktops"
    assert "Your password is changed." in stranger.get("/desktops").text


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"present": "wrong horse", "chosen": "another horse battery"}, "This is not your current password."),
        ({"present": PASSWORD, "chosen": PASSWORD}, "Choose a password that differs from your current one."),
        ({"present": PASSWORD, "chosen": "short"}, "At least 10 characters."),
        ({"present": PASSWORD, "chosen": "another horse battery", "repeated": "a typo"}, "This is not the same as above."),
    ],
)
def test_what_is_wrong_with_a_new_password_is_said(visitor: Visitor, values: dict[str, str], complaint: str) -> None:
    answer = visitor.fill_in("/password", **{"repeated": values["chosen"], **values})
    assert answer.status_code == 422
    assert complaint in Page(answer.text).text


def test_a_form_without_its_token_is_refused(visitor: Visitor, app: Flask) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for path in ("/password", "/profile", "/desktops", "/sign-out", "/language", "/desktops/x/actions", "/desktops/x/delete"):
        answer = visitor.client.post(path, data={"language": "en"})
        assert answer.status_code == 400, path
        assert "Reload it and try again." in Page(answer.text).text


def test_the_language_is_the_browsers_until_somebody_chooses(stranger: Visitor, lin: Actor) -> None:
    assert stranger.get("/sign-in", headers=CHINESE).language == "zh-CN"
    page = stranger.get("/sign-in")
    assert page.language == "en"
    assert stranger.send("/sign-in", page.form("/language"), language="zh_CN").headers["Location"] == "/sign-in"
    assert stranger.get("/sign-in").language == "zh-CN"

    stranger.sign_in(lin.email, PASSWORD)
    assert stranger.get("/profile").language == "zh-CN"
    assert stranger.fill_in("/profile", language="en").status_code == 303
    assert stranger.get("/profile", headers=CHINESE).language == "en"
    assert stranger.fill_in("/profile", language="tlh").status_code == 422


def test_fields_for_passwords_hide_them_and_leave_managers_alone(stranger: Visitor, visitor: Visitor) -> None:
    pages = [stranger.get("/sign-in"), stranger.get("/register"), visitor.get("/password"), visitor.get("/security/password")]
    fields = [re.findall(r'<input[^>]*name="(?:password|present|chosen|repeated)"[^>]*>', page.html) for page in pages]
    assert [len(found) for found in fields] == [1, 1, 3, 1]
    for field in (field for found in fields for field in found):
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
