"""Every setting of the manager and the host, with its default. ``etc/yunzhuo.toml`` and the reference are made from here.

A name that ends in ``_seconds``, ``_mib``, ``_bytes`` says its unit. Values are validated together: all mistakes are
reported in one go by :mod:`yunzhuo.phoenix.config.loader`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from yunzhuo.phoenix.config.people_settings import AccountSettings, ConsoleSettings, GuestSettings, LimitSettings, MailSettings
from yunzhuo.phoenix.config.section import Port, Seconds, Section


class WebSettings(Section):
    """The portal and the API."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 lets other computers in.")
    port: Port = Field(8080, description="Port of the portal and the API.")
    public_url: str = Field("", description="What browsers are told, without a trailing slash; empty: http://localhost:PORT.")
    threads: int = Field(16, ge=1, le=256, description="Requests worked on at the same time.")
    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="The largest request body taken; a larger one gets 413.")
    trust_proxy: bool = Field(False, description="Believe X-Forwarded-* headers; only behind a proxy that sets them.")


class StreamSettings(Section):
    """The process that brings changes to open pages and API streams."""

    port: Port = Field(8082, description="Loopback port the portal forwards event streams to.")
    poll_seconds: Seconds = Field(0.05, description="How often the event table is read, once for everybody.")
    keepalive_seconds: Seconds = Field(15, description="A comment is sent after this long without an event.")


class GatewaySettings(Section):
    """The gateway that `yunzhuo up` starts beside the manager; a gateway elsewhere has its own file."""

    host: str = Field("127.0.0.1", description="Address the gateway listens on.")
    port: Port = Field(8081, description="Port of the gateway.")
    public_url: str = Field("", description="Where browsers find it (ws:// or wss://); empty: ws://localhost:PORT.")


class DatabaseSettings(Section):
    """The state."""

    url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the state folder.")
    pool_size: int = Field(10, ge=1, le=200, description="Connections kept open by each process.")


class QueueSettings(Section):
    """Wake-ups between processes. Losing them costs time, never work."""

    url: str = Field("", description="Broker URL (amqp://...); empty: a folder in the state folder.")
    worker_threads: int = Field(8, ge=1, le=128, description="Jobs a worker runs at the same time.")


class CloudSettings(Section):
    """Where the desktops run."""

    driver: str = Field("local", description="An installed cloud driver: local, memory, openstack.")
    poll_seconds: Seconds = Field(1.0, description="How often the reconciler asks the cloud for its list.")
    told_poll_seconds: Seconds = Field(15, description="How often instead while the cloud tells of changes by itself.")
    timeout_seconds: Seconds = Field(15, description="Longest wait for one call to the cloud.")
    project_per_organization: bool = Field(
        False, description="Keep each new organization's desktops in a project of its own, where the driver has such."
    )
    memory_state: str = Field("", description="Driver memory only: file that holds its state; empty: in the state folder.")


Hint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]+=.+$")]


class OpenStackSettings(Section):
    """The OpenStack that desktops run on (driver openstack). Credentials, region and CA stand in a clouds.yaml, never here."""

    clouds_file: str = Field("", description="That clouds.yaml; empty: where openstacksdk looks (~/.config/openstack, ...).")
    cloud: str = Field("yunzhuo", min_length=1, description="Which cloud of it.")
    tag: str = Field(
        "yunzhuo",
        pattern=r"^[A-Za-z0-9_-]{1,24}$",
        description="Marks the servers that are this installation's; another one for each installation in a project.",
    )
    images: tuple[str, ...] = Field((), description="Names or ids of the images offered, the default first; empty: all.")
    flavors: tuple[str, ...] = Field((), description="Names or ids of the flavors offered; empty: all that have a disk.")
    network: str = Field("", description="Name or id of the network that desktops are put on; empty: the project's first.")
    external_network: str = Field("", description="Name or id of the network that floating IPs come from; empty: the first.")
    availability_zone: str = Field("", description="Where servers are built; empty: the cloud's choice.")
    security_groups: tuple[str, ...] = Field((), description="Names or ids of desktops' security groups; empty: default.")
    key_name: str = Field("", description="Nova's key pair whose public key new servers get; empty: none.")
    server_group: str = Field(
        "",
        description="Name or id of the server group that new servers join; `spread`: our own, over many hosts.",
    )
    scheduler_hints: tuple[Hint, ...] = Field(
        (), description="More words for Nova's scheduler when servers are made, each `name=value`."
    )
    boot_volume_gib: int = Field(
        0,
        ge=0,
        le=16384,
        description="New servers' disk is a volume of this size, made of the image; 0: it is on the host.",
    )
    ready_pattern: str = Field(
        r"YUNZHUO READY|Cloud-init v\..* finished at ",
        description="Regular expression; a desktop is ready when a line of its serial console matches. Empty: once it runs.",
    )
    volumes: bool = Field(
        False, description="Use the cloud's volumes (Cinder) for personal disks; the images have to mount them by themselves."
    )
    projects_domain: str = Field(
        "", description="Name or id of Keystone's domain for organizations' projects; empty: they cannot have such."
    )
    projects_subnet: str = Field(
        "",
        pattern=r"^(\d{1,3}(\.\d{1,3}){3}/\d{1,2})?$",
        description="Range of the network that each of these gets; empty: Yunzhuo's own network is shared with them.",
    )
    notifications_url: str = Field(
        "",
        pattern=r"^(amqps?://.+)?$",
        description="Message bus with Nova's versioned notifications (amqp://..., amqps://...); empty: none are listened to.",
    )
    notifications_ca: str = Field("", description="CA file of that bus for amqps://; empty: the system's.")
    notifications_exchange: str = Field("nova", min_length=1, description="Exchange that Nova sends them to.")
    notifications_topic: str = Field(
        "versioned_notifications", min_length=1, description="Their topic (Nova's versioned_notifications_topics)."
    )
    catalog_seconds: Seconds = Field(30, description="How long a list of flavors, images and networks is believed.")


class FlavorSettings(Section):
    """One size that this computer's desktops can have."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="Stable name, used in goldens' folders.")
    name: str = Field(min_length=1, max_length=64, description="What people read.")
    vcpus: int = Field(ge=1, le=64, description="Virtual processors.")
    memory_mib: int = Field(ge=128, description="Memory, MiB.")
    disk_mib: int = Field(ge=1024, description="Disk, MiB.")


class HostSettings(Section):
    """The QEMU machines of this computer (driver local)."""

    flavors: tuple[FlavorSettings, ...] = Field(
        (
            FlavorSettings(id="small", name="Small", vcpus=1, memory_mib=512, disk_mib=4096),
            FlavorSettings(id="medium", name="Medium", vcpus=2, memory_mib=1024, disk_mib=8192),
        ),
        description="Sizes offered, smallest first.",
    )
    image: Literal["light", "xfce"] = Field("xfce", description="Recipe of the image built first, and offered first.")
    prepared_flavors: tuple[str, ...] = Field(("small", "medium"), description="Flavors that get a golden in the background.")
    prepared_languages: tuple[Literal["en", "zh_CN"], ...] = Field(
        ("en", "zh_CN"), description="Languages that get goldens, too, beside the one that is set in language."
    )
    accelerator: Literal["auto", "kvm", "tcg"] = Field("auto", description="auto uses KVM only after it has proved itself.")
    qemu_user: str = Field("yunzhuo-qemu", description="System user that QEMU runs as when the host is started by root.")
    memory_reserve_mib: int = Field(1024, ge=0, description="Memory that is never given to desktops, MiB.")
    disk_reserve_mib: int = Field(2048, ge=0, description="Disk space that is never given to desktops, MiB.")
    machine_niceness: int = Field(
        5, ge=0, le=19, description="Desktops leave processors to the portal and its screens first: 0 not at all, 19 wholly."
    )
    guest_internet: bool = Field(True, description="Let guests reach the internet through this computer, where it has it.")
    shutdown_seconds: Seconds = Field(30, description="How long a guest may take to shut down before the plug is pulled.")
    cache: str = Field("", description="Folder that keeps built images between installations; empty: the user's cache folder.")


class OperationSettings(Section):
    """How operations are worked on."""

    lease_seconds: Seconds = Field(20, description="A worker that dies loses its step after this long; others take over.")
    create_deadline_seconds: Seconds = Field(600, description="A create that has not ended by then fails.")
    default_deadline_seconds: Seconds = Field(300, description="Any other operation that has not ended by then fails.")
    build_seconds: Seconds = Field(
        300, description="A virtual machine that its host has not made by then is given up and made on another host."
    )
    build_tries: int = Field(3, ge=1, le=20, description="On how many hosts, one after the other, one is tried to be made.")
    max_attempts: int = Field(8, ge=1, description="Tries of one step that breaks before the operation fails.")


class AdmissionSettings(Section):
    """How much may go on in the cloud at once. What is over it waits in a queue; 0 means no limit."""

    builds_per_cloud: int = Field(24, ge=0, description="Desktops being built, restored or resized at once.")
    builds_per_host: int = Field(8, ge=0, description="The same on one host, of those whose host is known.")
    builds_per_organization: int = Field(0, ge=0, description="The same of one organization.")
    starts_per_cloud: int = Field(48, ge=0, description="Desktops being started, rebooted or resumed at once.")
    starts_per_host: int = Field(8, ge=0, description="The same on one host.")
    starts_per_organization: int = Field(0, ge=0, description="The same of one organization.")
    builds_per_second: float = Field(0, ge=0, description="Builds that may begin in a second.")
    starts_per_second: float = Field(10, ge=0, description="Starts that may begin in a second.")


class ReconcileSettings(Section):
    """Making the database agree with the cloud."""

    leftover_seconds: Seconds = Field(2, description="What a deleted desktop left in the cloud is removed after this long.")
    ports_seconds: Seconds = Field(300, description="How often the cloud's ports are looked through for what servers left.")


class AddressSettings(Section):
    """Floating IPs, where the cloud has them."""

    keep_seconds: int = Field(600, ge=0, description="One that nobody has waits this long; then the cloud gets it back.")
    compare_seconds: Seconds = Field(30, description="How often they are compared with the cloud's list.")


class AgentSettings(Section):
    """Agents in desktops, on clouds that give no other way into them (`yunzhuo agents`)."""

    public_url: str = Field(
        "",
        pattern=r"^(https://[^/?#@\s]+)?$",
        description="Where desktops reach them (https://NAME:PORT); empty: desktops get no agents' keys, and nothing listens.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; desktops have to reach it.")
    port: Port = Field(8084, description="Port that desktops' agents call, over TLS.")
    tls_certificate: str = Field(
        "", description="Certificate chain (PEM); empty: one that Yunzhuo's own authority vouches for."
    )
    tls_key: str = Field("", description="The certificate's private key (PEM).")
    ca_file: str = Field(
        "", description="The authority that agents believe (PEM), or the word system for their own; empty: Yunzhuo's own."
    )
    connections: int = Field(4096, ge=16, description="Agents that may be connected at once.")
    local_host: str = Field("127.0.0.1", description="Where Yunzhuo's other processes find this one, and it listens for them.")
    local_port: Port = Field(8085, description="Port of that.")
    user_data_file: str = Field("", description="cloud-init user data that new desktops get besides.")


class AuditSettings(Section):
    """The record of who did what."""

    keep_days: int = Field(730, ge=0, description="Entries older than this are dropped; 0: none are.")
    heads_file: str = Field("", description="File that the chain's head is added to once a day; empty: in the state folder.")


class LicenseSettings(Section):
    """Where this installation's license comes from by itself; without an address by file only."""

    server_url: str = Field(
        "",
        pattern=r"^(https://.+|http://(localhost|127\.0\.0\.1)(:\d+)?)?$",
        description="The vendor's license server (https://).",
    )
    ask_seconds: Seconds = Field(86400, description="How often it is asked for a newer license.")
    retry_seconds: Seconds = Field(3600, description="When it is asked again after it did not answer.")


class LicenseServerSettings(Section):
    """The vendor's own license server (`yunzhuo license server`); no installation of a customer runs one."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8090, description="Port of its pages and its API.")
    public_url: str = Field("", description="What browsers are told, without a trailing slash; empty: http://localhost:PORT.")
    tls_certificate: str = Field("", description="Certificate chain (PEM), to speak HTTPS itself; empty: a proxy does.")
    tls_key: str = Field("", description="The certificate's private key (PEM).")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the folder license of the state folder.")
    passphrase_file: str = Field("", description="File with the passphrase of the signing keys; empty: they have none.")
    trust_proxy: bool = Field(False, description="Believe X-Forwarded-* headers; only behind a proxy that sets them.")


class LogSettings(Section):
    """What processes write to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least important level written.")
    style: Literal["console", "json"] = Field("console", description="For people, or one JSON object a line.")


class Settings(Section):
    """All settings of one installation. ``home`` is the one folder that holds its state."""

    home: Path = Field(Path("var"), description="The state folder; also $YUNZHUO_HOME.")
    language: Literal["en", "zh_CN"] = Field("en", description="Language of people whose browser asks for none of ours.")
    web: WebSettings = Field(WebSettings(), description=WebSettings.__doc__)
    stream: StreamSettings = Field(StreamSettings(), description=StreamSettings.__doc__)
    gateway: GatewaySettings = Field(GatewaySettings(), description=GatewaySettings.__doc__)
    database: DatabaseSettings = Field(DatabaseSettings(), description=DatabaseSettings.__doc__)
    queue: QueueSettings = Field(QueueSettings(), description=QueueSettings.__doc__)
    cloud: CloudSettings = Field(CloudSettings(), description=CloudSettings.__doc__)
    openstack: OpenStackSettings = Field(OpenStackSettings(), description=OpenStackSettings.__doc__)
    host: HostSettings = Field(HostSettings(), description=HostSettings.__doc__)
    accounts: AccountSettings = Field(AccountSettings(), description=AccountSettings.__doc__)
    mail: MailSettings = Field(MailSettings(), description=MailSettings.__doc__)
    limits: LimitSettings = Field(LimitSettings(), description=LimitSettings.__doc__)
    operations: OperationSettings = Field(OperationSettings(), description=OperationSettings.__doc__)
    admission: AdmissionSettings = Field(AdmissionSettings(), description=AdmissionSettings.__doc__)
    addresses: AddressSettings = Field(AddressSettings(), description=AddressSettings.__doc__)
    reconcile: ReconcileSettings = Field(ReconcileSettings(), description=ReconcileSettings.__doc__)
    consoles: ConsoleSettings = Field(ConsoleSettings(), description=ConsoleSettings.__doc__)
    guests: GuestSettings = Field(GuestSettings(), description=GuestSettings.__doc__)
    agents: AgentSettings = Field(AgentSettings(), description=AgentSettings.__doc__)
    audit: AuditSettings = Field(AuditSettings(), description=AuditSettings.__doc__)
    license: LicenseSettings = Field(LicenseSettings(), description=LicenseSettings.__doc__)
    license_server: LicenseServerSettings = Field(LicenseServerSettings(), description=LicenseServerSettings.__doc__)
    log: LogSettings = Field(LogSettings(), description=LogSettings.__doc__)

    @property
    def public_url(self) -> str:
        """The portal's address as browsers know it, without a trailing slash."""
        return self.web.public_url.rstrip("/") or f"http://localhost:{self.web.port}"

    @property
    def license_server_url(self) -> str:
        """The address of the vendor's license server as browsers know it."""
        server = self.license_server
        scheme = "https" if server.tls_certificate else "http"
        return server.public_url.rstrip("/") or f"{scheme}://localhost:{server.port}"

    @property
    def gateway_url(self) -> str:
        """The address of the gateway beside the manager as browsers know it."""
        return self.gateway.public_url.rstrip("/") or f"ws://localhost:{self.gateway.port}"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database.url or f"sqlite:///{self.home / 'yunzhuo.db'}"

    @property
    def secrets_dir(self) -> Path:
        """Keys and first passwords; readable by the installation's own user only."""
        return self.home / "secrets"

    @property
    def audit_heads_file(self) -> Path:
        """Where the heads of the audit log's chain are written."""
        return Path(self.audit.heads_file) if self.audit.heads_file else self.home / "audit-heads.jsonl"

    @property
    def host_dir(self) -> Path:
        """Images, goldens and machines of driver local."""
        return self.home / "host"

    @property
    def host_socket(self) -> Path:
        """The unix socket on which `yunzhuo host` answers."""
        return self.home / "run" / "host.sock"
