"""``yunzhuo license customer``, ``installation`` and ``keys``: the vendor's side from a terminal."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.commands import answer, refusal, said
from tests.support.license_server import Host, Vendor, vendor

from yunzhuo.phoenix.security import licenses
from yunzhuo.services.rules.licensing import EDITIONS

Output = pytest.CaptureFixture[str]
ADD = ("license", "installation", "add", "First School", "main")


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vendor:
    """A vendor with a signing key and a customer; its services are closed, its files are there."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    with vendor(tmp_path / "home") as made:
        made.customer("First School")
    return made


def test_an_installation_is_made_bound_renewed_suspended_and_deleted(capsys: Output, server: Vendor, tmp_path: Path) -> None:
    assert said(capsys, "license", "installation", "list") == "There are none.\n"
    made = answer(capsys, *ADD, "--days", "30", "--edition", "school", "--limit", "desktops=40", "--feature", "gateways")
    assert made["code"]
    found = made["installation"]
    one = ("license", "installation")
    assert found["terms"]["limits"] == {"desktops": 40}
    assert set(found["terms"]["features"]) == {*EDITIONS["school"], "gateways"}
    until = datetime.fromisoformat(found["terms"]["expires_at"])
    assert timedelta(days=29) < until - datetime.now(UTC) <= timedelta(days=30)
    line = said(capsys, "license", "installation", "list").splitlines()[1].split()
    assert line == [found["id"], "First", "School", "main", "waiting", f"{until:%Y-%m-%d}"]

    host_file, license_file = tmp_path / "host.json", tmp_path / "license.json"
    host_file.write_bytes(Host(server).document())
    assert said(capsys, *one, "bind", found["id"], str(host_file)).startswith("main: active, serial 1, until ")
    changed = answer(capsys, *one, "change", found["id"], "--until", "2099-08-31", "--no-limits", "--edition", "standard")
    assert (changed["terms"]["limits"], changed["terms"]["features"]) == ({}, list(EDITIONS["standard"]))
    assert changed["serial"] == 2
    kept = answer(capsys, *one, "change", found["id"], "--grace-days", "3", "--limit", "users=900", "--moves", "5")
    assert (kept["terms"]["expires_at"], kept["terms"]["grace_days"]) == (changed["terms"]["expires_at"], 3)
    assert (kept["terms"]["edition"], kept["terms"]["limits"], kept["moves_allowed"]) == ("standard", {"users": 900}, 5)
    assert said(capsys, *one, "license", found["id"], "--out", str(license_file)) == f"{license_file} was written.\n"
    read, _ = licenses.read(license_file.read_bytes(), server.pin().keys.get)
    assert (read.serial, read.limits.users, read.customer) == (3, 900, "First School")

    assert 'suspended, serial 4, until 2099-09-01, limits {"users": 900}' in said(capsys, *one, "act", found["id"], "suspend")
    assert answer(capsys, *one, "delete", found["id"], code=1)["error"]["code"] == "license_still_counts"
    assert answer(capsys, *one, "act", found["id"], "resume")["state"] == "active"
    assert answer(capsys, *one, "act", found["id"], "revoke")["state"] == "revoked"
    history = said(capsys, *one, "history", found["id"]).splitlines()
    assert history[0].split() == ["SERIAL", "ISSUED", "WHY", "UNTIL", "KEY"]
    assert sorted(int(line.split()[0]) for line in history[1:]) == [1, 2, 3, 4, 5, 6]
    assert said(capsys, *one, "delete", found["id"]) == "Deleted; what was issued stays on record.\n"
    assert answer(capsys, *one, "list")["items"] == []


def test_another_code_is_printed(capsys: Output) -> None:
    made = answer(capsys, *ADD)
    text = said(capsys, "license", "installation", "code", made["installation"]["id"])
    assert text.startswith(f"main is installation {made['installation']['id']}.\nIts activation code, shown this once: ")
    assert made["code"] not in text


@pytest.mark.parametrize("limit", ["desktops", "desktops=many", "desktops=-1", "chairs=40", ""])
def test_what_is_no_limit_is_refused_before_anything_is_made(capsys: Output, limit: str) -> None:
    told = refusal(capsys, *ADD, "--limit", limit, code=2)
    assert f"{limit}: write NAME=NUMBER, of desktops, users, images, vcpus" in told
    assert answer(capsys, "license", "installation", "list")["items"] == []


def test_a_customer_that_there_is_not_is_told(capsys: Output) -> None:
    told = refusal(capsys, "license", "installation", "add", "Second School", "main")
    assert told == "error: There is no customer Second School.\n"


def test_keys_are_told_apart_by_what_they_do(capsys: Output) -> None:
    (first,) = answer(capsys, "license", "keys", "list")["items"]
    assert "There is a signing key already" in refusal(capsys, "license", "keys", "create")
    assert "rotate" in refusal(capsys, "license", "keys", "retire", first["id"])
    second = said(capsys, "license", "keys", "rotate").split()
    assert second[1] == "signs"
    states = {line.split()[0]: line.split()[-1] for line in said(capsys, "license", "keys", "list").splitlines()[1:]}
    assert states == {first["id"]: "good", second[0]: "signs"}
    assert said(capsys, "license", "keys", "retire", first["id"]).startswith(f"{first['id']} retired\n")
    pinned = json.dumps(json.loads(said(capsys, "license", "keys", "pin")))
    assert len(answer(capsys, "license", "keys", "list")["items"]) == 2
    assert first["public_key"].splitlines()[1] not in pinned
