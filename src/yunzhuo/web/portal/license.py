"""The installation's license: what it allows, how much is used, another one taken."""

from http import HTTPStatus

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, Unavailable
from yunzhuo.phoenix.security.sealed import MAX_BYTES
from yunzhuo.web.portal import license_words, messages
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import STATUS


@blueprint.get("/admin/license")
@for_those_who("license:read")
def license_page() -> Response:
    """What is licensed, used, left, and until when."""
    return _license_page()


@blueprint.post("/admin/license")
@for_those_who("license:change")
def take_license() -> Response:
    """Take an uploaded license, or say why not; then the present one stays."""
    require_token()
    file = request.files.get("file")
    content = file.stream.read(MAX_BYTES + 1) if file else b""
    try:
        services().licensing.take(actor(), content)
    except InvalidInput as error:
        return _license_page(HTTPStatus.UNPROCESSABLE_ENTITY, messages.refusal(error))
    except Conflict as error:
        return _license_page(HTTPStatus.CONFLICT, messages.refusal(error))
    notice("good", gettext("The license was taken."))
    return back_to(url_for("portal.license_page"))


@blueprint.post("/admin/license/activation")
@for_those_who("license:change")
def activate_license() -> Response:
    """Ask the vendor's license server now."""
    require_token()
    try:
        services().license_renewal.activate(actor(), request.form.get("code") or None)
    except (Conflict, InvalidInput, Unavailable) as error:
        status = STATUS[next(kind for kind in type(error).__mro__ if kind in STATUS)]
        return _license_page(status, messages.refusal(error))
    notice("good", gettext("The license is as the vendor's server has it."))
    return back_to(url_for("portal.license_page"))


@blueprint.get("/admin/license/host-info")
@for_those_who("license:read")
def host_info() -> Response:
    """The file that the vendor makes a license from."""
    answer = Response(services().licensing.host_info(actor()), content_type="application/json")
    answer.headers["Content-Disposition"] = 'attachment; filename="host-info.json"'
    return answer


def _license_page(status: int = HTTPStatus.OK, problem: str | None = None) -> Response:
    found, renewal = services().licensing.status(actor()), services().license_renewal.standing(actor())
    return page("admin/license.html", status, found=found, renewal=renewal, words=license_words, problem=problem)
