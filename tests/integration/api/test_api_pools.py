"""Pools as programs ask for them."""

from tests.support.api import Api, problem
from tests.support.installation import Installation
from tests.support.pools import settle


def test_a_pool_from_making_to_deleting(yunzhuo: Installation, boss: Api, lin: Api, mei: Api) -> None:
    wish = {**boss.wish(), "name": "Room 302", "capacity": 2, "spares": 1, "hours": ["Mon-Fri 07:30-18:00 2"]}
    made = boss.post("/pools", json={**wish, "time_zone": "Europe/Berlin"})
    assert made.status_code == 201, made.text
    pool = made.get_json()
    assert (pool["kind"], pool["hours"], pool["counts"]["ready"]) == ("floating", ["mon-fri 07:30-18:00 2"], 0)
    here = f"/pools/{pool['id']}"
    problem(boss.post("/pools", json=wish), 409, "pool_name_taken")
    problem(lin.post(f"{here}/claim"), 404, "pool_not_found")
    lin_id = lin.get("/users/me").get_json()["id"]
    assert [each["name"] for each in boss.ask("PUT", f"{here}/members/{lin_id}").get_json()["items"]] == ["lin@school.local"]
    settle(yunzhuo)
    assert boss.get(here).get_json()["counts"] == {**pool["counts"], "ready": 2}
    assert lin.get("/users/me/pools").get_json()["items"][0]["is_ready"]
    claimed = lin.post(f"{here}/claim").get_json()
    assert (claimed["way"], claimed["desktop"]["state"]) == ("ready", "available")
    assert lin.post(f"{here}/claim").get_json()["way"] == "had"
    assert mei.get("/users/me/pools").get_json()["items"] == []
    released = lin.post(f"{here}/release")
    assert (released.status_code, released.get_json()["operation"]["action"]) == (202, "delete")
    problem(lin.post(f"{here}/release"), 404, "no_desktop_of_pool")
    changed = boss.patch(here, json={"spares": 0, "hours": [], "release_after_minutes": 15}).get_json()
    assert (changed["spares"], changed["hours"], changed["release_after_minutes"], changed["capacity"]) == (0, [], 15, 2)
    assert boss.patch(here, json={"release_after_minutes": None}).get_json()["release_after_minutes"] is None
    assert boss.delete(f"{here}/members/{lin_id}").status_code == 204
    assert boss.delete(here).status_code == 204
    problem(boss.get(here), 404, "pool_not_found")


def test_what_is_wrong_is_named_field_by_field(boss: Api) -> None:
    wish = {**boss.wish(), "name": "Room 302", "capacity": 2}
    for wrong in ({"capacity": 0}, {"capacity": "2"}, {"spares": 3}, {"hours": ["noon"]}, {"time_zone": "Mars"}, {"name": ""}):
        errors = problem(boss.post("/pools", json={**wish, **wrong}), 422, "invalid_input")["errors"]
        assert set(errors) == set(wrong), errors
