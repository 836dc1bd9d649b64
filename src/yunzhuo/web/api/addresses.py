"""Floating IPs: which there are, and which desktops have them. Desktops are given one by an action of theirs."""

from apiflask import APIBlueprint

from yunzhuo.web.api import address_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("addresses", __name__, tag="Floating IPs")


@blueprint.get("/addresses")
@blueprint.auth_required(bearer)
@blueprint.output(models.AddressList)
@blueprint.doc(responses=refusals(401, 403))
def index() -> models.AddressList:
    """List floating IPs

    Those of the organization's desktops; for operators also those that nobody has.
    """
    return models.AddressList(items=[models.Address.model_validate(each) for each in services().addresses.list(actor())])
