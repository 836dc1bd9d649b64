"""The pages of hosts and images: closed and opened, emptied, taken out of use, by operators alone."""

from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import CHINESE, Visitor, signed_in, somebody

from yunzhuo.phoenix.cloud.image_resources import ImageRequest
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.lifecycle import Action


def test_a_host_is_closed_emptied_and_opened(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    yunzhuo.available(lin, name="Moves")
    first = administrator.get("/admin/hosts")
    close = first.form("/admin/hosts/host-1")
    administrator.send("", close, change="disable", reason="")
    assert "It is disabled" not in administrator.get("/admin/hosts").text
    administrator.send("", close, change="disable", reason="new memory")
    closed = administrator.get("/admin/hosts")
    assert "It is disabled: new memory." in closed.text
    assert "Open again" in closed.text
    assert "重新开放" in administrator.get("/admin/hosts", headers=CHINESE).text
    administrator.send("", close, change="live")
    on_its_way = administrator.get("/admin/hosts").text
    assert "on its way" in on_its_way or "on their way" in on_its_way
    administrator.send("", close, change="enable")
    assert "It is disabled" not in administrator.get("/admin/hosts").text


def test_what_stays_on_a_host_is_told_with_why(yunzhuo: Installation, administrator: Visitor, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin, name="Stays")
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    told = administrator.change("/admin/hosts", f"/admin/hosts/{server.host}", change="live").text
    assert f"{server.name}: Its virtual machine was busy with something else." in told
    assert "on their way" in told or "on its way" in told
    after = yunzhuo.cloud.servers.find(desktop_id)
    assert after is not None
    assert after.host == server.host


def test_an_image_is_taken_out_of_use_and_protected(app: Flask, yunzhuo: Installation, administrator: Visitor) -> None:
    images, operator = yunzhuo.services.cloud_images, somebody(yunzhuo, "keeper", Role.OPERATOR)
    made = images.create(operator, ImageRequest("Kept"))
    images.upload(operator, made.id, [b"content"])
    where = f"/admin/images/{made.id}"
    page = administrator.get("/admin/catalog")
    assert "Kept" in page.text
    form = page.form(where)
    administrator.send("", form, change="deactivate")
    administrator.send("", form, change="protect")
    after = administrator.get("/admin/catalog")
    assert "Put back into use" in after.text
    assert "Let it be deleted" in after.text
    assert images.get(operator, made.id).is_protected
    administrator.send("", form, change="reactivate")
    administrator.send("", form, change="unprotect")
    assert not images.get(operator, made.id).is_protected
    assert "Put back into use" not in administrator.get("/admin/catalog").text
    manager = signed_in(app, somebody(yunzhuo, "manager", Role.ADMINISTRATOR))
    assert "All images in the cloud" not in manager.get("/admin/catalog").text
