"""The list of desktops, a new one, and what can be done with one."""

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import CHINESE, PART, Page, Visitor, signed_in, somebody

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind, ImageOption
from yunzhuo.services.access import Actor


def offer(yunzhuo: Installation, images: tuple[ImageOption, ...]) -> None:
    """Let the cloud have these images."""
    yunzhuo.weather.change_options(images=images)
    yunzhuo.services.catalog.synchronize(yunzhuo.services.accounts.default_organization_id())


def test_with_nothing_yet_the_page_invites_to_make_the_first(visitor: Visitor) -> None:
    page = visitor.get("/desktops")
    assert "Your first desktop is one click away" in page.text
    assert "Linux desktop" in page.text


def test_without_an_image_the_page_says_that_it_is_being_prepared(visitor: Visitor, yunzhuo: Installation) -> None:
    present = yunzhuo.weather.options.images
    offer(yunzhuo, ())
    page = visitor.get("/desktops")
    assert "The first image is still being prepared." in page.text
    assert "data-unprepared" in page.html
    assert "There is no image to make a desktop from yet." in visitor.get("/desktops/new").text
    offer(yunzhuo, present)


def test_a_new_desktop_is_what_was_chosen(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    flavors = yunzhuo.services.catalog.flavors(lin)
    page = visitor.get("/desktops/new")
    assert page.form("/desktops").fields["flavor"] == flavors[0].id
    made = visitor.send("/desktops/new", page.form("/desktops"), flavor=flavors[1].id, name="  Maths ")
    desktop = yunzhuo.services.desktops.list(lin).items[0]
    assert made.headers["Location"] == f"/desktops/{desktop.id}"
    assert (desktop.name, desktop.flavor_name) == ("Maths", "Medium")


def test_who_never_chose_a_language_gets_a_desktop_in_that_of_the_page(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    visitor.headers = CHINESE
    visitor.send("/desktops/new", visitor.get("/desktops/new").form("/desktops"))
    yunzhuo.run()
    desktop = yunzhuo.services.desktops.list(lin).items[0]
    server = yunzhuo.cloud.servers.find(desktop.id)
    assert server is not None
    assert server.language == "zh_CN"
    # What was chosen stays, whatever the next browser asks for.
    yunzhuo.services.accounts.choose_language(lin, "en")
    visitor.send("/desktops/new", visitor.get("/desktops/new").form("/desktops"))
    yunzhuo.run()
    seen = [yunzhuo.cloud.servers.find(each.id) for each in yunzhuo.services.desktops.list(lin).items]
    assert sorted(str(each.language) for each in seen if each) == ["en", "zh_CN"]


def test_what_cannot_be_made_is_said_beside_the_field(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    big = next(image for image in yunzhuo.services.catalog.images(lin) if image.name == "Big desktop")
    form = visitor.get("/desktops/new").form("/desktops")
    for values, complaint in (
        ({"image": "no-such-image"}, "This image is not offered any more."),
        ({"image": big.id}, "This size does not fit the image"),
        ({"name": "a\u200bb"}, "This name cannot be used"),
        ({"name": "x" * 65}, "At most 64 characters."),
    ):
        answer = visitor.send("/desktops/new", form, **values)
        assert answer.status_code == 422
        assert complaint in Page(answer.text).text


def test_who_has_all_they_may_have_is_told_what_to_do(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    for _ in range(20):
        yunzhuo.request(lin)
    answer = visitor.send("/desktops/new", visitor.get("/desktops/new").form("/desktops"))
    assert answer.status_code == 409
    assert "You have 20 of 20 desktops. Delete one first." in Page(answer.text).text


@pytest.mark.slow
def test_a_desktop_is_stopped_started_and_rebooted_from_its_card(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    for action, on_its_way, afterwards in (
        ("stop", "Stopping", "Stopped"),
        ("start", "Starting", "Available"),
        ("reboot", "Rebooting", "Available"),
    ):
        form = visitor.get("/desktops").form(f"/{desktop_id}/actions", action=action)
        assert visitor.send("/desktops", form).headers["Location"] == "/desktops"
        assert on_its_way in visitor.get("/desktops").text
        yunzhuo.run()
        assert afterwards in visitor.get("/desktops").text


def test_a_press_that_comes_too_late_changes_nothing_and_says_so(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    stop = visitor.get("/desktops").form(f"/{desktop_id}/actions", action="stop")
    visitor.send("/desktops", stop)
    answer = visitor.send("/desktops", stop, PART)
    assert answer.status_code == 200
    assert "Another change to this desktop is still going on." in Page(answer.text).text
    assert f'id="desktop-{desktop_id}"' in answer.text


def test_an_action_that_there_is_not_is_refused(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    form = visitor.get("/desktops").form(f"/{desktop_id}/actions")
    assert visitor.send("/desktops", form, action="explode").status_code == 422


def test_a_failed_desktop_says_why_in_plain_words_and_can_be_tried_again(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    desktop_id = yunzhuo.failed(lin)
    page = visitor.get("/desktops")
    assert "The desktop could not be built. There is no room for it right now." in page.text
    visitor.send("/desktops", page.form(f"/{desktop_id}/actions", action="retry"))
    yunzhuo.run()
    assert "Available" in visitor.get("/desktops").text


@pytest.mark.slow
def test_a_change_that_failed_is_noted_on_the_card(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.faults.set(Fault(operation="servers.stop", kind=FaultKind.FAIL_BEFORE, count=8))
    visitor.send("/desktops", visitor.get("/desktops").form(f"/{desktop_id}/actions", action="stop"))
    yunzhuo.run(seconds=120)
    text = visitor.get("/desktops").text
    assert "Available" in text
    assert "The desktop could not be stopped. The cloud does not answer." in text


def test_deleting_asks_first(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Maths")
    asked = visitor.get(f"/desktops/{desktop_id}/delete")
    assert "Delete “Maths”?" in asked.text
    form = asked.form(f"/{desktop_id}/delete")
    for _ in range(2):  # pressed twice it is no trouble
        assert visitor.send("", form).headers["Location"] == "/desktops"
    assert "“Maths” is being deleted." in visitor.get("/desktops").text
    yunzhuo.run()
    assert "Your first desktop" in visitor.get("/desktops").text
    visitor.get(f"/desktops/{desktop_id}", status=404)


def test_a_desktop_gets_another_name(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Maths")
    form = visitor.get(f"/desktops/{desktop_id}/name").form("/name")
    assert form.fields["name"] == "Maths"
    assert visitor.send("", form, name="Physik 物理").headers["Location"] == "/desktops"
    assert "Physik 物理" in visitor.get("/desktops").text
    assert visitor.send("", form, name=" ").status_code == 422


def test_the_dialog_stays_while_the_answer_is_wrong_and_closes_with_the_right_one(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    form = visitor.get(f"/desktops/{desktop_id}/name", headers=PART).form("/name")
    wrong = visitor.send("", form, PART, name="")
    assert (wrong.status_code, wrong.headers["HX-Retarget"]) == (200, "#dialog-content")
    assert "Please fill this in." in Page(wrong.text).text
    right = visitor.send("", form, PART, name="Better")
    assert (right.status_code, right.headers["HX-Trigger"]) == (200, "dialog:done")
    assert "Better" in Page(right.text).text


def test_many_desktops_come_page_by_page_and_can_be_searched(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    for number in range(1, 21):
        yunzhuo.request(lin, name=f"Seat {number:02}")
    assert len(visitor.get("/desktops").forms) > 0
    found = visitor.get("/desktops?q=SEAT+07")
    assert "Seat 07" in found.text
    assert "Seat 08" not in found.text
    assert "No desktop is called “<b>”" in visitor.get("/desktops?q=<b>").text
    visitor.get("/desktops?cursor=nonsense", status=422)


@pytest.mark.slow
def test_what_belongs_to_somebody_else_is_not_there(visitor: Visitor, app: Flask, yunzhuo: Installation) -> None:
    other = somebody(yunzhuo, "wang")
    desktop_id = yunzhuo.available(other, name="Wang's")
    assert "Wang" not in visitor.get("/desktops").text
    for path in ("", "/card", "/stage", "/delete", "/name"):
        visitor.get(f"/desktops/{desktop_id}{path}", status=404)
    form = signed_in(app, other).get("/desktops").form("/actions", action="stop")
    mine = visitor.get("/profile").form("")
    answer = visitor.client.post(form.action, data={**form.fields, "csrf_token": mine.fields["csrf_token"]})
    assert answer.status_code == 404
    assert "There is nothing here" in Page(answer.text).text


def test_an_administrator_sees_everybodys_desktops_and_whose_they_are_but_not_their_screens(
    administrator: Visitor, yunzhuo: Installation
) -> None:
    wang = somebody(yunzhuo, "wang")
    desktop_id = yunzhuo.available(wang, name="Wang's")
    page = administrator.get("/desktops")
    assert wang.email in page.text
    assert f"desktop-{desktop_id}-open" not in page.ids
    page.form(f"/{desktop_id}/actions", action="stop")
    closed = administrator.get(f"/desktops/{desktop_id}")
    assert f"It belongs to {wang.email}." in closed.text
    assert "console-" not in "".join(line for line in closed.html.splitlines() if "<script" in line)
