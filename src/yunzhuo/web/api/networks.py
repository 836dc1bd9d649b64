"""Networks, routers and security groups: for operators."""

from http import HTTPStatus

from apiflask import APIBlueprint

from yunzhuo.web.api import network_models as models
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.bearer import bearer
from yunzhuo.webkit.openapi import BODY, refusals

blueprint = APIBlueprint("networks", __name__, tag="Networks")


@blueprint.get("/networks")
@blueprint.auth_required(bearer)
@blueprint.output(models.NetworkList)
@blueprint.doc(responses=refusals(401, 403, 503))
def networks() -> models.NetworkList:
    """List the networks, with their ranges and how full these are"""
    found = services().cloud_networks.networks(actor())
    return models.NetworkList(items=[models.Network.model_validate(each) for each in found])


@blueprint.post("/networks")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewNetwork)
@blueprint.output(models.Network, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 503))
def create_network(json_data: models.NewNetwork) -> models.Network:
    """Make a network with a range of addresses"""
    made = services().cloud_networks.create_network(actor(), json_data.name, json_data.subnet.asked())
    return models.Network.model_validate(made)


@blueprint.delete("/networks/<network_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_network(network_id: str) -> tuple[str, int]:
    """Delete a network that nothing is on"""
    services().cloud_networks.delete_network(actor(), network_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/networks/<network_id>/subnets")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewSubnet)
@blueprint.output(models.Network, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def add_subnet(network_id: str, json_data: models.NewSubnet) -> models.Network:
    """Give a network another range of addresses"""
    made = services().cloud_networks.add_subnet(actor(), network_id, json_data.asked())
    return models.Network.model_validate(made)


@blueprint.delete("/subnets/<subnet_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_subnet(subnet_id: str) -> tuple[str, int]:
    """Take a range of addresses away"""
    services().cloud_networks.delete_subnet(actor(), subnet_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/routers")
@blueprint.auth_required(bearer)
@blueprint.output(models.RouterList)
@blueprint.doc(responses=refusals(401, 403, 503))
def routers() -> models.RouterList:
    """List the routers"""
    found = services().cloud_networks.routers(actor())
    return models.RouterList(items=[models.Router.model_validate(each) for each in found])


@blueprint.post("/routers")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewRouter)
@blueprint.output(models.Router, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def create_router(json_data: models.NewRouter) -> models.Router:
    """Make a router"""
    made = services().cloud_networks.create_router(actor(), json_data.name, json_data.external_network_id)
    return models.Router.model_validate(made)


@blueprint.put("/routers/<router_id>/gateway")
@blueprint.auth_required(bearer)
@blueprint.input(models.RouterGateway)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def set_gateway(router_id: str, json_data: models.RouterGateway) -> tuple[str, int]:
    """Put a router's gateway on an external network, or on none"""
    services().cloud_networks.set_gateway(actor(), router_id, json_data.external_network_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.put("/routers/<router_id>/subnets/<subnet_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def connect_router(router_id: str, subnet_id: str) -> tuple[str, int]:
    """Lead a router to a subnet"""
    services().cloud_networks.connect_router(actor(), router_id, subnet_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/routers/<router_id>/subnets/<subnet_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def disconnect_router(router_id: str, subnet_id: str) -> tuple[str, int]:
    """Lead a router to a subnet no more"""
    services().cloud_networks.disconnect_router(actor(), router_id, subnet_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.delete("/routers/<router_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_router(router_id: str) -> tuple[str, int]:
    """Delete a router that leads nowhere"""
    services().cloud_networks.delete_router(actor(), router_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.get("/security-groups")
@blueprint.auth_required(bearer)
@blueprint.output(models.SecurityGroupList)
@blueprint.doc(responses=refusals(401, 403, 503))
def security_groups() -> models.SecurityGroupList:
    """List the security groups"""
    found = services().cloud_networks.security_groups(actor())
    return models.SecurityGroupList(items=[models.SecurityGroup.model_validate(each) for each in found])


@blueprint.post("/security-groups")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewSecurityGroup)
@blueprint.output(models.SecurityGroup, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 409, 503))
def create_security_group(json_data: models.NewSecurityGroup) -> models.SecurityGroup:
    """Make a security group of a template"""
    made = services().cloud_networks.create_security_group(
        actor(), json_data.name, json_data.description, json_data.template, json_data.networks
    )
    return models.SecurityGroup.model_validate(made)


@blueprint.delete("/security-groups/<group_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_security_group(group_id: str) -> tuple[str, int]:
    """Delete a security group that no server is in"""
    services().cloud_networks.delete_security_group(actor(), group_id)
    return "", HTTPStatus.NO_CONTENT


@blueprint.post("/security-groups/<group_id>/rules")
@blueprint.auth_required(bearer)
@blueprint.input(models.NewRule)
@blueprint.output(models.Rule, HTTPStatus.CREATED)
@blueprint.doc(responses=refusals(*BODY, 401, 403, 404, 409, 503))
def add_rule(group_id: str, json_data: models.NewRule) -> models.Rule:
    """Let more through"""
    return models.Rule.model_validate(services().cloud_networks.add_rule(actor(), group_id, json_data.asked()))


@blueprint.delete("/security-groups/<group_id>/rules/<rule_id>")
@blueprint.auth_required(bearer)
@blueprint.output({}, HTTPStatus.NO_CONTENT)
@blueprint.doc(responses=refusals(401, 403, 404, 409, 503))
def delete_rule(group_id: str, rule_id: str) -> tuple[str, int]:
    """Let something through no more"""
    services().cloud_networks.delete_rule(actor(), group_id, rule_id)
    return "", HTTPStatus.NO_CONTENT
