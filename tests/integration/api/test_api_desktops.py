"""Desktops over the API: asked for, watched, changed, opened, given back."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from tests.support.api import Api, Template, problem
from tests.support.installation import Installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind

CONTENTS: list[dict[str, Any]] = [
    {},
    {"data": "garbage"},
    {"json": {}},
    {"json": {"action": "stop", "name": "x", "protocol": "vnc"}},
]
DESKTOP = {
    "id",
    "name",
    "hostname",
    "owner",
    "image",
    "flavor",
    "state",
    "wanted",
    "fault",
    "fault_code",
    "observed_at",
    "created_at",
    "operation",
    "actions",
    "server_name",
    "host",
    "address",
    "ends_at",
    "is_ending",
    "extensions_left",
    "bin_until",
    "renews_at",
    "idle_until",
    "agent",
    "is_locked",
}
OPERATION = {"id", "desktop_id", "action", "status", "position", "steps", "error", "created_at", "ended_at"} | {
    "note_code",
    "queue",
    "remedies",
}


def test_images_and_flavors_are_what_a_wish_takes(lin: Api) -> None:
    images, flavors = lin.get("/images").get_json(), lin.get("/flavors").get_json()
    assert images["next_cursor"] is None
    assert flavors["next_cursor"] is None
    assert images["items"][0]["is_default"] is True
    assert set(images["items"][0]) == {"id", "name", "version", "size_mib", "min_memory_mib", "min_disk_mib", "is_default"}
    sizes = [flavor["memory_mib"] for flavor in flavors["items"]]
    assert sizes == sorted(sizes)
    assert set(flavors["items"][0]) == {"id", "name", "vcpus", "memory_mib", "disk_mib"}


def test_a_desktop_is_asked_for_and_watched_until_it_is_there(yunzhuo: Installation, lin: Api) -> None:
    wish = lin.wish(name="Chemistry")
    answer = lin.post("/desktops", json=wish)
    assert answer.status_code == 202
    accepted = answer.get_json()
    assert set(accepted) == {"desktop", "operation"}
    desktop, operation = accepted["desktop"], accepted["operation"]
    assert set(desktop) == DESKTOP
    assert set(operation) == OPERATION
    assert desktop["operation"] == operation
    assert answer.headers["Location"] == f"/api/v1/operations/{operation['id']}"
    assert (desktop["name"], desktop["state"], desktop["wanted"]) == ("Chemistry", "building", "running")
    assert desktop["image"]["id"] == wish["image"]
    assert desktop["flavor"]["id"] == wish["flavor"]
    assert desktop["owner"]["email"] == "lin@school.local"
    assert desktop["observed_at"] is None
    assert desktop["actions"] == ["delete"]
    assert (operation["action"], operation["status"], operation["error"]) == ("create", "waiting", None)
    assert [step["name"] for step in operation["steps"]] == ["reserve", "server", "running", "ready"]
    assert set(operation["steps"][0]) == {"name", "status", "started_at", "ended_at", "detail"}
    yunzhuo.run()
    operation = lin.client.get(answer.headers["Location"], headers=lin.headers).get_json()
    assert (operation["status"], operation["position"], operation["desktop_id"]) == ("succeeded", 4, desktop["id"])
    assert operation["ended_at"].endswith("Z")
    desktop = lin.get(f"/desktops/{desktop['id']}").get_json()
    assert desktop["state"] == "available"
    assert desktop["observed_at"].startswith("2026-03-02T08:00:00")
    assert desktop["observed_at"].endswith("Z")
    assert desktop["actions"] == [
        "delete",
        "delete_snapshot",
        "reboot",
        "rebuild",
        "resize",
        "roll_back",
        "snapshot",
        "stop",
        "suspend",
    ]


def test_stop_start_reboot_delete(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    for body, state in [
        ({"action": "stop"}, "stopping"),
        ({"action": "start"}, "starting"),
        ({"action": "reboot"}, "rebooting"),
        ({"action": "reboot", "kind": "hard"}, "rebooting"),
    ]:
        answer = lin.post(f"/desktops/{desktop_id}/actions", json=body)
        assert answer.status_code == 202
        accepted = answer.get_json()
        assert accepted["desktop"]["state"] == state
        assert accepted["operation"]["action"] == body["action"]
        assert answer.headers["Location"].endswith(accepted["operation"]["id"])
        yunzhuo.run()
    answer = lin.delete(f"/desktops/{desktop_id}")
    assert answer.status_code == 202
    assert answer.get_json()["desktop"]["state"] == "deleting"
    yunzhuo.run()
    problem(lin.get(f"/desktops/{desktop_id}"), 404, "desktop_not_found")
    operation = lin.client.get(answer.headers["Location"], headers=lin.headers)
    assert operation.get_json()["status"] == "succeeded"


@pytest.mark.slow
def test_delete_may_be_asked_as_an_action(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    answer = lin.post(f"/desktops/{desktop_id}/actions", json={"action": "delete"})
    assert answer.get_json()["operation"]["action"] == "delete"
    problem(lin.delete(f"/desktops/{desktop_id}"), 409, "operation_in_progress")
    yunzhuo.run()
    assert lin.get("/desktops").get_json() == {"items": [], "next_cursor": None}


def test_a_failed_create_says_why_and_can_be_tried_again(yunzhuo: Installation, lin: Api) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
    desktop_id = lin.desktop()
    yunzhuo.run()
    desktop = lin.get(f"/desktops/{desktop_id}").get_json()
    assert desktop["state"] == "error"
    assert desktop["operation"]["status"] == "failed"
    assert desktop["operation"]["error"]["code"] == "no_capacity"
    assert desktop["operation"]["error"]["message"]
    assert desktop["actions"] == ["delete", "retry"]
    answer = lin.post(f"/desktops/{desktop_id}/actions", json={"action": "retry"})
    assert answer.get_json()["operation"]["action"] == "create"
    yunzhuo.run()
    assert lin.get(f"/desktops/{desktop_id}").get_json()["state"] == "available"


def test_what_the_state_does_not_allow_is_a_conflict(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    problem(lin.post(f"/desktops/{desktop_id}/actions", json={"action": "stop"}), 409, "operation_in_progress")
    yunzhuo.run()
    problem(lin.post(f"/desktops/{desktop_id}/actions", json={"action": "start"}), 409, "not_possible_now")
    problem(lin.post(f"/desktops/{desktop_id}/actions", json={"action": "retry"}), 409, "not_possible_now")


@pytest.mark.parametrize(
    "body", [{"action": "fly"}, {"action": "create"}, {"action": 1}, {}, {"action": "reboot", "kind": "gentle"}, []]
)
def test_unknown_actions_are_refused(still: Api, body: object) -> None:
    desktop_id = still.get("/desktops").get_json()["items"][0]["id"]
    problem(still.post(f"/desktops/{desktop_id}/actions", json=body), 422, "invalid_input")


def test_the_same_idempotency_key_makes_one_desktop(lin: Api, mei: Api) -> None:
    wish, key = lin.wish(), {"Idempotency-Key": "3f1c"}
    first, second = lin.post("/desktops", json=wish, headers=key), lin.post("/desktops", json=wish, headers=key)
    assert first.status_code == second.status_code == 202
    assert first.get_json()["operation"]["id"] == second.get_json()["operation"]["id"]
    assert first.get_json()["desktop"]["id"] == second.get_json()["desktop"]["id"]
    assert len(lin.get("/desktops").get_json()["items"]) == 1
    problem(lin.post("/desktops", json={**wish, "name": "other"}, headers=key), 409, "idempotency_key_reused")
    assert mei.post("/desktops", json=wish, headers=key).get_json()["desktop"]["id"] != first.get_json()["desktop"]["id"]


def test_an_idempotency_key_holds_when_both_come_at_once(app: Flask, lin: Api, template: Template) -> None:
    wish = lin.wish()

    def ask(_: int) -> Any:
        return (
            Api(app.test_client(), template.tokens["lin"])
            .post("/desktops", json=wish, headers={"Idempotency-Key": "k"})
            .get_json()
        )

    with ThreadPoolExecutor(4) as pool:
        ids = {answer["desktop"]["id"] for answer in pool.map(ask, range(4))}
    assert len(ids) == 1


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "schlüssel"])
def test_what_is_no_idempotency_key_is_refused(still: Api, key: str) -> None:
    answer = still.post("/desktops", json=still.wish(), headers={"Idempotency-Key": key})
    assert "Idempotency-Key" in problem(answer, 422, "invalid_input")["errors"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image": "nothing"}, "image"),
        ({"image": ""}, "image"),
        ({"flavor": "0b6f7a0e-6d0c-4d6a-9a35-0f0a3f6d8a11"}, "flavor"),
        ({"flavor": None}, "flavor"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": 5}, "name"),
        ({"keeper": "mei"}, "keeper"),
    ],
)
def test_impossible_wishes_name_the_field(still: Api, changes: dict[str, object], field: str) -> None:
    answer = still.post("/desktops", data=json.dumps({**still.wish(), **changes}))
    assert field in problem(answer, 422, "invalid_input")["errors"]


def test_an_image_too_large_for_the_flavor_is_refused(still: Api) -> None:
    big = next(image for image in still.get("/images").get_json()["items"] if image["min_memory_mib"] > 512)
    answer = still.post("/desktops", json={**still.wish(), "image": big["id"]})
    assert "flavor" in problem(answer, 422, "invalid_input")["errors"]


@pytest.mark.slow
def test_a_user_has_twenty_desktops_at_most(lin: Api) -> None:
    wish = lin.wish()
    assert [lin.post("/desktops", json=wish).status_code for _ in range(20)] == [202] * 20
    problem(lin.post("/desktops", json=wish), 409, "desktop_limit_reached")


def test_a_desktop_is_renamed(lin: Api) -> None:
    desktop_id = lin.desktop(name="before")
    answer = lin.patch(f"/desktops/{desktop_id}", json={"name": " 物理  "})
    assert answer.status_code == 200
    assert answer.get_json()["name"] == "物理"
    assert set(answer.get_json()) == DESKTOP
    problem(lin.patch(f"/desktops/{desktop_id}", json={"name": ""}), 422, "invalid_input")
    problem(lin.patch(f"/desktops/{desktop_id}", json={}), 422, "invalid_input")
    problem(lin.patch(f"/desktops/{desktop_id}", json={"name": "x", "state": "available"}), 422, "invalid_input")


def test_the_list_comes_page_by_page(yunzhuo: Installation, lin: Api) -> None:
    names = [f"desktop {number}" for number in range(7)]
    for name in names:
        lin.desktop(name=name)
        yunzhuo.pass_time(1)
    seen: list[str] = []
    cursor: str | None = ""
    for expected in (3, 3, 1):
        page = lin.get("/desktops", query_string={"limit": 3, "cursor": cursor}).get_json()
        assert len(page["items"]) == expected
        seen += [desktop["name"] for desktop in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == names[::-1]


def test_the_list_is_searched_by_name_and_state(yunzhuo: Installation, lin: Api) -> None:
    lin.desktop(name="Physics 100%")
    stopped = lin.desktop(name="Chemistry")
    yunzhuo.run()
    lin.post(f"/desktops/{stopped}/actions", json={"action": "stop"})
    yunzhuo.run()

    def names(**query: str) -> list[str]:
        return [desktop["name"] for desktop in lin.get("/desktops", query_string=query).get_json()["items"]]

    assert names(q="PHYS") == ["Physics 100%"]
    assert names(q="100%") == ["Physics 100%"]
    assert names(q="1%") == []
    assert names(state="stopped") == ["Chemistry"]
    assert names(state="available") == ["Physics 100%"]
    assert names(state="available", q="chem") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("state=unknown", "state"),
        ("state=", "state"),
        ("cursor=x", "cursor"),
        ("cursor=MjAyNi0wMy0wMg==", "cursor"),
        ("cursor=OTk5OS0xMi0zMVQyMzo1OTo1OS0yMzo1OSB4", "cursor"),  # 9999-12-31T23:59:59-23:59, later than times go
        ("q=" + "x" * 257, "q"),
    ],
)
def test_impossible_queries_name_the_field(still: Api, query: str, field: str) -> None:
    assert field in problem(still.get(f"/desktops?{query}"), 422, "invalid_input")["errors"]


def test_another_persons_desktop_does_not_exist(yunzhuo: Installation, lin: Api, mei: Api) -> None:
    desktop_id = lin.desktop()
    operation_id = lin.get(f"/desktops/{desktop_id}").get_json()["operation"]["id"]
    yunzhuo.run()
    assert mei.get("/desktops").get_json()["items"] == []
    for method, path in [
        ("GET", f"/desktops/{desktop_id}"),
        ("PATCH", f"/desktops/{desktop_id}"),
        ("DELETE", f"/desktops/{desktop_id}"),
        ("POST", f"/desktops/{desktop_id}/actions"),
        ("POST", f"/desktops/{desktop_id}/connections"),
    ]:
        for content in CONTENTS:
            mine = problem(mei.ask(method, path, **content), 404, "desktop_not_found")
            nobodys = mei.ask(method, path.replace(desktop_id, "0b6f7a0e-6d0c-4d6a-9a35-0f0a3f6d8a11"), **content)
            assert {**mine, "request_id": ""} == {**nobodys.get_json(), "request_id": ""}
    problem(mei.get(f"/operations/{operation_id}"), 404, "operation_not_found")
    assert lin.get(f"/desktops/{desktop_id}").get_json()["state"] == "available"


def test_an_administrator_sees_all_and_opens_only_their_own(yunzhuo: Installation, lin: Api, boss: Api) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    assert [desktop["id"] for desktop in boss.get("/desktops").get_json()["items"]] == [desktop_id]
    assert boss.get(f"/desktops/{desktop_id}").get_json()["owner"]["email"] == "lin@school.local"
    problem(boss.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}), 403, "forbidden")
    assert boss.post(f"/desktops/{desktop_id}/actions", json={"action": "stop"}).status_code == 202


def test_a_connection_is_a_ticket_for_the_gateway(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    problem(lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"}), 409, "desktop_not_available")
    yunzhuo.run()
    answer = lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "vnc"})
    assert answer.status_code == 201
    connection = answer.get_json()
    assert set(connection) == {"id", "protocol", "url", "ticket", "subprotocol", "expires_at", "gateway"} | {
        "resume_ticket",
        "resume_subprotocol",
        "resume_seconds",
    }
    assert (connection["protocol"], connection["gateway"]) == ("vnc", "local")
    assert connection["url"] == "ws://localhost:8081/v1/console"
    assert connection["subprotocol"] == f"ticket.{connection['ticket']}"
    assert connection["expires_at"].endswith("Z")
    problem(lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "rdp"}), 422, "protocol_not_offered")
    problem(lin.post(f"/desktops/{desktop_id}/connections", json={"protocol": "telnet"}), 422, "invalid_input")
    problem(lin.post(f"/desktops/{desktop_id}/connections", json={}), 422, "invalid_input")


def test_a_list_in_another_order_goes_on_where_it_stopped(yunzhuo: Installation, lin: Api, boss: Api) -> None:
    for name in ("beta", "alpha", "delta", "gamma"):
        lin.desktop(name=name)
        yunzhuo.pass_time(0.1)

    def names(query: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = boss.get(f"/desktops?limit=3&{query}{cursor}").get_json()
            found += [desktop["name"] for desktop in page["items"]]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        return found

    assert names("") == ["gamma", "delta", "alpha", "beta"]
    assert names("sort=name") == ["alpha", "beta", "delta", "gamma"]
    assert names("sort=name&descending=true") == ["gamma", "delta", "beta", "alpha"]
    assert names("descending=false") == ["beta", "alpha", "delta", "gamma"]
    owner = boss.get("/desktops").get_json()["items"][0]["owner"]["id"]
    assert len(names(f"owner={owner}")) == 4
    assert names("owner=nobody") == []
    problem(boss.get("/desktops?sort=name&cursor=nonsense"), 422, "invalid_input")
