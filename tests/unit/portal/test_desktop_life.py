"""What else can be done with a desktop on the pages: suspend, size, restore, snapshots; and its history."""

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import CHINESE, PART, Page, Visitor, signed_in, somebody

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action

# Long stories.
pytestmark = pytest.mark.slow


def test_a_desktop_is_suspended_and_resumed_from_its_card(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for action, on_its_way, afterwards in (("suspend", "Suspending", "Suspended"), ("resume", "Resuming", "Available")):
        visitor.send("/desktops", visitor.get("/desktops").form(f"/{desktop_id}/actions", action=action))
        assert on_its_way in visitor.get("/desktops").text
        yunzhuo.run()
        assert afterwards in visitor.get("/desktops").text


def test_lost_memory_is_told_with_what_to_do_on_every_page(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.SUSPEND)
    yunzhuo.run()
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    yunzhuo.weather.disturb.lose_memory(server.id)
    yunzhuo.services.reconciler.round()
    pages = ("/desktops", f"/desktops/{desktop_id}", f"/desktops/{desktop_id}/details")
    for headers, sentence in (
        ({}, "cannot be brought back: the software it runs on has changed"),
        (CHINESE, "挂起时打开的程序已无法恢复"),
    ):
        for page in pages:
            assert sentence in visitor.get(page, headers=headers).text, page
    yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    yunzhuo.run()
    assert ["cannot be brought back" in visitor.get(page).text for page in pages] == [False, False, True]


def test_restoring_and_a_forced_reboot_ask_first(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Maths")
    for question, heading, on_its_way in (
        ("rebuild", "Restore “Maths” to its image?", "Restoring"),
        ("hard-reboot", "Reboot “Maths” by force?", "Rebooting"),
    ):
        address = f"/desktops/{desktop_id}/confirm/{question}"
        assert f'href="{address}"' in visitor.get("/desktops").html
        asked = visitor.get(address)
        assert heading in asked.text
        in_dialog = visitor.get(address, headers=PART)
        assert (heading in in_dialog.text, in_dialog.language) == (True, ""), "a part of the page that asks"
        assert visitor.send("", asked.form(address)).headers["Location"] == "/desktops"
        assert on_its_way in visitor.get("/desktops").text
        # Pressed twice it changes nothing and says so.
        answer = visitor.send("", asked.form(address), PART)
        assert "Another change to this desktop is still going on." in Page(answer.text).text
        yunzhuo.run()
    visitor.get(f"/desktops/{desktop_id}/confirm/explode", status=404)


def test_only_administrators_are_offered_to_delete_by_force(
    visitor: Visitor, administrator: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    address = f"/desktops/{desktop_id}/confirm/force-delete"
    assert address not in visitor.get("/desktops").html
    assert visitor.send("", visitor.get(address).form(address)).status_code == 403
    assert address in administrator.get("/desktops").html
    administrator.send("", administrator.get(address).form(address))
    yunzhuo.run()
    visitor.get(f"/desktops/{desktop_id}", status=404)


def test_only_sizes_that_fit_are_offered(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    flavors = {flavor.name: flavor.id for flavor in yunzhuo.services.catalog.flavors(lin)}
    address = f"/desktops/{desktop_id}/size"
    asked = visitor.get(address)
    assert flavors["Small"] not in asked.html
    form = asked.form(address)
    in_dialog = visitor.send("", form, PART, flavor="")
    assert in_dialog.headers["HX-Retarget"] == "#dialog-content", "what is wrong is told where it was asked"
    assert "Choose a size." in Page(in_dialog.text).text
    refused = visitor.send("", form, flavor=flavors["Small"])
    assert refused.status_code == 422
    assert "The desktop has this size already." in Page(refused.text).text
    assert "Choose a size." in Page(visitor.send("", form, flavor="").text).text
    visitor.send("", form, flavor=flavors["Large"])
    yunzhuo.run()
    assert "Linux desktop · Large" in visitor.get("/desktops").text
    assert "No other size fits this desktop." in visitor.get(address).text


def test_snapshots_are_taken_rolled_back_to_and_deleted(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    details = f"/desktops/{desktop_id}/details"
    page = visitor.get(details)
    assert "There are none yet." in page.text
    assert "0 of 5." in page.text
    form = page.form("/snapshots")
    assert visitor.send("", form, name="Before").headers["Location"] == details
    assert "Being made…" in visitor.get(details).text
    yunzhuo.run()
    assert "with memory" in visitor.get(details).text
    for name, complaint in (
        ("Before", "Another snapshot of this desktop has this name."),
        ("a\u200bb", "This name cannot be used"),
        ("", "Please fill this in."),
    ):
        answer = visitor.send("", form, name=name)
        assert answer.status_code == 422
        assert complaint in Page(answer.text).text
    snapshot_id = yunzhuo.services.snapshots.list(lin, desktop_id).items[0].id
    for verb, heading, on_its_way in (
        ("roll-back", "Roll back to “Before”?", "Rolling back"),
        ("delete", "Delete the snapshot “Before”?", "Snapshots at work"),
    ):
        address = f"/desktops/{desktop_id}/snapshots/{snapshot_id}/{verb}"
        assert address in visitor.get(details).html
        asked = visitor.get(address)
        assert heading in asked.text
        assert visitor.send("", asked.form(address)).headers["Location"] == details
        assert on_its_way in visitor.get(details).text
        yunzhuo.run()
    page = visitor.get(details)
    assert "There are none yet." in page.text
    assert "Roll back: Before" in page.text


def test_the_limit_and_a_snapshot_that_failed_are_told(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    details = f"/desktops/{desktop_id}/details"
    form = visitor.get(details).form("/snapshots")
    yunzhuo.weather.faults.set(Fault(operation="servers.snapshot", kind=FaultKind.FAIL_BEFORE, count=8))
    visitor.send("", form, name="zero")
    yunzhuo.run(seconds=120)
    assert "The snapshot could not be taken. The cloud does not answer." in visitor.get(details).text
    for number in range(5):
        visitor.send("", form, name=f"number {number}")
        yunzhuo.run()
    answer = visitor.send("", form, name="one more")
    assert answer.status_code == 409
    assert "This desktop has 5 of 5 snapshots. Delete one first." in Page(answer.text).text


def test_history_says_who_did_what_and_how_it_ended_page_by_page(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for _ in range(11):
        for action in (Action.SUSPEND, Action.RESUME):
            yunzhuo.services.desktops.act(lin, desktop_id, action)
            yunzhuo.run()
    page = visitor.get(f"/desktops/{desktop_id}/details")
    assert lin.email in page.text
    assert "Create" not in page.text
    cursor = yunzhuo.services.history.of_desktop(lin, desktop_id, limit=20).next_cursor
    older = visitor.get(f"/desktops/{desktop_id}/details?cursor={cursor}")
    assert "Create" in older.text
    assert "Newest" in older.text


def test_somebody_elses_details_are_not_there(app: Flask, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    other = signed_in(app, somebody(yunzhuo, "mei"))
    for path in ("details", "size", "confirm/rebuild", "snapshots/x/delete"):
        other.get(f"/desktops/{desktop_id}/{path}", status=404)
