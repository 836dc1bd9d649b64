"""The file that opens a screen in remote-viewer (virt-viewer(1), "CONNECTION FILE"): a key file of GLib's."""

from urllib.parse import urlsplit

from cryptography import x509


def viewer_file(*, url: str, ticket: str, title: str, certificate: str) -> str:
    """A file for the gateway at ``url``; ``certificate`` is its chain in PEM, "" for none. The viewer deletes the file."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "wss"
    port = parts.port or (443 if is_tls else 80)
    lines = [
        "[virt-viewer]",
        "type=spice",
        f"host={parts.hostname}",
        f"{'tls-port' if is_tls else 'port'}={port}",
        f"password={ticket}",
        "delete-this-file=1",
        f"title={_escaped(title)}",
        *((f"ca={_escaped(authority)}",) if is_tls and (authority := _own_authority(certificate)) else ()),
    ]
    return "\n".join(lines) + "\n"


def _own_authority(chain: str) -> str:
    """The last certificate of a chain if it vouches for itself, else "": then the viewer's system knows who vouches for it."""
    try:
        last = x509.load_pem_x509_certificates(chain.encode())[-1]
    except ValueError:
        return ""
    if last.issuer != last.subject:
        return ""
    return chain[chain.rindex("-----BEGIN CERTIFICATE-----") :].strip() + "\n"


def _escaped(text: str) -> str:
    """As GLib's key files want it."""
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f"\\s{escaped[1:]}" if escaped.startswith(" ") else escaped
