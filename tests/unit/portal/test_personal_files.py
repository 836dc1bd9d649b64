"""The page of personal files: getting a disk, seeing where it is, moving it, keeping it, putting it back, deleting it."""

import pytest
from tests.support.installation import Installation
from tests.support.pages import PART, Visitor

from yunzhuo.services.access import Actor

pytestmark = pytest.mark.slow

PAGE = "/personal-files"


def set_up(visitor: Visitor) -> None:
    visitor.send(PAGE, visitor.get(PAGE).form(PAGE))


def confirmed(visitor: Visitor, address: str) -> None:
    """Answer the question at an address with yes."""
    asked = visitor.get(address)
    assert visitor.send("", asked.form(address.partition("?")[0])).headers["Location"] == PAGE


def write(yunzhuo: Installation, desktop_id: str, path: str, content: bytes) -> None:
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    yunzhuo.cloud.guest.write_piece(server.id, path, content, offset=0)


def test_a_disk_is_set_up_with_one_press_and_comes_with_the_next_desktop(
    visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    assert PAGE in visitor.get("/desktops").html
    assert "You have no personal disk yet" in visitor.get(PAGE).text
    set_up(visitor)
    there = visitor.get(PAGE).text
    again = f"{PAGE}/usage?asked=1"
    assert f'hx-get="{again}"' in visitor.get(f"{PAGE}/usage", headers=PART).html
    assert "hx-get" not in visitor.get(f"{PAGE}/usage?asked=9", headers=PART).html
    assert "Your personal disk is there." in there
    assert "They come with the next desktop that you start." in there
    desktop_id = yunzhuo.available(lin, name="Maths")
    for name in ("one", "two", "three"):
        write(yunzhuo, desktop_id, f"Personal/{name}", b"x" * 1024 * 1024)
    connected = visitor.get(PAGE)
    assert "At “Maths”, in the folder Personal." in connected.text
    assert f"{PAGE}/delete" not in connected.html
    assert "3 MB of 10 GB used" in visitor.get(f"{PAGE}/usage", headers=PART).text


def test_files_are_brought_to_another_desktop_after_a_question(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    set_up(visitor)
    first, second = yunzhuo.available(lin, name="Maths"), yunzhuo.available(lin, name="Art")
    shown = visitor.get(PAGE)
    assert f"{PAGE}/connect/{first}" not in shown.html
    address = f"{PAGE}/connect/{second}"
    assert f'href="{address}"' in shown.html
    assert "They are at “Maths” now" in visitor.get(address).text
    confirmed(visitor, address)
    assert "On their way" in visitor.get(PAGE).text
    yunzhuo.run()
    assert "At “Art”, in the folder Personal." in visitor.get(PAGE).text


def test_open_files_are_told_of_and_can_be_closed(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    set_up(visitor)
    first, second = yunzhuo.available(lin, name="Maths"), yunzhuo.available(lin, name="Art")
    write(yunzhuo, first, "Personal/.open", b"")
    confirmed(visitor, f"{PAGE}/connect/{second}")
    yunzhuo.run()
    told = visitor.get(PAGE)
    assert "Programs have files open on the personal disk. Close them first." in told.text
    assert "At “Maths”" in told.text
    forced = f"{PAGE}/connect/{second}?force=yes"
    assert forced in told.html
    assert "what is not saved in them is lost" in visitor.get(forced).text
    confirmed(visitor, forced)
    yunzhuo.run()
    assert "At “Art”" in visitor.get(PAGE).text
    confirmed(visitor, f"{PAGE}/disconnect")
    yunzhuo.run()
    assert "Not connected" in visitor.get(PAGE).text


def test_snapshots_are_taken_restored_and_deleted(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    set_up(visitor)
    keep = visitor.get(PAGE).form("/snapshots")
    assert visitor.send("", keep, name="").status_code == 422
    assert visitor.send("", keep, name="Monday").headers["Location"] == PAGE
    assert "Another snapshot of your disk has this name." in visitor.send("", keep, name="Monday").text
    (kept,) = yunzhuo.services.personal_disks.get(lin).snapshots
    assert "What was changed since then is lost." in visitor.get(f"{PAGE}/snapshots/{kept.id}/restore", headers=PART).text
    confirmed(visitor, f"{PAGE}/snapshots/{kept.id}/restore")
    desktop_id = yunzhuo.available(lin, name="Maths")
    write(yunzhuo, desktop_id, "Personal/note", b"new")
    confirmed(visitor, f"{PAGE}/snapshots/{kept.id}/restore")
    assert "On their way" in visitor.get(PAGE).text
    yunzhuo.run()
    confirmed(visitor, f"{PAGE}/snapshots/{kept.id}/delete")
    assert "There are none yet." in visitor.get(PAGE).text
    visitor.get(f"{PAGE}/snapshots/{kept.id}/restore", status=404)
    visitor.get(f"{PAGE}/snapshots/{kept.id}/explode", status=404)


def test_deleting_asks(visitor: Visitor) -> None:
    set_up(visitor)
    assert "All files on it and its snapshots are lost" in visitor.get(f"{PAGE}/delete").text
    confirmed(visitor, f"{PAGE}/delete")
    deleted = visitor.get(PAGE).text
    assert "Your personal disk is deleted." in deleted
    assert "You have no personal disk yet" in deleted
    visitor.get(f"{PAGE}/delete", status=404)


def test_deleting_a_person_asks_for_their_disk(
    administrator: Visitor, visitor: Visitor, yunzhuo: Installation, lin: Actor
) -> None:
    set_up(visitor)
    address = f"/admin/users/{lin.user_id}/delete"
    assert "A disk of 10 GB." in administrator.get(address).text
    refused = administrator.fill_in(address, personal_disk="")
    assert "Say that this person&#39;s disk is to be deleted, too." in refused.text
    assert administrator.fill_in(address, personal_disk="y").status_code == 303
    yunzhuo.services.disk_upkeep.round()
    assert not [volume for volume in yunzhuo.cloud.volumes.list() if volume.disk_id == lin.user_id]
