"""The configuration file: what it documents is what there is, and mistakes are all told."""

from pathlib import Path

import pytest

from yunzhuo.gateway.config import GatewayConfig, load, parse, to_toml
from yunzhuo.phoenix.common.errors import InvalidInput

DOCUMENTED = Path(__file__).parents[2] / "etc" / "gateway.toml"


def test_the_documented_file_is_what_there_is() -> None:
    assert DOCUMENTED.read_text(encoding="utf-8") == to_toml(GatewayConfig())


def test_the_documented_file_loads() -> None:
    assert load(DOCUMENTED) == GatewayConfig().model_copy(update={"key_file": DOCUMENTED.parent / "gateway.key"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    config = parse(
        {
            "name": "north",
            "manager_url": "https://portal.example.test/",
            "manager_ca_file": "/etc/ca.pem",
            "key_file": "/etc/key",
            "allowed_origins": ["HTTPS://Portal.example.test:443", "http://[fd00::1]:8080"],
            "processes": 4,
            "drain_seconds": 1.5,
            "listen": {"tls_certificate_file": "/a", "tls_private_file": "/b"},
            "limits": {"max_connections": 7},
            "log": {"style": "json"},
        }
    )
    (tmp_path / "gateway.toml").write_text(to_toml(config), encoding="utf-8")
    assert load(tmp_path / "gateway.toml") == config
    assert config.manager_url == "https://portal.example.test"
    assert config.allowed_origins == ("https://portal.example.test", "http://[fd00::1]:8080")


def test_files_are_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('key_file = "secrets/key"\nmanager_ca_file = "ca.pem"\n')
    config = load(tmp_path / "gateway.toml")
    assert config.key_file == tmp_path / "secrets" / "key"
    assert config.manager_ca_file == str(tmp_path / "ca.pem")


def test_every_mistake_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(
            {
                "name": "",
                "manager_url": "portal",
                "allowed_origins": ["*", "https://a.test/", "https://a.test"],
                "processes": 0,
                "listen": {"port": 70000, "tls_private_file": "key.pem"},
                "limits": {"max_connections": "many"},
                "log": {"level": "loud"},
                "unknown": 1,
            }
        )
    assert set(caught.value.fields) == {
        "name",
        "manager_url",
        "allowed_origins.0",
        "allowed_origins.1",
        "processes",
        "listen.port",
        "listen.tls_private_file",
        "limits.max_connections",
        "log.level",
        "unknown",
    }


def test_shared_ports_are_named() -> None:
    with pytest.raises(InvalidInput, match="not 0"):
        parse({"processes": 2, "listen": {"port": 0}})


@pytest.mark.parametrize("text", ["= nonsense", "\udcff"])
def test_what_is_not_toml(text: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput, match="not TOML"):
        load(tmp_path / "gateway.toml")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load(tmp_path / "gateway.toml")
