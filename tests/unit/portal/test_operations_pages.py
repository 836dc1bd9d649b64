"""Operations on the portal's pages: the queue, cancelling, trying again; all of them for administrators."""

import pytest
from tests.support.installation import Installation
from tests.support.pages import Visitor, somebody

from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.services.access import Actor
from yunzhuo.services.rules.lifecycle import Action, OperationStatus, State


@pytest.fixture(autouse=True)
def calm(yunzhuo: Installation) -> None:
    """Nothing of an earlier test goes on."""
    yunzhuo.run()


def test_a_change_that_goes_on_is_cancelled_on_the_desktops_page(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    accepted = yunzhuo.request(lin, name="wrong one")
    path = f"/desktops/{accepted.desktop.id}"
    for page in (path, f"{path}/details", "/desktops"):
        assert f"/operations/{accepted.operation.id}/cancel" in visitor.get(page).html, page
    visitor.send(path, visitor.get(path).form("/cancel"))
    yunzhuo.run()
    assert yunzhuo.services.desktops.operation(lin, accepted.operation.id).status is OperationStatus.CANCELLED
    visitor.get(path, status=404)


@pytest.mark.slow
def test_what_failed_is_tried_again_in_the_history(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    desktop_id = yunzhuo.available(lin)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    yunzhuo.weather.faults.set(Fault(operation="servers.start", kind=FaultKind.REFUSE))
    yunzhuo.services.desktops.act(lin, desktop_id, Action.START)
    yunzhuo.run()
    path = f"/desktops/{desktop_id}/details"
    visitor.send(path, visitor.get(path).form("/retry"))
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, desktop_id).state is State.AVAILABLE
    assert "/retry" not in visitor.get(path).html


def test_others_operations_are_not_there(visitor: Visitor, yunzhuo: Installation) -> None:
    accepted = yunzhuo.request(somebody(yunzhuo, "other"))
    token = {"csrf_token": visitor.get("/profile").form("").fields["csrf_token"]}
    assert visitor.client.post(f"/operations/{accepted.operation.id}/cancel", data=token).status_code == 404
    assert visitor.client.post("/admin/operations/actions", data=token).status_code == 404
    visitor.get("/admin/operations", status=404)


@pytest.mark.slow
def test_administrators_find_operations_and_deal_with_many(administrator: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    unlucky = [yunzhuo.failed(lin, name=f"lesson {number}") for number in range(2)]
    made = [yunzhuo.services.desktops.get(lin, desktop_id) for desktop_id in unlucky]
    path = f"/admin/operations?status=failed&q={lin.email}"
    failed = administrator.get(path)
    assert "There is no room for it right now." in failed.text
    assert "call-" in failed.text, "the cloud's own id of the request"
    assert "No operation fits" in administrator.get("/admin/operations?q=nobody-like-this").text
    form = failed.form("/admin/operations/actions")
    token = form.fields["csrf_token"]
    ids = [each.operation.id for each in made]
    wish = {"csrf_token": token, "back": path, "id": ids}
    none = {"csrf_token": token, "back": path, "action": "retry"}
    assert administrator.client.post("/admin/operations/actions", data=none).headers["Location"] == path
    assert "Select at least one operation first." in administrator.get(path).text
    answer = administrator.client.post("/admin/operations/actions", data={**wish, "action": "retry"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    retried = [yunzhuo.services.desktops.get(lin, each.id).operation.id for each in made]
    asked = administrator.client.post("/admin/operations/actions", data={**wish, "id": retried, "action": "cancel"})
    assert "Cancel 2 operations?" in asked.get_data(as_text=True)
    yunzhuo.services.operations.cancel(lin, retried[0])
    done = administrator.client.post(
        "/admin/operations/actions", data={**wish, "id": retried, "action": "cancel", "confirmed": "yes"}
    )
    assert "There is nothing to cancel any more." in done.get_data(as_text=True)
    assert yunzhuo.services.desktops.operation(lin, retried[1]).status is OperationStatus.CANCELLED
    assert administrator.client.post("/admin/operations/actions", data={**wish, "action": "explode"}).status_code == 422


@pytest.mark.slow
def test_the_queue_is_told_to_those_who_wait(visitor: Visitor, yunzhuo: Installation, lin: Actor) -> None:
    crowd = [somebody(yunzhuo, f"crowd{number}") for number in range(2)]
    limit = yunzhuo.settings.admission.builds_per_cloud
    for number in range(limit):
        yunzhuo.request(crowd[number % 2])
    mine = yunzhuo.request(lin)
    for page in ("/desktops", f"/desktops/{mine.desktop.id}", f"/desktops/{mine.desktop.id}/details"):
        assert "Place 1 of 1 in the queue" in visitor.get(page).text, page
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(lin, mine.desktop.id).state is State.AVAILABLE
