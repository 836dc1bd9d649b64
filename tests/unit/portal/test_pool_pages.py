"""Pools on pages: a desktop with one click, given back with two; what administrators make of them."""

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import Page, Visitor, signed_in, somebody
from tests.support.pools import make_pool, make_pool_for_two, settle

from yunzhuo.phoenix.cloud.network_resources import SubnetRequest
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.cloud_networks import Template
from yunzhuo.services.rules.pools import Counts, Kind

pytestmark = pytest.mark.slow


def send(visitor: Visitor, path: str, action: str, **fields: str) -> Page:
    """Open a page, send one of its forms with what it carries, and read what comes next."""
    form = Page(visitor.client.get(path).text).form(action)
    token = form.fields["csrf_token"]
    answer = visitor.client.post(form.action or path, data={"csrf_token": token, **fields}, follow_redirects=True)
    assert answer.status_code < 500, answer.text
    return Page(answer.text)


def chief_of(person: Actor) -> Actor:
    return installation(person.organization_id)


def test_one_click_gives_a_desktop_and_two_give_it_back(yunzhuo: Installation, lin: Actor, visitor: Visitor) -> None:
    pool_id = make_pool(yunzhuo, chief_of(lin), name="Room 302", members=[lin], capacity=2, spares=1)
    settle(yunzhuo)
    assert "Ready at once." in Page(visitor.client.get("/desktops").text).text
    token = Page(visitor.client.get("/desktops").text).form(f"{pool_id}/claim").fields["csrf_token"]
    answer = visitor.client.post(f"/pools/{pool_id}/claim", data={"csrf_token": token})
    (desktop,) = yunzhuo.services.desktops.list(lin).items
    assert answer.location.endswith(f"/desktops/{desktop.id}")
    assert "You have a desktop of it." in Page(visitor.client.get("/desktops").text).text
    gone = send(visitor, f"/pools/{pool_id}/release", f"{pool_id}/release")
    assert "is given back" in gone.text
    yunzhuo.run()
    assert yunzhuo.services.desktops.list(lin).items == []
    assert visitor.client.get(f"/pools/{pool_id}/release").status_code == 404


def test_who_has_to_wait_or_comes_too_late_is_told(yunzhuo: Installation, app: Flask, lin: Actor, visitor: Visitor) -> None:
    mei = somebody(yunzhuo, "mei")
    pool_id = make_pool(yunzhuo, chief_of(lin), name="Small", members=[lin, mei], capacity=1, spares=0)
    assert "that takes a moment" in Page(visitor.client.get("/desktops").text).text
    late = signed_in(app, mei)
    form = Page(late.client.get("/desktops").text).form(f"{pool_id}/claim")
    send(visitor, "/desktops", f"{pool_id}/claim")
    (desktop,) = yunzhuo.services.desktops.list(lin).items
    assert desktop.state == "building"
    told = late.client.post(form.action, data=form.fields, follow_redirects=True)
    assert "All desktops of this pool are taken." in Page(told.text).text
    assert "Look again later." in Page(late.client.get("/desktops").text).text


def test_a_dedicated_one_is_not_given_back(yunzhuo: Installation, lin: Actor, visitor: Visitor) -> None:
    pool_id = make_pool(yunzhuo, chief_of(lin), name="Office", members=[lin], spares=0, kind=Kind.DEDICATED)
    send(visitor, "/desktops", f"{pool_id}/claim")
    assert "/release" not in visitor.client.get("/desktops").text
    assert "kept by their people" in send(visitor, f"/pools/{pool_id}/release", f"{pool_id}/release").text


def test_a_pool_is_made_changed_filled_and_deleted(yunzhuo: Installation, administrator: Visitor) -> None:
    lin = somebody(yunzhuo, "lin")
    chief = chief_of(lin)
    kinds = {"image": yunzhuo.image(chief).id, "flavor": yunzhuo.flavor(chief).id, "kind": "floating"}
    wish = {**kinds, "name": "Chemistry", "capacity": "4", "spares": "1", "hours": "mon-fri 07:30-18:00 2", "time_zone": "UTC"}
    wrong = send(administrator, "/admin/pools/new", "/admin/pools", **{**wish, "hours": "noon", "spares": "9"})
    assert "days, hours, how many" in wrong.text
    assert "from 0 to the pool's capacity" in wrong.text
    assert "Chemistry" in send(administrator, "/admin/pools/new", "/admin/pools", **wish).text
    assert "of this name already" in send(administrator, "/admin/pools/new", "/admin/pools", **wish).text
    pool = next(each for each in yunzhuo.services.pools.list(chief) if each.name == "Chemistry")
    here = f"/admin/pools/{pool.id}"
    assert lin.email in send(administrator, here, "", change="put", holder=lin.email).text
    assert "There is no such account." in send(administrator, here, "", change="put", holder="nobody@x.local").text
    assert lin.email not in send(administrator, here, "", change="drop", holder=lin.user_id).text
    groups = [yunzhuo.services.groups.create(chief, f"Chemistry {name}") for name in ("basics", "class")]
    send(administrator, here, "", change="put", holder=" Chemistry class ")
    assert [each.id for each in yunzhuo.services.pools.members(chief, pool.id)] == [groups[1].id]
    settle(yunzhuo)
    assert "Nothing was seen of this day yet" in Page(administrator.client.get(here).text).text
    yunzhuo.services.pool_history.sample()
    changed = {**wish, "name": "Chemistry 2", "capacity": "5", "release_after_minutes": "30", "goal_seconds": "5"}
    assert "Chemistry 2" in send(administrator, here, "", change="settings", **changed).text
    found = yunzhuo.services.pools.get(chief, pool.id)
    assert (found.capacity, found.release_after_minutes, found.counts) == (5, 30, Counts(ready=2))
    shown = Page(administrator.client.get(here).text).text
    assert "Fewest ready: 2 at" in shown
    assert "The goal is 5 seconds." in shown
    assert "Making the virtual machine" in shown
    assert "2 ready" in Page(administrator.client.get("/admin/pools").text).text
    assert "from 1 to 2000" in send(administrator, here, "", change="settings", **{**changed, "capacity": "0"}).text
    send(administrator, here, "", change="settings", **{**changed, "name": "", "capacity": "7"})
    assert yunzhuo.services.pools.get(chief, pool.id).capacity == 5, "without a name nothing is changed"
    assert "Chemistry 2" not in send(administrator, here, "", change="delete").text


def test_network_and_security_groups_are_chosen_by_operators(yunzhuo: Installation, app: Flask, administrator: Visitor) -> None:
    operator = somebody(yunzhuo, "keeper", Role.OPERATOR)
    network = yunzhuo.services.cloud_networks.create_network(operator, "lab", SubnetRequest("lab", "10.9.0.0/24"))
    group = yunzhuo.services.cloud_networks.create_security_group(operator, "exam", "", Template.CLOSED)
    kinds = {"image": yunzhuo.image(operator).id, "flavor": yunzhuo.flavor(operator).id, "kind": "floating"}
    wish = {**kinds, "name": "Lab", "capacity": "4", "spares": "0", "hours": "", "time_zone": "UTC"}
    made = send(administrator, "/admin/pools/new", "/admin/pools", **wish, network=network.id, security_groups=group.id)
    assert "lab · exam" in made.text
    pool = next(each for each in yunzhuo.services.pools.list(operator) if each.name == "Lab")
    here = f"/admin/pools/{pool.id}"
    other = signed_in(app, somebody(yunzhuo, "boss", Role.ADMINISTRATOR))
    assert "Security groups" not in Page(other.client.get(here).text).text
    assert "lab · exam" in send(other, here, "", change="settings", **{**wish, "capacity": "5"}).text
    found = yunzhuo.services.pools.get(operator, pool.id)
    assert (found.capacity, found.network_id, list(found.security_groups)) == (5, network.id, [group.id])
    assert "lab" not in send(administrator, here, "", change="settings", **wish).text.partition("Now")[0]


def test_pools_are_not_there_for_others(yunzhuo: Installation, app: Flask, visitor: Visitor) -> None:
    auditor = signed_in(app, somebody(yunzhuo, "auditor", Role.AUDITOR))
    for each in (visitor, auditor):
        assert each.client.get("/admin/pools").status_code == 404


def test_an_image_is_rolled_out_paused_and_taken_back(yunzhuo: Installation, app: Flask, administrator: Visitor) -> None:
    chief = chief_of(somebody(yunzhuo, "lin"))
    pool_id, other = make_pool_for_two(yunzhuo, chief, name="Biology", capacity=4, spares=2)
    here = f"/admin/pools/{pool_id}"
    assert "with a way back" in Page(administrator.client.get(here).text).text
    wish = {"change": "start", "image": other, "stages": "50, 100 %", "at_once_percent": "50", "notice_hours": "0"}
    wrong = send(administrator, f"{here}/rollout", "", **{**wish, "stages": "50, 20", "most_failures": "0"})
    assert "rise; the last is 100" in wrong.text
    assert "from 1 to 20" in wrong.text
    send(administrator, f"{here}/rollout", "", **{**wish, "notice_hours": "soon"}, most_failures="3")
    assert "The roll-out has begun." not in administrator.get(here).text
    begun = send(administrator, f"{here}/rollout", "", **wish, most_failures="3")
    assert "The roll-out has begun." in begun.text
    assert "0 of 2 desktops have it." in begun.text
    assert "A roll-out goes on in this pool" in send(administrator, f"{here}/rollout", "", **wish, most_failures="3").text
    assert "Paused." in send(administrator, here, "/rollout", change="pause").text
    assert "somewhere else by now" in send(administrator, here, "/rollout", change="pause").text
    send(administrator, here, "/rollout", change="resume")
    settle(yunzhuo, rounds=8)
    page = administrator.client.get(here).text
    assert "Stage 1 of 2 is reached." in Page(page).text
    assert Page(page).form("/rollout").fields["stage"] == "0"
    assert "Stage 2 of 2" in send(administrator, here, "/rollout", change="advance", stage="0").text
    assert "Goes back" in send(administrator, here, "/rollout", change="back").text
    settle(yunzhuo, rounds=8)
    assert "Done." in Page(administrator.client.get(here).text).text
    auditor = signed_in(app, somebody(yunzhuo, "auditor", Role.AUDITOR))
    assert auditor.client.get(f"{here}/rollout").status_code == 404
