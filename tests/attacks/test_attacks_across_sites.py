"""Other sites: posts from there, links that lead there, hosts that are not ours."""

import re

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.support.api import Api
from tests.support.installation import Installation
from tests.support.pages import Visitor, signed_in, somebody
from yunzhuo.services.access import Actor, Role

pytestmark = pytest.mark.slow

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "javascript:alert('evil')",
    "///evil.example",
    "/%09/evil.example\r\nSet-Cookie: x=y",
]
EVIL = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "Forwarded": "host=evil.example",
}
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def rules(app: Flask, *, below_api: bool) -> list[Rule]:
    """The routes of the API, or those of the pages."""
    outside = ("/api/", "/internal/", "/static/", "/healthz", "/readyz", "/metrics")
    return [
        rule for rule in app.url_map.iter_rules() if rule.rule.startswith(outside if not below_api else "/api/") is below_api
    ]


def filled(rule: Rule) -> str:
    return re.sub(r"<any\(([^,)]+)[^>]*>", lambda found: found[1].strip("'"), rule.rule).replace("<", "").replace(">", "")


def test_no_page_takes_a_post_from_another_site(app: Flask, yunzhuo: Installation) -> None:
    """Every route of the pages that changes something, with the victim's cookie: without a token, and with somebody else's."""
    victim = signed_in(app, somebody(yunzhuo, "victim", Role.OPERATOR))
    attacker = signed_in(app, somebody(yunzhuo, "attacker"))
    theirs = attacker.get("/profile").forms[0].fields["csrf_token"]
    before, tried = yunzhuo.everything_stored(), 0
    for rule in rules(app, below_api=False):
        for method in CHANGING & (rule.methods or set()):
            for token in ({}, {"csrf_token": theirs}):
                answer = victim.client.open(filled(rule), method=method, data=token, headers={"Origin": "https://evil.example"})
                assert answer.status_code == 400, (method, rule.rule, answer.status_code)
                tried += 1
    assert tried > 100
    assert yunzhuo.everything_stored() == before


def test_a_cookie_is_nobody_to_the_api(app: Flask, yunzhuo: Installation) -> None:
    """Where no form's token is asked for, no cookie counts."""
    victim, tried = signed_in(app, somebody(yunzhuo, "victim", Role.OPERATOR)), 0
    for rule in rules(app, below_api=True):
        for method in (CHANGING | {"GET"}) & (rule.methods or set()):
            answer = victim.client.open(filled(rule), method=method, headers={"Origin": "https://evil.example"}, data=b"x")
            open_to_all = rule.endpoint.startswith("entrance.") or rule.endpoint in ("tokens.create", "openapi.spec")
            assert answer.status_code in ((200, 400) if open_to_all else (401,)), (method, rule.rule)
            assert not any(name.lower().startswith("access-control-") for name, _ in answer.headers)
            tried += 1
    assert tried > 100


def test_looking_changes_nothing(app: Flask, visitor: Visitor) -> None:
    """What changes something is not to be had by an address alone, as a picture on another site would ask for it."""
    for path in ("/sign-out", "/language", "/desktops/x/actions", "/security/totp/remove", "/admin/users/x/disabled"):
        assert visitor.client.get(path).status_code == 405, path


@pytest.mark.parametrize("address", ELSEWHERE)
def test_no_link_of_ours_leads_elsewhere(app: Flask, visitor: Visitor, lin: Actor, address: str) -> None:
    """Every place where an address says where to go afterwards."""
    stranger = Visitor(app.test_client())
    by_signing_in = stranger.client.post(
        "/sign-in",
        query_string={"next": address},
        data={**stranger.get("/sign-in").form("").fields, "email": lin.email, "password": "correct horse battery"},
    )
    already_in = visitor.client.get("/sign-in", query_string={"next": address})
    outside = Visitor(app.test_client())
    language = outside.send("/sign-in", outside.get("/sign-in").form("/language"), back=address, language="en")
    token = {"csrf_token": visitor.get("/profile").forms[0].fields["csrf_token"]}
    proving = visitor.client.post("/security/totp/remove", data={**token, "back": address})
    proven = visitor.client.post(
        "/security/password", query_string={"next": address}, data={**token, "password": "correct horse battery"}
    )
    for answer in (by_signing_in, already_in, language, proving, proven):
        assert answer.status_code == 303
        assert re.match(r"/(?![/\\])[^\r\n\t]*$", answer.headers["Location"]), answer.headers["Location"]
        assert "evil" not in answer.headers["Location"].partition("?")[0]
        assert "Set-Cookie: x" not in str(answer.headers)
    page = outside.client.get("/sign-in", query_string={"next": address}).text
    assert not re.search(r"""(?:href|action|src|value)="(?!/(?![/\\]))[^"]*evil""", page)


def test_a_host_that_somebody_made_up_is_repeated_nowhere(app: Flask, visitor: Visitor, yunzhuo: Installation) -> None:
    """Neither in a page nor in where a page leads, nor by the API; the letters' links are tried in test_security_pages."""
    for path in ("/", "/sign-in", "/desktops", "/profile", "/security", "/nowhere", "/register", "/forgot"):
        answer = visitor.client.get(path, headers=EVIL)
        assert "evil.example" not in answer.text + str(answer.headers), path
    for path in ("/openapi.json", "/users/me", "/nowhere"):
        answer = Api(app.test_client()).get(path, headers=EVIL)
        assert "evil.example" not in answer.text + str(answer.headers), path


def test_an_address_made_up_is_not_the_callers(app: Flask, yunzhuo: Installation, lin: Actor) -> None:
    """Without a proxy of ours, what the head says of the caller's address helps no guesser, and is not on record."""
    api = Api(app.test_client())
    statuses = [
        api.post(
            "/tokens",
            json={"email": lin.email, "password": "a guess"},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"},
        ).status_code
        for number in range(yunzhuo.settings.accounts.attempts_per_account + 1)
    ]
    assert statuses[-1] == 429
    assert {each.client_address for each in yunzhuo.services.sessions.history(lin)} == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/sign-in", "/desktops", "/nowhere", "/api/v1/users/me"])
def test_no_other_site_frames_or_reads_us(visitor: Visitor, path: str) -> None:
    headers = visitor.client.get(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
