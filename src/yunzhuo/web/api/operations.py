"""Operations: the changes that are being made, and how far they are."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.services.changes import OperationView
from yunzhuo.services.operation_desk import OperationWish
from yunzhuo.web.api import operation_models, snapshot_models
from yunzhuo.web.api.paths import operation_path
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("operations", __name__, tag="Operations")

_Answer = tuple[operation_models.Operation, int, dict[str, str]]


@blueprint.get("/operations")
@blueprint.auth_required(bearer)
@blueprint.input(operation_models.OperationQuery, location="query")
@blueprint.output(operation_models.OperationList)
@blueprint.doc(responses=refusals(401, 422))
def index(query_data: operation_models.OperationQuery) -> operation_models.OperationList:
    """List operations, the newest first

    Those of a user's own desktops; of an administrator's whole organization.
    """
    wish = OperationWish(
        status=query_data.status,
        action=query_data.action,
        desktop_id=query_data.desktop,
        search=query_data.q,
        is_active=query_data.active,
    )
    page = services().operations.list(actor(), wish, limit=query_data.limit, cursor=query_data.cursor)
    return operation_models.OperationList.of(page)


@blueprint.post("/operations/actions")
@blueprint.auth_required(bearer)
@blueprint.input(operation_models.ManyOperations)
@blueprint.output(operation_models.OperationResults)
@blueprint.doc(responses=refusals(*BODY, 401))
def deal_with_many(json_data: operation_models.ManyOperations) -> operation_models.OperationResults:
    """Cancel, retry or undo hundreds of operations

    Each has its own result, in the order asked.
    """
    dealt = services().operations.deal_with_many(actor(), json_data.ids, json_data.action)
    return operation_models.OperationResults(results=[operation_models.OperationResult.of(each) for each in dealt])


@blueprint.get("/operations/<operation_id>")
@blueprint.auth_required(bearer)
@blueprint.output(operation_models.OperationRecord)
@blueprint.doc(responses=refusals(401, 404))
def show(operation_id: str) -> operation_models.OperationRecord:
    """Say how far an operation is"""
    return operation_models.OperationRecord.of_record(services().operations.record(actor(), operation_id))


@blueprint.post("/operations/<operation_id>/cancel")
@blueprint.auth_required(bearer)
@blueprint.output(operation_models.Operation, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def cancel(operation_id: str) -> _Answer:
    """Cancel an operation

    What was begun is undone where that can be: the answer is then the operation that undoes it.
    """
    return _answer(services().operations.cancel(actor(), operation_id))


@blueprint.post("/operations/<operation_id>/retry")
@blueprint.auth_required(bearer)
@blueprint.output(operation_models.Operation, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 422))
def retry(operation_id: str) -> _Answer:
    """Ask again for what failed or was cancelled

    Answers the new operation.
    """
    return _answer(services().operations.retry(actor(), operation_id))


@blueprint.post("/operations/<operation_id>/undo")
@blueprint.auth_required(bearer)
@blueprint.output(operation_models.Operation, HTTPStatus.ACCEPTED)
@blueprint.doc(responses=refusals(401, 403, 404, 409))
def undo(operation_id: str) -> _Answer:
    """Take back what an operation that failed has left

    Answers the operation that does.
    """
    return _answer(services().operations.undo(actor(), operation_id))


@blueprint.get("/desktops/<desktop_id>/operations")
@blueprint.auth_required(bearer)
@blueprint.input(snapshot_models.HistoryQuery, location="query")
@blueprint.output(snapshot_models.History)
@blueprint.doc(responses=refusals(401, 404, 422))
def history(desktop_id: str, query_data: snapshot_models.HistoryQuery) -> snapshot_models.History:
    """List what was done to a desktop, the newest first"""
    page = services().history.of_desktop(actor(), desktop_id, limit=query_data.limit, cursor=query_data.cursor)
    return snapshot_models.History.of(page)


def _answer(operation: OperationView) -> _Answer:
    return operation_models.Operation.of(operation), HTTPStatus.ACCEPTED, {"Location": operation_path(operation.id)}
