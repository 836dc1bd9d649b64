"""``yunzhuo organization``: where its things are in the cloud, a project made, shown and taken away."""

import json
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.phoenix.cloud.memory import connect
from yunzhuo.phoenix.cloud.project_resources import QuotaKind
from yunzhuo.phoenix.config.settings import Settings


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home"):
        return tmp_path / "home"


def test_an_organization_is_given_a_project_and_loses_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answered(*words: str) -> dict[str, object]:
        capsys.readouterr()
        assert main(["organization", *words, "--json"]) == 0
        answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    organization_id = answered("add", "North")["id"]
    assert answered("show", "North")["project"] == {
        "placing": "shared",
        "id": None,
        "name": None,
        "is_enabled": True,
        "elsewhere": 0,
        "quota": None,
    }
    made = answered("make-project", "North")
    assert (made["placing"], made["name"]) == ("own", f"yunzhuo-{organization_id}")
    assert made["quota"] == {kind.value: {"used": 0, "most": None} for kind in QuotaKind}
    cloud = connect(Settings.model_validate({"home": home, "cloud": {"driver": "memory"}}))
    assert [(each.id, each.description) for each in cloud.projects.list()] == [(made["id"], "North")]

    assert main(["organization", "show", "North"]) == 0
    assert f"yunzhuo-{organization_id}" in capsys.readouterr().out
    assert main(["organization", "list"]) == 0
    assert ["North", "0", "0", "own"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["organization", "delete-project", "North"]) != 0
    assert "Disable the organization first" in capsys.readouterr().err
    assert main(["organization", "disable", "North"]) == 0
    assert main(["organization", "delete-project", "North"]) == 0
    assert not cloud.projects.list()
    cloud.close()
    assert answered("show", "North")["placing"] == "shared"


def test_desktops_that_were_made_before_the_project_are_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["organization", "add", "North"]) == 0
    assert main(["user", "add", "head@north.local", "--role", "administrator", "--one-time", "--organization", "North"]) == 0
    with installation(home) as yunzhuo:
        head = yunzhuo.services.accounts.by_email("head@north.local").actor()
        yunzhuo.services.catalog.synchronize(head.organization_id)
        yunzhuo.available(head)
    capsys.readouterr()
    assert main(["organization", "make-project", "North"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 desktops are elsewhere, as they were made before."
    assert main(["organization", "rename", "North", "South"]) == 0
    assert main(["organization", "disable", "South"]) == 0
    capsys.readouterr()
    assert main(["organization", "show", "South"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["South: 1 users, 1 desktops, disabled", "In a project of its own:"]
    assert main(["organization", "enable", "South"]) == 0
    assert capsys.readouterr().out == "South is enabled.\n"
