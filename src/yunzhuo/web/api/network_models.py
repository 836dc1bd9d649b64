"""The API's JSON for networks, routers and security groups."""

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.services.cloud_networks import Direction, RuleProtocol, SecurityRule, SubnetRequest, Template
from yunzhuo.webkit.bodies import Asked

_CIDR = "10.20.0.0/24"


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Subnet(_Told):
    """A range of addresses; `addresses` is how many may be given out, null where the cloud does not tell."""

    id: str
    name: str
    cidr: str
    gateway: str | None
    has_dhcp: bool
    addresses: int | None
    addresses_used: int | None


class Network(_Told):
    """A network; `is_ours`: it can be changed."""

    id: str
    name: str
    is_ours: bool
    is_shared: bool
    is_external: bool
    subnets: list[Subnet]


class NetworkList(BaseModel):
    """Networks."""

    items: list[Network]


class NewSubnet(Asked):
    """A range of addresses for a network."""

    name: str = Field("", max_length=255)
    cidr: str = Field(max_length=64, examples=[_CIDR])
    gateway: str | None = Field(None, max_length=64, description="Left out: the first address.")
    has_dhcp: bool = True
    dns_servers: list[str] = Field([], max_length=5)

    def asked(self) -> SubnetRequest:
        """As the service takes it."""
        return SubnetRequest(self.name or self.cidr, self.cidr, self.gateway, self.has_dhcp, tuple(self.dns_servers))


class NewNetwork(Asked):
    """A network and its first range."""

    name: str = Field(description="1 to 64 visible characters.", examples=["room 3"])
    subnet: NewSubnet


class Router(_Told):
    """What leads from network to network; `external_network_id` null: it has no gateway."""

    id: str
    name: str
    external_network_id: str | None
    external_address: str | None
    subnet_ids: list[str]


class RouterList(BaseModel):
    """Routers."""

    items: list[Router]


class NewRouter(Asked):
    """A router to be made."""

    name: str = Field(examples=["room 3"])
    external_network_id: str | None = Field(None, max_length=64)


class RouterGateway(Asked):
    """Where a router's gateway is to be; null: nowhere."""

    external_network_id: str | None = Field(max_length=64)


class Rule(_Told):
    """What is let through; `remote` null and `remote_group_id` null: from and to everybody."""

    id: str
    direction: Direction
    protocol: RuleProtocol
    first_port: int | None
    last_port: int | None
    remote: str | None
    remote_group_id: str | None
    is_ipv6: bool


class SecurityGroup(_Told):
    """A named set of rules."""

    id: str
    name: str
    description: str
    rules: list[Rule]


class SecurityGroupList(BaseModel):
    """Security groups."""

    items: list[SecurityGroup]


class NewSecurityGroup(Asked):
    """A security group of a template's rules."""

    name: str = Field(examples=["exam"])
    description: str = Field("", max_length=255)
    template: Template = Field(
        description="`closed`: nothing in, all out. `remote_desktop`: Remote Desktop and SSH from `networks` alone, all out. "
        "`exam`: out to `networks` alone (web, names). `open`: everything."
    )
    networks: list[str] = Field([], max_length=20, examples=[[_CIDR]])


class NewRule(Asked):
    """One thing more to be let through."""

    direction: Direction
    protocol: RuleProtocol = RuleProtocol.ANY
    first_port: int | None = Field(None, ge=1, le=65535)
    last_port: int | None = Field(None, ge=1, le=65535)
    remote: str | None = Field(None, max_length=64, examples=[_CIDR])
    remote_group_id: str | None = Field(None, max_length=64)
    is_ipv6: bool = False

    def asked(self) -> SecurityRule:
        """As the service takes it."""
        return SecurityRule(**self.model_dump())
