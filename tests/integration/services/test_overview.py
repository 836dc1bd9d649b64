"""The table of all desktops, changes of many at once, and what is broken now."""

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.bulk import MAX_AT_ONCE
from yunzhuo.services.desktop_table import SortBy, TableWish
from yunzhuo.services.rules.lifecycle import Action, State

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow


def names(yunzhuo: Installation, actor: Actor, wish: TableWish) -> list[str]:
    return [desktop.name for desktop in yunzhuo.services.desktop_table.page(actor, wish).items]


@pytest.fixture
def school(yunzhuo: Installation, lin: Actor, mei: Actor) -> dict[str, str]:
    """Desktops by name: lin's beta (stopped) and Alpha, mei's gamma; made in this order."""
    made = {"beta": yunzhuo.available(lin, name="beta"), "Alpha": yunzhuo.available(lin, name="Alpha")}
    made["gamma"] = yunzhuo.available(mei, name="gamma")
    yunzhuo.services.desktops.act(lin, made["beta"], Action.STOP)
    yunzhuo.run()
    return made


def test_the_table_is_sorted_and_filtered(yunzhuo: Installation, school: dict[str, str], boss: Actor, mei: Actor) -> None:
    def seen(**wish: object) -> list[str]:
        return names(yunzhuo, boss, TableWish(**wish))  # type: ignore[arg-type]

    assert seen() == ["gamma", "Alpha", "beta"]
    assert seen(sort=SortBy.NAME, is_descending=False) == ["Alpha", "beta", "gamma"]
    assert seen(sort=SortBy.OWNER, is_descending=True) == ["gamma", "Alpha", "beta"]
    assert seen(sort=SortBy.STATE, is_descending=False) == ["Alpha", "gamma", "beta"]
    assert seen(state=State.STOPPED) == ["beta"]
    assert seen(owner_id=mei.user_id) == ["gamma"]
    assert seen(search="MEI@") == ["gamma"]
    assert seen(search="alp") == ["Alpha"]
    assert seen(search="%") == []


def test_the_table_has_pages_and_counts(yunzhuo: Installation, school: dict[str, str], boss: Actor) -> None:
    page = yunzhuo.services.desktop_table.page(boss, TableWish(page=9, page_size=2, sort=SortBy.NAME, is_descending=False))
    assert ([desktop.name for desktop in page.items], page.page, page.pages, page.total) == (["gamma"], 2, 2, 3)
    assert page.states == {State.AVAILABLE: 2, State.STOPPED: 1}


def test_a_users_table_has_their_own_alone(yunzhuo: Installation, school: dict[str, str], mei: Actor, lin: Actor) -> None:
    assert names(yunzhuo, mei, TableWish()) == ["gamma"]
    assert names(yunzhuo, mei, TableWish(owner_id=lin.user_id)) == []


def test_many_at_once_each_with_its_own_result(yunzhuo: Installation, school: dict[str, str], boss: Actor, lin: Actor) -> None:
    asked = [school["beta"], school["Alpha"], school["Alpha"], "nothing"]
    outcomes = yunzhuo.services.bulk.change(boss, asked, Action.STOP).items
    assert [outcome.desktop_id for outcome in outcomes] == [school["beta"], school["Alpha"], "nothing"]
    assert [outcome.refusal.code if outcome.refusal else None for outcome in outcomes] == [
        "not_possible_now",
        None,
        "desktop_not_found",
    ]
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, school["Alpha"]).state is State.STOPPED
    (others,) = yunzhuo.services.bulk.change(lin, [school["gamma"]], Action.DELETE).items
    assert others.refusal
    assert others.refusal.code == "desktop_not_found"
    with pytest.raises(InvalidInput):
        yunzhuo.services.bulk.change(boss, [str(number) for number in range(MAX_AT_ONCE + 1)], Action.STOP)


@pytest.fixture
def chief(yunzhuo: Installation) -> Actor:
    return yunzhuo.person("chief", Role.OPERATOR)


def test_an_administrator_is_told_nothing_of_what_belongs_to_no_organization(yunzhuo: Installation, boss: Actor) -> None:
    found = yunzhuo.services.overview.look(boss)
    assert (found.hosts, found.strangers) == ([], [])
    with pytest.raises(Forbidden):
        yunzhuo.services.overview.hosts(boss)


def test_a_healthy_installation_says_so(yunzhuo: Installation, school: dict[str, str], chief: Actor) -> None:
    found = yunzhuo.services.overview.look(chief)
    assert found.is_well
    assert (found.figures.desktops, found.figures.running, found.figures.people) == (3, 2, 3)
    assert sum(host.servers for host in found.hosts) == 3
    assert all(0 <= host.memory_free_mib <= host.memory_mib and host.room_for > 0 for host in found.hosts)


def test_what_is_broken_is_told(yunzhuo: Installation, school: dict[str, str], boss: Actor, lin: Actor) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
    failed = yunzhuo.available(lin, name="failed")
    gone = yunzhuo.services.desktops.get(lin, school["Alpha"])
    server_of = {server.desktop_id: server.id for server in yunzhuo.cloud.servers.list()}
    yunzhuo.cloud.servers.delete(server_of[gone.id])
    yunzhuo.pass_time(60)
    for _ in range(2):
        yunzhuo.services.reconciler.round()
    found = yunzhuo.services.overview.look(boss)
    assert [(view.id, view.failure is not None, Action.CREATE in view.actions) for view in found.failed] == [
        (failed, True, True)
    ]
    assert [view.id for view in found.gone] == [gone.id]
    assert not found.faulty
    assert not found.is_well


def test_a_stranger_is_told(yunzhuo: Installation, chief: Actor) -> None:
    image, flavor = yunzhuo.cloud.images.list()[0].id, yunzhuo.cloud.flavors.list()[0].id
    made = yunzhuo.cloud.servers.create(
        ServerRequest(desktop_id="theirs", name="theirs", hostname="theirs", image_id=image, flavor_id=flavor)
    )
    (stranger,) = yunzhuo.services.overview.look(chief).strangers
    assert (stranger.server_id, stranger.name, stranger.desktop_id) == (made.id, "theirs", "theirs")


def test_a_cloud_that_does_not_answer_is_part_of_the_answer(yunzhuo: Installation, chief: Actor) -> None:
    for operation in ("hosts.list", "servers.list"):
        yunzhuo.weather.faults.set(Fault(operation=operation, kind=FaultKind.FAIL_BEFORE))
    found = yunzhuo.services.overview.look(chief)
    assert found.cloud_problem
    assert found.cloud_problem.code == "cloud_unavailable"
    assert not found.is_well


def test_users_see_none_of_it(yunzhuo: Installation, lin: Actor) -> None:
    overview = yunzhuo.services.overview
    for ask in (overview.look, overview.hosts, overview.settings, overview.catalog_use):
        with pytest.raises(Forbidden):
            ask(lin)


def test_settings_are_shown_without_passwords(tmp_path_factory: pytest.TempPathFactory) -> None:
    queue = {"url": "amqp://yunzhuo:hunter2@mq.test/y"}
    with installation(tmp_path_factory.mktemp("s") / "home", queue=queue, web={"threads": 3}) as yunzhuo:
        boss = yunzhuo.person("boss", Role.OPERATOR)
        shown = {setting.name: setting for setting in yunzhuo.services.overview.settings(boss)}
    assert shown["queue.url"].value == "amqp://yunzhuo:***@mq.test/y"
    assert (shown["web.threads"].value, shown["web.threads"].is_default, shown["web.port"].is_default) == (3, False, True)


def test_a_key_pair_that_is_missing_keeps_new_desktops_away_and_nothing_else(
    yunzhuo: Installation, lin: Actor, boss: Actor
) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.weather.change_options(missing_key_pair="of the lab")
    assert yunzhuo.services.health.missing() == {}
    found = yunzhuo.services.overview.look(boss)
    assert (found.is_well, found.not_ready) == (False, {})
    assert "of the lab" in found.lacks["no_key_pair"]
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    accepted = yunzhuo.request(lin)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.STOPPED
    failed = yunzhuo.services.desktops.operation(lin, accepted.operation.id)
    assert failed.error is not None
    assert (failed.error.code, "of the lab" in failed.error.message) == ("no_key_pair", True)
    yunzhuo.weather.change_options(missing_key_pair="")
    assert yunzhuo.services.overview.look(boss).lacks == {}


def test_what_a_cloud_lacks_that_does_not_answer_is_not_known(yunzhuo: Installation, boss: Actor) -> None:
    yunzhuo.weather.change_options(missing_key_pair="of the lab")
    yunzhuo.weather.faults.set(Fault(operation="cloud.*", kind=FaultKind.FAIL_BEFORE, count=None))
    assert yunzhuo.services.health.lacks() == {}
    found = yunzhuo.services.overview.look(boss)
    assert (found.lacks, "cloud" in found.not_ready) == ({}, True)
