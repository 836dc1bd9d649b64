"""Hosts, networks and the cloud's images, as operators' programs ask for them."""

from tests.support.api import Api, problem
from tests.support.installation import Installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind


def test_a_dead_host_is_evacuated_once_it_is_proved_to_be_dead(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    desktop_id = lin.desktop(name="Maths")
    yunzhuo.run()
    hosts = boss.get("/hosts").get_json()["items"]
    full = next(host["id"] for host in hosts if host["servers"])
    problem(boss.post(f"/hosts/{full}", json={"change": "force_down"}), 409, "host_not_down")
    (refused,) = boss.post(f"/hosts/{full}/moves", json={"how": "evacuate"}).get_json()["items"]
    assert refused["problem"]["code"] == "host_not_down"

    silent = [host.model_copy(update={"is_up": host.id != full}) for host in yunzhuo.weather.options.hosts]
    yunzhuo.weather.change_options(hosts=silent)
    assert boss.post(f"/hosts/{full}", json={"change": "force_down"}).status_code == 204
    dead = next(host for host in boss.get("/hosts").get_json()["items"] if host["id"] == full)
    assert (dead["is_enabled"], dead["is_up"], dead["is_forced_down"]) == (False, False, True)
    (moved,) = boss.post(f"/hosts/{full}/moves", json={"how": "evacuate"}).get_json()["items"]
    assert (moved["desktop_id"], moved["problem"]) == (desktop_id, None)
    assert boss.post(f"/hosts/{full}/moves", json={"how": "live"}).get_json()["items"] == []
    entries = boss.get("/audit?verb=host:move").get_json()["items"]
    assert entries
    problem(boss.post("/hosts/nowhere/moves", json={"how": "live"}), 404, "host_not_found")
    problem(boss.post(f"/hosts/{full}", json={"change": "disable"}), 422, "invalid_input")


def test_networks_routers_and_security_groups(boss: Api) -> None:
    made = boss.post("/networks", json={"name": "room 3", "subnet": {"cidr": "10.77.0.0/24"}}).get_json()
    (subnet,) = made["subnets"]
    assert (made["is_ours"], subnet["gateway"], subnet["addresses_used"]) == (True, "10.77.0.1", 0)
    router = boss.post("/routers", json={"name": "way out", "external_network_id": "public"}).get_json()
    assert boss.ask("PUT", f"/routers/{router['id']}/subnets/{subnet['id']}").status_code == 204
    problem(boss.delete(f"/networks/{made['id']}"), 409, "network_in_use")
    assert boss.delete(f"/routers/{router['id']}/subnets/{subnet['id']}").status_code == 204
    assert boss.delete(f"/routers/{router['id']}").status_code == 204
    assert boss.delete(f"/networks/{made['id']}").status_code == 204
    problem(boss.post("/networks", json={"name": "x", "subnet": {"cidr": "nowhere"}}), 422, "invalid_input")

    exam = {"name": "exam", "template": "exam", "networks": ["10.1.0.0/16"]}
    group = boss.post("/security-groups", json=exam).get_json()
    assert {rule["direction"] for rule in group["rules"]} == {"out"}
    rule = boss.post(f"/security-groups/{group['id']}/rules", json={"direction": "in", "protocol": "icmp"}).get_json()
    assert boss.delete(f"/security-groups/{group['id']}/rules/{rule['id']}").status_code == 204
    assert boss.get("/security-groups").get_json()["items"] == [group]


def test_an_image_is_fetched_and_offered_until_it_is_taken_out_of_use(yunzhuo: Installation, boss: Api) -> None:
    wish = {"name": "Fetched", "disk_format": "raw", "url": "https://example.org/disk.raw"}
    made = boss.post("/stored-images", json=wish).get_json()
    assert (made["state"], made["is_ours"]) == ("active", True)
    changed = boss.patch(f"/stored-images/{made['id']}", json={"is_active": False, "visibility": "shared"}).get_json()
    assert (changed["state"], changed["visibility"]) == ("deactivated", "shared")
    assert boss.ask("PUT", f"/stored-images/{made['id']}/projects/other").status_code == 204
    assert boss.get(f"/stored-images/{made['id']}/projects").get_json()["items"] == ["other"]
    assert boss.delete(f"/stored-images/{made['id']}/projects/other").status_code == 204
    assert boss.delete(f"/stored-images/{made['id']}").status_code == 204
    problem(boss.get(f"/stored-images/{made['id']}"), 404, "image_not_found")
    problem(boss.post("/stored-images", json={"name": "x", "url": "file:///etc/passwd"}), 422, "invalid_input")


def test_an_organization_is_given_a_project_of_its_own_and_loses_it(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    organization = boss.post("/organizations", json={"name": "North"}).get_json()
    assert (organization["placing"], organization["project_id"]) == ("shared", None)
    path = f"/organizations/{organization['id']}"
    assert boss.get(f"{path}/project").get_json()["placing"] == "shared"
    problem(lin.ask("PUT", f"{path}/project"), 403, "forbidden")
    made = boss.ask("PUT", f"{path}/project").get_json()
    assert (made["placing"], made["is_enabled"], made["elsewhere"]) == ("own", True, 0)
    assert made["quota"]["servers"] == {"used": 0, "most": None}
    assert boss.get(path).get_json()["project_id"] == made["id"]
    assert [project.id for project in yunzhuo.cloud.projects.list()] == [made["id"]]
    problem(boss.delete(f"{path}/project"), 409, "organization_not_disabled")
    assert boss.patch(path, json={"disabled": True}).status_code == 200
    assert boss.delete(f"{path}/project").status_code == 204
    assert boss.get(f"{path}/project").get_json()["id"] is None
    assert not yunzhuo.cloud.projects.list()
    problem(boss.get("/organizations/nowhere/project"), 404, "organization_not_found")


def test_an_image_that_is_not_fetched_says_why_and_a_refused_one_leaves_nothing(yunzhuo: Installation, boss: Api) -> None:
    wish = {"name": "Fetched", "disk_format": "raw", "url": "https://lin:secret@example.org/disk.raw?signature=secret"}
    before = boss.get("/stored-images").get_json()["items"]
    yunzhuo.weather.faults.set(Fault(operation="image_store.import_from", kind=FaultKind.REFUSE))
    problem(boss.post("/stored-images", json=wish), 409, "refused_by_cloud")
    assert boss.get("/stored-images").get_json()["items"] == before
    why = "The web server answered 404."
    yunzhuo.weather.faults.set(Fault(operation="image_store.import_from", kind=FaultKind.BREAK, reason=why))
    made = boss.post("/stored-images", json=wish).get_json()
    assert (made["state"], made["said"]) == ("empty", why)
    assert boss.get(f"/stored-images/{made['id']}").get_json() == made
    (entry,) = [each for each in boss.get("/audit?verb=image:create").get_json()["items"] if "url" in str(each["after"])]
    assert entry["after"] == {"url": "https://example.org/disk.raw"}


def test_one_desktop_is_looked_after(yunzhuo: Installation, boss: Api, lin: Api) -> None:
    desktop_id = lin.desktop(name="Maths")
    yunzhuo.run()
    path = f"/desktops/{desktop_id}"
    problem(lin.post(f"{path}/care", json={"deed": "lock"}), 403, "forbidden")
    assert boss.post(f"{path}/care", json={"deed": "lock"}).status_code == 204
    assert lin.get(path).get_json()["is_locked"] is True
    problem(lin.post(f"{path}/actions", json={"action": "stop"}), 409, "desktop_locked")
    assert boss.post(f"{path}/care", json={"deed": "unlock"}).status_code == 204
    assert "YUNZHUO READY" in boss.get(f"{path}/console-log").get_json()["text"]
    problem(boss.post(f"{path}/care", json={"deed": "dance"}), 422, "invalid_input")
    problem(boss.post(f"{path}/care", json={"deed": "rescue", "image": "none"}), 422, "image_not_found")

    group = boss.post("/security-groups", json={"name": "exam", "template": "closed"}).get_json()
    asked = boss.ask("PUT", f"{path}/security-groups", json={"ids": [group["id"]]})
    assert asked.get_json() == boss.get(f"{path}/security-groups").get_json() == {"ids": [group["id"]]}
    problem(boss.delete(f"/security-groups/{group['id']}"), 409, "network_in_use")
