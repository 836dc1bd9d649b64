"""What proves a person, on pages: without a script, with a second factor, and for administrators."""

import re
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from tests.support.authenticator import Authenticator
from tests.support.installation import PASSWORD, Installation, installation
from tests.support.mail_server import mail_server
from tests.support.pages import PART, Page, Visitor, signed_in, somebody

from yunzhuo.services.access import Actor, Role
from yunzhuo.web.app import create_app

OTHER = "another long one"


def prove(visitor: Visitor) -> None:
    assert visitor.fill_in("/security/password", password=PASSWORD).status_code == 303


def press(visitor: Visitor, path: str, action_end: str) -> str:
    """Press a button of a page; answers what is said then."""
    answer = visitor.send(path, visitor.get(path).form(action_end))
    assert answer.status_code == 303, answer.text
    return visitor.get(answer.headers["Location"]).text


def with_app(visitor: Visitor, yunzhuo: Installation) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an authenticator app as people do; answers it and the recovery codes that were shown."""
    page = visitor.get("/security/totp")
    found = re.search(r'id="totp-secret">([A-Z2-7]+)<', page.html)
    assert found
    app = pyotp.TOTP(found[1])
    wrong = visitor.send("/security/totp", page.form(""), code="000000")
    assert wrong.status_code == 422
    assert found[1] in wrong.text
    done = visitor.send("/security/totp", Page(wrong.text).form(""), code=str(app.at(yunzhuo.clock.now())))
    codes = re.findall(r"<code>([2-9a-z-]{19})</code>", done.text)
    assert len(codes) == 10
    yunzhuo.pass_time(60)
    return app, codes


def test_factors_are_set_up_used_and_removed(app: Flask, yunzhuo: Installation, lin: Actor, visitor: Visitor) -> None:
    sent = visitor.client.get("/security/totp")
    assert sent.headers["Location"] == "/security/password?next=/security/totp"
    wrong = visitor.fill_in("/security/password", password="not mine")
    assert "This is not your current password." in Page(wrong.text).text
    prove(visitor)
    assert "<svg" in visitor.get("/security/totp").html
    authenticator, codes = with_app(visitor, yunzhuo)
    assert "10 codes are left." in visitor.get("/security").text

    browser = Visitor(app.test_client())
    answer = browser.fill_in("/sign-in?next=/profile", email=lin.email, password=PASSWORD)
    assert answer.headers["Location"] == "/sign-in/factor?next=/profile"
    assert browser.client.get("/profile").status_code == 303
    assert "none of the codes" in Page(browser.fill_in("/sign-in/factor", code="123456").text).text
    answer = browser.fill_in("/sign-in/factor?next=/profile", code=str(authenticator.at(yunzhuo.clock.now())))
    assert answer.headers["Location"] == "/profile"
    assert browser.get("/profile").text

    again = Visitor(app.test_client())
    again.fill_in("/sign-in", email=lin.email, password=PASSWORD)
    assert again.fill_in("/sign-in/factor", code=codes[0]).headers["Location"] == "/desktops"
    assert "Recovery code" in visitor.get("/security/sign-ins").text
    assert "is removed" in press(visitor, "/security", "/security/totp/remove")


def test_a_button_asks_for_the_password_when_that_was_long_ago(yunzhuo: Installation, visitor: Visitor) -> None:
    prove(visitor)
    with_app(visitor, yunzhuo)
    yunzhuo.pass_time(700)
    assert "Your password again" in press(visitor, "/security", "/security/totp/remove")
    assert "Remove" in visitor.get("/security").text


def test_whoever_starts_a_sign_in_can_be_somebody_else(app: Flask, yunzhuo: Installation, visitor: Visitor, lin: Actor) -> None:
    prove(visitor)
    with_app(visitor, yunzhuo)
    browser = Visitor(app.test_client())
    assert browser.client.get("/sign-in/factor").headers["Location"] == "/sign-in"
    browser.fill_in("/sign-in", email=lin.email, password=PASSWORD)
    page = browser.get("/sign-in/factor")
    browser.send("/sign-in/factor", page.form("/sign-out"))
    assert browser.client.get("/sign-in/factor").headers["Location"] == "/sign-in"


def test_passkeys_are_made_and_used(app: Flask, visitor: Visitor, lin: Actor) -> None:
    device, token = Authenticator(credential_id=lin.user_id.encode()), {"X-CSRFToken": csrf(visitor, "/security")}
    sent = visitor.client.post("/security/passkeys/options", headers={**token, **PART})
    assert sent.headers["HX-Redirect"] == "/security/password?next=/security"
    prove(visitor)
    options = visitor.client.post("/security/passkeys/options", headers=token).text
    made = visitor.fill_in("/security/passkeys", name="My phone", credential=device.create(options))
    assert "Recovery codes" in Page(made.text).headings
    refused = visitor.fill_in("/security/passkeys", name="x", credential="{}")
    assert refused.status_code == 422

    browser = Visitor(app.test_client())
    form = browser.get("/sign-in?next=/profile").form("/sign-in/passkey?next=/profile")
    options = browser.client.post("/sign-in/passkey/options", headers={"X-CSRFToken": form.fields["csrf_token"]}).text
    answer = browser.send("/sign-in", form, credential=device.get(options))
    assert answer.headers["Location"] == "/profile"
    assert "Passkey" in browser.get("/security/sign-ins").text
    stranger = Visitor(app.test_client())
    form = stranger.get("/sign-in").form("/sign-in/passkey?next=/desktops")
    assert stranger.send("/sign-in", form, credential="nonsense").headers["Location"] == "/sign-in?next=/desktops"
    assert "cannot be used here" in stranger.get("/sign-in").text
    assert "is removed" in press(visitor, "/security", "/remove")


def test_sessions_and_tokens_are_listed_and_ended(app: Flask, visitor: Visitor, lin: Actor) -> None:
    other = signed_in(app, lin)
    assert "This browser" in visitor.get("/security").text
    assert "signed out" in press(visitor, "/security", "/end")
    assert other.client.get("/profile").status_code == 303
    other = signed_in(app, lin)
    press(visitor, "/security", "/security/sessions/end")
    assert other.client.get("/profile").status_code == 303
    prove(visitor)
    page = visitor.get("/security/tokens")
    none = visitor.send("/security/tokens", page.form(""), name="backup", reach="verbs", days="30")
    assert none.status_code == 422
    made = visitor.send("/security/tokens", page.form(""), name="backup", reach="read", days="30")
    found = re.search(r'id="token">(yz_[\w-]+)<', made.text)
    assert found
    api = app.test_client()
    headers = {"Authorization": f"Bearer {found[1]}"}
    assert api.get("/api/v1/desktops", headers=headers).status_code == 200
    assert api.post("/api/v1/desktops", headers=headers, json={"image": "x", "flavor": "y"}).status_code == 403
    page_text = visitor.get("/security").text
    assert "backup" in page_text
    assert "only look" in page_text
    assert "worthless" in press(visitor, "/security", "/revoke")
    assert api.get("/api/v1/desktops", headers=headers).status_code == 401


def test_a_remembered_browser_keeps_its_cookie(app: Flask, lin: Actor) -> None:
    browser = Visitor(app.test_client())
    kept = browser.fill_in("/sign-in", email=lin.email, password=PASSWORD, remember="y")
    cookies = {cookie.partition("=")[0]: cookie for cookie in kept.headers.getlist("Set-Cookie")}
    assert "Expires=" in cookies["yunzhuo_session"]
    assert "HttpOnly" in cookies["yunzhuo_browser"]
    assert "SameSite=Strict" in cookies["yunzhuo_browser"]
    other = Visitor(app.test_client()).fill_in
    passing = other("/sign-in", email=lin.email, password=PASSWORD)
    assert all("Expires=" not in cookie for cookie in passing.headers.getlist("Set-Cookie") if "session" in cookie)


def test_a_known_browser_gets_in_while_strangers_guess(app: Flask, stranger: Visitor, lin: Actor) -> None:
    known = signed_in(app, lin)
    known.send("/desktops", known.get("/desktops").form("/sign-out"))
    for _ in range(3):
        stranger.fill_in("/sign-in", email=lin.email, password="a guess")
    assert stranger.fill_in("/sign-in", email=lin.email, password=PASSWORD).status_code == 429
    assert known.fill_in("/sign-in", email=lin.email, password=PASSWORD).status_code == 303


def test_administrators_see_and_end_what_lets_others_in(administrator: Visitor, visitor: Visitor, lin: Actor) -> None:
    path = f"/admin/users/{lin.user_id}/security"
    visitor.get(path, status=404)
    assert "signed out everywhere" in press(administrator, path, "/sessions/end")
    assert visitor.client.get("/profile").status_code == 303


def test_invitations_and_service_accounts(administrator: Visitor, app: Flask) -> None:
    made = administrator.fill_in("/admin/invitations", email="invited@school.local", role="user")
    found = re.search(r'id="invitation-link">http://localhost:8080(/welcome\?proof=[\w-]+)<', made.text)
    assert found
    guest = Visitor(app.test_client())
    assert guest.fill_in(found[1], password="short", repeated="short").status_code == 422
    answer = guest.fill_in(found[1], password=PASSWORD, repeated=PASSWORD)
    assert answer.headers["Location"] == "/desktops"
    assert guest.get("/desktops").text
    guest.get(found[1], status=404)
    taken = administrator.fill_in("/admin/invitations", email="invited@school.local", role="user")
    assert "already" in Page(taken.text).text

    answer = administrator.fill_in("/admin/users/new-service", email="backup@services.local", role="user")
    page = administrator.get(answer.headers["Location"])
    made = administrator.send("", page.form("/tokens"), name="nightly", reach="all", days="90")
    token = re.search(r'id="token">(yz_[\w-]+)<', made.text)
    assert token
    me = app.test_client().get("/api/v1/users/me", headers={"Authorization": f"Bearer {token[1]}"}).get_json()
    assert (me["email"], me["service"]) == ("backup@services.local", True)


def test_without_mail_a_forgotten_password_is_the_administrators(stranger: Visitor) -> None:
    assert "Ask your administrator" in stranger.get("/forgot").text


@pytest.mark.slow
def test_the_way_through_mail(tmp_path: Path) -> None:
    with mail_server() as server:
        mail = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        web = {"public_url": "https://desk.school.local"}
        with installation(tmp_path / "var", mail=mail, web=web) as yunzhuo:
            visitor = Visitor(create_app(yunzhuo.services, secret_key="k" * 40).test_client())
            deliver(yunzhuo)

            def link(path: str, **fields: str) -> str:
                """Ask on a page, with a name of somebody else's in the request's head; answers the letter's link."""
                said = visitor.send(path, visitor.get(path, headers=EVIL).form(""), EVIL, **fields)
                assert "Look into your mail" in Page(said.text).headings
                deliver(yunzhuo)
                assert "evil" not in server.text() + server.html()
                return server.text().partition("https://desk.school.local")[2].split()[0]

            welcome = link("/register", email="lin@school.local")
            assert visitor.fill_in(welcome, password=PASSWORD, repeated=PASSWORD).headers["Location"] == "/desktops"
            visitor.send("/desktops", visitor.get("/desktops").form("/sign-out"))
            reset = link("/forgot", email="lin@school.local")
            assert "not the same" in Page(visitor.fill_in(reset, password=OTHER, repeated=PASSWORD).text).text
            assert visitor.fill_in(reset, password=OTHER, repeated=OTHER).headers["Location"] == "/sign-in"
            visitor.sign_in("lin@school.local", OTHER)
            visitor.fill_in("/security/password", password=OTHER)
            assert visitor.fill_in("/security/address", email="lin@new.local").status_code == 303
            deliver(yunzhuo)
            # The former address is told, too, and either letter may come first.
            confirm = server.text(server.recipients.index("lin@new.local")).partition("https://desk.school.local")[2].split()[0]
            visitor.get(confirm)
            assert yunzhuo.services.accounts.by_email("lin@school.local").email == "lin@school.local"
            assert visitor.fill_in(confirm).status_code == 303
            assert "lin@new.local" in visitor.get("/security").text


EVIL = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}


@pytest.mark.slow
def test_who_has_to_have_a_factor_gets_nowhere_else_before(tmp_path: Path) -> None:
    with installation(tmp_path / "var", accounts={"second_factor": "administrators"}) as yunzhuo:
        app = create_app(yunzhuo.services, secret_key="k" * 40)
        boss = signed_in(app, somebody(yunzhuo, "head", Role.ADMINISTRATOR))
        for path in ("/desktops", "/admin", "/security/tokens", "/security/address", "/password"):
            assert boss.client.get(path).headers.get("Location", "/security") == "/security", path
        assert "has to have a second factor" in boss.get("/security").text
        prove(boss)
        with_app(boss, yunzhuo)
        assert boss.get("/admin").text


def deliver(yunzhuo: Installation) -> None:
    for mail_id in yunzhuo.services.outbox.due():
        yunzhuo.services.outbox.send(mail_id)


def csrf(visitor: Visitor, path: str) -> str:
    return visitor.get(path).forms[0].fields["csrf_token"]


@pytest.mark.parametrize("path", ["/welcome", "/reset", "/confirm-address"])
def test_a_link_that_is_none_is_told_so(stranger: Visitor, path: str) -> None:
    stranger.get(f"{path}?proof=nonsense", status=404)
    stranger.get(path, status=404)


def test_sessions_outlive_nothing_that_is_fixed_beforehand(app: Flask, lin: Actor) -> None:
    """A cookie from before signing in, or of half a sign-in, is worth nothing afterwards."""
    browser = Visitor(app.test_client())
    browser.get("/sign-in")
    before = browser.client.get_cookie("yunzhuo_session")
    assert before is not None
    browser.sign_in(lin.email, PASSWORD)
    thief = Visitor(app.test_client())
    thief.client.set_cookie("yunzhuo_session", before.value)
    assert thief.client.get("/profile").status_code == 303


@pytest.mark.slow
@pytest.mark.parametrize("why", ["one-time password", "no second factor"])
def test_no_door_beside_the_pages_opens_before_the_first_steps(tmp_path: Path, why: str) -> None:
    """Neither a screen's ticket nor a file: scripts ask for these, and are led nowhere."""
    with installation(tmp_path / "var", accounts={"second_factor": "everybody"}) as yunzhuo:
        person = yunzhuo.person("lin")
        desktop_id = yunzhuo.available(person)
        if why == "one-time password":
            boss = yunzhuo.person("boss", Role.ADMINISTRATOR)
            password = yunzhuo.services.people.reset_password(boss, person.user_id).one_time_password or ""
        else:
            password = PASSWORD
        visitor = Visitor(create_app(yunzhuo.services, secret_key="k" * 40).test_client())
        visitor.sign_in(person.email, password)
        token = {"X-CSRFToken": csrf(visitor, "/password")}
        for method, path in (("POST", "connections"), ("GET", "files"), ("GET", "clipboard")):
            answer = visitor.client.open(
                f"/desktops/{desktop_id}/{path}", method=method, json={"protocol": "vnc"}, headers=token
            )
            assert (answer.status_code, answer.get_json()["code"]) == (403, "first_step_needed"), path
        chosen = visitor.client.post("/language", data={"csrf_token": token["X-CSRFToken"], "language": "zh_CN"})
        assert chosen.status_code == 303
        assert visitor.get("/password").language == "zh-CN"
