"""The license from the vendor's server: the first one with a code, newer ones by itself. While it is away nothing changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc.jwk import OKPKey
from sqlalchemy import select

from yunzhuo.phoenix.common.clock import Clock
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, YunzhuoError
from yunzhuo.phoenix.common.logging import get_logger
from yunzhuo.phoenix.config.settings import LicenseSettings
from yunzhuo.phoenix.db.models import Installation
from yunzhuo.phoenix.db.session import Database, Transaction, retried_when_contended
from yunzhuo.phoenix.license_server import LicenseServer
from yunzhuo.phoenix.security import activation, host_info
from yunzhuo.phoenix.security.activation import ActivationAnswer, ActivationRequest
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Actor, installation
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.licensing import LicenseStatus, LicensingService
from yunzhuo.services.stated import needs

log = get_logger()
_LONGEST_TROUBLE = 32
_LONGEST_CODE = 100


@dataclass(frozen=True, slots=True)
class RenewalView:
    """How it stands with the license server: when it was last asked with success, when it is asked again by itself, and the
    code of what went wrong since."""

    server_url: str
    asked_at: datetime | None
    ask_again_at: datetime | None
    trouble: str | None


class LicenseRenewal:
    """Asks the license server, when somebody wants it to and when it is time."""

    def __init__(
        self,
        db: Database,
        licensing: LicensingService,
        key: OKPKey,
        pin: VendorPin,
        audit: AuditLog,
        clock: Clock,
        settings: LicenseSettings,
    ) -> None:
        self._db = db
        self._licensing = licensing
        self._key = key
        self._pin = pin
        self._audit = audit
        self._clock = clock
        self._settings = settings

    @needs("license:read")
    def standing(self, actor: Actor) -> RenewalView | None:
        """How it stands with the license server; None where there is none to ask."""
        if not self._settings.server_url:
            return None
        with self._db.reading() as tx:
            row = tx.scalars(select(Installation)).one()
            return RenewalView(self._settings.server_url, row.asked_at, row.ask_again_at, row.trouble)

    @needs("license:change")
    def activate(self, actor: Actor, code: str | None = None) -> LicenseStatus:
        """Ask now, the first time with the vendor's ``code``.

        Raises Conflict when there is no server to ask or it refuses, Unavailable when it does not answer, and as
        :meth:`LicensingService.take`.
        """
        if not self._settings.server_url:
            raise Conflict("no_license_server", "There is no license server to ask; set [license] server_url.")
        if code is not None and not 1 <= len(code.strip()) <= _LONGEST_CODE:
            raise InvalidInput("This is no activation code.", code="activation_code", fields={"code": "The vendor's, once."})
        status = self._asked(actor, code.strip() if code else None)
        self._note(None, seconds=self._settings.ask_seconds)
        return status

    def round(self, organization_id: str) -> None:
        """Ask when it is time; what goes wrong is logged, kept for the page, and tried again later."""
        if not self._settings.server_url or not self._is_time():
            return
        try:
            self._asked(installation(organization_id), None)
        except YunzhuoError as error:
            log.warning("license_not_renewed", code=error.code, reason=error.message)
            self._note(error.code[:_LONGEST_TROUBLE], seconds=self._settings.retry_seconds)
        else:
            self._note(None, seconds=self._settings.ask_seconds)

    def _asked(self, actor: Actor, code: str | None) -> LicenseStatus:
        server = LicenseServer(self._settings.server_url)
        challenge = server.challenge()
        answer = activation.read_answer(
            server.activate(self._request(actor, challenge, code)), self._pin.keys.get, challenge=challenge
        )
        self._keep(answer)
        return self._licensing.take(actor, answer.license.encode())

    def _request(self, actor: Actor, challenge: str, code: str | None) -> bytes:
        with self._db.reading() as tx:
            row = tx.scalars(select(Installation)).one()
            line, serial = row.line, row.serial
        said = host_info.read(self._licensing.host_info(actor))
        request = ActivationRequest(**dict(said), challenge=challenge, code=code, line=line, serial=serial)
        return activation.sign_request(request, self._key)

    @retried_when_contended
    def _keep(self, answer: ActivationAnswer) -> None:
        """Before the license itself: whoever loses the line is taken for another computer."""
        with self._db.transaction() as tx:
            row = _row(tx)
            row.line = answer.line or row.line

    @retried_when_contended
    def _note(self, trouble: str | None, *, seconds: float) -> None:
        with self._db.transaction() as tx:
            row, now = _row(tx), self._clock.now()
            row.trouble, row.ask_again_at = trouble, now + timedelta(seconds=seconds)
            if trouble is None:
                row.asked_at = now

    def _is_time(self) -> bool:
        with self._db.reading() as tx:
            row = tx.scalars(select(Installation)).one()
            # Without a license and without trouble nothing was ever activated: there is nothing to renew.
            return row.serial > 0 and (row.ask_again_at is None or row.ask_again_at <= self._clock.now())


def _row(tx: Transaction) -> Installation:
    return tx.scalars(select(Installation).with_for_update()).one()
