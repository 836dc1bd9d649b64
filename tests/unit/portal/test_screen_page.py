"""A desktop's own page, and the ticket that its script asks for."""

from typing import Any

import pytest
from tests.support.installation import Installation
from tests.support.pages import CHINESE, PART, Page, Visitor
from werkzeug.test import TestResponse

from yunzhuo.phoenix.cloud.memory import FaultKind
from yunzhuo.services.access import Actor


def ask(visitor: Visitor, desktop_id: str, body: Any = None, **headers: str) -> TestResponse:
    """Ask for a ticket as the page's script does."""
    token = visitor.get("/profile").form("").fields["csrf_token"]
    body = {"protocol": "vnc"} if body is None else body
    return visitor.client.post(f"/desktops/{desktop_id}/connections", json=body, headers={"X-CSRFToken": token, **headers})


def test_the_page_shows_the_steps_and_then_opens_the_screen_by_itself(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    page = visitor.get(f"/desktops/{desktop_id}")
    assert "The desktop is being built" in page.text
    assert "Step 2 of 4" in page.text
    assert 'data-console="waiting"' in page.html
    assert "console" in "".join(line for line in page.html.splitlines() if "<script" in line)
    yunzhuo.run()
    assert 'data-console="connecting"' in visitor.get(f"/desktops/{desktop_id}").html
    assert 'data-console="connecting"' in visitor.get(f"/desktops/{desktop_id}/stage", headers=PART).html


def test_the_screen_opens_while_personal_files_are_on_their_way(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    yunzhuo.services.personal_disks.create(lin)
    disks, desktop_id = yunzhuo.services.personal_disks, yunzhuo.available(lin)
    disks.disconnect(lin)
    yunzhuo.run()
    disks.connect(lin, desktop_id)
    for path in (f"/desktops/{desktop_id}", f"/desktops/{desktop_id}/stage"):
        html = visitor.get(path).html
        assert 'data-state="changing_disk"' in html
        assert 'data-console="connecting"' in html
    assert ask(visitor, desktop_id).status_code == 201


def test_the_clipboard_takes_text_and_nothing_else(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    address = f"/desktops/{yunzhuo.available(lin)}/clipboard"
    token = {"X-CSRFToken": visitor.get("/profile").form("").fields["csrf_token"]}
    assert visitor.client.put(address, json={"text": "粘贴"}, headers=token).status_code == 204
    for wrong in ({"text": 7}, {}, ["text"]):
        refused = visitor.client.put(address, json=wrong, headers=token)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_input")
    assert visitor.client.put(address, data="text", headers=token).status_code == 422
    assert visitor.client.get(address).get_json() == {"text": "粘贴"}


def test_changes_after_the_page_was_made_are_not_missed(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    latest = yunzhuo.services.events.latest_id()
    assert f'data-events="/events?last_event_id={latest}"' in visitor.get(f"/desktops/{desktop_id}").html


def test_a_stopped_desktop_offers_to_start_and_comes_back_to_its_page(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    visitor.send("/desktops", visitor.get("/desktops").form(f"/{desktop_id}/actions", action="stop"))
    yunzhuo.run()
    page = visitor.get(f"/desktops/{desktop_id}")
    assert 'data-console="stopped"' in page.html
    started = visitor.send("", page.form("/actions", action="start"))
    assert started.headers["Location"] == f"/desktops/{desktop_id}"


def test_a_failed_desktop_says_why_and_what_to_do(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    page = visitor.get(f"/desktops/{yunzhuo.failed(lin, FaultKind.BREAK)}")
    assert "The desktop could not be built. Its virtual machine did not start." in page.text
    page.form("/actions", action="retry")
    assert "Delete…" in page.text


def test_a_ticket_is_for_one_session_and_names_the_gateway(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    answer = ask(visitor, yunzhuo.available(lin))
    assert answer.status_code == 201
    connection = answer.get_json()
    assert connection["url"] == f"{yunzhuo.settings.gateway_url}/v1/console"
    assert connection["subprotocol"] == f"ticket.{connection['ticket']}"
    assert connection["ticket"] not in connection["url"]


@pytest.mark.parametrize("body", [[], "vnc", {"protocol": "telnet"}, {"protocol": None}, {"protocol": {"a": 1}}])
def test_a_wish_for_another_protocol_is_refused(visitor: Visitor, yunzhuo: Installation, lin: Actor, body: object) -> None:
    assert ask(visitor, yunzhuo.available(lin), body).status_code == 422


def test_refusals_are_problems_in_the_persons_language(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin).desktop.id
    refused = ask(visitor, desktop_id, **CHINESE)
    assert (refused.status_code, refused.content_type) == (409, "application/problem+json")
    assert refused.get_json()["code"] == "desktop_not_available"
    assert refused.get_json()["detail"] == "桌面未运行，无法打开屏幕。"
    assert ask(visitor, "no-such-desktop").get_json()["code"] == "desktop_not_found"


def test_without_a_session_or_its_token_there_is_no_ticket(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    without_token = visitor.client.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"})
    assert without_token.status_code == 400
    token = visitor.get("/profile").form("").fields["csrf_token"]
    yunzhuo.pass_time(yunzhuo.settings.accounts.session_seconds + 1)
    signed_out = visitor.client.post(
        f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}, headers={"X-CSRFToken": token}
    )
    assert (signed_out.status_code, signed_out.get_json()["code"]) == (401, "not_signed_in")


def test_names_are_never_read_as_markup(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="<img src=x onerror=alert(1)>\"'")
    for path in ("/desktops", f"/desktops/{desktop_id}", f"/desktops/{desktop_id}/delete", f"/desktops/{desktop_id}/name"):
        assert Page(visitor.get(path).html).inline == []
        assert "<img src=x" not in visitor.get(path).html
