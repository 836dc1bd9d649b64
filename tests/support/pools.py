"""Pools for tests: made in one line, and left alone until nothing more is to do for them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.support.installation import Installation

from yunzhuo.services.access import Actor
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.rules.pools import Kind


def make_pool(
    yunzhuo: Installation,
    boss: Actor,
    *,
    members: Sequence[Actor] = (),
    name: str = "Physics",
    capacity: int = 3,
    spares: int = 1,
    kind: Kind = Kind.FLOATING,
    hours: Sequence[str] = (),
    time_zone: str = "UTC",
    release_after_minutes: int | None = None,
) -> str:
    """A pool of the default kind; answers its id."""
    wish = PoolWish(
        name=name,
        image_id=yunzhuo.image(boss).id,
        flavor_id=yunzhuo.flavor(boss).id,
        capacity=capacity,
        spares=spares,
        kind=kind,
        hours=hours,
        time_zone=time_zone,
        release_after_minutes=release_after_minutes,
    )
    pool_id = yunzhuo.services.pools.create(boss, wish).id
    for each in members:
        yunzhuo.services.pools.put_member(boss, pool_id, each.user_id)
    return pool_id


def make_pool_for_two(yunzhuo: Installation, boss: Actor, **wishes: Any) -> tuple[str, str]:
    """A pool of a size in which another image fits, too; answers its id and that of the other image."""
    other = yunzhuo.services.catalog.images(boss)[1]
    flavor = next(each for each in yunzhuo.services.catalog.flavors(boss) if each.fits(other))
    pool_id = make_pool(yunzhuo, boss, **wishes)
    yunzhuo.services.pools.change(boss, pool_id, lambda wish: replace(wish, flavor_id=flavor.id))
    settle(yunzhuo)
    return pool_id, other.id


def settle(yunzhuo: Installation, rounds: int = 4) -> None:
    """Rounds of the scheduler and all that workers do for them."""
    for _ in range(rounds):
        yunzhuo.services.pool_keeper.round()
        yunzhuo.run()
