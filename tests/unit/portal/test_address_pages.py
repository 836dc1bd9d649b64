"""Floating IPs on the pages: given and taken away after a question, shown with the desktop, listed for administrators."""

from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import CHINESE, Visitor, signed_in, somebody

from yunzhuo.services.access import Actor, Role


def test_administrators_give_one_after_a_question_and_see_who_has_which(
    app: Flask, visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    boss = somebody(yunzhuo, "boss", Role.OPERATOR)
    chief = signed_in(app, boss)
    assert "This cloud has none" in chief.get("/admin/addresses").text
    yunzhuo.services.address_upkeep.round()
    assert "No desktop has one" in chief.get("/admin/addresses").text
    desktop_id = yunzhuo.available(lin, name="Maths")
    give, take = (f"/desktops/{desktop_id}/confirm/{question}-address" for question in ("assign", "release"))
    assert give not in visitor.get("/desktops").html, "that is not for its person to say"
    assert f'href="{give}"' in chief.get(f"/desktops/{desktop_id}/card").html
    asked = chief.get(give)
    assert "Give “Maths” a floating IP?" in asked.text
    assert "分配浮动IP？" in chief.get(give, headers=CHINESE).text
    chief.send("", asked.form(give))
    assert "Changing the address" in visitor.get("/desktops").text
    yunzhuo.run()
    address = yunzhuo.services.desktops.get(lin, desktop_id).address
    assert address is not None
    assert f"Floating IP: {address}" in visitor.get(f"/desktops/{desktop_id}/details").text
    listed = chief.get("/admin/addresses")
    assert (address in listed.text, "In use" in listed.text, "Maths" in listed.text) == (True, True, True)
    again = chief.send("", asked.form(give))
    assert again.headers["Location"] == "/desktops"
    assert "This desktop has a floating IP already." in chief.get("/desktops").text
    card = chief.get(f"/desktops/{desktop_id}/card").html
    assert (give in card, take in card) == (False, True)
    chief.send("", chief.get(take).form(take))
    yunzhuo.run()
    assert "Floating IP:" not in visitor.get(f"/desktops/{desktop_id}/details").text
    assert "空闲" in chief.get("/admin/addresses", headers=CHINESE).text
