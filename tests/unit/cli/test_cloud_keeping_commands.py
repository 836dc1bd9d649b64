"""``yunzhuo hosts``, ``network``, ``router``, ``security-group`` and, where a cloud keeps the images, ``image``."""

import os
from pathlib import Path

import pytest
from tests.support.commands import answer, said
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind, control
from yunzhuo.phoenix.config.loader import load


@pytest.fixture(autouse=True)
def school(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation with one desktop, on a memory cloud of two hosts."""
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home") as yunzhuo:
        yunzhuo.available(yunzhuo.person("lin"), name="Maths")


def test_a_host_is_emptied_closed_and_opened(capsys: pytest.CaptureFixture[str]) -> None:
    hosts = answer(capsys, "hosts", "list")["items"]
    full = next(host["id"] for host in hosts if host["servers"])
    (moved,) = answer(capsys, "hosts", "move", full)["items"]
    assert (moved["name"], moved["problem"]) == ("Maths", None)
    now = {host["id"]: host for host in answer(capsys, "hosts", "list")["items"]}
    assert now[full]["servers"] == 0
    answer(capsys, "hosts", "disable", full, "--reason", "new memory")
    (elsewhere,) = (host for host in now if host != full)
    (stays,) = answer(capsys, "hosts", "move", elsewhere, code=1)["items"]
    assert "No host has room" in stays["problem"]
    assert main(["hosts", "move", elsewhere, "--how", "evacuate"]) == 1
    assert main(["hosts", "force-down", full]) != 0
    answer(capsys, "hosts", "enable", full)
    assert {host["state"] for host in answer(capsys, "hosts", "list")["items"]} == {"open"}


def test_a_network_with_a_router_and_a_security_group(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "network", "create", "room 3", "10.77.0.0/24", "--dns", "10.77.0.9")
    wider = answer(capsys, "network", "add-subnet", made["id"], "10.78.0.0/24")
    first, second = (subnet["id"] for subnet in wider["subnets"])
    router = answer(capsys, "router", "create", "way out", "--gateway", "public")
    answer(capsys, "router", "connect", router["id"], first)
    assert answer(capsys, "router", "list")["items"][0]["subnet_ids"] == [first]
    assert main(["network", "delete-subnet", first]) != 0
    answer(capsys, "router", "disconnect", router["id"], first)
    answer(capsys, "router", "set-gateway", router["id"])
    answer(capsys, "router", "delete", router["id"])

    def rows(network_id: str) -> list[list[str]]:
        return [line.split() for line in said(capsys, "network", "list").splitlines() if line.startswith(network_id)]

    assert [row[-4:-2] for row in rows(made["id"])] == [["10.77.0.0/24", "0"], ["10.78.0.0/24", "0"]]
    answer(capsys, "network", "delete-subnet", second)
    answer(capsys, "network", "delete-subnet", first)
    assert rows(made["id"]) == [[made["id"], "room", "3", "ours"]]
    answer(capsys, "network", "delete", made["id"])
    assert made["id"] not in {network["id"] for network in answer(capsys, "network", "list")["items"]}

    assert main(["security-group", "create", "screens", "remote_desktop"]) != 0
    group = answer(capsys, "security-group", "create", "screens", "remote_desktop", "--network", "10.1.0.0/16")
    inwards = {(rule["protocol"], rule["first_port"], rule["remote"]) for rule in group["rules"] if rule["direction"] == "in"}
    assert inwards == {("tcp", 3389, "10.1.0.0/16"), ("udp", 3389, "10.1.0.0/16"), ("tcp", 22, "10.1.0.0/16")}
    added = answer(capsys, "security-group", "add-rule", group["id"], "in", "--protocol", "tcp", "--ports", "80", "90")
    answer(capsys, "security-group", "delete-rule", group["id"], added["id"])
    assert main(["security-group", "list"]) == 0
    assert "in tcp 3389-3389 10.1.0.0/16" in capsys.readouterr().out
    answer(capsys, "security-group", "delete", group["id"])
    assert answer(capsys, "security-group", "list")["items"] == []


def test_an_image_is_uploaded_changed_downloaded_and_deleted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, copy = tmp_path / "disk.raw", tmp_path / "copy.raw"
    file.write_bytes(bytes(range(256)) * 8192)
    made = answer(capsys, "image", "upload", str(file), "--name", "New", "--format", "raw", "--min-disk-mib", "2048")
    assert (made["state"], made["size_bytes"]) == ("active", file.stat().st_size)
    answer(capsys, "image", "download", made["id"], str(copy))
    assert copy.read_bytes() == file.read_bytes()
    assert main(["image", "download", made["id"], str(copy)]) != 0
    changed = answer(capsys, "image", "change", made["id"], "--name", "Newer", "--visibility", "shared", "--inactive")
    assert (changed["name"], changed["state"]) == ("Newer", "deactivated")
    assert answer(capsys, "image", "share", made["id"], "other-project")["items"] == ["other-project"]
    assert answer(capsys, "image", "share", made["id"], "other-project", "--stop")["items"] == []
    answer(capsys, "image", "change", made["id"], "--active", "--protected")
    assert main(["image", "delete", made["id"]]) != 0
    answer(capsys, "image", "change", made["id"], "--unprotected")
    answer(capsys, "image", "delete", made["id"])
    fetched = answer(capsys, "image", "fetch", "https://example.org/disk.raw", "--name", "Fetched", "--format", "raw")
    listed = {image["id"] for image in answer(capsys, "image", "list")["items"]}
    assert (fetched["id"] in listed, made["id"] in listed) == (True, False)


def test_an_image_that_does_not_come_is_said_and_gone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    weather = control(load(None, os.environ, {}))
    before = answer(capsys, "image", "list")["items"]
    lost = Fault(operation="image_store.import_from", kind=FaultKind.BREAK, reason="404 of the web server", count=2)
    weather.faults.set(lost)
    assert main(["image", "fetch", "https://example.org/disk.raw", "--name", "Lost"]) != 0
    assert "404 of the web server" in capsys.readouterr().err
    assert answer(capsys, "image", "list")["items"] == before
    left = answer(capsys, "image", "fetch", "https://example.org/disk.raw", "--name", "Lost", "--no-wait")
    assert (left["state"], left["said"]) == ("empty", "404 of the web server")
    assert main(["image", "list"]) == 0
    assert "empty: 404" in capsys.readouterr().out
    weather.close()
