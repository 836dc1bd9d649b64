"""All tables. Importing this package makes them known to ``Base.metadata``."""

from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.models.accounts import ApiToken, AuthSession, Organization, SignInFailure, User
from yunzhuo.phoenix.db.models.catalog import Flavor, Image
from yunzhuo.phoenix.db.models.consoles import ConsoleSession, Gateway, Ticket
from yunzhuo.phoenix.db.models.desktops import Desktop, IdempotencyKey
from yunzhuo.phoenix.db.models.journal import AuditEntry, Event
from yunzhuo.phoenix.db.models.leftovers import Leftover
from yunzhuo.phoenix.db.models.operations import AdmissionLane, AdmissionTurn, Operation, OperationStep
from yunzhuo.phoenix.db.models.personal_disks import DiskSnapshot, PersonalDisk
from yunzhuo.phoenix.db.models.snapshots import Snapshot

__all__ = [
    "AdmissionLane",
    "AdmissionTurn",
    "ApiToken",
    "AuditEntry",
    "AuthSession",
    "Base",
    "ConsoleSession",
    "Desktop",
    "DiskSnapshot",
    "Event",
    "Flavor",
    "Gateway",
    "IdempotencyKey",
    "Image",
    "Leftover",
    "Operation",
    "OperationStep",
    "Organization",
    "PersonalDisk",
    "SignInFailure",
    "Snapshot",
    "Ticket",
    "User",
]
