"""What a server's first boot is told: kept by Nova, replaced by a restore that says so, not told to the project's members."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from openstack.connection import Connection
from tests.support.openstack_cloud import OF_THE_SDK, PRETENDED, asked_directly, openstack_cloud
from tests.support.waiting import eventually

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import ServerRequest, ServerStatus
from yunzhuo.phoenix.common.ids import new_id

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(900), OF_THE_SDK]

_PATIENCE = 120


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with openstack_cloud(**PRETENDED) as connected:
        yield connected


@pytest.fixture(scope="module")
def administrator() -> Iterator[Any]:
    with asked_directly("admin") as sdk:
        yield sdk


@pytest.fixture(scope="module")
def member(administrator: Any) -> Iterator[Any]:
    """Somebody else of the same project, with the role of a member and no other."""
    with asked_directly("yunzhuo") as sdk:
        project_id = sdk.current_project_id
    name, password = f"member-{new_id()}", new_id()
    user = administrator.identity.create_user(name=name, password=password, domain_id="default")
    role = administrator.identity.find_role("member", ignore_missing=False)
    administrator.identity.assign_project_role_to_user(project_id, user, role)
    told = administrator.config.auth
    signing_in = {"auth_url": told["auth_url"], "username": name, "password": password, "project_id": project_id}
    connection = Connection(auth={**signing_in, "user_domain_id": "default"}, region_name=administrator.config.region_name)
    try:
        yield connection
    finally:
        connection.close()
        connection.session.session.close()
        administrator.identity.delete_user(user)


def test_user_data_is_kept_and_replaced_and_not_for_members(cloud: Cloud, administrator: Any, member: Any) -> None:
    image, flavor = cloud.images.list()[0], cloud.flavors.list()[0]
    made = cloud.servers.create(
        ServerRequest(new_id(), "told", "told", image.id, flavor.id, user_data="#cloud-config\n{}\n# 一\n")
    )

    def told(sdk: Any) -> str | None:
        answer = sdk.compute.get(f"/servers/{made.id}", microversion="2.90").json()["server"]
        encoded = answer.get("OS-EXT-SRV-ATTR:user_data")
        return base64.b64decode(encoded).decode() if encoded else None

    def is_running() -> bool:
        return cloud.servers.get(made.id).status is ServerStatus.RUNNING

    eventually(is_running, _PATIENCE, what="a server that runs")
    assert told(administrator) == "#cloud-config\n{}\n# 一\n"
    assert told(member) is None
    cloud.servers.rebuild(made.id, image.id)
    eventually(is_running, _PATIENCE, what="a restored server")
    assert told(administrator) == "#cloud-config\n{}\n# 一\n"
    cloud.servers.rebuild(made.id, image.id, user_data="#cloud-config\n{}\n# 二\n")
    eventually(is_running, _PATIENCE, what="a server restored again")
    assert told(administrator) == "#cloud-config\n{}\n# 二\n"
