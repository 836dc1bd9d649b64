"""What desktops are told of the door that their agents call, from the settings and the installation's secrets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security.authority import Authority, load_or_make_authority
from yunzhuo.services.rules.first_boot import MOST_BYTES

# Of a server's user data, for what stands around the two files.
_ROOM_BYTES = 4096


@dataclass(frozen=True, slots=True)
class AgentDoor:
    """Where desktops' agents call, whom they believe there (PEM; empty: the system's authorities), and what the installation
    adds to desktops' user data."""

    url: str
    authority: str = field(repr=False)
    own_user_data: str = field(default="", repr=False)


def agents_authority(settings: Settings) -> Authority:
    """Whom desktops' agents believe, unless the installation has a certificate of its own for that door."""
    return load_or_make_authority(settings.secrets_dir / "agents-authority.pem", "Yunzhuo agents", datetime.now(UTC))


def agent_door(settings: Settings) -> AgentDoor | None:
    """What desktops are told of their agents' door; None: nothing. Raises InvalidInput for a file that cannot be used."""
    agents = settings.agents
    if not agents.public_url:
        return None
    if agents.ca_file == "system":
        authority = ""
    else:
        own = agents_authority(settings).certificate
        authority = _text_of(agents.ca_file, "[agents] ca_file") if agents.ca_file else own
    added = _text_of(agents.user_data_file, "[agents] user_data_file") if agents.user_data_file else ""
    if len(authority.encode()) + len(added.encode()) > MOST_BYTES - _ROOM_BYTES:
        raise InvalidInput("[agents] user_data_file and ca_file are larger than what a cloud takes.", code="invalid_settings")
    return AgentDoor(agents.public_url, authority, added)


def _text_of(file: str, setting: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{setting} cannot be read: {error}", code="invalid_settings") from error
