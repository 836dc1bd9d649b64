"""The vendor's signing keys, to look at: what changes them needs the private halves, and stays on the command line."""

from werkzeug.wrappers import Response

from yunzhuo.license.context import license_server
from yunzhuo.license.pages.frame import blueprint, file, for_vendors
from yunzhuo.phoenix.common.errors import NotFound
from yunzhuo.webkit import actor
from yunzhuo.webkit.pages import page


@blueprint.get("/keys")
@for_vendors
def key_list() -> Response:
    """All keys, the newest first, and how many licenses that count each has signed."""
    server = license_server()
    return page("license/keys.html", keys=server.keys.list(), signed=server.installations.signed_by(actor()))


@blueprint.get("/keys/<key_id>.pub")
@for_vendors
def public_key(key_id: str) -> Response:
    """A public key as a file, to check licenses by."""
    found = next((key for key in license_server().keys.list() if key.id == key_id), None)
    if found is None:
        raise NotFound("key_not_found", "There is no such key.")
    return file(found.public_key.encode(), "vendor.pub", "application/x-pem-file")
