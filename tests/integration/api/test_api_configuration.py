"""Pools, schedules and quotas as one document, as programs ask for it."""

from tests.support.api import Api, problem


def test_a_document_is_planned_applied_and_told(boss: Api, lin: Api) -> None:
    wish = boss.wish()
    pool = {
        "name": "Room 302",
        "image": wish["image"],
        "flavor": wish["flavor"],
        "capacity": 3,
        "members": ["lin@school.local"],
    }
    asked = {"document": {"pools": [pool], "quotas": [{"person": "lin@school.local", "desktops": 3}]}}
    shown = boss.post("/configuration/plan", json=asked).get_json()
    assert [(step["deed"], step["kind"], step["name"], step["of"]) for step in shown["steps"]] == [
        ("add", "pool", "Room 302", None),
        ("add", "quota", "lin@school.local", "person"),
    ]
    assert {"field": "members", "before": None, "after": ["lin@school.local"]} in shown["steps"][0]["differences"]
    problem(boss.post("/configuration/apply", json={**asked, "fingerprint": "0" * 64}), 409, "plan_moved")
    done = boss.post("/configuration/apply", json={**asked, "fingerprint": shown["fingerprint"]})
    assert (done.status_code, done.get_json()) == (200, shown)
    assert boss.post("/configuration/plan", json=asked).get_json()["steps"] == []
    exported = boss.get("/configuration").get_json()
    assert exported["quotas"] == [{"person": "lin@school.local", "desktops": 3}]
    assert boss.post("/configuration/plan", json={"document": exported}).get_json()["steps"] == []
    problem(lin.get("/configuration"), 403, "forbidden")


def test_what_is_wrong_is_named_at_its_place(boss: Api) -> None:
    for document, place in (
        ({"pools": [{"name": "x", "capacity": "3"}]}, "document.pools.0.capacity"),
        ({"pools": [{"name": "x", "spears": 3}]}, "document.pools.0.spears"),
        ({"quotas": [{"person": "x", "desktops": -1}]}, "document.quotas.0.desktops.constrained-int"),
    ):
        assert place in problem(boss.post("/configuration/plan", json={"document": document}), 422, "invalid_input")["errors"]
    asked = {"document": {"pools": [{"name": "x"}, {"name": "x"}]}}
    errors = problem(boss.post("/configuration/plan", json=asked), 422, "configuration_invalid")["errors"]
    assert errors.keys() == {"pools.0.image", "pools.0.flavor", "pools.0.capacity", "pools.1.name"}
