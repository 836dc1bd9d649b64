"""Schedules, leases and the bin as programs ask for them."""

from datetime import timedelta

from tests.support.api import Api, problem
from tests.support.installation import Installation
from tests.support.pools import make_pool

from yunzhuo.services.access import installation as itself


def test_a_schedule_from_making_to_deleting(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    chief = itself(yunzhuo.services.accounts.default_organization_id())
    pool = make_pool(yunzhuo, chief, spares=0)
    wish = {"name": "Evening", "rule": "0 22 * * *", "action": "stop", "subject": {"kind": "pool", "id": pool}}
    made = boss.post("/schedules", json={**wish, "time_zone": "Asia/Shanghai"})
    assert made.status_code == 201, made.text
    schedule = made.get_json()
    here = f"/schedules/{schedule['id']}"
    assert (schedule["next_at"], schedule["subject"]["name"], schedule["latest"]) == ("2026-03-02T14:00:00Z", "Physics", None)
    problem(boss.post("/schedules", json=wish), 409, "schedule_name_taken")
    problem(lin.get(here), 403, "forbidden")
    for wrong in ({"rule": "noon"}, {"action": "delete"}, {"catch_up_minutes": 0}, {"time_zone": "Mars"}, {"name": ""}):
        errors = problem(boss.post("/schedules", json={**wish, "name": "Another", **wrong}), 422, "invalid_input")["errors"]
        assert set(errors) == set(wrong), errors
    changed = boss.patch(here, json={"rule": "0 23 * * *", "leaves_connected": False, "name": None}).get_json()
    assert (changed["next_at"], changed["leaves_connected"], changed["name"]) == ("2026-03-02T15:00:00Z", False, "Evening")
    other = make_pool(yunzhuo, chief, name="Chemistry", spares=0)
    assert boss.patch(here, json={"subject": {"kind": "pool", "id": other}}).get_json()["subject"]["name"] == "Chemistry"
    assert boss.patch(here, json={"subject": None}).get_json()["subject"]["name"] == "Chemistry"
    assert boss.post(f"{here}/pause").get_json()["next_at"] is None
    assert boss.post(f"{here}/resume").get_json()["next_at"] == "2026-03-02T15:00:00Z"
    assert boss.post(f"{here}/run").status_code == 202
    problem(boss.post(f"{here}/run"), 409, "schedule_is_running")
    yunzhuo.services.schedule_keeper.round()
    (run,) = boss.get(f"{here}/runs?limit=5").get_json()["items"]
    assert (run["status"], run["begun"], run["late_seconds"]) == ("succeeded", 0, 0)
    problem(lin.get("/timers"), 403, "forbidden")
    assert boss.delete(here).status_code == 204
    assert boss.get("/schedules").get_json()["items"] == []


def test_terms_an_end_put_off_and_a_desktop_had_back(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    (own,) = boss.get("/leases").get_json()["items"]
    assert (own["kind"], own["days"], own["is_set"]) == ("organization", None, False)
    here = f"/leases/{own['subject_id']}"
    terms = {"days": 30, "extend_days": 10, "extend_times": 1, "warn_hours": [24], "bin_days": 7}
    assert boss.ask("PUT", here, json=terms).get_json() == {**own, **terms, "is_set": True}
    problem(boss.ask("PUT", here, json={"warn_hours": []}), 422, "invalid_input")
    desktop = lin.post("/desktops", json=lin.wish()).get_json()["desktop"]
    yunzhuo.run()
    path = f"/desktops/{desktop['id']}"
    problem(lin.post(f"{path}/extend"), 409, "end_not_near")
    yunzhuo.pass_time(timedelta(days=29, minutes=1).total_seconds())
    yunzhuo.services.lease_keeper.round()
    assert lin.get(path).get_json()["is_ending"]
    extended = lin.post(f"{path}/extend").get_json()
    assert (extended["extensions_left"], extended["is_ending"]) == (0, False)
    problem(lin.post(f"{path}/extend"), 409, "no_extensions_left")
    problem(lin.ask("PUT", f"{path}/end", json={"ends_at": None}), 403, "forbidden")
    assert boss.ask("PUT", f"{path}/end", json={"ends_at": "2026-04-20T08:00:00+08:00"}).get_json()["ends_at"] == (
        "2026-04-20T00:00:00Z"
    )
    span = "since=2026-04-01T00:00:00Z&until=2026-05-01T00:00:00Z"
    (ending,) = boss.get(f"/leases/calendar?{span}").get_json()["items"]
    assert (ending["kind"], ending["at"], ending["owner_email"]) == ("ends", "2026-04-20T00:00:00Z", "lin@school.local")
    problem(lin.post(f"{path}/undelete"), 409, "not_in_bin")
    binned = lin.delete(path).get_json()["desktop"]
    assert (binned["state"], binned["actions"]) == ("binned", ["delete"])
    assert lin.get("/desktops").get_json()["items"] == []
    assert [each["id"] for each in lin.get("/desktops?state=binned").get_json()["items"]] == [desktop["id"]]
    yunzhuo.run()
    assert lin.post(f"{path}/undelete").get_json()["state"] == "stopped"
    assert lin.delete(f"{path}?for_good=true").get_json()["operation"]["action"] == "delete"
    assert boss.delete(here).status_code == 204
    assert not boss.get("/leases").get_json()["items"][0]["is_set"]
