"""``yunzhuo license``: this installation's license, and licenses as files for whoever wants to check one."""

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.organizations import acting_in
from yunzhuo.cli.tables import table
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.common.ids import new_id
from yunzhuo.phoenix.security import licenses, sealed, signing_keys
from yunzhuo.phoenix.security.licenses import License, LicenseRefused, Limits
from yunzhuo.services.licensing import LicenseStatus
from yunzhuo.services.rules.licensing import Feature

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


# The commands of the vendor's server: which module has them, and what they are called there.
_SERVERS = {
    "server": ("license_server", "server"),
    "deploy": ("license_server", "deploy"),
    "backup": ("license_server", "backup"),
    "restore": ("license_server", "restore"),
    "db": ("license_server", "db"),
    "keys": ("license_server", "keys"),
    "administrator": ("license_customers", "administrator"),
    "customer": ("license_customers", "customer"),
    "list": ("license_customers", "lists"),
    "installation": ("license_installations", "installations"),
}


class _Licenses(Group):
    """Imports the commands of the vendor's server when one is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_SERVERS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _SERVERS:
            return super().get_command(ctx, cmd_name)
        module, name = _SERVERS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"yunzhuo.cli.{module}"), name)
        return command


@click.group(cls=_Licenses)
def license_() -> None:
    """Licenses: what an installation may do, signed; and the vendor's license server."""


@license_.command()
@click.argument("file", type=_FILE)
@click.option("--key", type=_FILE, required=True, help="The vendor's public key (PEM).")
@pass_context
def verify(context: CommandContext, file: Path, key: Path) -> None:
    """Say whether the license in FILE is signed with this key and counts now; exit with 0 only then."""
    public_key = signing_keys.read_public(key)
    found, key_id = licenses.read(_bytes_of(file), {public_key.thumbprint(): public_key}.get)
    now = datetime.now(UTC)
    if now < found.not_before:
        raise LicenseRefused(
            "license_not_yet", f"This license is rightly signed and counts from {found.not_before:%Y-%m-%d} on."
        )
    if now >= found.expires_at:
        raise LicenseRefused("license_ended", f"This license is rightly signed and ended on {found.expires_at:%Y-%m-%d}.")
    data = {"is_valid": True, "key": key_id, "license": found.model_dump(mode="json", exclude_none=True)}
    limits = [(name, most) for name, most in found.limits.model_dump().items() if most is not None]
    rows = [
        ("license", found.license_id),
        ("customer", found.customer),
        ("installation", found.installation_id),
        ("edition", found.edition),
        ("features", ", ".join(found.features) or "-"),
        ("counts", f"{found.not_before:%Y-%m-%d} to {found.expires_at:%Y-%m-%d}, {found.grace_days} days of grace"),
        *((f"most {name}", str(most)) for name, most in limits),
    ]
    print_answer(data, table(("VALID", key_id), rows), as_json=context.json_output)


@license_.command()
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write into.")
@pass_context
def example(context: CommandContext, folder: Path) -> None:
    """Write a good license.json, and the vendor.pub that signed it, for whoever writes a program that reads licenses.

    The private key is forgotten; no installation takes this license.
    """
    key, now = signing_keys.make(), datetime.now(UTC).replace(microsecond=0)
    made = License(
        license_id=new_id(),
        serial=1,
        installation_id=new_id(),
        installation_key=signing_keys.make().thumbprint(),
        customer="Example School 示例学校",
        edition="school",
        features=(Feature.POOLS, Feature.PERSONAL_DISKS),
        limits=Limits(desktops=100, users=2000, images=20, vcpus=400, memory_mib=819_200, disk_mib=4_096_000),
        issued_at=now,
        not_before=now,
        expires_at=now + timedelta(days=365),
        grace_days=14,
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / "license.json", folder / "vendor.pub")
    for path, content in zip(paths, (licenses.sign(made, key), key.as_pem(private=False)), strict=True):
        path.write_bytes(content)
    print_answer({"files": [str(path) for path in paths]}, "\n".join(map(str, paths)), as_json=context.json_output)


@license_.command()
@pass_context
def status(context: CommandContext) -> None:
    """Show this installation's license, and how much of it is used."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.licensing.status(itself)
    _print_status(context, found)


@license_.command("host-info")
@click.option("--out", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@pass_context
def host_info(context: CommandContext, file: Path) -> None:
    """Write the file that the vendor makes this installation's license from."""
    with acting_in(context, None) as (all_services, itself):
        document = all_services.licensing.host_info(itself)
    file.write_bytes(document)
    print_answer({"file": str(file)}, f"{file} was written; send it to the vendor.", as_json=context.json_output)


@license_.command()
@click.argument("file", type=_FILE)
@pass_context
def install(context: CommandContext, file: Path) -> None:
    """Give this installation the license in FILE; a worse one never replaces a good one."""
    document = _bytes_of(file)
    with acting_in(context, None) as (all_services, itself):
        found = all_services.licensing.take(itself, document)
    _print_status(context, found)


@license_.command()
@click.option("--code", help="What the vendor gave you to activate this installation with, the first time.")
@pass_context
def activate(context: CommandContext, code: str | None) -> None:
    """Get the license from the vendor's server ([license] server_url), now."""
    with acting_in(context, None) as (all_services, itself):
        found = all_services.license_renewal.activate(itself, code)
    _print_status(context, found)


def _print_status(context: CommandContext, found: LicenseStatus) -> None:
    license_ = found.license.model_dump(mode="json", exclude_none=True) if found.license else None
    amounts = [
        {"limit": each.limit, "used": each.used, "most": each.most, "warned_percent": each.warned_percent}
        for each in found.amounts
    ]
    data = {"phase": found.phase, "installation_key": found.installation_key, "license": license_, "amounts": amounts}
    data["features"] = {str(feature): is_there for feature, is_there in found.features.items()}
    until = f" until {found.license.expires_at:%Y-%m-%d}" if found.license else ""
    rows = [(each.limit, each.used, "-" if each.most is None else each.most) for each in found.amounts]
    features = ", ".join(feature for feature, is_there in found.features.items() if is_there) or "-"
    text = f"{found.phase}{until}\nfeatures: {features}\n{table(('LIMIT', 'USED', 'MOST'), rows)}"
    print_answer(data, text, as_json=context.json_output)


def _bytes_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        raw = opened.read(sealed.MAX_BYTES + 1)
    if not raw:
        raise InvalidInput(f"{file} is empty.", code="license_unreadable")
    return raw
