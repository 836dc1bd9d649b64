"""The people of an organization, as its administrators run them: make, disable, reset, change and delete accounts."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.people_settings import AccountSettings
from yunzhuo.phoenix.db.models import Desktop, PoolMember, User
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.passwords import Passwords, one_time_password
from yunzhuo.services import disk_claims
from yunzhuo.services.access import RUN_AN_ORGANIZATION, Actor, Role, require
from yunzhuo.services.accounts import LANGUAGES, UserView, checked_password, end_sign_ins, normalized_email, user_view
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.changes import OperationView
from yunzhuo.services.desktops import DesktopService
from yunzhuo.services.factors import remove_factors
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.personal_disks import PersonalDiskService
from yunzhuo.services.reach import within_reach
from yunzhuo.services.rules.lifecycle import Action, Wanted
from yunzhuo.services.stated import needs
from yunzhuo.services.subordinates import found_person, require_no_more_rights, require_to_cover, taken

MAX_PAGE = 200
_NOBODYS = "@deleted.invalid"  # RFC 2606, section 2: no address ends so


@dataclass(frozen=True, slots=True)
class Person:
    """An account, how many desktops it has (those that are being deleted left out), and how large its personal disk is."""

    user: UserView
    desktops: int
    disk_mib: int | None = None


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people by address, and where to go on; ``next_cursor`` None: that was all."""

    items: Sequence[Person]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class NewAccess:
    """An account and the one-time password that was made for it, told this once; None: the password was given."""

    user: UserView
    one_time_password: str | None


@dataclass(frozen=True, slots=True)
class DesktopsOfDeleted:
    """What happens to the desktops of an account that is deleted: they go to ``new_owner_id``; None: they are deleted."""

    new_owner_id: str | None = None


class PeopleService:
    """What administrators do with accounts.

    An organization keeps at least one administrator who can sign in, and nobody disables, resets, demotes or deletes
    themselves: whoever locks themselves out does it to everybody.
    """

    def __init__(
        self,
        db: Database,
        desktops: DesktopService,
        disks: PersonalDiskService,
        audit: AuditLog,
        clock: Clock,
        settings: AccountSettings,
        passwords: Passwords,
        license_book: LicenseBook,
    ) -> None:
        self._license = license_book
        self._db = db
        self._desktops = desktops
        self._disks = disks
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._passwords = passwords

    @needs("user:read")
    def list(
        self,
        actor: Actor,
        *,
        search: str | None = None,
        role: Role | None = None,
        is_disabled: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PeoplePage:
        """The people of the actor's organization by address; ``search`` is part of one. Raises InvalidInput (cursor)."""
        limit = min(max(limit, 1), MAX_PAGE)
        query = select(User).where(within_reach(actor, "user:read", User.organization_id, User.id), User.deleted_at.is_(None))
        if search:
            query = query.where(func.lower(User.email).contains(search.lower(), autoescape=True))
        if role is not None:
            query = query.where(User.role == role)
        if is_disabled is not None:
            query = query.where(User.disabled_at.is_not(None) if is_disabled else User.disabled_at.is_(None))
        if cursor:
            query = query.where(User.email > _place(cursor))
        with self._db.reading() as tx:
            rows = tx.scalars(query.order_by(User.email).limit(limit + 1)).all()
            shown = rows[:limit]
            counts = _desktop_counts(tx, [row.id for row in shown])
        people = [Person(user_view(row), counts.get(row.id, 0)) for row in shown]
        return PeoplePage(people, _cursor(shown[-1].email) if len(rows) > limit else None)

    @needs("user:read")
    def get(self, actor: Actor, user_id: str) -> Person:
        """One person. Raises NotFound, also for another organization's."""
        with self._db.reading() as tx:
            row = found_person(tx, actor, user_id, "user:read")
            disk = disk_claims.of_owner(tx, row.id)
            return Person(user_view(row), _desktop_counts(tx, [row.id]).get(row.id, 0), disk.size_mib if disk else None)

    @needs("user:create")
    @retried_when_contended
    def create(
        self, actor: Actor, email: str, role: Role, *, password: str | None = None, language: str | None = None
    ) -> NewAccess:
        """Make an account. Without a ``password`` a one-time one is made, to be changed at the first sign-in.

        Raises InvalidInput, Conflict when the address is taken, and LimitReached when the license has no room.
        """
        access, user = self.new(actor, email, role, password=password, language=language)
        try:
            with self._db.transaction() as tx:
                self.add_within(tx, actor, user)
        except IntegrityError as error:
            with self._db.reading() as tx:
                raise taken(tx, actor, user.email) from error
        return access

    def new(
        self, actor: Actor, email: str, role: Role, *, password: str | None = None, language: str | None = None
    ) -> tuple[NewAccess, User]:
        """An account that is not written yet, for :meth:`add_within`; what takes time is done here. Raises InvalidInput."""
        require_to_cover(actor, role)
        address = normalized_email(email)
        made = one_time_password(self._settings.password_min_length) if password is None else None
        if made is not None:
            password_hash = self._passwords.hash_one_time(made)
        else:
            password_hash = self._passwords.hash(checked_password(password or "", self._settings, email=address))
        user = User(
            id=new_id(),
            organization_id=actor.organization_id,
            email=address,
            role=role,
            password_hash=password_hash,
            must_change_password=made is not None,
            language=language if language in LANGUAGES else None,
            created_at=self._clock.now(),
        )
        return NewAccess(user_view(user), made), user

    def add_within(self, tx: Transaction, actor: Actor, user: User) -> None:
        """Write a :meth:`new` account, in the transaction of whoever asked for it. Raises LimitReached; the database says when
        the address is taken."""
        require(actor, "user:create")
        self._license.reserve_user(tx)
        tx.add(user)
        self._audit.record(tx, actor, "user:create", "user", user.id, after={"email": user.email, "role": user.role})

    @needs("user:disable")
    @retried_when_contended
    def disable(self, actor: Actor, user_id: str) -> UserView:
        """Let nobody in by this account from now on: its sessions and tokens end in the same transaction.

        Raises NotFound, and Conflict for oneself and the last administrator. Twice is harmless.
        """
        now = self._clock.now()
        with self._db.transaction() as tx:
            user = self._another(tx, actor, user_id, "user:disable")
            if user.disabled_at is None:
                self._keep_an_administrator(tx, user)
                user.disabled_at = now
                self._audit_disabled(tx, actor, "user:disable", user, is_disabled=True)
            end_sign_ins(tx, user.id, now)
            return user_view(user)

    @needs("user:enable")
    @retried_when_contended
    def enable(self, actor: Actor, user_id: str) -> UserView:
        """Let an account in again; its old sessions and tokens stay ended. Raises NotFound, Conflict. Twice is harmless."""
        with self._db.transaction() as tx:
            user = self._another(tx, actor, user_id, "user:enable")
            if user.disabled_at is not None:
                user.disabled_at = None
                self._audit_disabled(tx, actor, "user:enable", user, is_disabled=False)
            return user_view(user)

    @needs("user:reset_password")
    @retried_when_contended
    def reset_password(self, actor: Actor, user_id: str) -> NewAccess:
        """A one-time password in place of the present one; sessions and tokens end with that. Raises NotFound, Conflict."""
        made, now = one_time_password(self._settings.password_min_length), self._clock.now()
        password_hash = self._passwords.hash_one_time(made)
        with self._db.transaction() as tx:
            user = self._another(tx, actor, user_id, "user:reset_password")
            before = {"password": user.password_hash, "must_change": user.must_change_password}
            user.password_hash, user.must_change_password = password_hash, True
            end_sign_ins(tx, user.id, now)
            after = {"password": password_hash, "must_change": True}
            self._audit.record(tx, actor, "user:reset_password", "user", user.id, owner_id=user.id, before=before, after=after)
            return NewAccess(user_view(user), made)

    @needs("user:change_role")
    @retried_when_contended
    def change_role(self, actor: Actor, user_id: str, role: Role) -> UserView:
        """Give a person another role, at once for what they have open. Raises NotFound, Conflict as :meth:`disable`."""
        with self._db.transaction() as tx:
            user = self._another(tx, actor, user_id, "user:change_role")
            require_to_cover(actor, role)
            if user.role != role:
                self._keep_an_administrator(tx, user)
                before, user.role = user.role, role
                self._audit.record(
                    tx, actor, "user:change_role", "user", user.id, before={"role": before}, after={"role": role}
                )
            return user_view(user)

    @needs("user:delete")
    @retried_when_contended
    def delete(
        self, actor: Actor, user_id: str, desktops: DesktopsOfDeleted | None = None, *, with_disk: bool = False
    ) -> Sequence[OperationView]:
        """Delete an account; answers the operations that delete its desktops, if that is what happens to them.

        ``with_disk`` deletes its personal disk, too. Everything is written in one transaction. The address is free again; what
        the person did stays on record. Raises NotFound, InvalidInput (no such new owner), and Conflict: for oneself, for the
        last administrator, and while there are desktops, or a personal disk, and nobody said what happens to them.
        """
        with self._db.transaction() as tx:
            user = self._another(tx, actor, user_id, "user:delete")
            self._keep_an_administrator(tx, user)
            disk = disk_claims.of_owner(tx, user.id)
            if disk is not None and not with_disk:
                message = "This person has files on a personal disk; say that it is to be deleted, too."
                raise Conflict("user_has_personal_disk", message, size_mib=disk.size_mib)
            operations = self._part_from_desktops(tx, actor, user, desktops)
            if disk is not None:
                self._disks.give_up_within(tx, actor, disk)
            self._erase(tx, actor, user)
            return operations

    def delete_all_within(self, tx: Transaction, actor: Actor) -> None:
        """Delete all accounts of the actor's organization, in the transaction that deletes the organization.

        Raises Conflict while one of them has a desktop or a personal disk.
        """
        require(actor, "user:delete")
        query = select(User).where(User.organization_id == actor.organization_id, User.deleted_at.is_(None))
        for user in tx.scalars(query.order_by(User.id).with_for_update()):
            if disk_claims.of_owner(tx, user.id) is not None:
                raise Conflict("user_has_personal_disk", "Somebody there has files on a personal disk.")
            self._part_from_desktops(tx, actor, user, None)
            self._erase(tx, actor, user)

    def _erase(self, tx: Transaction, actor: Actor, user: User) -> None:
        """What makes an account a row that only what it did refers to."""
        now = self._clock.now()
        end_sign_ins(tx, user.id, now)
        before = {"email": user.email, "role": user.role}
        remove_factors(tx, user)
        tx.execute(delete(PoolMember).where(PoolMember.holder_id == user.id))
        user.email, user.password_hash = f"{user.id}{_NOBODYS}", ""
        user.disabled_at, user.deleted_at = user.disabled_at or now, now
        self._audit.record(tx, actor, "user:delete", "user", user.id, owner_id=user.id, before=before)

    def _part_from_desktops(
        self, tx: Transaction, actor: Actor, user: User, answer: DesktopsOfDeleted | None
    ) -> Sequence[OperationView]:
        query = select(Desktop.id).where(Desktop.owner_id == user.id, *_THERE).order_by(Desktop.created_at)
        desktop_ids = tx.scalars(query).all()
        if not desktop_ids:
            return []
        if answer is None:
            raise Conflict("user_has_desktops", "Say what happens to this person's desktops.", desktops=len(desktop_ids))
        # What the installation itself does has no person behind it; its operations are the owner's then.
        asker = actor if actor.user_id else replace(actor, user_id=user.id)
        if answer.new_owner_id is None:
            return [self._desktops.act_within(tx, asker, each, Action.DELETE, for_good=True).operation for each in desktop_ids]
        new_owner = tx.get(User, answer.new_owner_id)
        if not _may_be_given_desktops(new_owner, user):
            raise InvalidInput("The desktops cannot go to this person.", fields={"to": "There is no such account."})
        for desktop_id in desktop_ids:
            self._desktops.hand_over_within(tx, asker, desktop_id, answer.new_owner_id)
        return []

    def _another(self, tx: Transaction, actor: Actor, user_id: str, verb: str) -> User:
        """The account, locked, which must not be the actor's own, nor one that may more than they."""
        user = found_person(tx, actor, user_id, verb, locked=True)
        if user.id == actor.user_id:
            raise Conflict("own_account", "This cannot be done to one's own account; ask another administrator.")
        require_no_more_rights(tx, actor, user, verb, self._clock.now())
        return user

    def _keep_an_administrator(self, tx: Transaction, user: User) -> None:
        """Raises Conflict when there is no other administrator who can sign in. All are locked: two cannot end each other."""
        if user.role not in RUN_AN_ORGANIZATION or user.disabled_at is not None or user.is_service:
            return
        query = select(User.id).where(
            User.organization_id == user.organization_id,
            User.role.in_(RUN_AN_ORGANIZATION),
            User.disabled_at.is_(None),
            User.is_service.is_(False),
        )
        if set(tx.scalars(query.order_by(User.id).with_for_update())) <= {user.id}:
            raise Conflict("last_administrator", "This is the last administrator; make another one first.")

    def _audit_disabled(self, tx: Transaction, actor: Actor, verb: str, user: User, *, is_disabled: bool) -> None:
        before, after = {"disabled": not is_disabled}, {"disabled": is_disabled}
        self._audit.record(tx, actor, verb, "user", user.id, owner_id=user.id, before=before, after=after)


def is_deleted(email: str) -> bool:
    """Whether an address stands for an account that was deleted."""
    return email.endswith(_NOBODYS)


_THERE = (Desktop.deleted_at.is_(None), Desktop.wanted != Wanted.GONE)


def _may_be_given_desktops(new_owner: User | None, old_owner: User) -> bool:
    return (
        new_owner is not None
        and new_owner.id != old_owner.id
        and new_owner.organization_id == old_owner.organization_id
        and new_owner.disabled_at is None
    )


def _desktop_counts(tx: Session, user_ids: Sequence[str]) -> Mapping[str, int]:
    query = select(Desktop.owner_id, func.count()).where(Desktop.owner_id.in_(user_ids), *_THERE).group_by(Desktop.owner_id)
    return {row[0]: row[1] for row in tx.execute(query)}


def _cursor(email: str) -> str:
    return base64.urlsafe_b64encode(email.encode()).decode()


def _place(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        reason = "Take it from next_cursor of the page before."
        raise InvalidInput("This is not a cursor of ours.", fields={"cursor": reason}) from error
