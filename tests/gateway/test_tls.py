"""The same door behind TLS."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.gateway.conftest import StartGateway
from tests.gateway.managers import StandInManager
from tests.gateway.screens import Screen
from tests.gateway.viewers import Viewer

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.slow]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "private.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


async def test_wss(start_gateway: StartGateway, manager: StandInManager, screen: Screen, tmp_path: Path) -> None:
    chain, private = certificate(tmp_path)
    gateway = await start_gateway(
        listen={"tls_certificate_file": chain.name, "tls_private_file": private.name}, limits={"handshake_timeout_seconds": 1}
    )
    context = ssl.create_default_context(cafile=str(chain))
    url = f"wss://127.0.0.1:{gateway.port}/v1/console"
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket, url=url, ssl=context)
    sent = bytes(range(256)) * 4000
    await viewer.write(sent)
    assert await viewer.read(len(sent)) == sent
    viewer.socket.transport.abort()
    assert (await manager.end_of(ticket))["reason"] == "viewer_lost"
    ticket = manager.issue(screen)
    viewer = await Viewer.open(gateway, ticket, url=url, ssl=context)
    await viewer.close()
    assert (await manager.end_of(ticket))["reason"] == "viewer_closed"

    # A refusal is heard too, and neither plain bytes nor a silent peer stay for long.
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=context)
    writer.write(b"GET /else HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
    writer.close()
    for hello, heard in ((b"GET / HTTP/1.1\r\n\r\n", b"tls_required"), (b"", b"")):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(hello)
        async with asyncio.timeout(30):
            said = await reader.read()
            assert heard in said
            assert bool(said) == bool(heard)
        writer.close()
    viewer = await Viewer.open(gateway, manager.issue(screen), url=url, ssl=context)
    gateway.process.terminate()
    assert (await viewer.closed())[0] == 1012
    assert await gateway.ended() == 0
