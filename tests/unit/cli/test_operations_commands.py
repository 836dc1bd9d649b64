"""``yunzhuo operations``, ``reconcile``, ``desktop bulk`` and ``create-many``."""

from pathlib import Path

import pytest
from tests.support.commands import answer
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.services.access import Role
from yunzhuo.services.rules.lifecycle import Action


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with a desktop that is there, one whose create failed, and one that waits to be let in."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home", admission={"builds_per_cloud": 1}) as yunzhuo:
        yunzhuo.person("boss", Role.ADMINISTRATOR)
        lin = yunzhuo.person("lin")
        yunzhuo.available(lin, name="there")
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
        yunzhuo.available(lin, name="failed")
        yunzhuo.request(lin, name="first")
        yunzhuo.request(lin, name="waits")


def test_operations_are_listed_shown_cancelled_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    (waiting,) = answer(capsys, "operations", "list", "--status", "waiting")["items"]
    assert (waiting["desktop"], waiting["queue"]["position"]) == ("waits", 1)
    (failed,) = answer(capsys, "operations", "list", "--status", "failed", "--search", "lin@")["items"]
    shown = answer(capsys, "operations", "show", failed["id"])
    assert shown["error"]["code"] == "no_capacity"
    assert shown["cloud_request_ids"]["1"]
    assert main(["operations", "show", failed["id"]]) == 0
    assert "has room for it" in capsys.readouterr().out.lower()
    (cancelled,) = answer(capsys, "operations", "cancel", waiting["id"])["results"]
    assert cancelled["operation"]["status"] == "cancelled"
    (refused,) = answer(capsys, "operations", "cancel", waiting["id"], code=1)["results"]
    assert refused["problem"]["code"] == "nothing_to_cancel"
    (retried,) = answer(capsys, "operations", "retry", "--all", "--search", "failed")["results"]
    assert retried["operation"]["action"] == "create"
    assert answer(capsys, "operations", "list", "--status", "failed", "--active")["items"] == []
    assert answer(capsys, "operations", "retry", code=1)["error"]["code"] == "invalid_input"


def test_reconcile_says_what_it_would_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        (server,) = yunzhuo.cloud.servers.list()
        yunzhuo.weather.disturb.rename(server.id, "hacked")
        kinds = {each["kind"] for each in answer(capsys, "reconcile", "--dry-run")["findings"]}
        assert kinds == {"renamed", "no_server"}
        assert answer(capsys, "reconcile")["dry_run"] is False
        assert [each["kind"] for each in answer(capsys, "reconcile", "--dry-run")["findings"]] == ["no_server"]
        assert main(["reconcile", "--dry-run"]) == 0
        assert "left to you" in capsys.readouterr().out


def test_reconcile_tells_what_a_rule_removes_and_what_became_of_addresses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.run()
        chief = yunzhuo.person("chief", Role.OPERATOR)
        desktops = {each.name: each.id for each in yunzhuo.services.desktops.list(chief).items}
        yunzhuo.services.address_upkeep.round()
        yunzhuo.services.addresses.assign(chief, desktops["there"])
        yunzhuo.services.desktops.act(chief, desktops["first"], Action.DELETE)
        yunzhuo.run()
        (address,) = yunzhuo.cloud.addresses.list()
        yunzhuo.cloud.addresses.dissociate(address.id, address.server_id or "")
        yunzhuo.cloud.addresses.delete(address.id)
        server = yunzhuo.cloud.servers.list()[0]
        yunzhuo.cloud.servers.create(ServerRequest(desktops["first"], "ghost", "ghost", server.image_id, server.flavor_id))
        found = {(each["thing"], each["kind"]): each for each in answer(capsys, "reconcile", "--dry-run")["findings"]}
        assert found["server", "left_behind"]["done"] == "removed, at second sight"
        lost = found["address", "missing_first"]
        assert (lost["name"], lost["desktop_id"], lost["status"]) == (address.address, desktops["there"], None)
        assert lost["done"] == "looked for once more"
        answer(capsys, "reconcile")
        assert main(["reconcile", "--dry-run"]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert lines[0][-3:] == ["SAYS", "WOULD", "BE"]
        assert any(line[:2] == ["address", "missing_again"] and line[-2:] == ["called", "missing"] for line in lines)


@pytest.mark.slow
def test_many_desktops_are_rehearsed_and_changed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = answer(capsys, "desktop", "bulk", "stop", "--all", "--owner", "lin@school.local", "--dry-run", code=1)
    assert (told["dry_run"], told["accepted"], len(told["results"])) == (True, 1, 4)
    done = answer(capsys, "desktop", "bulk", "stop", "--all", "--state", "available")
    assert [result["operation"]["action"] for result in done["results"]] == ["stop"]
    people = tmp_path / "class.txt"
    people.write_text("lin@school.local\nboss@school.local\n")
    made = ["desktop", "create-many", "--for-file", str(people), "--name", "Lesson", "--key", "lesson-1"]
    assert answer(capsys, *made, "--dry-run")["accepted"] == 2
    first, second = answer(capsys, *made), answer(capsys, *made)
    assert [each["id"] for each in first["results"]] == [each["id"] for each in second["results"]]
    names = {each["name"]: each["owner"] for each in answer(capsys, "desktop", "list", "--search", "Lesson")["items"]}
    assert names == {"Lesson 1": "lin@school.local", "Lesson 2": "boss@school.local"}
    assert answer(capsys, "desktop", "create-many", code=1)["error"]["code"] == "invalid_input"
    assert main(["desktop", "bulk", "delete", "--all", "--yes", "--dry-run"]) == 0
    assert "would be accepted" in capsys.readouterr().out


def test_floating_ips_are_given_listed_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "reconcile")  # learns that this cloud has them
    (desktop,) = [each for each in answer(capsys, "desktop", "list")["items"] if each["name"] == "there"]
    asked = answer(capsys, "desktop", "assign-address", desktop["id"], "--no-wait")
    assert asked["action"] == "assign_address"
    (listed,) = answer(capsys, "address", "list")["items"]
    assert (listed["desktop_name"], listed["state"], listed["address"]) == ("there", "coming", None)
    assert main(["desktop", "release-address", desktop["id"], "--no-wait"]) == 1
    assert "still going on" in capsys.readouterr().err
    assert main(["address", "list"]) == 0
    assert "coming" in capsys.readouterr().out
