"""Features of a license: what makes more of one is refused without it, and what there was goes on."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import PASSWORD, START, installation
from tests.support.licenses import PIN, YEAR, Licensed
from tests.support.pools import make_pool

from yunzhuo.phoenix.common.errors import LimitReached
from yunzhuo.services.access import Role
from yunzhuo.services.rules.licensing import EDITIONS, Feature
from yunzhuo.services.tokens import TokenWish


@pytest.fixture(scope="module")
def licensed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Licensed]:
    with installation(tmp_path_factory.mktemp("features") / "home", pin=PIN) as yunzhuo:
        yield Licensed(yunzhuo, yunzhuo.person("boss", Role.OPERATOR))


@pytest.fixture(scope="module")
def makes(licensed: Licensed) -> dict[Feature, Callable[[], object]]:
    """What makes one more of each feature; twice is possible."""
    yunzhuo, boss, names = licensed.yunzhuo, licensed.boss, iter(f"one-{number}" for number in range(100))
    return {
        Feature.POOLS: lambda: make_pool(yunzhuo, boss, name=next(names), spares=0),
        Feature.PERSONAL_DISKS: lambda: yunzhuo.services.personal_disks.create(yunzhuo.person(next(names))),
        Feature.GATEWAYS: lambda: yunzhuo.services.gateways.create(boss, next(names), "wss://gateway.test"),
        Feature.API_TOKENS: lambda: yunzhuo.services.tokens.create(boss, TokenWish(next(names))),
    }


def test_each_feature_has_something_that_makes_more_of_it(makes: dict[Feature, Callable[[], object]]) -> None:
    assert makes.keys() == set(Feature)


def test_only_what_is_licensed_is_made(licensed: Licensed, makes: dict[Feature, Callable[[], object]]) -> None:
    for make in makes.values():  # without a license all of it
        make()
    for serial, included in enumerate(Feature, 1):
        status = licensed.take(serial=serial, license_id=f"l-{serial}", features=(included, "of tomorrow"))
        assert status.features == {feature: feature is included for feature in Feature}
        for feature, make in makes.items():
            if feature is included:
                make()
                continue
            with pytest.raises(LimitReached) as refusal:
                make()
            assert refusal.value.code == "license_feature_missing"
            assert refusal.value.details["feature"] == feature
    # What there was goes on, and people come in as before: signing in by the API is no program's token.
    assert len(licensed.yunzhuo.services.pools.list(licensed.boss)) == 2
    came_in = licensed.yunzhuo.services.tokens.create_with_password(licensed.boss.email, PASSWORD, client_address="192.0.2.1")
    assert came_in.secret
    licensed.take(serial=9, license_id="l-9", features=tuple(EDITIONS["campus"]))
    for make in makes.values():
        make()


def test_in_grace_what_keeps_things_going_is_made_and_nothing_new(tmp_path: Path) -> None:
    with installation(tmp_path / "home", pin=PIN) as yunzhuo:
        licensed = Licensed(yunzhuo, yunzhuo.person("boss", Role.OPERATOR))
        licensed.take(features=tuple(Feature))
        yunzhuo.clock.set(START + YEAR + timedelta(days=1))
        yunzhuo.services.gateways.create(licensed.boss, "another", "wss://gateway.test")
        yunzhuo.services.tokens.create(licensed.boss, TokenWish("nightly"))
        for make in (
            lambda: make_pool(yunzhuo, licensed.boss, spares=0),
            lambda: yunzhuo.services.personal_disks.create(licensed.boss),
        ):
            with pytest.raises(LimitReached) as refusal:
                make()
            assert refusal.value.code == "license_grace"
