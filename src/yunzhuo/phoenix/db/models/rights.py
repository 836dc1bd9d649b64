"""Who may do what beyond the built-in roles: groups, roles of an organization's own, and what people let others do."""

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from yunzhuo.phoenix.db.base import Base, Id, Name, Time


class Group(Base):
    """Some of an organization's people under a name."""

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[Name]
    created_at: Mapped[Time]


class GroupMember(Base):
    """A person in a group. ``is_owner``: what their role lets them do with a group's things, they may do with this one's."""

    __tablename__ = "group_members"
    __table_args__ = (Index(None, "user_id", "is_owner"),)

    group_id: Mapped[Id] = mapped_column(ForeignKey("groups.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    is_owner: Mapped[bool]


class CustomRole(Base):
    """A role of an organization's own: ``grants`` says how far each verb reaches (verb -> scope)."""

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    organization_id: Mapped[Id] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[Name]
    grants: Mapped[dict[str, str]] = mapped_column(JSON)
    created_at: Mapped[Time]


class RoleGrant(Base):
    """A custom role that a person has, or everybody in a group: ``holder_id`` is either's id."""

    __tablename__ = "role_grants"

    holder_id: Mapped[Id] = mapped_column(primary_key=True)
    role_id: Mapped[Id] = mapped_column(ForeignKey("roles.id"), primary_key=True, index=True)


class Delegation(Base):
    """What one person lets another do with their things until ``expires_at``; a row for each verb."""

    __tablename__ = "delegations"

    to_user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    from_user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    verb: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[Time]
    created_at: Mapped[Time]
