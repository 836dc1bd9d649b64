"""The gateway's own configuration file: TOML, every setting with its default, all mistakes reported at once.

``etc/gateway.toml`` is :func:`to_toml` of the defaults. The file names no secret: the key stands in a file of its own.
"""

import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import tomlkit
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.section import Seconds, Section
from yunzhuo.phoenix.config.settings import LogSettings

AnyPort = Annotated[int, Field(ge=0, le=65535)]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
        raise ValueError("write it as http://HOST:PORT or https://HOST:PORT")
    return value.rstrip("/")


def _network(value: str) -> str:
    return str(ip_network(value))


def _origin(value: str) -> str:
    """As a browser writes it: lower case, and without the port that its scheme stands for."""
    parts = urlsplit(_http_url(value))
    if parts.path or parts.username is not None or value.endswith("/"):
        raise ValueError("write it as http://HOST:PORT, without a path")
    shown = parts.netloc.lower()
    return f"{parts.scheme}://{shown.removesuffix(f':{_DEFAULT_PORTS[parts.scheme]}')}"


class ListenSettings(Section):
    """The public door."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 lets other computers in.")
    port: AnyPort = Field(8081, description="Port; 0 takes any free one.")
    tls_certificate_file: str = Field("", description="Certificate chain in PEM; empty: plain WebSocket (ws://).")
    tls_private_file: str = Field("", description="Private key of the certificate, in PEM.")
    plain: bool = Field(False, description="Whether plain connections are taken beside TLS, for a proxy that ends TLS before.")

    @field_validator("tls_private_file")
    @classmethod
    def _with_its_certificate(cls, value: str, info: ValidationInfo) -> str:
        if "tls_certificate_file" in info.data and bool(value) != bool(info.data["tls_certificate_file"]):
            raise ValueError("tls_certificate_file and tls_private_file go together")
        return value


class PrivateSettings(Section):
    """The private listener: /healthz and /metrics. Keep it where only your own monitoring gets."""

    enabled: bool = Field(True, description="Whether there is one.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: AnyPort = Field(8083, description="Port; 0 takes any free one.")


class LimitSettings(Section):
    """What one peer may take."""

    max_connections: int = Field(2000, ge=1, le=100_000, description="Connections of each process; more are answered 503.")
    max_connections_per_address: int = Field(
        500, ge=1, le=100_000, description="Of these from one address; a whole school may stand behind one."
    )
    max_handshake_bytes: int = Field(16384, ge=1024, le=1024 * 1024, description="Longest head of a request.")
    max_frame_bytes: int = Field(1024 * 1024, ge=1024, description="Longest WebSocket frame from a browser.")
    write_buffer_bytes: int = Field(131072, ge=4096, description="Kept for a slow peer before the other one has to wait.")
    handshake_timeout_seconds: Seconds = Field(10, description="Time to send a request, and again for the screen's handshake.")
    redeem_timeout_seconds: Seconds = Field(5, description="Longest wait for the manager to redeem a ticket.")
    connect_timeout_seconds: Seconds = Field(5, description="Longest wait for a screen's server, its handshake included.")
    idle_ping_seconds: Seconds = Field(20, description="A browser that is silent for this long gets a ping.")
    pong_timeout_seconds: Seconds = Field(20, description="A browser that does not answer a ping for this long is gone.")


class GatewayConfig(Section):
    """All settings of one gateway."""

    name: str = Field("gateway", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What this gateway is called.")
    manager_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "http://127.0.0.1:8080", description="Where the manager's portal and API answer."
    )
    manager_ca_file: str = Field("", description="Authority that signed the manager's certificate; empty: the system's.")
    key_file: Path = Field(Path("gateway.key"), description="File with the key that the manager knows this gateway by.")
    allowed_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), description="Origins of pages that may open consoles, beside those of the gateway's own host name."
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="Addresses or networks of proxies that say who is there: PROXY protocol, X-Forwarded-For."
    )
    serves_clients: bool = Field(
        False,
        description="Whether clients that reach only this gateway may sign in and get tickets through it.",
    )
    processes: int = Field(1, ge=1, le=256, description="Processes that share the port; one for each core that it may use.")
    report_seconds: Seconds = Field(5, description="How often the manager is told how each open session stands.")
    drain_seconds: float = Field(3, ge=0, description="Time that open sessions are left when the gateway stops.")
    listen: ListenSettings = Field(ListenSettings(), description=ListenSettings.__doc__)
    private: PrivateSettings = Field(PrivateSettings(), description=PrivateSettings.__doc__)
    limits: LimitSettings = Field(LimitSettings(), description=LimitSettings.__doc__)
    log: LogSettings = Field(LogSettings(), description=LogSettings.__doc__)

    @field_validator("listen")
    @classmethod
    def _port_to_share(cls, value: ListenSettings, info: ValidationInfo) -> ListenSettings:
        if info.data.get("processes", 1) > 1 and not value.port:
            raise ValueError("several processes need a port that is not 0")
        return value


def load(path: Path) -> GatewayConfig:
    """The configuration in ``path``; relative files in it are beside it. Raises InvalidInput with every mistake."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", code="config_unreadable") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}", code="config_not_toml") from error
    config = parse(values)
    return config.model_copy(
        update={
            "key_file": path.parent / config.key_file,
            "manager_ca_file": _beside(path, config.manager_ca_file),
            "listen": config.listen.model_copy(
                update={
                    "tls_certificate_file": _beside(path, config.listen.tls_certificate_file),
                    "tls_private_file": _beside(path, config.listen.tls_private_file),
                }
            ),
        }
    )


def _beside(path: Path, name: str) -> str:
    return str(path.parent / name) if name else ""


def parse(values: Mapping[str, object]) -> GatewayConfig:
    """The configuration in ``values``. Raises InvalidInput whose ``fields`` holds every mistake."""
    try:
        return GatewayConfig.model_validate(values)
    except ValidationError as error:
        mistakes = {
            ".".join(str(part) for part in mistake["loc"]) or "gateway": mistake["msg"].removeprefix("Value error, ")
            for mistake in error.errors(include_url=False, include_input=False)
        }
        lines = "; ".join(f"{name}: {message}" for name, message in mistakes.items())
        raise InvalidInput(f"the gateway's configuration is wrong: {lines}", code="config_invalid", fields=mistakes) from None


def to_toml(config: GatewayConfig) -> str:
    """``config`` as a file with one line of help above each setting; :func:`load` gives it back."""
    head = "# The configuration of a Yunzhuo gateway. What is left out has the value that it has here.\n"
    return head + "\n" + "\n".join(_section(config, ""))


def _section(section: Section, title: str) -> Iterator[str]:
    inner: list[tuple[str, Section]] = []
    if title:
        yield f"# {_help(type(section).__doc__)}\n[{title}]"
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            inner.append((name, value))
        else:
            yield f"# {_help(field.description)}\n{name} = {_toml(value)}"
    yield ""
    for name, value in inner:
        yield from _section(value, name)


def _help(text: str | None) -> str:
    return (text or "").strip()


def _toml(value: object) -> str:
    plain = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    return tomlkit.item(plain).as_string()
