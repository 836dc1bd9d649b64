"""The API's JSON about rights: groups, roles, delegations, organizations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from yunzhuo.services.access import Scope
from yunzhuo.services.projects import Placing, QuotaKind
from yunzhuo.webkit.bodies import Asked, Id, Moment

_Name = Annotated[str, Field(description="1 to 64 visible characters.", examples=["Class 1"])]


class Shown(BaseModel):
    """What is told of something that a service told of."""

    model_config = ConfigDict(from_attributes=True)


class Named(Asked):
    """A name for something."""

    name: _Name


class Group(Shown):
    """A group and how many people are in it."""

    id: Id
    name: str
    members: int
    created_at: datetime


class GroupList(BaseModel):
    """Groups by name."""

    items: list[Group]
    next_cursor: None = None


class MemberChange(Asked):
    """How a person is in a group."""

    is_owner: bool = Field(False, description="Whether they look after the others.")


class Member(Shown):
    """A person in a group."""

    user_id: Id
    email: str
    is_owner: bool


class MemberList(BaseModel):
    """Who is in a group, by address."""

    items: list[Member]
    next_cursor: None = None


class RoleGrants(Asked):
    """How far each verb of a role reaches."""

    grants: dict[Annotated[str, Field(max_length=64)], Scope] = Field(
        max_length=200, examples=[{"desktop:read": "group"}], description="Verb to `own`, `group` or `organization`."
    )


class NewRole(RoleGrants):
    """A role of the organization's own."""

    name: _Name


class RoleDetails(Shown):
    """A role. A built-in one has its name for an id, and is the same everywhere."""

    id: str
    name: str
    grants: Mapping[str, Scope]
    is_built_in: bool


class RoleList(BaseModel):
    """The built-in roles, then the organization's own."""

    items: list[RoleDetails]
    next_cursor: None = None


class Holders(BaseModel):
    """Ids of the people and groups that have a role."""

    items: list[str]
    next_cursor: None = None


class Verb(BaseModel):
    """A verb, and what it lets people do."""

    name: str
    meaning: str


class VerbList(BaseModel):
    """All verbs by name."""

    items: list[Verb]
    next_cursor: None = None


class NewDelegation(Asked):
    """What somebody may do with one's desktops, and until when. To see them is always part of it."""

    verbs: list[Annotated[str, Field(max_length=64)]] = Field(max_length=50, examples=[["desktop:start"]])
    until: Moment


class Delegation(Shown):
    """What one person lets another do with their desktops."""

    from_user_id: Id
    from_email: str
    to_user_id: Id
    to_email: str
    verbs: list[str]
    expires_at: datetime


class DelegationList(BaseModel):
    """What one lets others do, and others oneself."""

    items: list[Delegation]
    next_cursor: None = None


class OrganizationChange(Asked):
    """What can be changed of an organization; what is left out stays."""

    name: _Name | None = None
    disabled: bool | None = Field(None, description="True ends all sessions and tokens of its people at once.")


class Organization(Shown):
    """An organization, and how many people and desktops it has."""

    id: Id
    name: str
    is_disabled: bool
    users: int
    desktops: int
    created_at: datetime
    placing: Placing = Field(
        description="Whether its new things are made in a project of its own in the cloud; coming: not made yet."
    )
    project_id: str | None = Field(description="That project, by the cloud's id.")


class ProjectQuota(Shown):
    """How much of something a project uses, and the most that it may; null: no end."""

    used: int
    most: int | None


class OrganizationProject(Shown):
    """Where an organization's things are in the cloud."""

    placing: Placing
    elsewhere: int = Field(description="How many of its desktops are in another project, as they were made before.")
    id: str | None
    name: str | None
    is_enabled: bool = Field(description="False: whoever runs the cloud has closed it.")
    quota: dict[QuotaKind, ProjectQuota] | None = Field(description="As the cloud says now; null without an open project.")


class OrganizationList(BaseModel):
    """Organizations by name."""

    items: list[Organization]
    next_cursor: None = None
