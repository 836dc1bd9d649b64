"""People, many desktops at once, hosts and the overview, as programs ask for them."""

import pytest
from tests.support.api import Api, problem
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind

# Long stories.
pytestmark = pytest.mark.slow


def id_of(boss: Api, name: str) -> str:
    (found,) = boss.get(f"/users?q={name}@").get_json()["items"]
    return str(found["id"])


def test_an_account_from_making_to_deleting(yunzhuo: Installation, boss: Api, anonymous: Api) -> None:
    made = boss.post("/users", json={"email": "wang@school.local"})
    assert made.status_code == 201
    user, password = made.get_json()["user"], made.get_json()["one_time_password"]
    assert (user["email"], user["role"], user["disabled"]) == ("wang@school.local", "user", False)
    signing_in = {"email": "wang@school.local", "password": password}
    problem(anonymous.post("/tokens", json=signing_in), 403, "password_change_required")

    changed = boss.patch(f"/users/{user['id']}", json={"role": "administrator", "disabled": True}).get_json()
    assert (changed["role"], changed["disabled"], changed["desktops"]) == ("administrator", True, 0)
    problem(anonymous.post("/tokens", json=signing_in), 401, "wrong_credentials")
    assert boss.get("/users?disabled=true&role=administrator").get_json()["items"] == [changed]
    boss.patch(f"/users/{user['id']}", json={"disabled": False})

    again = boss.post(f"/users/{user['id']}/password-reset").get_json()["one_time_password"]
    assert again != password
    assert boss.delete(f"/users/{user['id']}").get_json() == {"operations": []}
    problem(boss.get(f"/users/{user['id']}"), 404, "user_not_found")
    problem(boss.post("/users", json={"email": "lin@school.local", "password": PASSWORD}), 409, "email_taken")


def test_disabling_ends_a_token_at_once(boss: Api, lin: Api) -> None:
    assert lin.get("/users/me").status_code == 200
    boss.patch(f"/users/{id_of(boss, 'lin')}", json={"disabled": True})
    problem(lin.get("/users/me"), 401, "not_signed_in")


def test_deleting_asks_what_happens_to_desktops(yunzhuo: Installation, boss: Api, lin: Api, mei: Api) -> None:
    desktop_id, lin_id = lin.desktop(), id_of(boss, "lin")
    yunzhuo.run()
    problem(boss.delete(f"/users/{lin_id}"), 409, "user_has_desktops")
    assert "to" in problem(boss.delete(f"/users/{lin_id}?desktops=hand_over"), 422, "invalid_input")["errors"]
    boss.delete(f"/users/{lin_id}?desktops=hand_over&to={id_of(boss, 'mei')}")
    assert mei.get(f"/desktops/{desktop_id}").get_json()["owner"]["email"] == "mei@school.local"
    (operation,) = boss.delete(f"/users/{id_of(boss, 'mei')}?desktops=delete").get_json()["operations"]
    assert (operation["desktop_id"], operation["action"]) == (desktop_id, "delete")


def test_nobody_is_locked_out(boss: Api) -> None:
    own = id_of(boss, "boss")
    for answer in (
        boss.patch(f"/users/{own}", json={"role": "user"}),
        boss.patch(f"/users/{own}", json={"disabled": True}),
        boss.post(f"/users/{own}/password-reset"),
        boss.delete(f"/users/{own}"),
    ):
        problem(answer, 409, "own_account")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users", None),
        ("POST", "/users", {"email": "x@school.local"}),
        ("GET", "/users/x", None),
        ("PATCH", "/users/x", {"disabled": True}),
        ("DELETE", "/users/x", None),
        ("POST", "/users/x/password-reset", None),
        ("GET", "/hosts", None),
        ("GET", "/overview", None),
    ],
)
def test_users_and_strangers_may_none_of_it(
    still: Api, anonymous: Api, method: str, path: str, body: dict[str, object] | None
) -> None:
    problem(still.ask(method, path, json=body), 403, "forbidden")
    problem(anonymous.ask(method, path, json=body), 401, "not_signed_in")


def test_many_desktops_at_once(yunzhuo: Installation, boss: Api, lin: Api, mei: Api) -> None:
    first, second = lin.desktop(), mei.desktop()
    yunzhuo.run()
    answer = boss.post("/desktops/actions", json={"ids": [first, "nothing", second], "action": "stop"})
    assert answer.status_code == 200, answer.text
    results = answer.get_json()["results"]
    assert [result["id"] for result in results] == [first, "nothing", second]
    assert [result["operation"] and result["operation"]["action"] for result in results] == ["stop", None, "stop"]
    assert results[1]["problem"] == {"status": 404, "code": "desktop_not_found", "detail": "There is no such desktop."}
    (refused,) = lin.post("/desktops/actions", json={"ids": [second], "action": "delete"}).get_json()["results"]
    assert refused["problem"]["code"] == "desktop_not_found"
    problem(boss.post("/desktops/actions", json={"ids": [], "action": "stop"}), 422, "invalid_input")


def test_many_changes_are_rehearsed_first(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    first, second = lin.desktop(), lin.desktop()
    yunzhuo.run()
    wish = {"ids": [first, second, "nothing"], "action": "rebuild", "dry_run": True}
    before = yunzhuo.services.events.latest_id()
    told = boss.post("/desktops/actions", json=wish).get_json()
    assert (told["dry_run"], told["accepted"], told["refused"], told["at_once"]) == (True, 2, 1, 3)
    assert [result["operation"] for result in told["results"]] == [None, None, None]
    assert told["results"][2]["problem"]["code"] == "desktop_not_found"
    assert yunzhuo.services.events.latest_id() == before
    assert boss.get(f"/desktops/{first}").get_json()["state"] == "available"
    done = boss.post("/desktops/actions", json={**wish, "dry_run": False}).get_json()
    assert [bool(result["operation"]) for result in done["results"]] == [True, True, False]
    problem(boss.post("/desktops/actions", json={**wish, "action": "resize"}), 422, "invalid_input")


def test_many_desktops_are_made_once_within_quotas(yunzhuo: Installation, boss: Api, lin: Api, mei: Api) -> None:
    owner = lin.get("/users/me").get_json()["id"]
    limit = yunzhuo.settings.limits.desktops_per_user
    wish = {**lin.wish(), "desktops": [{"name": f"Lesson {n}", "owner": owner} for n in range(limit + 2)], "dry_run": True}
    wish = {name: value for name, value in wish.items() if name in ("image", "flavor", "desktops", "dry_run")}
    told = boss.post("/desktops/bulk", json=wish).get_json()
    assert (told["accepted"], told["refused"]) == (limit, 2)
    assert told["results"][-1]["problem"]["code"] == "desktop_limit_reached"
    assert lin.get("/desktops").get_json()["items"] == []
    for _ in range(2):
        answer = boss.post("/desktops/bulk", json={**wish, "dry_run": False}, headers={"Idempotency-Key": "lesson"})
        assert answer.get_json()["accepted"] == limit
    yunzhuo.run()
    assert len(yunzhuo.cloud.servers.list()) == limit == len(lin.get("/desktops?limit=100").get_json()["items"])
    (refused,) = mei.post("/desktops/bulk", json={**wish, "desktops": [{"owner": owner}]}).get_json()["results"]
    assert refused["problem"]["code"] == "forbidden"


def test_operations_are_listed_cancelled_and_tried_again(yunzhuo: Installation, boss: Api, lin: Api, mei: Api) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE, count=2))
    first, second = lin.desktop(name="one"), lin.desktop(name="two")
    yunzhuo.run()
    failed = boss.get("/operations?status=failed&q=lin@").get_json()["items"]
    assert {operation["desktop_id"] for operation in failed} == {first, second}
    assert all(set(operation["remedies"]) == {"retry", "delete"} for operation in failed)
    assert failed[0]["trace"]["cloud_request_ids"]
    assert lin.get(f"/operations/{failed[0]['id']}").get_json()["trace"] is None
    assert mei.get("/operations").get_json() == {"items": [], "next_cursor": None}
    problem(mei.post(f"/operations/{failed[0]['id']}/retry"), 404, "operation_not_found")
    ids = [operation["id"] for operation in failed]
    results = boss.post("/operations/actions", json={"ids": ids, "action": "retry"}).get_json()["results"]
    assert all(result["operation"]["status"] == "waiting" for result in results)
    assert {item["desktop_name"] for item in boss.get("/operations?active=true").get_json()["items"]} == {"one", "two"}
    cancelled = lin.post(f"/operations/{results[0]['operation']['id']}/cancel")
    assert (cancelled.status_code, cancelled.get_json()["status"]) == (202, "cancelled")
    problem(lin.post(f"/operations/{results[0]['operation']['id']}/cancel"), 409, "nothing_to_cancel")
    yunzhuo.run()
    assert lin.get(f"/desktops/{results[1]['operation']['desktop_id']}").get_json()["state"] == "available"
    problem(boss.post("/operations/actions", json={"ids": ids, "action": "delete"}), 422, "invalid_input")


def test_hosts_and_the_overview(yunzhuo: Installation, boss: Api) -> None:
    hosts = boss.get("/hosts").get_json()["items"]
    assert hosts
    assert {"memory_mib", "disk_mib", "room_for", "problems"} < set(hosts[0])
    assert boss.get("/overview").get_json()["ok"] is True
    yunzhuo.weather.change_options(missing_key_pair="of the lab")
    assert list(boss.get("/overview").get_json()["lacks"]) == ["no_key_pair"]
    yunzhuo.weather.faults.set(Fault(operation="hosts.list", kind=FaultKind.FAIL_BEFORE))
    found = boss.get("/overview").get_json()
    assert (found["ok"], found["cloud_problem"]["code"]) == (False, "cloud_unavailable")


def test_people_choose_their_own_language_and_time_zone(lin: Api) -> None:
    changed = lin.patch("/users/me", json={"language": "zh_CN", "time_zone": "Asia/Shanghai"}).get_json()
    assert (changed["language"], changed["time_zone"]) == ("zh_CN", "Asia/Shanghai")
    assert "time_zone" in problem(lin.patch("/users/me", json={"time_zone": "Mars"}), 422, "invalid_input")["errors"]
