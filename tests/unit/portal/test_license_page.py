"""The installation's license on pages and in the API: what is licensed and used, another one taken, why not, the bar."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from tests.support.api import SECRET_KEY
from tests.support.installation import PASSWORD, START, installation
from tests.support.licenses import PIN, YEAR, Licensed
from tests.support.pages import Page, Visitor, signed_in, somebody

from yunzhuo.phoenix.security import host_info, signing_keys
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.services.access import Role
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.web.app import create_app


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Licensed]:
    with installation(tmp_path_factory.mktemp("licensed") / "home", pin=PIN) as yunzhuo:
        yield Licensed(yunzhuo, yunzhuo.person("boss", Role.OPERATOR))


@pytest.fixture(scope="module")
def app(licensed: Licensed) -> Flask:
    return create_app(licensed.yunzhuo.services, secret_key=SECRET_KEY)


def upload(visitor: Visitor, document: bytes) -> Page:
    """Send a file with the page's own form."""
    form = next(form for form in visitor.get("/admin/license").forms if form.action in ("", "/admin/license"))
    file = (io.BytesIO(document), "license.json")
    answer = visitor.client.post(
        "/admin/license",
        data={**form.fields, "file": file},
        content_type="multipart/form-data",
        follow_redirects=True,
    )
    return Page(answer.text)


def test_a_license_is_taken_and_a_worse_one_refused_with_the_reason(app: Flask, licensed: Licensed) -> None:
    visitor = signed_in(app, licensed.boss)
    assert "whole and without limits" in visitor.get("/admin/license").text
    for document, reason in (
        (b"", "no license file"),
        (licensed.document(key=signing_keys.make()), "not the vendor"),
        (licensed.document(installation_key="another"), "another installation"),
        (licensed.document(not_before=START + timedelta(days=3)), "does not count yet"),
        (licensed.document()[:-1], "no license file"),
    ):
        page = upload(visitor, document)
        assert reason in page.text
        assert "nothing has changed" in page.text
    page = upload(visitor, licensed.document(limits=Limits(users=20, memory_mib=8192), customer="第一中学"))
    assert "The license was taken." in page.text
    assert "In force" in page.text
    assert "第一中学" in page.text
    assert "8 GB" in page.text
    assert "another license with this serial number" in upload(visitor, licensed.document(license_id="x")).text


def test_the_host_info_file_is_a_download(app: Flask, licensed: Licensed) -> None:
    answer = signed_in(app, licensed.boss).client.get("/admin/license/host-info")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="host-info.json"'
    assert host_info.read(answer.data).host_name


def test_the_bar_is_for_those_who_run_something_and_says_when(app: Flask, licensed: Licensed) -> None:
    highest = licensed.yunzhuo.services.licensing.status(licensed.boss).license
    serial = highest.serial + 1 if highest else 1
    users = next(
        each.used for each in licensed.yunzhuo.services.licensing.status(licensed.boss).amounts if each.limit == "users"
    )
    licensed.take(serial=serial, limits=Limits(users=users))
    head = signed_in(app, licensed.boss)
    text = head.get("/admin").text
    assert "Users: 100 % of what is licensed are used." in text
    licensed.take(serial=serial + 1)
    assert "licensed" not in head.get("/admin").text
    clock, now = licensed.yunzhuo.clock, licensed.yunzhuo.clock.now()
    administrator = signed_in(app, somebody(licensed.yunzhuo, "administrator", Role.ADMINISTRATOR))
    pupil = signed_in(app, somebody(licensed.yunzhuo, "pupil"))
    licensed.take(serial=serial + 2, expires_at=now + timedelta(days=5, hours=1))
    assert "The license ends in 6 days" in head.get("/admin").text
    assert "The license ends in 6 days" in administrator.get("/admin").text
    assert "license" not in pupil.get("/desktops").text
    licensed.take(serial=serial + 3, not_before=now - YEAR, expires_at=now - timedelta(days=1))
    assert "goes on for 13 more days" in head.get("/admin").text
    assert clock.now() == now
    refused = pupil.client.get("/admin/license")
    assert refused.status_code == 404


def test_the_api_shows_and_takes_it(app: Flask, licensed: Licensed) -> None:
    tokens = licensed.yunzhuo.services.tokens  # what signs in needs no feature of a license
    token = tokens.create_with_password(licensed.boss.email, PASSWORD, client_address="192.0.2.1").secret
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    highest = licensed.yunzhuo.services.licensing.status(licensed.boss).license
    serial = (highest.serial if highest else 0) + 1
    made = licensed.document(serial=serial, limits=Limits(desktops=3), features=(Feature.POOLS,))
    answer = client.put("/api/v1/license", headers=headers, data=made)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert (answer.json["phase"], answer.json["license"]["serial"]) == ("active", serial)
    amounts = {each["limit"]: each["most"] for each in answer.json["amounts"]}
    assert (amounts["desktops"], amounts["users"]) == (3, None)
    assert answer.json["features"] == {feature: feature is Feature.POOLS for feature in Feature}
    refused = client.put("/api/v1/license", headers=headers, data=made + b" ")
    assert (refused.status_code, json.loads(refused.data)["code"]) == (422, "license_unreadable")
    assert client.get("/api/v1/license", headers=headers).json == answer.json
    own = host_info.read(client.get("/api/v1/license/host-info", headers=headers).data)
    assert own.key_id == answer.json["installation_key"]
