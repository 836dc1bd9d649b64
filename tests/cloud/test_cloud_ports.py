"""A port that stays down on a real OpenStack: Nova says ACTIVE (vif_plugging_is_fatal = false), Neutron says DOWN."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.openstack_cloud import OF_THE_SDK, asked_directly
from tests.support.openstack_site import Site, openstack_site
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600), OF_THE_SDK]

_PATIENCE = 240.0
#: Nova waits half a minute for the port, the guest's step another 20 s before it asks.
_DEADLINE_SECONDS = 150


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    # The small guest needs no network to say that it is ready; one that does would not say it.
    never = {"ready_pattern": "^what no console says$"}
    variables = {"OPERATIONS__CREATE_DEADLINE_SECONDS": str(_DEADLINE_SECONDS)}
    with openstack_site(tmp_path_factory.mktemp("ports") / "var", variables=variables, **never) as site:
        yield site


def test_a_port_that_is_down_is_the_reason_that_is_told(site: Site) -> None:
    api = site.yunzhuo.api(site.yunzhuo.add_user("one@school.local"))
    wish = {"image": api.get("images").json()["items"][0]["id"], "flavor": api.get("flavors").json()["items"][0]["id"]}
    operation_id = api.post("desktops", json=wish).raise_for_status().json()["operation"]["id"]

    def operation() -> dict[str, Any]:
        told: dict[str, Any] = api.get(f"operations/{operation_id}").raise_for_status().json()
        return told

    with asked_directly("admin") as sdk:
        (server_id,) = eventually(site.servers, _PATIENCE, what="a server")
        (port,) = eventually(lambda: list(sdk.network.ports(device_id=server_id)), _PATIENCE, what="its port")
        sdk.network.update_port(port, admin_state_up=False)
        eventually(lambda: "network port is down" in str(operation()["steps"]), _PATIENCE, what=lambda: str(operation()))
        assert sdk.compute.get_server(server_id).status == "ACTIVE"
        assert sdk.network.get_port(port.id).status == "DOWN"
    failed = eventually(lambda: operation()["error"], _PATIENCE, what="a desktop that is not waited for any more")
    assert failed["code"] == "port_down"
    assert "did not get ready in time" in failed["message"]
