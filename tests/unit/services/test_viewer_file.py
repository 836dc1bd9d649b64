"""The file that opens a screen in remote-viewer."""

import configparser
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.viewer_file import viewer_file


def read(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=(), strict=True)
    parser.read_string(text)
    assert parser.sections() == ["virt-viewer"]
    return dict(parser["virt-viewer"])


def certificate(subject: str, issuer: str) -> str:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 3, 2, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
        .issuer_name(x509.Name.from_rfc4514_string(f"CN={issuer}"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_all_that_is_in_it() -> None:
    assert viewer_file(url="ws://gw.school.local:8081/console", ticket="t1", title="Physics", certificate="") == (
        "[virt-viewer]\ntype=spice\nhost=gw.school.local\nport=8081\npassword=t1\ndelete-this-file=1\ntitle=Physics\n"
    )


@pytest.mark.parametrize(
    ("url", "name", "port"),
    [("ws://gw/", "port", "80"), ("wss://gw/", "tls-port", "443"), ("wss://gw:9000/x", "tls-port", "9000")],
)
def test_ports(url: str, name: str, port: str) -> None:
    found = read(viewer_file(url=url, ticket="t", title="x", certificate=""))
    assert found[name] == port
    assert {"port", "tls-port"} & found.keys() == {name}
    assert "ca" not in found


def test_only_an_authority_of_our_own_is_told() -> None:
    leaf, root = certificate("gw", "Root"), certificate("Root", "Root")

    def told(chain: str, url: str = "wss://gw/") -> str | None:
        return read(viewer_file(url=url, ticket="t", title="x", certificate=chain)).get("ca")

    assert told(leaf + root) == root.strip().replace("\n", "\\n") + "\\n"
    assert told(root + "\n\n") == root.strip().replace("\n", "\\n") + "\\n"
    assert told(leaf) is None, "the viewer's system knows who vouches for it"
    assert told(root, url="ws://gw/") is None
    assert told("no certificate") is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\v\f\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1, max_size=30))
def test_no_title_breaks_out_of_its_line(title: str) -> None:
    text = viewer_file(url="ws://gw/", ticket="t", title=title, certificate="")
    lines = text.split("\n")
    assert len(lines) == 8
    assert lines[-2].startswith("title=")
    # As GLib reads it (g_key_file_parse_value_as_string).
    told = lines[-2].removeprefix("title=")
    for escape, character in (("\\\\", "\0"), ("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\s", " "), ("\0", "\\")):
        told = told.replace(escape, character)
    if "\0" not in title:
        assert told == title


def test_spaces_at_the_beginning_are_kept() -> None:
    assert "title=\\s a\\tb\\\\\\r\n" in viewer_file(url="ws://gw/", ticket="t", title="  a\tb\\\r", certificate="")
