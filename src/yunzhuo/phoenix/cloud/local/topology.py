"""Routers and security groups of driver ``local``: each machine is alone on its network, behind this computer."""

from collections.abc import Sequence
from typing import NoReturn

from yunzhuo.phoenix.cloud.errors import CloudNotOffered
from yunzhuo.phoenix.cloud.network_resources import Router, SecurityGroup, SecurityRule


class LocalRouters:
    """Says of every operation that it is not offered."""

    def list(self) -> Sequence[Router]:
        _refuse("routers")

    def create(self, name: str, external_network_id: str | None = None) -> Router:
        _refuse("routers")

    def set_gateway(self, router_id: str, external_network_id: str | None) -> None:
        _refuse("routers")

    def connect(self, router_id: str, subnet_id: str) -> None:
        _refuse("routers")

    def disconnect(self, router_id: str, subnet_id: str) -> None:
        _refuse("routers")

    def delete(self, router_id: str) -> None:
        _refuse("routers")


class LocalSecurityGroups:
    """Says of every operation that it is not offered."""

    def list(self) -> Sequence[SecurityGroup]:
        _refuse("security groups")

    def create(self, name: str, description: str, rules: Sequence[SecurityRule]) -> SecurityGroup:
        _refuse("security groups")

    def add_rule(self, group_id: str, rule: SecurityRule) -> SecurityRule:
        _refuse("security groups")

    def delete_rule(self, group_id: str, rule_id: str) -> None:
        _refuse("security groups")

    def delete(self, group_id: str) -> None:
        _refuse("security groups")


def _refuse(what: str) -> NoReturn:
    raise CloudNotOffered(what)
