"""Open screens: which right ended, who is on what, and what is remembered."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import PASSWORD, Installation, installation

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.gateways import GatewayState
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action, State
from yunzhuo.services.screens import Standing

pytestmark = pytest.mark.slow

CLIENT = "192.0.2.7"


@pytest.fixture
def gateway_id(yunzhuo: Installation) -> str:
    return yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())


def opened(yunzhuo: Installation, actor: Actor, desktop_id: str, gateway_id: str, **wishes: object) -> str:
    """A session of somebody's on a desktop."""
    ticket = yunzhuo.services.consoles.open(actor, desktop_id, ConsoleProtocol.VNC, **wishes).ticket  # type: ignore[arg-type]
    return yunzhuo.services.consoles.redeem(gateway_id, ticket, client_address=CLIENT).session_id


def standing(session_id: str) -> Standing:
    return Standing(session_id, bytes_in=1, bytes_out=2, idle_seconds=3, round_trip_ms=4.5, drops=0)


def force_away(yunzhuo: Installation, boss: Actor, desktop_id: str) -> None:
    """Ends the desktop's rows, too, before its gateway has said anything."""
    yunzhuo.services.desktops.act(boss, desktop_id, Action.FORCE_DELETE)
    yunzhuo.run(seconds=20)


def into_the_bin(yunzhuo: Installation, boss: Actor, lin: Actor, desktop_id: str) -> None:
    yunzhuo.services.leases.put_terms(boss, boss.organization_id, Terms(bin_days=7))
    binned = yunzhuo.services.desktops.act(lin, desktop_id, Action.DELETE).desktop
    assert binned.state is State.BINNED


Ending = Callable[[Installation, Actor, Actor, str], object]
ENDINGS: dict[str, tuple[Ending, str]] = {
    "user disabled": (lambda y, boss, lin, d: y.services.people.disable(boss, lin.user_id), "user_disabled"),
    "password reset": (lambda y, boss, lin, d: y.services.people.reset_password(boss, lin.user_id), "signed_out"),
    "signed out": (lambda y, boss, lin, d: y.services.sessions.end_all_of(boss, lin.user_id), "signed_out"),
    "deleted": (lambda y, boss, lin, d: y.services.desktops.act(lin, d, Action.DELETE), "desktop_deleted"),
    "put into the bin": (into_the_bin, "desktop_deleted"),
    "gone": (lambda y, boss, lin, d: force_away(y, boss, d), "desktop_deleted"),
    "person deleted": (
        lambda y, boss, lin, d: y.services.people.delete(boss, lin.user_id, DesktopsOfDeleted(y.person("mei").user_id)),
        "user_disabled",
    ),
    "another role": (lambda y, boss, lin, d: y.services.people.change_role(boss, lin.user_id, Role.AUDITOR), "right_ended"),
}


@pytest.mark.parametrize(("ending", "reason"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_right_that_ends_ends_what_is_open(
    yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str, ending: Ending, reason: str
) -> None:
    secret = yunzhuo.services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).secret
    desktop_id = yunzhuo.available(lin)
    session_id = opened(yunzhuo, lin, desktop_id, gateway_id, sign_in=secret)
    assert yunzhuo.services.screens.withdrawn(gateway_id) == {}
    ending(yunzhuo, boss, lin, desktop_id)
    assert yunzhuo.services.screens.withdrawn(gateway_id) == {session_id: reason}
    assert yunzhuo.services.screens.withdrawn("another") == {}


def test_a_sign_in_whose_secret_was_renewed_keeps_its_screens_until_it_ends(
    yunzhuo: Installation, lin: Actor, gateway_id: str
) -> None:
    services = yunzhuo.services
    secret = services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).secret
    session_id = opened(yunzhuo, lin, yunzhuo.available(lin), gateway_id, sign_in=secret)
    renewed = services.step_up.for_session(lin, PASSWORD, secret)
    assert services.screens.withdrawn(gateway_id) == {}
    services.sessions.sign_out(renewed)
    assert services.screens.withdrawn(gateway_id).keys() == {session_id}


def test_other_sign_ins_and_whom_the_owner_lets_in_are_left_alone(
    yunzhuo: Installation, lin: Actor, mei: Actor, gateway_id: str
) -> None:
    services = yunzhuo.services
    kept, ended = (services.sign_ins.sign_in(lin.email, PASSWORD, client_address=CLIENT).secret for _ in range(2))
    desktop_id = yunzhuo.available(lin)
    opened(yunzhuo, lin, desktop_id, gateway_id, sign_in=kept)
    closed = opened(yunzhuo, lin, desktop_id, gateway_id, sign_in=ended)
    until = yunzhuo.clock.now() + timedelta(days=1)
    services.delegations.let(lin, mei.user_id, ["desktop:connect"], until)
    guest = opened(yunzhuo, services.organizations.widened(mei), desktop_id, gateway_id)
    services.sessions.end_others(lin, present=kept)
    assert services.screens.withdrawn(gateway_id) == {closed: "signed_out"}
    services.delegations.take_back(lin, mei.user_id)
    assert services.screens.withdrawn(gateway_id) == {closed: "signed_out", guest: "right_ended"}


def test_who_is_on_what_and_what_is_remembered(yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str) -> None:
    services, desktop_id = yunzhuo.services, yunzhuo.available(lin)
    connection = services.consoles.open(lin, desktop_id, ConsoleProtocol.SPICE)
    channels = [
        services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT, channel=name).session_id
        for name in ("main", "display")
    ]
    services.screens.report(gateway_id, [standing(each) for each in channels])
    (screen,) = services.screens.open_now(boss)
    assert (screen.id, screen.email, screen.channels, screen.bytes_out) == (connection.id, lin.email, 2, 4)
    assert services.screens.history(boss) == []
    with pytest.raises(NotFound):
        services.screens.end(replace(boss, organization_id="elsewhere"), screen.id)
    services.screens.end(boss, screen.id)
    assert set(services.screens.withdrawn(gateway_id)) == set(channels)
    for each in channels:
        services.consoles.end_session(gateway_id, each, bytes_in=5, bytes_out=6, reason="ended_by_administrator")
    (past,) = services.screens.history(boss, user_id=lin.user_id)
    assert (past.bytes_in, past.end_reason) == (10, "ended_by_administrator")
    assert services.screens.history(boss, before=past.started_at) == []
    yunzhuo.pass_time(181 * 86400)
    assert services.screens.forget_old() == 2
    assert services.screens.history(boss) == []


def test_a_screen_whose_line_broke_is_open_for_as_long_as_it_may_go_on(
    yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str
) -> None:
    services, desktop_id = yunzhuo.services, yunzhuo.available(lin)

    def broken() -> str:
        connection = services.consoles.open(lin, desktop_id, ConsoleProtocol.VNC)
        session_id = services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT).session_id
        services.consoles.end_session(gateway_id, session_id, bytes_in=5, bytes_out=6, reason="viewer_lost")
        assert connection.resume_ticket is not None
        return connection.resume_ticket

    resume_ticket = broken()
    (screen,) = services.screens.open_now(boss)
    assert (screen.channels, screen.broken_at, screen.ended_at, screen.end_reason) == (0, yunzhuo.clock.now(), None, None)
    assert services.screens.history(boss) == []
    again = services.consoles.redeem(gateway_id, resume_ticket, client_address=CLIENT).session_id
    (screen,) = services.screens.open_now(boss)
    assert (screen.channels, screen.broken_at) == (1, None)
    services.consoles.end_session(gateway_id, again, bytes_in=1, bytes_out=1, reason="viewer_closed")
    assert services.screens.open_now(boss) == []
    assert [past.end_reason for past in services.screens.history(boss)] == ["viewer_closed"]
    resume_ticket = broken()
    services.screens.end(boss, services.screens.open_now(boss)[0].id)
    assert services.screens.open_now(boss) == []
    with pytest.raises(Forbidden):
        services.consoles.redeem(gateway_id, resume_ticket, client_address=CLIENT)
    broken()
    assert len(services.screens.open_now(boss)) == 1
    yunzhuo.pass_time(yunzhuo.settings.consoles.resume_seconds)
    assert services.screens.open_now(boss) == []
    assert len(services.screens.history(boss)) == 3


def test_a_session_that_nobody_speaks_of_is_given_up_until_somebody_does(
    yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str
) -> None:
    services = yunzhuo.services
    spoken_of, silent = (opened(yunzhuo, lin, yunzhuo.available(lin), gateway_id) for _ in range(2))
    assert services.screens.sweep() == 0
    yunzhuo.pass_time(61)
    services.gateways.heard(gateway_id, version="1", capacity=10, certificate=None)
    services.screens.report(gateway_id, [standing(spoken_of)])
    assert services.screens.sweep() == 1
    assert sorted(each.broken_at is not None for each in services.screens.open_now(boss)) == [False, True]
    services.screens.report(gateway_id, [standing(silent)])
    assert [each.broken_at for each in services.screens.open_now(boss)] == [None, None]
    yunzhuo.pass_time(1000)
    assert services.screens.sweep() == 2, "its gateway says nothing at all any more"
    yunzhuo.pass_time(yunzhuo.settings.consoles.resume_seconds)
    assert {past.end_reason for past in services.screens.history(boss)} == {"gateway_lost"}


def test_tickets_that_are_tried_in_vain_are_on_record(yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str) -> None:
    services, desktop_id = yunzhuo.services, yunzhuo.available(lin)
    spent = services.consoles.open(lin, desktop_id, ConsoleProtocol.VNC)
    services.consoles.redeem(gateway_id, spent.ticket, client_address=CLIENT)
    foreign, late = (services.consoles.open(lin, desktop_id, ConsoleProtocol.VNC) for _ in range(2))
    services.gateways.ensure_gateway("second", "wss://second.test", "another key")
    elsewhere = services.gateways.gateway_id("another key")
    for door, ticket in ((gateway_id, spent.ticket), (elsewhere, foreign.ticket), (gateway_id, foreign.ticket + "x")):
        with pytest.raises(Forbidden):
            services.consoles.redeem(door, ticket, client_address=CLIENT)
    yunzhuo.pass_time(61)
    with pytest.raises(Forbidden):
        services.consoles.redeem(gateway_id, late.ticket, client_address=CLIENT)
    entries = services.audit_reader.search(boss, AuditWish(outcome="refused", object_id=desktop_id)).items
    assert [entry.after and entry.after["why"] for entry in entries] == ["late", "another_gateway", "spent"]


def test_how_many_screens_one_may_have_and_for_how_long(tmp_path: Path) -> None:
    limits = {
        "sessions_per_user": 1,
        "session_seconds": 60,
        "clipboard_to_desktop": False,
        "bind_client_address": True,
    }
    with installation(tmp_path / "home", consoles=limits) as yunzhuo:
        lin, consoles = yunzhuo.person("lin"), yunzhuo.services.consoles
        gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
        desktop_id = yunzhuo.available(lin)
        here = replace(lin, client_address=CLIENT)
        ticket = consoles.open(here, desktop_id, ConsoleProtocol.VNC).ticket
        with pytest.raises(Forbidden):
            consoles.redeem(gateway_id, ticket, client_address="192.0.2.99")
        redemption = consoles.redeem(gateway_id, ticket, client_address=CLIENT)
        assert redemption.policy["clipboard_to_desktop"] is False
        assert redemption.ends_in_seconds == 60
        with pytest.raises(Conflict, match="too many"):
            consoles.open(here, desktop_id, ConsoleProtocol.VNC)
        yunzhuo.pass_time(60)
        assert yunzhuo.services.screens.withdrawn(gateway_id) == {redemption.session_id: "time_over"}


def test_gateways_are_chosen_drained_and_given_other_keys(yunzhuo: Installation, lin: Actor, gateway_id: str) -> None:
    services, operator = yunzhuo.services, yunzhuo.person("op", Role.OPERATOR)
    desktop_id = yunzhuo.available(lin)
    made = services.gateways.create(operator, "north", "wss://north.test", "wss://10.1.0.5:8081")
    north = services.gateways.gateway_id(made.key)
    with pytest.raises(Conflict):
        services.gateways.create(operator, "north", "wss://other.test")
    services.gateways.add_segment(operator, "inside", "10.1.0.0/16")

    def goes_to(address: str = CLIENT) -> str:
        return services.consoles.open(replace(lin, client_address=address), desktop_id, ConsoleProtocol.VNC).url

    services.gateways.heard(north, version="1", capacity=10, certificate="PEM")
    assert goes_to() == "wss://north.test/v1/console", "the one that reports comes first"
    assert goes_to("10.1.2.3") == "wss://10.1.0.5:8081/v1/console"
    services.gateways.update(operator, north, state=GatewayState.DRAINING)
    assert goes_to().startswith("ws://localhost:8081")
    services.gateways.update(operator, gateway_id, state=GatewayState.DRAINING)
    with pytest.raises(Conflict, match="no gateway"):
        goes_to()
    fresh = services.gateways.rotate_key(operator, north).key
    assert services.gateways.gateway_id(fresh) == services.gateways.gateway_id(made.key) == north
    yunzhuo.pass_time(3601)
    with pytest.raises(Exception, match="No gateway has this key"):
        services.gateways.gateway_id(made.key)
    assert services.gateways.get(operator, north).health == "silent"
    services.gateways.delete(operator, north)
    with pytest.raises(NotFound):
        services.gateways.get(operator, north)
    services.gateways.update(operator, gateway_id, state=GatewayState.ACTIVE)
    assert goes_to().startswith("ws://localhost:8081")


def test_a_gateway_goes_and_the_history_of_its_sessions_stays(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    services, operator = yunzhuo.services, yunzhuo.person("op", Role.OPERATOR)
    made = services.gateways.create(operator, "north", "wss://north.test")
    north = services.gateways.gateway_id(made.key)
    services.gateways.heard(north, version="1", capacity=10, certificate="PEM")
    session_id = opened(yunzhuo, lin, yunzhuo.available(lin), north)
    with pytest.raises(Conflict):
        services.gateways.delete(operator, north)
    services.consoles.end_session(north, session_id, bytes_in=1, bytes_out=2, reason="viewer_lost")
    services.gateways.delete(operator, north)
    assert services.screens.open_now(boss) == [], "through what is gone nothing goes on"
    assert [(past.gateway, past.end_reason) for past in services.screens.history(boss)] == [("north", "viewer_lost")]
    services.gateways.create(operator, "north", "wss://north.test")
    assert [past.gateway for past in services.screens.history(boss)] == ["north"]
