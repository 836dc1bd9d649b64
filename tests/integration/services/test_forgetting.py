"""What would grow for ever is dropped: keys that nobody repeats any more, tickets that let nobody in."""

from sqlalchemy import text
from tests.support.installation import Installation

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.services.access import Actor
from yunzhuo.services.forgetting import AT_ONCE, KEEP_KEYS, KEEP_TICKETS


def test_a_key_counts_for_a_week_and_is_then_forgotten(yunzhuo: Installation, lin: Actor) -> None:
    first = yunzhuo.request(lin, idempotency_key="chemistry").desktop.id
    yunzhuo.run()
    yunzhuo.pass_time(KEEP_KEYS.total_seconds() - 120)
    assert yunzhuo.services.forgetting.round() == 0
    assert yunzhuo.request(lin, idempotency_key="chemistry").desktop.id == first
    later = yunzhuo.request(lin, idempotency_key="physics").desktop.id
    yunzhuo.pass_time(121)
    assert yunzhuo.services.forgetting.round() == 1
    assert yunzhuo.request(lin, idempotency_key="chemistry").desktop.id != first
    assert yunzhuo.request(lin, idempotency_key="physics").desktop.id == later


def test_tickets_go_spent_or_not_and_sessions_stay(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id, consoles = yunzhuo.available(lin), yunzhuo.services.consoles
    yunzhuo.services.gateways.ensure_gateway("g", "http://gateway", "key")
    gateway_id = yunzhuo.services.gateways.gateway_id("key")
    unused, spent = (consoles.open(lin, desktop_id, ConsoleProtocol.VNC) for _ in range(2))
    session = consoles.redeem(gateway_id, spent.ticket, client_address="192.0.2.1").session_id
    yunzhuo.pass_time(KEEP_TICKETS.total_seconds())
    fresh = consoles.open(lin, desktop_id, ConsoleProtocol.VNC)
    assert yunzhuo.services.forgetting.round() == 0
    yunzhuo.pass_time(3 * yunzhuo.settings.consoles.ticket_seconds)
    assert yunzhuo.services.forgetting.round() == 1, "that of an open session is what it goes on with when its line breaks"
    consoles.end_session(gateway_id, session, bytes_in=1, bytes_out=2, reason="viewer_lost")
    assert yunzhuo.services.forgetting.round() == 0
    yunzhuo.pass_time(yunzhuo.settings.consoles.resume_seconds)
    assert yunzhuo.services.forgetting.round() == 1
    with yunzhuo.connection() as connection:
        assert connection.scalars(text("SELECT id FROM tickets")).all() == [fresh.id]
        assert connection.scalar(text("SELECT COUNT(*) FROM console_sessions")) == 1
    assert unused.id != fresh.id


def test_many_are_dropped_some_at_a_time(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.request(lin, idempotency_key="kept").desktop.id
    old = yunzhuo.clock.now() - KEEP_KEYS - KEEP_TICKETS
    with yunzhuo.connection() as connection:
        connection.execute(
            text(
                "INSERT INTO idempotency_keys"
                " (user_id, `key`, organization_id, request_digest, desktop_id, operation_id, created_at)"
                " SELECT user_id, :key, organization_id, request_digest, desktop_id, operation_id, :old"
                " FROM idempotency_keys WHERE `key` = 'kept'"
            ),
            [{"key": f"old-{number}", "old": old.replace(tzinfo=None)} for number in range(AT_ONCE + 1)],
        )
    assert yunzhuo.services.forgetting.round() == AT_ONCE + 1
    assert yunzhuo.services.forgetting.round() == 0
    assert yunzhuo.request(lin, idempotency_key="kept").desktop.id == desktop_id
