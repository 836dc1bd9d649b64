"""Pools as programs ask for them."""

from flask import Flask
from tests.support.api import Api, problem
from tests.support.installation import PASSWORD, Installation
from tests.support.pools import make_pool_for_two, settle

from yunzhuo.services.access import Role


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
    yunzhuo.services.pool_history.sample()
    assert [each["in_use"] for each in boss.get(f"{here}/day").get_json()["samples"]] == [0]
    assert boss.patch(here, json={"goal_seconds": 3}).get_json()["goal_seconds"] == 3
    times = boss.get(f"{here}/times").get_json()
    assert (times["goal_seconds"], times["waiting"]["count"], times["within_goal"]) == (3, 1, 1.0)
    assert set(times["phases"]) == {"queue", "build", "boot", "ready", "picture"}
    assert boss.patch(here, json={"release_after_minutes": None}).get_json()["release_after_minutes"] is None
    assert boss.delete(f"{here}/members/{lin_id}").status_code == 204
    assert boss.delete(here).status_code == 204
    problem(boss.get(here), 404, "pool_not_found")


def test_what_is_wrong_is_named_field_by_field(boss: Api) -> None:
    wish = {**boss.wish(), "name": "Room 302", "capacity": 2}
    for wrong in ({"capacity": 0}, {"capacity": "2"}, {"spares": 3}, {"hours": ["noon"]}, {"time_zone": "Mars"}, {"name": ""}):
        errors = problem(boss.post("/pools", json={**wish, **wrong}), 422, "invalid_input")["errors"]
        assert set(errors) == set(wrong), errors


def test_an_image_is_rolled_out_step_by_step(yunzhuo: Installation, boss: Api) -> None:
    head = yunzhuo.services.accounts.by_email("boss@school.local").actor()
    pool_id, other = make_pool_for_two(yunzhuo, head, capacity=4, spares=2)
    here = f"/pools/{pool_id}/rollout"
    assert boss.get(here).get_json() == {"rollout": None}
    problem(boss.post(f"{here}/pause"), 404, "rollout_not_found")
    errors = problem(boss.post(here, json={"image": other, "stages": [50]}), 422, "invalid_input")["errors"]
    assert set(errors) == {"stages"}
    begun = boss.post(here, json={"image": other, "stages": [25, 100]})
    assert begun.status_code == 201, begun.text
    view = begun.get_json()
    assert (view["status"], view["level"], view["at_once"], view["have_it"], view["there"]) == ("running", 1, 1, 0, 2)
    assert view["verbs"] == ["advance", "back", "pause"]
    assert boss.get(f"/pools/{pool_id}").get_json()["is_rolling"]
    problem(boss.patch(f"/pools/{pool_id}", json={"image": other}), 409, "rollout_goes_on")
    assert boss.post(f"{here}/pause").get_json()["status"] == "paused"
    assert boss.post(f"{here}/resume").get_json()["status"] == "running"
    assert boss.post(f"{here}/advance", json={"from_stage": 0}).get_json()["level"] == 4
    problem(boss.post(f"{here}/advance", json={"from_stage": 0}), 409, "rollout_not_there")
    settle(yunzhuo, rounds=8)
    done = boss.get(here).get_json()["rollout"]
    assert (done["status"], done["have_it"], done["verbs"], done["target"]["id"]) == ("done", 2, ["back"], other)
    assert boss.post(f"{here}/back").get_json()["is_back"]


def test_network_and_security_groups_are_operators_to_choose(yunzhuo: Installation, app: Flask, boss: Api) -> None:
    head = yunzhuo.person("head", Role.ADMINISTRATOR)
    secret = yunzhuo.services.tokens.create_with_password(head.email, PASSWORD, client_address="192.0.2.7").secret
    theirs = Api(app.test_client(), secret)
    subnet = {"name": "lab", "cidr": "10.9.0.0/24"}
    network_id = boss.post("/networks", json={"name": "lab", "subnet": subnet}).get_json()["id"]
    group_id = boss.post("/security-groups", json={"name": "exam", "template": "closed"}).get_json()["id"]
    place = {"network": network_id, "security_groups": [group_id]}
    wish = {**boss.wish(), "name": "Lab", "capacity": 2}
    problem(theirs.post("/pools", json={**wish, **place}), 403, "forbidden")
    pool = theirs.post("/pools", json=wish).get_json()
    assert (pool["network"], pool["security_groups"]) == (None, [])
    here = f"/pools/{pool['id']}"
    problem(theirs.patch(here, json={"network": network_id}), 403, "forbidden")
    errors = problem(boss.patch(here, json={"network": "x", "security_groups": ["y"]}), 422, "invalid_input")["errors"]
    assert set(errors) == {"network", "security_groups"}
    changed = boss.patch(here, json=place).get_json()
    assert changed["network"] == {"id": network_id, "name": "lab"}
    assert changed["security_groups"] == [{"id": group_id, "name": "exam"}]
    assert theirs.patch(here, json={"capacity": 3}).get_json()["network"] == changed["network"]
    ended = boss.patch(here, json={"network": None, "security_groups": []}).get_json()
    assert (ended["network"], ended["security_groups"]) == (None, [])
