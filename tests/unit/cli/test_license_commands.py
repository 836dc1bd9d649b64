"""``yunzhuo license``: an example, and whether a file is a good license."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.installation import installation

from yunzhuo.cli import main
from yunzhuo.phoenix.security import host_info, licenses, signing_keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert main(["license", "example", "--out", str(tmp_path / "made")]) == 0
    return tmp_path / "made"


def verify(folder: Path, key: Path | None = None) -> int:
    return main(["license", "verify", str(folder / "license.json"), "--key", str(key or folder / "vendor.pub")])


def test_the_example_is_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder) == 0
    assert "Example School" in capsys.readouterr().out


def test_only_the_example_is_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder / "other.pub"
    other.write_bytes(signing_keys.make().as_pem(private=False))
    assert verify(folder, other) == 1
    file = folder / "license.json"
    good = file.read_bytes()
    for changed in (b"", good + b"\n", good.replace(b"A", b"B", 1), b"{}", b"x" * 100_000):
        file.write_bytes(changed)
        assert verify(folder) == 1
    assert "refused" in capsys.readouterr().err


@pytest.mark.parametrize(("days", "code"), [(-400, "license_ended"), (3, "license_not_yet")])
def test_a_license_that_does_not_count_now(folder: Path, capsys: pytest.CaptureFixture[str], days: int, code: str) -> None:
    key, begins = signing_keys.make(), datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    made = licenses.License(
        license_id="l-1",
        serial=1,
        installation_id="i-1",
        installation_key="k-1",
        customer="School",
        edition="school",
        issued_at=begins,
        not_before=begins,
        expires_at=begins + timedelta(days=365),
    )
    (folder / "license.json").write_bytes(licenses.sign(made, key))
    (folder / "vendor.pub").write_bytes(key.as_pem(private=False))
    capsys.readouterr()
    assert main(["license", "verify", str(folder / "license.json"), "--key", str(folder / "vendor.pub"), "--json"]) == 1
    assert code in capsys.readouterr().out


def test_the_installations_own_license(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YUNZHUO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YUNZHUO_CLOUD__DRIVER", "memory")
    with installation(tmp_path / "home"):
        pass
    assert main(["license", "status"]) == 0
    assert "unlicensed" in capsys.readouterr().out
    assert main(["license", "host-info", "--out", str(tmp_path / "host.json")]) == 0
    own = host_info.read((tmp_path / "host.json").read_bytes()).key_id
    assert main(["license", "status", "--json"]) == 0
    assert own in capsys.readouterr().out
    assert main(["license", "example", "--out", str(tmp_path)]) == 0
    assert main(["license", "install", str(tmp_path / "license.json")]) == 1  # no build trusts an example's key
    assert "not known here" in capsys.readouterr().err
