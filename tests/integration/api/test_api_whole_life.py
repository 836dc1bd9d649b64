"""The rest of a desktop's life over the API: verbs with their arguments, snapshots, history."""

from typing import Any

import pytest
from tests.support.api import Api, problem
from tests.support.installation import Installation

# Long stories.
pytestmark = pytest.mark.slow


def act(api: Api, desktop_id: str, **wish: str) -> Any:
    return api.post(f"/desktops/{desktop_id}/actions", json=wish)


def test_every_verb_says_what_it_needs(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    for wish, field, code in (
        ({"action": "resize"}, "flavor", "invalid_input"),
        ({"action": "snapshot"}, "name", "invalid_input"),
        ({"action": "roll_back"}, "snapshot", "invalid_input"),
        ({"action": "delete_snapshot"}, "snapshot", "invalid_input"),
        ({"action": "rebuild", "image": "no-such"}, "image", "image_not_found"),
        ({"action": "resize", "flavor": "no-such"}, "flavor", "invalid_input"),
    ):
        refused = problem(act(lin, desktop_id, **wish), 422, code)
        assert set(refused["errors"]) == {field}


def test_suspend_resume_rebuild_resize(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    flavors = lin.get("/flavors").get_json()["items"]
    for wish, during, after in (
        ({"action": "suspend"}, "suspending", "suspended"),
        ({"action": "resume"}, "resuming", "available"),
        ({"action": "reboot", "kind": "hard"}, "rebooting", "available"),
        ({"action": "rebuild"}, "rebuilding", "available"),
        ({"action": "resize", "flavor": flavors[1]["id"]}, "resizing", "available"),
    ):
        answer = act(lin, desktop_id, **wish)
        assert answer.status_code == 202, answer.get_json()
        assert answer.get_json()["desktop"]["state"] == during
        yunzhuo.run()
        assert lin.get(f"/desktops/{desktop_id}").get_json()["state"] == after
    shown = lin.get(f"/desktops/{desktop_id}").get_json()
    assert shown["flavor"]["id"] == flavors[1]["id"]
    assert "force_delete" not in shown["actions"]
    problem(act(lin, desktop_id, action="force_delete"), 403, "forbidden")
    problem(act(lin, desktop_id, action="resize", flavor=flavors[0]["id"]), 422, "flavor_disk_shrinks")


def test_snapshots_and_history(yunzhuo: Installation, lin: Api) -> None:
    desktop_id = lin.desktop()
    yunzhuo.run()
    at = f"/desktops/{desktop_id}"
    assert lin.get(f"{at}/snapshots").get_json() == {"items": [], "next_cursor": None, "limit": 5}
    answer = lin.post(f"{at}/snapshots", json={"name": "Before"})
    assert answer.status_code == 202
    assert answer.headers["Location"].startswith("/api/v1/operations/")
    assert lin.get(f"{at}/snapshots").get_json()["items"][0]["is_kept"] is False
    yunzhuo.run()
    (kept,) = lin.get(f"{at}/snapshots").get_json()["items"]
    assert set(kept) == {"id", "name", "has_memory", "size_mib", "created_at", "is_kept"}
    problem(lin.post(f"{at}/snapshots", json={"name": "Before"}), 422, "snapshot_name_taken")
    assert lin.post(f"{at}/snapshots/{kept['id']}/roll-back").status_code == 202
    yunzhuo.run()
    problem(lin.post(f"{at}/snapshots/nothing/roll-back"), 404, "snapshot_not_found")
    assert lin.delete(f"{at}/snapshots/{kept['id']}").status_code == 202
    yunzhuo.run()
    assert lin.get(f"{at}/snapshots").get_json()["items"] == []
    history = lin.get(f"{at}/operations?limit=3").get_json()
    assert [entry["action"] for entry in history["items"]] == ["delete_snapshot", "roll_back", "snapshot"]
    assert {entry["subject"] for entry in history["items"]} == {"Before"}
    assert history["items"][0]["user"]["email"] == "lin@school.local"
    rest = lin.get(f"{at}/operations?cursor={history['next_cursor']}").get_json()
    assert [entry["action"] for entry in rest["items"]] == ["create"]


@pytest.mark.parametrize("path", ["snapshots", "operations"])
def test_somebody_elses_is_404(yunzhuo: Installation, lin: Api, mei: Api, path: str) -> None:
    desktop_id = lin.desktop()
    problem(mei.get(f"/desktops/{desktop_id}/{path}"), 404, "desktop_not_found")
    problem(mei.post(f"/desktops/{desktop_id}/snapshots", data="garbage"), 404, "desktop_not_found")
