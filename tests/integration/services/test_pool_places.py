"""Pools whose desktops are on a network of their own, and in security groups of their own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.installation import Installation, installation
from tests.support.pools import make_pool, settle

from yunzhuo.phoenix.cloud.network_resources import SubnetRequest
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.rules.pools import Counts

pytestmark = pytest.mark.slow


@pytest.fixture
def yunzhuo(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "home") as installed:
        yield installed


@pytest.fixture
def chief(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("chief", Role.OPERATOR)


@pytest.fixture
def lab(yunzhuo: Installation) -> tuple[str, str]:
    """A network and a security group, by the cloud's ids."""
    network = yunzhuo.cloud.networks.create("lab", SubnetRequest("lab", "10.9.0.0/24"))
    group = yunzhuo.cloud.security_groups.create("exam", "nothing comes in", [])
    yunzhuo.services.catalog.synchronize_places()
    return network.id, group.id


def put(yunzhuo: Installation, actor: Actor, pool_id: str, network_id: str | None, *group_ids: str) -> None:
    yunzhuo.services.pools.change(
        actor, pool_id, lambda wish: replace(wish, network_id=network_id, security_group_ids=group_ids)
    )


def places(yunzhuo: Installation) -> dict[str, tuple[bool, tuple[str, ...]]]:
    """Whether each desktop's server is on the lab's network, and in which security groups."""
    return {
        server.desktop_id: (server.addresses[0].network == "lab", tuple(yunzhuo.cloud.care.security_groups(server.id)))
        for server in yunzhuo.cloud.servers.list()
    }


def test_desktops_are_where_the_pool_says_and_spares_move(yunzhuo: Installation, chief: Actor, lab: tuple[str, str]) -> None:
    network_id, group_id = lab
    pool_id = make_pool(yunzhuo, chief, members=[chief], capacity=4, spares=2)
    settle(yunzhuo)
    assert set(places(yunzhuo).values()) == {(False, ())}
    kept = yunzhuo.services.claims.claim(chief, pool_id).desktop.id
    settle(yunzhuo)

    put(yunzhuo, chief, pool_id, network_id, group_id)
    settle(yunzhuo)

    view = yunzhuo.services.pools.get(chief, pool_id)
    assert (view.network_name, view.security_groups) == ("lab", {group_id: "exam"})
    assert view.counts == Counts(ready=2, in_use=1)
    there = places(yunzhuo)
    assert there.pop(kept) == (False, ()), "what somebody has stays where it is"
    assert set(there.values()) == {(True, (group_id,))}


def test_what_is_not_there_is_refused_and_what_goes_is_told(yunzhuo: Installation, chief: Actor, lab: tuple[str, str]) -> None:
    network_id, group_id = lab
    pool_id = make_pool(yunzhuo, chief, spares=0)
    with pytest.raises(InvalidInput) as refused:
        put(yunzhuo, chief, pool_id, "nowhere", "nothing")
    assert set(refused.value.fields) == {"network", "security_groups"}
    put(yunzhuo, chief, pool_id, network_id, group_id)
    yunzhuo.cloud.networks.delete(network_id)
    yunzhuo.services.catalog.synchronize_places()
    yunzhuo.services.pools.change(chief, pool_id, lambda wish: replace(wish, spares=1))
    settle(yunzhuo)
    assert yunzhuo.services.pools.get(chief, pool_id).problem == "Desktops cannot be put into this. There is no such network."
    assert not yunzhuo.cloud.servers.list()
    put(yunzhuo, chief, pool_id, None)
    settle(yunzhuo)
    assert yunzhuo.services.pools.get(chief, pool_id).counts == Counts(ready=1)


def test_who_may_not_see_the_clouds_networks_does_not_choose_among_them(
    yunzhuo: Installation, chief: Actor, boss: Actor, lab: tuple[str, str]
) -> None:
    network_id, group_id = lab
    pool_id = make_pool(yunzhuo, boss, spares=0)
    for place in ((network_id,), (None, group_id)):
        with pytest.raises(Forbidden):
            put(yunzhuo, boss, pool_id, *place)
    put(yunzhuo, chief, pool_id, network_id)
    yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, capacity=9))
    view = yunzhuo.services.pools.get(boss, pool_id)
    assert (view.capacity, view.network_name) == (9, "lab")
    with pytest.raises(Forbidden):
        yunzhuo.services.catalog.networks(boss)
