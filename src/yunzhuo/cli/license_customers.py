"""What a vendor does with customers, their people and lists of everything from a terminal, on the server's own behalf."""

from pathlib import Path

import click

from yunzhuo.cli.context import CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.license_server import acting
from yunzhuo.cli.tables import table
from yunzhuo.license.exchange import Made
from yunzhuo.services.list_files import MAX_BYTES, FileKind
from yunzhuo.services.people import NewAccess

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def administrator() -> None:
    """The vendor's own people."""


@administrator.command("add")
@click.argument("email")
@pass_context
def add_administrator(context: CommandContext, email: str) -> None:
    """Give somebody of the vendor an account, with a password to come in with once."""
    with acting(context) as (all_services, itself):
        _print_access(context, all_services.customers.add_vendor(itself, email))


@click.group(cls=Group)
def customer() -> None:
    """Customers and their people."""


@customer.command("list")
@pass_context
def list_customers(context: CommandContext) -> None:
    """Show all customers."""
    with acting(context) as (all_services, itself):
        found = all_services.customers.list(itself)
    rows = [(each.id, each.name, each.users, "disabled" if each.is_disabled else "") for each in found]
    data = {"items": [{"id": each.id, "name": each.name, "contacts": each.users} for each in found]}
    print_answer(data, table(("ID", "NAME", "PEOPLE", ""), rows), as_json=context.json_output)


@customer.command("add")
@click.argument("name")
@click.option("--contact", metavar="EMAIL", help="Give somebody of theirs an account, too.")
@click.option("--language", help="The language of that person (en, zh_CN).")
@pass_context
def add_customer(context: CommandContext, name: str, contact: str | None, language: str | None) -> None:
    """Make a customer."""
    with acting(context) as (all_services, itself):
        made = all_services.customers.create(itself, name)
        access = all_services.customers.add_contact(itself, made.id, contact, language=language) if contact else None
    data = {"id": made.id, "name": made.name, "contact": _access_data(access) if access else None}
    text = f"{made.name} is customer {made.id}." + (f"\n{_access_text(access)}" if access else "")
    print_answer(data, text, as_json=context.json_output)


@customer.command("delete")
@click.argument("customer_id")
@pass_context
def delete_customer(context: CommandContext, customer_id: str) -> None:
    """Delete a customer with its people and installations, of which no license may count any more."""
    with acting(context) as (all_services, itself):
        all_services.customers.delete(itself, customer_id)
    print_answer({"ok": True}, "Deleted; what was issued stays on record.", as_json=context.json_output)


@click.group("list", cls=Group)
def lists() -> None:
    """Everything as one list: customers, contacts, installations."""


@lists.command("export")
@click.argument("file", type=_FILE)
@pass_context
def export_list(context: CommandContext, file: Path) -> None:
    """Write everything into FILE (.csv or .xlsx), to be taken in elsewhere; without keys and licenses."""
    with acting(context) as (all_services, itself):
        file.write_bytes(all_services.exchange.export(itself, _kind(file)))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


@lists.command("template")
@click.argument("file", type=_FILE)
@pass_context
def list_template(context: CommandContext, file: Path) -> None:
    """Write a list with its columns and an example into FILE (.csv or .xlsx)."""
    with acting(context) as (all_services, _):
        file.write_bytes(all_services.exchange.template(_kind(file)))
    print_answer({"file": str(file)}, f"{file} was written.", as_json=context.json_output)


@lists.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Only say what is wrong with it.")
@pass_context
def import_list(context: CommandContext, file: Path, dry_run: bool) -> int:
    """Make what FILE (.csv or .xlsx) says, all of it or nothing; passwords and codes are shown this once."""
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    with acting(context) as (all_services, itself):
        report = all_services.exchange.run(itself, content, _kind(file), dry_run=dry_run)
    wrong = [{"line": line.number, "problem": line.problem} for line in report.problems]
    made = [
        {
            "customer": each.customer,
            "contact": _access_data(each.contact) if each.contact else None,
            "installation": each.installation.installation.id if each.installation else None,
            "code": each.installation.code if each.installation else None,
        }
        for each in report.made
    ]
    if wrong:
        text = "Nothing was made.\n" + table(("LINE", "PROBLEM"), [(each["line"], each["problem"]) for each in wrong])
    elif dry_run:
        text = f"All {len(report.lines)} lines are right."
    else:
        rows = [(each.customer, *_told_once(each)) for each in report.made]
        text = table(("CUSTOMER", "CONTACT", "PASSWORD", "INSTALLATION", "CODE"), rows)
    print_answer({"lines": len(report.lines), "problems": wrong, "made": made}, text, as_json=context.json_output)
    return 1 if wrong else 0


def _kind(file: Path) -> FileKind:
    return FileKind.XLSX if file.suffix.lower() == ".xlsx" else FileKind.CSV


def _told_once(made: Made) -> tuple[str, ...]:
    contact = (made.contact.user.email, made.contact.one_time_password or "") if made.contact else ("-", "-")
    own = (made.installation.installation.name, made.installation.code) if made.installation else ("-", "-")
    return (*contact, *own)


def _access_data(access: NewAccess) -> dict[str, object]:
    return {"email": access.user.email, "one_time_password": access.one_time_password}


def _access_text(access: NewAccess) -> str:
    return f"{access.user.email} comes in once with the password {access.one_time_password}"


def _print_access(context: CommandContext, access: NewAccess) -> None:
    print_answer(_access_data(access), _access_text(access), as_json=context.json_output)
