"""Installations of customers: made, looked at, changed, moved, suspended, revoked. Each change of what counts is a license."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from yunzhuo.license.binding import bind, move
from yunzhuo.license.issuing import Issuer, history, newest, of_serial
from yunzhuo.license.models import DeletedCustomer, IssuedLicense, LicensedInstallation
from yunzhuo.license.rules import WITHDRAWN, Act, State, after, is_over, seen_as
from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound
from yunzhuo.phoenix.common.ids import new_id, new_secret
from yunzhuo.phoenix.db.models import Organization
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security import host_info
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor, Scope, require, scope_of
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.rules import naming
from yunzhuo.services.rules.licensing import Feature
from yunzhuo.services.stated import needs

_CODE_BYTES = 15


@dataclass(frozen=True, slots=True)
class Terms:
    """What an installation may do and until when. Times in whole seconds."""

    edition: str
    features: Sequence[str]
    limits: Limits
    starts_at: datetime
    expires_at: datetime
    grace_days: int


@dataclass(frozen=True, slots=True)
class InstallationView:
    """An installation as the vendor sees it. ``state`` is that of ``rules.State``, or ``expired``."""

    id: str
    customer_id: str
    name: str
    state: str
    terms: Terms
    serial: int
    key_id: str | None
    host_name: str | None
    moves: int
    moves_allowed: int
    clone_seen_at: datetime | None
    checked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewCode:
    """An installation, and the code that it activates itself with, once; told this once."""

    installation: InstallationView
    code: str


@dataclass(frozen=True, slots=True)
class LicenseView:
    """One license of an installation's history. ``is_superseded``: a newer one was issued."""

    id: str
    serial: int
    reason: str
    key_id: str
    signed_by: str
    issued_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None
    is_superseded: bool


class InstallationService:
    """What vendor administrators do with installations, and what customers see of their own."""

    def __init__(self, db: Database, issuer: Issuer, audit: AuditLog, clock: Clock) -> None:
        self._db = db
        self._issuer = issuer
        self._audit = audit
        self._clock = clock

    @needs("license:read", "overview:read")
    def list(self, actor: Actor, *, customer_id: str | None = None) -> Sequence[InstallationView]:
        """Installations by name: all of them for the vendor, their own for a customer."""
        query = select(LicensedInstallation).where(LicensedInstallation.deleted_at.is_(None))
        query = query.order_by(LicensedInstallation.name, LicensedInstallation.id)
        if not _is_vendor(actor):
            query = query.where(LicensedInstallation.customer_id == actor.organization_id)
        if customer_id is not None:
            query = query.where(LicensedInstallation.customer_id == customer_id)
        with self._db.reading() as tx:
            return [self._view(row) for row in tx.scalars(query)]

    @needs("license:read", "overview:read")
    def get(self, actor: Actor, installation_id: str) -> InstallationView:
        """One installation. Raises NotFound, also for another customer's."""
        with self._db.reading() as tx:
            return self._view(_found(tx, actor, installation_id))

    @needs("license:read", "overview:read")
    def licenses(self, actor: Actor, installation_id: str) -> Sequence[LicenseView]:
        """Every license that it was given, the newest first. Raises NotFound."""
        with self._db.reading() as tx:
            found = history(tx, _found(tx, actor, installation_id).id)
        return [_license_view(row, is_superseded=row is not found[0]) for row in found]

    @needs("license:read", "overview:read")
    def license_file(self, actor: Actor, installation_id: str, serial: int | None = None) -> bytes:
        """The license of this serial as a file, or the newest. Raises NotFound when none was issued."""
        with self._db.reading() as tx:
            row = _found(tx, actor, installation_id)
            issued = newest(tx, row.id) if serial is None else of_serial(tx, row.id, serial)
            return issued.document.encode()

    @needs("license:change")
    @retried_when_contended
    def create(self, actor: Actor, customer_id: str, name: str, terms: Terms, *, moves_allowed: int = 2) -> NewCode:
        """Make an installation of a customer's, which waits for its host. Raises NotFound, InvalidInput, Conflict for a name
        that the customer has already."""
        with self._db.transaction() as tx:
            return self.create_within(tx, actor, customer_id, name, terms, moves_allowed=moves_allowed)

    def create_within(
        self, tx: Transaction, actor: Actor, customer_id: str, name: str, terms: Terms, *, moves_allowed: int
    ) -> NewCode:
        """The same in the transaction of whoever asked for it."""
        check_terms(terms)
        require(actor, "license:change")
        code = new_secret(_CODE_BYTES)
        row = LicensedInstallation(
            id=new_id(),
            customer_id=customer_id,
            name=naming.checked_name(name),
            state=State.WAITING,
            serial=0,
            moves=0,
            moves_allowed=moves_allowed,
            code_digest=digest(code),
            created_at=self._clock.now(),
            **_columns(terms),
        )
        # Locked: of two who ask for one name at once, one gets it.
        if tx.get(Organization, customer_id, with_for_update=True) is None or tx.get(DeletedCustomer, customer_id) is not None:
            raise NotFound("customer_not_found", "There is no such customer.")
        _require_free_name(tx, row)
        tx.add(row)
        tx.flush()
        self._note(tx, actor, row, "made", after={"name": row.name})
        return NewCode(self._view(row), code)

    @needs("license:change")
    @retried_when_contended
    def change(
        self, actor: Actor, installation_id: str, terms: Terms, *, name: str | None = None, moves_allowed: int | None = None
    ) -> InstallationView:
        """Renew it, or let it do something else; one that is active gets another license at once. Raises NotFound,
        InvalidInput, Conflict for a revoked one."""
        check_terms(terms)
        with self._db.transaction() as tx:
            row = _found(tx, actor, installation_id, locked=True)
            if row.state == State.REVOKED:
                raise Conflict("not_in_this_state", "A revoked installation does not come back.", state=row.state)
            is_changed = _terms(row) != terms
            row.told_days = row.told_days if row.expires_at == terms.expires_at else None
            for column, value in _columns(terms).items():
                setattr(row, column, value)
            if name is not None:
                tx.get_one(Organization, row.customer_id, with_for_update=True)
                row.name = naming.checked_name(name)
                _require_free_name(tx, row)
            row.moves_allowed = row.moves_allowed if moves_allowed is None else moves_allowed
            if row.state == State.ACTIVE and is_changed:
                self._issuer.issue(tx, row, "changed")
            self._note(tx, actor, row, "changed", after={"until": row.expires_at, "limits": row.limits})
            return self._view(row)

    @needs("license:change")
    def renew(self, actor: Actor, installation_id: str, expires_at: datetime) -> InstallationView:
        """Let its license end later, and nothing else. Raises as :meth:`change`."""
        return self.change(actor, installation_id, replace(self.get(actor, installation_id).terms, expires_at=expires_at))

    @needs("license:read")
    def signed_by(self, actor: Actor) -> Mapping[str, int]:
        """How many installations have a newest license that each key has signed."""
        is_of = IssuedLicense.installation_id == LicensedInstallation.id
        newest = is_of & (IssuedLicense.serial == LicensedInstallation.serial)
        query = select(IssuedLicense.signed_by, func.count()).join(LicensedInstallation, newest)
        query = query.where(LicensedInstallation.deleted_at.is_(None))
        with self._db.reading() as tx:
            return {row[0]: row[1] for row in tx.execute(query.group_by(IssuedLicense.signed_by))}

    @needs("license:change")
    @retried_when_contended
    def act(self, actor: Actor, installation_id: str, act: Act) -> InstallationView:
        """Issue, suspend, resume or revoke. Raises NotFound, Conflict where the table says no."""
        if act in (Act.BIND, Act.MOVE):
            raise InvalidInput("This needs a host-info file.", fields={"action": "issue, suspend, resume or revoke"})
        with self._db.transaction() as tx:
            row = _found(tx, actor, installation_id, locked=True)
            before, row.state = row.state, after(State(row.state), act)
            if row.key_id is not None and (act is not Act.REVOKE or row.serial > 0):
                self._issuer.issue(tx, row, act.value, is_withdrawn=row.state in WITHDRAWN)
            row.code_digest = None if row.state == State.REVOKED else row.code_digest
            self._note(tx, actor, row, act.value, before={"state": before}, after={"state": row.state, "serial": row.serial})
            return self._view(row)

    @needs("license:change", "overview:read")
    @retried_when_contended
    def take_host_info(self, actor: Actor, installation_id: str, document: bytes) -> InstallationView:
        """Bind it to the host that the file is of, and give it its license.

        A customer may do so with their own. One that is active is moved to that host: what was there is withdrawn, and the move
        counted. Raises NotFound, SealBroken, LicenseRefused, Conflict (moved too often, a host of another installation, or not
        in this state).
        """
        said = host_info.read(document)
        with self._db.transaction() as tx:
            row = _found(tx, actor, installation_id, locked=True)
            if row.state == State.ACTIVE and row.key_id != said.key_id:
                move(tx, self._issuer, row, said)
            else:
                bind(tx, self._issuer, row, said)
            self._note(tx, actor, row, "host", after={"host": said.host_name, "serial": row.serial, "moves": row.moves})
            return self._view(row)

    @needs("license:change")
    @retried_when_contended
    def new_code(self, actor: Actor, installation_id: str) -> NewCode:
        """Another code for automatic activation, in the place of the present one; an active one is moved by it."""
        code = new_secret(_CODE_BYTES)
        with self._db.transaction() as tx:
            row = _found(tx, actor, installation_id, locked=True)
            if row.state in WITHDRAWN:
                raise Conflict("not_in_this_state", f"An installation that is {row.state} gets no code.", state=row.state)
            row.code_digest = digest(code)
            self._note(tx, actor, row, "code")
            return NewCode(self._view(row), code)

    @needs("license:change")
    @retried_when_contended
    def forgive_clone(self, actor: Actor, installation_id: str) -> InstallationView:
        """Let the next computer that comes with the key be the one that counts: after a restored backup, say."""
        with self._db.transaction() as tx:
            row = _found(tx, actor, installation_id, locked=True)
            row.clone_seen_at = row.line_digest = row.line_before_digest = None
            self._note(tx, actor, row, "clone forgiven")
            return self._view(row)

    @needs("license:change")
    @retried_when_contended
    def delete(self, actor: Actor, installation_id: str) -> None:
        """Delete one of which nothing counts any more: revoked, over with its grace, or never licensed.

        What was issued stays on record, and its computer goes on being told what counts for it. Raises NotFound, and Conflict
        while something counts.
        """
        with self._db.transaction() as tx:
            self.delete_within(tx, actor, _found(tx, actor, installation_id, locked=True))

    def delete_within(self, tx: Transaction, actor: Actor, row: LicensedInstallation) -> None:
        """The same for a locked row, in the transaction of whoever asked for it."""
        require(actor, "license:change")
        now = self._clock.now()
        ends_at = row.expires_at + timedelta(days=row.grace_days)
        if not is_over(State(row.state), serial=row.serial, ends_at=ends_at, now=now):
            raise Conflict("license_still_counts", "Its license still counts; revoke it first.", name=row.name)
        self._note(tx, actor, row, "deleted", before={"name": row.name, "state": row.state})
        if row.serial == 0:
            tx.delete(row)
            return
        row.deleted_at = now
        row.key_id = row.host = row.code_digest = row.line_digest = row.line_before_digest = None

    def _view(self, row: LicensedInstallation) -> InstallationView:
        return InstallationView(
            row.id,
            row.customer_id,
            row.name,
            seen_as(State(row.state), expires_at=row.expires_at, now=self._clock.now()),
            _terms(row),
            row.serial,
            row.key_id,
            row.host["host_name"] if row.host else None,
            row.moves,
            row.moves_allowed,
            row.clone_seen_at,
            row.checked_at,
            row.created_at,
        )

    def _note(
        self,
        tx: Transaction,
        actor: Actor,
        row: LicensedInstallation,
        what: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        said = {"what": what, **(after or {})}
        self._audit.record(
            tx, actor, "license:change", "installation", row.id, organization_id=row.customer_id, before=before, after=said
        )


def _is_vendor(actor: Actor) -> bool:
    return scope_of(actor, "license:read") is Scope.INSTALLATION


def _found(tx: Session, actor: Actor, installation_id: str, *, locked: bool = False) -> LicensedInstallation:
    query = select(LicensedInstallation).where(
        LicensedInstallation.id == installation_id, LicensedInstallation.deleted_at.is_(None)
    )
    row = tx.scalars(query.with_for_update() if locked else query).one_or_none()
    if row is None or not (_is_vendor(actor) or row.customer_id == actor.organization_id):
        raise NotFound("installation_not_found", "There is no such installation.")
    return row


def _require_free_name(tx: Transaction, row: LicensedInstallation) -> None:
    other = select(LicensedInstallation.id).where(
        LicensedInstallation.customer_id == row.customer_id,
        LicensedInstallation.name == row.name,
        LicensedInstallation.id != row.id,
        LicensedInstallation.deleted_at.is_(None),
    )
    if tx.scalar(other) is not None:
        raise Conflict("installation_name_taken", f"This customer has an installation {row.name} already.")


def check_terms(terms: Terms) -> None:
    """Raises InvalidInput for what no license can say, or what no installation would understand."""
    wrong: dict[str, str] = {}
    unknown = [feature for feature in terms.features if feature not in list(Feature)]
    if unknown:
        wrong["features"] = f"There is no feature {unknown[0]}; there are {', '.join(Feature)}."
    if terms.expires_at <= terms.starts_at:
        wrong["expires_at"] = "It ends before it begins."
    if any(at.microsecond for at in (terms.starts_at, terms.expires_at)):
        wrong["starts_at"] = "Times are in whole seconds."
    if wrong:
        raise InvalidInput("These terms are not valid.", fields=wrong)


def _columns(terms: Terms) -> dict[str, object]:
    return {
        "edition": terms.edition,
        "features": [*terms.features],
        "limits": terms.limits.model_dump(exclude_none=True),
        "starts_at": terms.starts_at,
        "expires_at": terms.expires_at,
        "grace_days": terms.grace_days,
    }


def _terms(row: LicensedInstallation) -> Terms:
    return Terms(row.edition, tuple(row.features), Limits(**row.limits), row.starts_at, row.expires_at, row.grace_days)


def _license_view(row: IssuedLicense, *, is_superseded: bool) -> LicenseView:
    return LicenseView(
        row.id,
        row.serial,
        row.reason,
        row.key_id,
        row.signed_by,
        row.issued_at,
        row.expires_at,
        row.withdrawn_at,
        is_superseded,
    )
