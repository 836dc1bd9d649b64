"""All tables. Importing this package makes them known to ``Base.metadata``."""

from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.models.accounts import ApiToken, AuthSession, Organization, SignIn, SignInFailure, User
from yunzhuo.phoenix.db.models.catalog import Flavor, Image
from yunzhuo.phoenix.db.models.consoles import ConsoleSession, Gateway, Ticket
from yunzhuo.phoenix.db.models.desktops import Desktop, IdempotencyKey
from yunzhuo.phoenix.db.models.factors import Challenge, Passkey, RecoveryCode, TotpFactor
from yunzhuo.phoenix.db.models.journal import AuditEntry, Event
from yunzhuo.phoenix.db.models.mail import EmailProof, OutgoingMail
from yunzhuo.phoenix.db.models.operations import Operation, OperationStep
from yunzhuo.phoenix.db.models.snapshots import Snapshot

__all__ = [
    "ApiToken",
    "AuditEntry",
    "AuthSession",
    "Base",
    "Challenge",
    "ConsoleSession",
    "Desktop",
    "EmailProof",
    "Event",
    "Flavor",
    "Gateway",
    "IdempotencyKey",
    "Image",
    "Operation",
    "OperationStep",
    "Organization",
    "OutgoingMail",
    "Passkey",
    "RecoveryCode",
    "SignIn",
    "SignInFailure",
    "Snapshot",
    "Ticket",
    "TotpFactor",
    "User",
]
