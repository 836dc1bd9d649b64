"""The personal disk over the API: made, moved, kept, put back, deleted."""

from tests.support.api import Api, problem
from tests.support.installation import Installation

DISK = "/personal-disk"


def test_a_disk_from_its_beginning_to_its_end(yunzhuo: Installation, lin: Api) -> None:
    problem(lin.get(DISK), 404, "personal_disk_not_found")
    problem(lin.post(DISK, json={"size_mib": 1 << 30}), 422, "personal_disk_size")
    made = lin.post(DISK, json={"size_mib": 256})
    assert made.status_code == 201
    assert (made.get_json()["size_mib"], made.get_json()["state"]) == (256, "free")
    problem(lin.post(DISK, json={}), 409, "personal_disk_there")
    assert lin.get(f"{DISK}/usage").get_json() == {"size_mib": None, "used_mib": None}

    first, second = lin.desktop(name="One"), lin.desktop(name="Two")
    yunzhuo.run()
    at = lin.get(DISK).get_json()["desktop"]["id"]
    assert at in (first, second)
    other = second if at == first else first
    assert lin.get(f"{DISK}/usage").get_json() == {"size_mib": 256, "used_mib": 0}
    moved = lin.post(f"{DISK}/connect", json={"desktop": other})
    assert moved.status_code == 202
    assert moved.get_json()["desktop"]["state"] == "changing_disk"
    assert moved.headers["Location"].startswith("/api/v1/operations/")
    yunzhuo.run()
    assert lin.get(DISK).get_json()["desktop"]["id"] == other

    kept = lin.post(f"{DISK}/snapshots", json={"name": "Monday"}).get_json()["snapshots"][0]
    assert (kept["name"], kept["is_kept"]) == ("Monday", True)
    problem(lin.post(f"{DISK}/snapshots", json={"name": "Monday"}), 422, "disk_snapshot_name_taken")
    assert lin.post(f"{DISK}/snapshots/{kept['id']}/restore").status_code == 202
    yunzhuo.run()
    problem(lin.delete(DISK), 409, "personal_disk_connected")
    assert lin.post(f"{DISK}/disconnect", json={}).status_code == 202
    yunzhuo.run()
    problem(lin.post(f"{DISK}/disconnect", json={}), 409, "personal_disk_free")
    assert lin.post(f"{DISK}/snapshots/{kept['id']}/restore").status_code == 204
    assert lin.delete(f"{DISK}/snapshots/{kept['id']}").status_code == 204
    problem(lin.delete(f"{DISK}/snapshots/{kept['id']}"), 404, "disk_snapshot_not_found")
    assert lin.delete(DISK).status_code == 204
    problem(lin.get(DISK), 404, "personal_disk_not_found")


def test_an_account_with_a_disk_is_deleted_with_an_answer_only(lin: Api, boss: Api) -> None:
    lin.post(DISK, json={})
    user = f"/users/{lin.get('/users/me').get_json()['id']}"
    assert boss.get(user).get_json()["personal_disk_mib"] == 10240
    problem(boss.delete(user), 409, "user_has_personal_disk")
    problem(boss.delete(f"{user}?personal_disk=keep"), 422, "invalid_input")
    assert boss.delete(f"{user}?personal_disk=delete").status_code == 200
