"""The front end's packages: every one with its checksum, and from no registry in particular."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_lock_file_names_versions_and_checksums_and_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


def test_what_is_asked_for_is_one_version() -> None:
    asked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert all(version[0].isdigit() for version in asked.values())
