"""The only wiring: which service is given what. Every process starts here."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from celery import Celery

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.agents import AgentLine, CloudWithAgents
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.common.clock import Clock, SystemClock
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db.session import Database
from yunzhuo.phoenix.mail import Mailer
from yunzhuo.phoenix.queue import Queue, make_app
from yunzhuo.phoenix.security.agent_keys import AgentKeys
from yunzhuo.phoenix.security.keyring import Keyring
from yunzhuo.phoenix.security.passwords import Passwords
from yunzhuo.phoenix.security.secrets import load_or_make
from yunzhuo.phoenix.security.vendor_pin import VendorPin, pinned
from yunzhuo.services.accounts import AccountService, Views
from yunzhuo.services.address_upkeep import AddressUpkeep
from yunzhuo.services.addresses import AddressService
from yunzhuo.services.admission import ADVANCE_JOB, Admission, limits_of
from yunzhuo.services.agent_book import AgentBook
from yunzhuo.services.agent_door import agent_door
from yunzhuo.services.agents import AgentService
from yunzhuo.services.attempts import AttemptCounter
from yunzhuo.services.audit import AuditLog
from yunzhuo.services.audit_chain import AuditKeeper
from yunzhuo.services.audit_search import AuditReader
from yunzhuo.services.bin import BinService
from yunzhuo.services.bulk import BulkService
from yunzhuo.services.care import CareService
from yunzhuo.services.catalog import CatalogService
from yunzhuo.services.changes import ChangeFeed
from yunzhuo.services.claims import ClaimService
from yunzhuo.services.cloud_images import ImageKeepingService
from yunzhuo.services.cloud_networks import NetworkService
from yunzhuo.services.configuration import ConfigurationService
from yunzhuo.services.consoles import ConsoleService
from yunzhuo.services.delegations import DelegationService
from yunzhuo.services.desktop_table import DesktopTable
from yunzhuo.services.desktops import DesktopService
from yunzhuo.services.devices import KnownDevices
from yunzhuo.services.disk_upkeep import DiskUpkeep
from yunzhuo.services.events import EventService
from yunzhuo.services.factors import FactorService
from yunzhuo.services.forgetting import Forgetting
from yunzhuo.services.gateways import GatewayService
from yunzhuo.services.groups import GroupService
from yunzhuo.services.guesses import GuessWatch
from yunzhuo.services.guests import GuestService
from yunzhuo.services.health import HealthService
from yunzhuo.services.history import HistoryService
from yunzhuo.services.hosts import HostService
from yunzhuo.services.idle import IdleService
from yunzhuo.services.idle_upkeep import IdleKeeper
from yunzhuo.services.lease_upkeep import LeaseKeeper
from yunzhuo.services.leases import LeaseService
from yunzhuo.services.leftovers import Leftovers
from yunzhuo.services.license_book import LicenseBook
from yunzhuo.services.license_renewal import LicenseRenewal
from yunzhuo.services.licensing import LicensingService, installation_key
from yunzhuo.services.mailing import Outbox
from yunzhuo.services.notice_book import NoticeBook
from yunzhuo.services.notices import NoticeKeeper
from yunzhuo.services.operation_desk import OperationDesk
from yunzhuo.services.operations import OperationEngine
from yunzhuo.services.organizations import OrganizationService
from yunzhuo.services.overview import OverviewService
from yunzhuo.services.passkeys import PasskeyService
from yunzhuo.services.people import PeopleService
from yunzhuo.services.people_import import PeopleImport
from yunzhuo.services.personal_disks import PersonalDiskService
from yunzhuo.services.policies import PolicyService
from yunzhuo.services.policy_book import PolicyBook
from yunzhuo.services.pool_history import PoolHistory
from yunzhuo.services.pool_upkeep import PoolKeeper
from yunzhuo.services.pools import PoolService
from yunzhuo.services.port_upkeep import PortUpkeep
from yunzhuo.services.project_upkeep import ProjectUpkeep
from yunzhuo.services.projects import ProjectService
from yunzhuo.services.proofs import ProofBook
from yunzhuo.services.quota_book import QuotaBook
from yunzhuo.services.quotas import QuotaService
from yunzhuo.services.reconciliation import Reconciler
from yunzhuo.services.regaining import RegainService
from yunzhuo.services.registration import RegistrationService
from yunzhuo.services.roles import RoleService
from yunzhuo.services.rollout_upkeep import RolloutKeeper
from yunzhuo.services.rollouts import RolloutService
from yunzhuo.services.rules.admission import Lane
from yunzhuo.services.schedule_runs import ScheduleKeeper
from yunzhuo.services.schedule_warnings import ScheduleWarner
from yunzhuo.services.schedules import ScheduleService
from yunzhuo.services.screens import ScreenService
from yunzhuo.services.sessions import SessionService
from yunzhuo.services.sign_ins import SignInService
from yunzhuo.services.snapshots import SnapshotService
from yunzhuo.services.step_up import StepUp
from yunzhuo.services.thumbnails import ThumbnailService
from yunzhuo.services.timer_beats import TimerService
from yunzhuo.services.tokens import TokenService
from yunzhuo.services.usage import UsageService
from yunzhuo.services.wishes import WishBook


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a process can use."""

    settings: Settings
    queue_app: Celery
    accounts: AccountService
    address_upkeep: AddressUpkeep
    addresses: AddressService
    admission: Admission
    agents: AgentService
    attempts: AttemptCounter
    audit_keeper: AuditKeeper
    audit_reader: AuditReader
    bin: BinService
    bulk: BulkService
    care: CareService
    catalog: CatalogService
    claims: ClaimService
    configuration: ConfigurationService
    cloud_images: ImageKeepingService
    cloud_networks: NetworkService
    consoles: ConsoleService
    delegations: DelegationService
    desktop_table: DesktopTable
    desktops: DesktopService
    disk_upkeep: DiskUpkeep
    engine: OperationEngine
    events: EventService
    factors: FactorService
    forgetting: Forgetting
    guesses: GuessWatch
    gateways: GatewayService
    groups: GroupService
    guests: GuestService
    health: HealthService
    history: HistoryService
    idle: IdleService
    idle_keeper: IdleKeeper
    hosts: HostService
    lease_keeper: LeaseKeeper
    leases: LeaseService
    leftovers: Leftovers
    license_renewal: LicenseRenewal
    licensing: LicensingService
    notice_book: NoticeBook
    notice_keeper: NoticeKeeper
    organizations: OrganizationService
    outbox: Outbox
    overview: OverviewService
    passkeys: PasskeyService
    people: PeopleService
    people_import: PeopleImport
    policies: PolicyService
    quotas: QuotaService
    operations: OperationDesk
    personal_disks: PersonalDiskService
    pool_history: PoolHistory
    pool_keeper: PoolKeeper
    pools: PoolService
    port_upkeep: PortUpkeep
    project_upkeep: ProjectUpkeep
    projects: ProjectService
    proofs: ProofBook
    reconciler: Reconciler
    regaining: RegainService
    registration: RegistrationService
    sessions: SessionService
    sign_ins: SignInService
    roles: RoleService
    rollouts: RolloutService
    schedule_keeper: ScheduleKeeper
    schedule_warner: ScheduleWarner
    schedules: ScheduleService
    screens: ScreenService
    snapshots: SnapshotService
    step_up: StepUp
    usage: UsageService
    thumbnails: ThumbnailService
    timers: TimerService
    tokens: TokenService


@contextmanager
def services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    cloud: Cloud | None = None,
    passwords: Passwords | None = None,
    pin: VendorPin | None = None,
) -> Iterator[Services]:
    """All services of one process; connections are given back at the end."""
    clock = clock or SystemClock()
    db = Database(settings.database_url, pool_size=settings.database.pool_size)
    queue_app = make_app(settings)
    queue, audit = Queue(queue_app), AuditLog(db, clock)
    events = EventService(db, audit, clock)
    keys = Keyring(load_or_make(settings.secrets_dir / "account-key"))
    agent_keys = AgentKeys(keys)
    connected = _with_agents(cloud or clouds.connect(settings), settings, agent_keys)
    own_key = installation_key(settings.secrets_dir / "installation-key")
    pin = pin if pin is not None else pinned()
    license_book = LicenseBook(clock, pin, own_key.thumbprint(), keys)
    licensing = LicensingService(db, license_book, own_key, audit, clock)
    feed, quotas = ChangeFeed(events), QuotaBook(clock, settings.limits, license_book)
    admission = Admission(db, queue, feed, clock, settings.admission, settings.operations)
    wishes = WishBook(queue, feed, audit, clock, admission, quotas)
    attempts = AttemptCounter(db, clock, settings.accounts)
    worker = f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"
    catalog = CatalogService(db, connected, audit, clock, license_book)
    passwords = passwords or Passwords()
    views = Views(settings.accounts)
    outbox = Outbox(
        db, Mailer(settings.mail, clock), queue, keys, clock, public_url=settings.public_url, language=settings.language
    )
    proofs = ProofBook(db, outbox, clock)
    step_up = StepUp(db, attempts, audit, clock, settings.accounts, passwords)
    accounts = AccountService(db, audit, outbox, step_up, clock, settings.accounts, passwords, license_book)
    sessions = SessionService(db, audit, clock, settings.accounts, views)
    factors = FactorService(db, audit, outbox, keys, clock)
    passkeys = PasskeyService(db, factors, audit, clock, public_url=settings.public_url)
    sign_ins = SignInService(db, sessions, factors, passkeys, attempts, KnownDevices(keys), passwords, views, clock)
    by_link = (db, accounts, proofs, outbox, attempts, audit, clock, settings.accounts, passwords)
    bin_service = BinService(db, wishes, feed, quotas, audit, clock)
    desktops = DesktopService(db, wishes, feed, audit, clock, quotas, bin_service)
    personal_disks = PersonalDiskService(db, connected, wishes, audit, clock, settings.limits, license_book, quotas)
    people = PeopleService(db, desktops, personal_disks, audit, clock, settings.accounts, passwords, license_book)
    leftovers = Leftovers(db, settings.reconcile)
    snapshots = SnapshotService(db, wishes, audit, clock, settings.limits, quotas)
    addresses = AddressService(db, wishes, audit, clock, quotas)
    gateways, policies = GatewayService(db, audit, clock, license_book), PolicyBook(settings.consoles)
    limits = limits_of(settings.admission)
    schedules, quota_service = ScheduleService(db, audit, clock), QuotaService(db, quotas, audit)
    timers, notice_book = TimerService(db, audit, clock, scheduler=worker), NoticeBook(db, clock, scheduler=worker)
    health = HealthService(db, queue, connected, catalog, accounts)
    pools, reconciler = (
        PoolService(db, wishes, audit, clock, license_book),
        Reconciler(db, connected, leftovers, feed, audit, clock),
    )
    try:
        yield Services(
            settings=settings,
            queue_app=queue_app,
            accounts=accounts,
            address_upkeep=AddressUpkeep(db, connected, leftovers, wishes, feed, audit, clock, settings.addresses),
            addresses=addresses,
            admission=admission,
            agents=AgentService(db, agent_keys, audit, clock),
            attempts=attempts,
            audit_keeper=AuditKeeper(db, audit, clock, settings.audit, settings.audit_heads_file),
            audit_reader=AuditReader(db, audit),
            bin=bin_service,
            bulk=BulkService(db, desktops, admission, audit),
            care=CareService(db, connected, feed, audit),
            catalog=catalog,
            claims=ClaimService(db, desktops, wishes, feed, audit, clock),
            configuration=ConfigurationService(db, pools, schedules, quota_service, audit, clock),
            cloud_images=ImageKeepingService(db, connected, audit),
            cloud_networks=NetworkService(db, connected, audit, catalog),
            consoles=ConsoleService(db, connected, gateways, audit, clock, settings.consoles, license_book, policies),
            delegations=DelegationService(db, audit, clock),
            desktop_table=DesktopTable(db, audit),
            desktops=desktops,
            disk_upkeep=DiskUpkeep(db, connected, wishes, personal_disks, clock),
            engine=OperationEngine(
                db,
                connected,
                queue,
                feed,
                clock,
                settings.operations,
                admission,
                AgentBook(agent_keys, agent_door(settings)),
                notice_book,
                worker=worker,
            ),
            events=events,
            factors=factors,
            forgetting=Forgetting(db, clock, settings.consoles),
            guesses=GuessWatch(db, audit, outbox, clock, settings.accounts),
            gateways=gateways,
            groups=GroupService(db, audit, clock),
            guests=GuestService(db, connected, audit, policies, settings.guests),
            health=health,
            history=HistoryService(db, audit),
            idle=IdleService(db, audit),
            idle_keeper=IdleKeeper(db, connected, wishes, outbox, feed, audit, clock, language=settings.language),
            hosts=HostService(db, connected, audit),
            lease_keeper=LeaseKeeper(db, connected, wishes, bin_service, outbox, feed, clock, language=settings.language),
            leases=LeaseService(db, feed, audit, clock),
            leftovers=leftovers,
            license_renewal=LicenseRenewal(db, licensing, own_key, pin, audit, clock, settings.license),
            licensing=licensing,
            notice_book=notice_book,
            notice_keeper=NoticeKeeper(
                db, connected, notice_book, reconciler, partial(queue.send, ADVANCE_JOB), clock, settings.cloud
            ),
            operations=OperationDesk(db, desktops, snapshots, addresses, wishes, admission, feed, audit, clock),
            organizations=OrganizationService(db, audit, clock, with_projects=settings.cloud.project_per_organization),
            outbox=outbox,
            overview=OverviewService(db, connected, health, timers, notice_book, audit, clock, settings),
            passkeys=passkeys,
            people=people,
            people_import=PeopleImport(db, people, audit, clock, settings.accounts, passwords, license_book),
            policies=PolicyService(db, audit),
            quotas=quota_service,
            personal_disks=personal_disks,
            pool_history=PoolHistory(db, audit, clock),
            pool_keeper=PoolKeeper(
                db, desktops, wishes, RolloutKeeper(wishes, outbox, audit, clock), audit, clock, limits[Lane.BUILD]
            ),
            port_upkeep=PortUpkeep(db, connected, leftovers, clock),
            pools=pools,
            project_upkeep=ProjectUpkeep(db, connected, audit),
            projects=ProjectService(db, connected, audit),
            proofs=proofs,
            reconciler=reconciler,
            regaining=RegainService(*by_link),
            registration=RegistrationService(*by_link),
            roles=RoleService(db, audit, clock),
            rollouts=RolloutService(db, audit, clock),
            schedule_keeper=ScheduleKeeper(db, wishes, clock, limits[Lane.START], scheduler=worker),
            schedule_warner=ScheduleWarner(db, connected, clock, language=settings.language),
            schedules=schedules,
            screens=ScreenService(db, audit, clock, settings.consoles),
            sessions=sessions,
            sign_ins=sign_ins,
            snapshots=snapshots,
            step_up=step_up,
            thumbnails=ThumbnailService(db, connected, audit, clock, settings.consoles),
            timers=timers,
            tokens=TokenService(db, accounts, sign_ins, audit, clock, settings.accounts, views, license_book),
            usage=UsageService(db, audit, clock),
        )
    finally:
        queue.close()
        connected.close()
        db.close()


def _with_agents(cloud: Cloud, settings: Settings, keys: AgentKeys) -> Cloud:
    """The cloud, and desktops' agents for what it does not offer of its guests, where the installation has agents."""
    if not settings.agents.public_url:
        return cloud
    return CloudWithAgents(cloud, AgentLine(settings.agents.local_host, settings.agents.local_port, keys.line_secret()))
