"""All tables. Importing this package makes them known to ``Base.metadata``."""

from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.models.accounts import ApiToken, AuthSession, Organization, SignIn, SignInFailure, User
from yunzhuo.phoenix.db.models.addresses import Address, DepartedServer, ExternalNetwork
from yunzhuo.phoenix.db.models.agents import GuestAgent
from yunzhuo.phoenix.db.models.catalog import CloudPlace, Flavor, Image, Network, SecurityGroup
from yunzhuo.phoenix.db.models.consoles import ConsoleSession, Gateway, ScreenPolicy, Segment, Ticket
from yunzhuo.phoenix.db.models.desktops import Desktop, IdempotencyKey
from yunzhuo.phoenix.db.models.factors import Challenge, Passkey, RecoveryCode, TotpFactor
from yunzhuo.phoenix.db.models.idle import IdleTerms
from yunzhuo.phoenix.db.models.journal import AuditChain, AuditEntry, Event
from yunzhuo.phoenix.db.models.leases import LeaseTerms
from yunzhuo.phoenix.db.models.leftovers import Leftover
from yunzhuo.phoenix.db.models.licensing import Installation
from yunzhuo.phoenix.db.models.mail import EmailProof, OutgoingMail
from yunzhuo.phoenix.db.models.notices import NoticeListener
from yunzhuo.phoenix.db.models.operations import AdmissionLane, AdmissionTurn, Operation, OperationStep
from yunzhuo.phoenix.db.models.personal_disks import DiskSnapshot, PersonalDisk
from yunzhuo.phoenix.db.models.pools import Pool, PoolMember, PoolRollout, PoolSample
from yunzhuo.phoenix.db.models.rights import CustomRole, Delegation, Group, GroupMember, RoleGrant
from yunzhuo.phoenix.db.models.schedules import Schedule, ScheduleRun, TimerBeat
from yunzhuo.phoenix.db.models.snapshots import Snapshot
from yunzhuo.phoenix.db.models.usage import Quota, UsageDay, UsageMark

__all__ = [
    "Address",
    "AdmissionLane",
    "AdmissionTurn",
    "ApiToken",
    "AuditChain",
    "AuditEntry",
    "AuthSession",
    "Base",
    "Challenge",
    "CloudPlace",
    "ConsoleSession",
    "CustomRole",
    "Delegation",
    "DepartedServer",
    "Desktop",
    "DiskSnapshot",
    "EmailProof",
    "Event",
    "ExternalNetwork",
    "Flavor",
    "Gateway",
    "Group",
    "GroupMember",
    "GuestAgent",
    "IdempotencyKey",
    "IdleTerms",
    "Image",
    "Installation",
    "LeaseTerms",
    "Leftover",
    "Network",
    "NoticeListener",
    "Operation",
    "OperationStep",
    "Organization",
    "OutgoingMail",
    "Passkey",
    "PersonalDisk",
    "Pool",
    "PoolMember",
    "PoolRollout",
    "PoolSample",
    "Quota",
    "RecoveryCode",
    "RoleGrant",
    "Schedule",
    "ScheduleRun",
    "ScreenPolicy",
    "SecurityGroup",
    "Segment",
    "SignIn",
    "SignInFailure",
    "Snapshot",
    "Ticket",
    "TimerBeat",
    "TotpFactor",
    "UsageDay",
    "UsageMark",
    "User",
]
