"""Ids that say which project a thing is in, and settings under which there can be none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.openstack.places import full_id, parts_of
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.settings import Settings

_PROJECTS = st.none() | st.uuids().map(lambda each: each.hex)
_OWN_IDS = st.uuids().map(str)


@given(project_id=_PROJECTS, own_id=_OWN_IDS)
def test_what_was_put_together_comes_apart(project_id: str | None, own_id: str) -> None:
    assert parts_of(full_id(project_id, own_id)) == (project_id, own_id)


@given(text=st.text())
def test_no_text_is_read_as_more_than_it_says(text: str) -> None:
    project_id, own_id = parts_of(text)
    assert full_id(project_id, own_id) == text


def settings(folder: Path, account: dict[str, object], **changes: object) -> Settings:
    file = folder / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {"here": {"region_name": "one", **account}}}))
    cloud = {"driver": "openstack", "project_per_organization": changes.pop("per_organization", False)}
    section = {"clouds_file": str(file), "cloud": "here", **changes}
    return Settings.model_validate({"home": folder, "cloud": cloud, "openstack": section})


_BY_PASSWORD: dict[str, object] = {
    "auth": {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "p", "project_name": "p"}
}
_BY_CREDENTIAL: dict[str, object] = {
    "auth_type": "v3applicationcredential",
    "auth": {
        "auth_url": "http://127.0.0.1:9/v3",
        "application_credential_id": "id",
        "application_credential_secret": "secret",
    },
}


def test_without_a_domain_there_are_no_projects_and_nobody_is_asked(tmp_path: Path) -> None:
    cloud = clouds.connect(settings(tmp_path, _BY_PASSWORD))
    for ask in (
        cloud.projects.list,
        lambda: cloud.projects.create(new_id(), "North"),
        lambda: cloud.servers.find("desktop", "0" * 32),
        lambda: cloud.servers.create(ServerRequest("desktop", "n", "n", "i", "f", project_id="0" * 32)),
    ):
        with pytest.raises(CloudNotOffered):
            ask()
    cloud.close()


def test_what_cannot_have_projects_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="application credentials"):
        clouds.connect(settings(tmp_path, _BY_CREDENTIAL, projects_domain="schools"))
    with pytest.raises(InvalidInput, match="projects_domain"):
        clouds.connect(settings(tmp_path, _BY_PASSWORD, per_organization=True))
    with pytest.raises(InvalidInput, match="project_per_organization"):
        clouds.connect(Settings.model_validate({"cloud": {"driver": "local", "project_per_organization": True}}))
    clouds.connect(settings(tmp_path, _BY_PASSWORD, per_organization=True, projects_domain="schools")).close()
