"""Passkeys (WebAuthn level 2): a person's authenticator signs a challenge that counts once, for this installation's address.

What a browser brings is read by the library ``webauthn``; here it is bounded in length, and all that the library finds wrong is
one refusal.
"""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import delete, func, select, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound, NotOffered
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.db.models import Challenge, Passkey
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.security.secrets import digest
from yunzhuo.services.access import Actor
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.factors import ISSUER, FactorService
from yunzhuo.services.rules.naming import checked_name
from yunzhuo.services.stated import needs
from yunzhuo.services.step_up import Proven

MAX_PASSKEYS = 20
_CHALLENGE_LIFETIME = timedelta(minutes=5)
_MAX_CREDENTIAL_CHARS = 64 * 1024
_REGISTER, _SIGN_IN = "register", "sign_in"
_WRONG = "The passkey cannot be used here."


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as its owner sees it."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was just made, with recovery codes, told this once, when it is the first factor."""

    passkey: PasskeyView
    recovery_codes: Sequence[str]


class PasskeyService:
    """Makes and checks passkeys for one address: the one that browsers are told (``public_url``)."""

    def __init__(self, db: Database, factors: FactorService, audit: AuditLog, clock: Clock, *, public_url: str) -> None:
        self._db = db
        self._factors = factors
        self._audit = audit
        self._clock = clock
        parts = urlsplit(public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._rp_id = parts.hostname or ""
        self.is_offered = _can_have_passkeys(parts.scheme, self._rp_id)

    @needs("account:read")
    def list(self, actor: Actor) -> Sequence[PasskeyView]:
        """The actor's own, the oldest first."""
        with self._db.reading() as tx:
            rows = tx.scalars(select(Passkey).where(Passkey.user_id == actor.user_id).order_by(Passkey.created_at))
            return [_view(row) for row in rows]

    @needs("account:update")
    def offer_registration(self, actor: Actor, proven: Proven) -> str:
        """What the browser is to make a passkey from (JSON). Raises NotOffered, LimitReached."""
        proven.require(actor)
        self._require_offered()
        with self._db.reading() as tx:
            ids = tx.scalars(select(Passkey.credential_id).where(Passkey.user_id == actor.user_id)).all()
        if len(ids) >= MAX_PASSKEYS:
            raise LimitReached("too_many_passkeys", f"You have {len(ids)} passkeys; remove one first.")
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=ISSUER,
            user_id=actor.user_id.encode(),
            user_name=actor.email,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in ids],
        )
        self._keep(options.challenge, _REGISTER, actor.user_id)
        return webauthn.options_to_json(options)

    @needs("account:update")
    @retried_when_contended
    def register(self, actor: Actor, proven: Proven, name: str, credential: str) -> NewPasskey:
        """Take the passkey that the browser made (JSON). Raises InvalidInput, Conflict when it is there already."""
        proven.require(actor)
        name, now = checked_name(name), self._clock.now()
        with self._db.transaction() as tx:
            challenge = self._spend(tx, credential, _REGISTER, actor.user_id)
            try:
                verified = webauthn.verify_registration_response(
                    credential=credential,
                    expected_challenge=challenge,
                    expected_rp_id=self._rp_id,
                    expected_origin=self._origin,
                )
            except (WebAuthnException, ValueError, TypeError, KeyError, IndexError) as error:
                raise _wrong() from error
            credential_id = bytes_to_base64url(verified.credential_id)
            if tx.scalar(select(func.count()).where(Passkey.credential_digest == digest(credential_id))):
                raise Conflict("passkey_exists", "This passkey is there already.")
            passkey = Passkey(
                id=new_id(),
                user_id=actor.user_id,
                name=name,
                credential_digest=digest(credential_id),
                credential_id=credential_id,
                public_key=bytes_to_base64url(verified.credential_public_key),
                sign_count=verified.sign_count,
                created_at=now,
                last_used_at=None,
            )
            tx.add(passkey)
            codes = self._factors.factor_added(tx, actor.user_id)
            self._factors.changed(tx, actor, "user:add_passkey", actor.user_id)
            return NewPasskey(_view(passkey), codes)

    @needs("account:update")
    @retried_when_contended
    def remove(self, actor: Actor, proven: Proven, passkey_id: str) -> None:
        """It lets nobody in any more. Raises NotFound, also for somebody else's."""
        proven.require(actor)
        with self._db.transaction() as tx:
            gone = tx.execute(delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == actor.user_id))
            if getattr(gone, "rowcount", 0) != 1:
                raise NotFound("passkey_not_found", "There is no such passkey.")
            self._factors.factor_removed(tx, actor.user_id)
            self._factors.changed(tx, actor, "user:remove_passkey", actor.user_id)

    def offer_sign_in(self, user_id: str | None) -> str:
        """What the authenticator is to sign (JSON): this person's, or (None) whoever's the browser has. Raises NotOffered."""
        self._require_offered()
        ids: Sequence[str] = []
        if user_id is not None:
            with self._db.reading() as tx:
                ids = tx.scalars(select(Passkey.credential_id).where(Passkey.user_id == user_id)).all()
        alone = user_id is None
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            allow_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in ids],
            user_verification=UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.DISCOURAGED,
        )
        self._keep(options.challenge, _SIGN_IN, user_id)
        return webauthn.options_to_json(options)

    def accept(self, tx: Transaction, credential: str, *, user_id: str | None) -> str:
        """Whose passkey signed our challenge; ``user_id`` says whose it has to be, None: it is all that is asked for, so its
        device must have verified its owner. Raises InvalidInput."""
        challenge = self._spend(tx, credential, _SIGN_IN, user_id)
        passkey = tx.scalar(select(Passkey).where(Passkey.credential_digest == digest(_text(_parsed(credential).get("id")))))
        if passkey is None or user_id not in (None, passkey.user_id):
            raise _wrong()
        try:
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=base64url_to_bytes(passkey.public_key),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=user_id is None,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError, IndexError) as error:
            raise _wrong() from error
        # A count that went back is a copied key: the library refuses it, and of two at once only one counts.
        used = tx.execute(
            update(Passkey)
            .where(Passkey.id == passkey.id, Passkey.sign_count == passkey.sign_count)
            .values(sign_count=verified.new_sign_count, last_used_at=self._clock.now())
        )
        if getattr(used, "rowcount", 0) != 1:
            raise _wrong()
        return passkey.user_id

    @retried_when_contended
    def forget_old(self) -> None:
        """Drop challenges that nobody signed."""
        with self._db.transaction() as tx:
            tx.execute(delete(Challenge).where(Challenge.expires_at < self._clock.now()))

    def _require_offered(self) -> None:
        if not self.is_offered:
            raise NotOffered("passkeys_not_offered", "Passkeys need a name and https: set [web] public_url.")

    @retried_when_contended
    def _keep(self, challenge: bytes, purpose: str, user_id: str | None) -> None:
        expires_at = self._clock.now() + _CHALLENGE_LIFETIME
        with self._db.transaction() as tx:
            kept = digest(bytes_to_base64url(challenge))
            tx.add(Challenge(challenge_digest=kept, purpose=purpose, user_id=user_id, expires_at=expires_at))

    def _spend(self, tx: Transaction, credential: str, purpose: str, user_id: str | None) -> bytes:
        """The challenge that was signed, which must be one of ours, for this, and not used before."""
        try:
            client_data = json.loads(base64url_to_bytes(_text(_parsed(credential)["response"]["clientDataJSON"])))
            challenge = _text(client_data["challenge"])
            signed = base64url_to_bytes(challenge)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _wrong() from error
        whose = Challenge.user_id.is_(None) if user_id is None else Challenge.user_id == user_id
        gone = tx.execute(
            delete(Challenge).where(
                Challenge.challenge_digest == digest(bytes_to_base64url(signed)),
                Challenge.purpose == purpose,
                Challenge.expires_at > self._clock.now(),
                whose,
            )
        )
        if getattr(gone, "rowcount", 0) != 1:
            raise _wrong()
        return signed


def _parsed(credential: str) -> dict[str, dict[str, object]]:
    if len(credential) > _MAX_CREDENTIAL_CHARS:
        raise _wrong()
    try:
        parsed = json.loads(credential)
    except (ValueError, RecursionError) as error:
        raise _wrong() from error
    if not isinstance(parsed, dict):
        raise _wrong()
    return parsed


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong()
    return value


def _wrong() -> InvalidInput:
    return InvalidInput(_WRONG, code="passkey_refused", fields={"credential": _WRONG})


def _can_have_passkeys(scheme: str, host: str) -> bool:
    """Browsers offer them to names (never to addresses) that are reached by https, and to localhost."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return scheme == "https" or host == "localhost"
    return False


def _view(row: Passkey) -> PasskeyView:
    return PasskeyView(row.id, row.name, row.created_at, row.last_used_at)
