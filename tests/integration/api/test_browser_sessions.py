"""Being signed in with a browser: what the cookie carries, when it ends, where people are sent."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from tests.support.api import SECRET_KEY, Template
from tests.support.installation import PASSWORD, Installation, installation

from yunzhuo import webkit
from yunzhuo.services.access import Role
from yunzhuo.web.app import create_app
from yunzhuo.webkit import cookies, languages, sessions

pytestmark = pytest.mark.slow


def with_pages(app: Flask) -> Flask:
    """The application with a few pages more."""

    @sessions.signed_in
    def secret_page() -> str:
        user = sessions.current_user()
        assert user is not None
        return user.email

    def enter(email: str) -> str:
        granted = webkit.services().sign_ins.sign_in(email, PASSWORD, client_address=webkit.client_address())
        sessions.sign_in(granted)
        return ""

    def leave() -> str:
        sessions.sign_out()
        return ""

    def speak(language: str) -> str:
        languages.remember(language)
        return languages.current_tag()

    app.add_url_rule("/secret", "secret", secret_page, methods=["GET", "POST"])
    app.add_url_rule("/enter/<email>", "enter", enter)
    app.add_url_rule("/leave", "leave", leave)
    app.add_url_rule("/speak/<language>", "speak", speak)
    app.add_url_rule("/language", "language", languages.current_tag)
    app.add_url_rule("/address", "address", webkit.client_address)
    app.add_url_rule("/actor", "actor", lambda: webkit.actor().email)
    return app


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return with_pages(app).test_client()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[FlaskClient]:
    """A browser of somebody who only looks."""
    with installation(template.copy_to(tmp_path_factory.mktemp("reader") / "home")) as yunzhuo:
        yield with_pages(create_app(yunzhuo.services, secret_key=SECRET_KEY)).test_client()


def cookie_of(browser: FlaskClient) -> str:
    cookie = browser.get_cookie(cookies.COOKIE_NAME)
    assert cookie is not None
    return cookie.value


def test_the_cookie_carries_the_secret_and_nothing_of_the_person(browser: FlaskClient) -> None:
    answer = browser.get("/enter/lin@school.local")
    header = answer.headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert "Secure" not in header  # the address is http here
    with browser.session_transaction() as content:
        assert set(content) == {cookies.SECRET_FIELD}
    assert browser.get("/secret").text == "lin@school.local"
    assert browser.get("/actor").text == "lin@school.local"


def test_over_https_the_cookie_is_for_https_alone(tmp_path: Path, template: Template) -> None:
    home = template.copy_to(tmp_path / "home")
    with installation(home, web={"public_url": "https://desktops.school.local"}) as yunzhuo:
        browser = with_pages(create_app(yunzhuo.services, secret_key=SECRET_KEY)).test_client()
        answer = browser.get("/enter/lin@school.local")
        assert answer.headers["Set-Cookie"].startswith("__Host-yunzhuo_session=")
        assert "; Secure; HttpOnly; Path=/; SameSite=Lax" in answer.headers["Set-Cookie"]
        assert "Domain" not in answer.headers["Set-Cookie"]
        assert browser.get("/secret", base_url="https://localhost").text == "lin@school.local"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_the_stream_process_reads_the_same_cookie(browser: FlaskClient) -> None:
    browser.get("/enter/lin@school.local")
    with browser.session_transaction() as content:
        secret = content[cookies.SECRET_FIELD]
    cookie = cookie_of(browser)
    assert cookies.session_secret(SECRET_KEY, cookie) == secret
    assert cookies.session_secret("another key", cookie) is None
    assert cookies.session_secret(SECRET_KEY, cookie[:-2] + "xx") is None
    assert cookies.session_secret(SECRET_KEY, "") is None


def test_a_session_that_ended_elsewhere_is_over_at_once(yunzhuo: Installation, browser: FlaskClient) -> None:
    browser.get("/enter/lin@school.local")
    secret = cookies.session_secret(SECRET_KEY, cookie_of(browser))
    assert secret is not None
    yunzhuo.services.sessions.sign_out(secret)
    assert browser.get("/secret").status_code == 303


def test_a_session_ends_in_its_time(yunzhuo: Installation, browser: FlaskClient) -> None:
    browser.get("/enter/lin@school.local")
    yunzhuo.clock.set(yunzhuo.clock.now() + timedelta(seconds=yunzhuo.settings.accounts.session_seconds))
    assert browser.get("/secret").status_code == 303


def test_signing_out_ends_the_session_itself(browser: FlaskClient) -> None:
    browser.get("/enter/lin@school.local")
    stolen = cookie_of(browser)
    browser.get("/leave")
    assert browser.get("/secret").status_code == 303
    browser.set_cookie(cookies.COOKIE_NAME, stolen)
    assert browser.get("/secret").status_code == 303


def test_signing_in_forgets_what_the_cookie_held_but_the_language(browser: FlaskClient) -> None:
    with browser.session_transaction() as content:
        content["csrf_token"] = "planted by somebody"
        content["language"] = "zh_CN"
    browser.get("/enter/lin@school.local")
    with browser.session_transaction() as content:
        assert "csrf_token" not in content
        assert content["language"] == "zh_CN"


def test_nobody_is_sent_to_sign_in_and_back(reader: FlaskClient) -> None:
    answer = reader.get("/secret?page=2")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("?next=/secret?page%3D2")
    assert reader.get("/actor").status_code == 303


def test_a_part_of_a_page_sends_the_whole_window(reader: FlaskClient) -> None:
    answer = reader.get("/secret", headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert "next" not in answer.headers["HX-Redirect"]


def test_a_one_time_password_has_to_be_changed_first(yunzhuo: Installation, app: Flask) -> None:
    yunzhuo.services.accounts.add("new@school.local", PASSWORD, Role.USER, must_change_password=True)
    browser = with_pages(app).test_client()
    browser.get("/enter/new@school.local")
    answer = browser.get("/secret")
    assert answer.status_code == 303
    with app.test_request_context():
        assert answer.headers["Location"] == app.url_for("portal.change_password", _external=False)
    assert browser.get(answer.headers["Location"]).status_code == 200


def test_a_form_without_its_token_changes_nothing(browser: FlaskClient) -> None:
    browser.get("/enter/lin@school.local")
    answer = browser.post("/secret")
    assert answer.status_code == 400
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("zh-TW,zh;q=0.9,en;q=0.5", "zh-CN"),
        ("zh", "zh-CN"),
        ("de-DE,de;q=0.9,en-US;q=0.8,zh-CN;q=0.7", "en"),
        ("fr", "en"),
        ("en;q=0,zh", "zh-CN"),
        ("*", "en"),
        ("\x80;;;q=9,", "en"),
        ("", "en"),
    ],
)
def test_the_browser_says_what_it_reads(reader: FlaskClient, asked: str, given: str) -> None:
    assert reader.get("/language", headers={"Accept-Language": asked}).text == given


def test_a_chosen_language_stays_with_browser_and_person(browser: FlaskClient) -> None:
    english = {"Accept-Language": "en"}
    browser.get("/speak/zh_CN", headers=english)
    assert browser.get("/language", headers=english).text == "zh-CN"
    browser.get("/enter/lin@school.local")
    browser.get("/speak/zh_CN", headers=english)
    elsewhere = browser.application.test_client()
    elsewhere.get("/enter/lin@school.local")
    assert elsewhere.get("/language", headers=english).text == "zh-CN"
    assert browser.get("/speak/tlh").status_code == 422


def test_pages_may_load_from_here_and_from_the_gateway_only(reader: FlaskClient) -> None:
    headers = reader.get("/language").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' ws://localhost:8081" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers
    assert reader.get("/nowhere").headers["Content-Security-Policy"] == policy


def test_a_proxy_is_believed_only_where_there_is_one(reader: FlaskClient, tmp_path: Path, template: Template) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7"}
    assert reader.get("/address", headers=forwarded).text == "127.0.0.1"
    with installation(template.copy_to(tmp_path / "proxied"), web={"trust_proxy": True}) as yunzhuo:
        proxied = with_pages(create_app(yunzhuo.services, secret_key=SECRET_KEY)).test_client()
        assert proxied.get("/address", headers=forwarded).text == "198.51.100.7"


def test_pages_say_what_went_wrong_as_pages(reader: FlaskClient) -> None:
    answer = reader.get("/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert answer.headers["X-Request-ID"] in answer.text


def test_an_error_page_that_fails_itself_is_replaced_by_a_plain_one(yunzhuo: Installation, app: Flask) -> None:
    from yunzhuo.webkit import errors

    def fail(_problem: object) -> str:
        raise RuntimeError("no database")

    errors.error_page(app, fail)
    answer = app.test_client().get("/<script>")
    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.text
    assert "<script>" not in answer.text


def test_flask_keeps_its_messages_for_the_next_page(app: Flask) -> None:
    from flask import flash, get_flashed_messages

    def say() -> str:
        flash("made", "good")
        return str("_flashes" in session)

    app.add_url_rule("/say", "say", say)
    app.add_url_rule("/hear", "hear", lambda: ",".join(":".join(pair) for pair in get_flashed_messages(with_categories=True)))
    browser = app.test_client()
    assert browser.get("/say").text == "True"
    assert browser.get("/hear").text == "good:made"
    assert browser.get("/hear").text == ""
