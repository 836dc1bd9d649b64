"""A suspended desktop whose memory fits its cloud no more: it is stopped, says why by a code, and starts from its disk."""

from tests.support.installation import Installation

from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, State


def suspended(yunzhuo: Installation, lin: Actor) -> tuple[str, str]:
    """A suspended desktop, and its server's id."""
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.SUSPEND)
    yunzhuo.run()
    server = yunzhuo.cloud.servers.find(desktop_id)
    assert server is not None
    return desktop_id, server.id


def test_lost_memory_is_told_and_the_desktop_starts_from_its_disk(yunzhuo: Installation, lin: Actor) -> None:
    desktop_id, server_id = suspended(yunzhuo, lin)
    desktops, history = yunzhuo.services.desktops, yunzhuo.services.history
    yunzhuo.services.reconciler.round()
    assert (desktops.get(lin, desktop_id).state, desktops.get(lin, desktop_id).fault_code) == (State.SUSPENDED, None)

    yunzhuo.weather.disturb.lose_memory(server_id)
    yunzhuo.services.reconciler.round()
    lost = desktops.get(lin, desktop_id)
    assert (lost.state, lost.fault_code) == (State.STOPPED, "memory_lost")
    assert Action.START in lost.actions
    assert Action.RESUME not in lost.actions
    assert history.of_desktop(lin, desktop_id).items[0].operation.note_code == "memory_lost"

    desktops.act(lin, desktop_id, Action.START)
    yunzhuo.run()
    again = desktops.get(lin, desktop_id)
    assert (again.state, again.fault_code) == (State.AVAILABLE, None)
    notes = {entry.operation.action: entry.operation.note_code for entry in history.of_desktop(lin, desktop_id).items}
    assert notes == {Action.START: None, Action.SUSPEND: "memory_lost", Action.CREATE: None}
