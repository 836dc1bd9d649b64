"""Tickets: for one person, one desktop, one time, one minute, one gateway."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, NotFound, NotOffered, NotSignedIn, Unavailable
from yunzhuo.phoenix.db.models import Ticket
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor
from yunzhuo.services.consoles import Connection
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.rules.lifecycle import Action

CLIENT = "192.0.2.7"


@pytest.fixture
def gateway_id(yunzhuo: Installation) -> str:
    return yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())


@pytest.fixture
def connection(yunzhuo: Installation, lin: Actor) -> Connection:
    return yunzhuo.services.consoles.open(lin, yunzhuo.available(lin), ConsoleProtocol.VNC)


def test_a_ticket_opens_one_session_once(yunzhuo: Installation, lin: Actor, connection: Connection, gateway_id: str) -> None:
    assert connection.ticket not in connection.url
    assert connection.ticket not in repr(connection)
    redemption = yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)
    assert redemption.user_id == lin.user_id
    assert redemption.console.password
    assert redemption.console.password not in repr(redemption)
    with pytest.raises(Forbidden):
        yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)
    assert yunzhuo.services.health.figures()["sessions_open"] == 1
    for _ in range(2):
        yunzhuo.services.consoles.end_session(gateway_id, redemption.session_id, bytes_in=1, bytes_out=2, reason="closed")
    assert yunzhuo.services.health.figures()["sessions_open"] == 0


def test_a_late_ticket_is_refused(yunzhuo: Installation, connection: Connection, gateway_id: str) -> None:
    yunzhuo.pass_time(60)
    with pytest.raises(Forbidden):
        yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)


def test_another_gateway_cannot_spend_it(yunzhuo: Installation, connection: Connection, gateway_id: str) -> None:
    yunzhuo.services.gateways.ensure_gateway("second", "wss://second.test", "another key")
    other = yunzhuo.services.gateways.gateway_id("another key")
    with pytest.raises(Forbidden):
        yunzhuo.services.consoles.redeem(other, connection.ticket, client_address=CLIENT)
    assert yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT).user_id


def test_a_ticket_is_spent_even_when_the_cloud_is_away(yunzhuo: Installation, connection: Connection, gateway_id: str) -> None:
    yunzhuo.weather.faults.set(Fault(operation="servers.console", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(Unavailable):
        yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)
    with pytest.raises(Forbidden):
        yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)


def test_a_ticket_dies_with_its_desktop(yunzhuo: Installation, lin: Actor, connection: Connection, gateway_id: str) -> None:
    yunzhuo.services.desktops.act(lin, yunzhuo.services.desktops.list(lin).items[0].id, Action.DELETE)
    yunzhuo.run(seconds=30)
    with pytest.raises(Forbidden):
        yunzhuo.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)


def test_a_spice_viewers_channels_join_its_session_and_nobody_elses(yunzhuo: Installation, lin: Actor, gateway_id: str) -> None:
    consoles = yunzhuo.services.consoles
    ticket = consoles.open(lin, yunzhuo.available(lin), ConsoleProtocol.SPICE).ticket
    main = consoles.redeem(gateway_id, ticket, client_address=CLIENT)
    display = consoles.redeem(gateway_id, ticket, client_address=CLIENT)
    assert main.console.protocol is ConsoleProtocol.SPICE
    assert main.session_id != display.session_id
    with pytest.raises(Forbidden):
        consoles.redeem(gateway_id, ticket, client_address="192.0.2.99")
    for redemption in (main, display):
        consoles.end_session(gateway_id, redemption.session_id, bytes_in=1, bytes_out=2, reason="closed")
    with pytest.raises(Forbidden):
        consoles.redeem(gateway_id, ticket, client_address=CLIENT)


def test_a_broken_line_is_gone_on_with_for_a_while(yunzhuo: Installation, lin: Actor, gateway_id: str) -> None:
    consoles = yunzhuo.services.consoles
    connection = consoles.open(lin, yunzhuo.available(lin), ConsoleProtocol.VNC)
    assert connection.resume_ticket not in repr(connection)

    def resumed() -> str:
        return consoles.redeem(gateway_id, connection.resume_ticket, client_address="192.0.2.8").session_id

    def ended(session_id: str, reason: str) -> None:
        consoles.end_session(gateway_id, session_id, bytes_in=1, bytes_out=2, reason=reason)

    with pytest.raises(Forbidden):
        resumed()  # there is nothing to go on with yet
    first = consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT).session_id
    yunzhuo.pass_time(8 * 3600)
    second = resumed()
    assert yunzhuo.services.screens.withdrawn(gateway_id) == {first: "resumed"}
    ended(first, "resumed")
    ended(second, "viewer_lost")
    yunzhuo.pass_time(59)
    yunzhuo.weather.faults.set(Fault(operation="servers.console", kind=FaultKind.FAIL_BEFORE))
    with pytest.raises(Unavailable):
        resumed()
    yunzhuo.weather.faults.clear()
    third = resumed()  # that the cloud was away costs nothing but time
    ended(third, "gateway_stopping")
    yunzhuo.pass_time(60)
    with pytest.raises(Forbidden):
        resumed()


def test_who_goes_on_may_what_is_allowed_now(tmp_path: Path) -> None:
    with installation(tmp_path / "home", consoles={"session_seconds": 600, "bind_client_address": True}) as free:
        lin = free.person("lin")
        gateway_id = free.services.gateways.gateway_id(gateway_key_file(free.settings).read_text().strip())
        here = replace(lin, client_address=CLIENT)
        connection = free.services.consoles.open(here, free.available(lin), ConsoleProtocol.VNC, view_only=True)
        before = free.services.consoles.redeem(gateway_id, connection.ticket, client_address=CLIENT)
        now = free.clock.now() + timedelta(seconds=100)
    stricter = {"session_seconds": 900, "clipboard_from_desktop": False, "kib_per_second": 500, "bind_client_address": True}
    with installation(tmp_path / "home", consoles=stricter) as strict:
        strict.clock.set(now)
        redeem = strict.services.consoles.redeem
        with pytest.raises(Forbidden):
            redeem(gateway_id, connection.resume_ticket, client_address="192.0.2.99")
        after = redeem(gateway_id, connection.resume_ticket, client_address=CLIENT)
        assert after.policy == {**before.policy, "clipboard_from_desktop": False, "kib_per_second": 500}
        assert after.ends_in_seconds == 500, "its time goes on, too"
        strict.pass_time(500)
        with pytest.raises(Forbidden):
            redeem(gateway_id, connection.resume_ticket, client_address=CLIENT)


def test_a_spice_session_is_not_joined_late(yunzhuo: Installation, lin: Actor, gateway_id: str) -> None:
    consoles = yunzhuo.services.consoles
    ticket = consoles.open(lin, yunzhuo.available(lin), ConsoleProtocol.SPICE).ticket
    consoles.redeem(gateway_id, ticket, client_address=CLIENT)
    yunzhuo.pass_time(60)
    with pytest.raises(Forbidden):
        consoles.redeem(gateway_id, ticket, client_address=CLIENT)


def test_who_gets_a_ticket(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    consoles, desktop_id = yunzhuo.services.consoles, yunzhuo.available(lin)
    with pytest.raises(NotFound):
        consoles.open(mei, desktop_id, ConsoleProtocol.VNC)
    with pytest.raises(Forbidden):
        consoles.open(boss, desktop_id, ConsoleProtocol.VNC)
    with pytest.raises(NotOffered):
        consoles.open(lin, desktop_id, ConsoleProtocol.RDP)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    with pytest.raises(Conflict):
        consoles.open(lin, desktop_id, ConsoleProtocol.VNC)


def test_an_unknown_gateway_is_nobody(yunzhuo: Installation) -> None:
    with pytest.raises(NotSignedIn):
        yunzhuo.services.gateways.gateway_id("guess")


@pytest.mark.parametrize("way", [Action.DELETE, Action.FORCE_DELETE])
def test_a_desktop_that_is_gone_gives_back_sessions_and_tickets(
    yunzhuo: Installation, lin: Actor, boss: Actor, gateway_id: str, way: Action
) -> None:
    consoles, desktop_id = yunzhuo.services.consoles, yunzhuo.available(lin)
    spent = consoles.open(lin, desktop_id, ConsoleProtocol.VNC)
    consoles.open(lin, desktop_id, ConsoleProtocol.VNC)
    consoles.redeem(gateway_id, spent.ticket, client_address=CLIENT)
    yunzhuo.services.desktops.act(boss, desktop_id, way)
    yunzhuo.run()
    assert yunzhuo.services.health.figures()["sessions_open"] == 0, "though its gateway never said so"
    db = Database(yunzhuo.settings.database_url)
    with db.reading() as tx:
        tickets = list(tx.scalars(select(Ticket).where(Ticket.desktop_id == desktop_id)))
        assert [ticket.redeemed_at is not None for ticket in tickets] == [True]
    db.close()
