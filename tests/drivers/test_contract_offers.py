"""What a driver does not have, it says."""

from dataclasses import replace

import pytest

from tests.drivers.calls import REQUESTS
from tests.drivers.driver_table import ALL, DRIVERS, OFFERS
from yunzhuo.phoenix.cloud import interface
from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server


@pytest.mark.parametrize("operation", [pytest.param(operation, marks=pytest.mark.lacks(operation)) for operation in REQUESTS])
def test_what_is_not_offered_says_so(cloud: Cloud, shared_server: Server, operation: str) -> None:
    before = cloud.servers.get(shared_server.id)
    with pytest.raises(CloudNotOffered) as refusal:
        REQUESTS[operation](cloud, shared_server.id)
    assert refusal.value.code == "not_offered_by_cloud"
    after = cloud.servers.get(shared_server.id)
    assert replace(after, observed_at=before.observed_at) == before


def test_the_table_knows_every_operation_of_the_interface() -> None:
    parts = {
        "servers": interface.Servers,
        "care": interface.ServerCare,
        "volumes": interface.Volumes,
        "addresses": interface.Addresses,
        "flavors": interface.Flavors,
        "images": interface.Images,
        "image_store": interface.ImageStore,
        "networks": interface.Networks,
        "routers": interface.Routers,
        "security_groups": interface.SecurityGroups,
        "hosts": interface.Hosts,
        "guest": interface.Guest,
        "projects": interface.Projects,
        "notices": interface.Notices,
        "cloud": interface.Cloud,
    }
    operations = {
        f"{part}.{name}"
        for part, protocol in parts.items()
        for name, member in vars(protocol).items()
        if callable(member) and not name.startswith("_")
    }
    assert operations == ALL


def test_every_driver_is_in_the_table_and_offers_what_every_desktop_needs() -> None:
    assert {driver.name for driver in DRIVERS} == set(OFFERS)
    for driver in DRIVERS:
        assert driver.offers >= ALL - set(REQUESTS)
