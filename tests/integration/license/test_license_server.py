"""The vendor's side: keys, customers, the life of an installation, what each change of it signs, and who may do what."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import QUICK_PASSWORDS, START
from tests.support.license_server import YEAR, Host, Vendor, vendor

from yunzhuo.cli import main
from yunzhuo.license.assembly import license_services
from yunzhuo.license.customers import CustomerService
from yunzhuo.license.exchange import ExchangeService
from yunzhuo.license.installations import InstallationService
from yunzhuo.license.rules import TABLE, Act, State, after
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security import activation, host_info, licenses, sealed
from yunzhuo.phoenix.security.activation import ActivationRequest
from yunzhuo.phoenix.security.licenses import License, Limits
from yunzhuo.services.access import Actor

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "home") as made:
        yield made


def read(server: Vendor, installation_id: str) -> License:
    """The newest license, as an installation reads it."""
    document = server.services.installations.license_file(server.boss, installation_id)
    return licenses.read(document, server.pin().keys.get)[0]


def contact(server: Vendor, customer_id: str, email: str = "head@school.example") -> Actor:
    """One of a customer's people."""
    made = server.services.customers.add_contact(server.boss, customer_id, email)
    assert made.one_time_password
    return made.user.actor()


def test_an_installation_by_file_from_host_info_to_license(server: Vendor) -> None:
    made = server.installation(server.customer(), desktops=40).installation
    assert (made.state, made.serial) == ("waiting", 0)
    host = Host(server)
    bound = server.services.installations.take_host_info(server.boss, made.id, host.document())
    assert (bound.state, bound.serial, bound.host_name) == ("active", 1, "school-1")
    found = read(server, made.id)
    assert (found.customer, found.installation_key, found.limits.desktops) == ("第一中学", host.key.thumbprint(), 40)
    assert found.expires_at == START + YEAR
    server.clock.set(START + YEAR)
    assert server.services.installations.get(server.boss, made.id).state == "expired"


def test_each_change_signs_a_license_with_the_next_serial(server: Vendor) -> None:
    installations, boss = server.services.installations, server.boss
    made = server.installation(server.customer(), desktops=40).installation
    installations.take_host_info(boss, made.id, Host(server).document())
    terms = replace(made.terms, expires_at=START + 2 * YEAR, limits=Limits(desktops=50, users=900))
    installations.change(boss, made.id, terms)
    assert (read(server, made.id).serial, read(server, made.id).limits.users) == (2, 900)
    installations.change(boss, made.id, terms, name="annex")  # what licenses do not say needs none
    assert read(server, made.id).serial == 2
    assert installations.act(boss, made.id, Act.SUSPEND).state == "suspended"
    assert read(server, made.id).withdrawn_at == START
    installations.change(boss, made.id, terms, moves_allowed=5)
    assert installations.act(boss, made.id, Act.RESUME).state == "active"
    assert read(server, made.id).withdrawn_at is None
    assert installations.act(boss, made.id, Act.REVOKE).state == "revoked"
    assert read(server, made.id).withdrawn_at == START
    with pytest.raises(Conflict):
        installations.change(boss, made.id, terms)
    history = installations.licenses(boss, made.id)
    assert [(each.serial, each.reason, each.is_superseded) for each in history] == [
        (5, "revoke", False),
        (4, "resume", True),
        (3, "suspend", True),
        (2, "changed", True),
        (1, "issue", True),
    ]


def test_the_table_says_what_can_be_done_and_nothing_else_can() -> None:
    for state in State:
        for act in Act:
            if (state, act) in TABLE:
                assert after(state, act) is TABLE[state, act]
            else:
                with pytest.raises(Conflict):
                    after(state, act)
    assert not [act for state, act in TABLE if state is State.REVOKED]  # it never comes back


def test_moving_is_counted_and_withdraws_what_was_there(server: Vendor) -> None:
    installations, boss = server.services.installations, server.boss
    made = server.installation(server.customer()).installation
    first, second, third, fourth = (Host(server, f"school-{number}") for number in range(4))
    installations.take_host_info(boss, made.id, first.document())
    moved = installations.take_host_info(boss, made.id, second.document())
    assert (moved.serial, moved.moves, moved.key_id) == (3, 1, second.key.thumbprint())
    away = installations.licenses(boss, made.id)[1]
    assert (away.key_id, away.withdrawn_at) == (first.key.thumbprint(), START)
    installations.take_host_info(boss, made.id, third.document())
    with pytest.raises(Conflict) as refusal:
        installations.take_host_info(boss, made.id, fourth.document())
    assert refusal.value.code == "moved_too_often"
    assert installations.get(boss, made.id).key_id == third.key.thumbprint()
    installations.change(boss, made.id, made.terms, moves_allowed=3)
    assert installations.take_host_info(boss, made.id, fourth.document()).moves == 3


def test_one_host_is_one_installations(server: Vendor) -> None:
    customer = server.customer()
    one, other = (server.installation(customer, name).installation.id for name in ("one", "other"))
    host = Host(server)
    server.services.installations.take_host_info(server.boss, one, host.document())
    with pytest.raises(Conflict) as refusal:
        server.services.installations.take_host_info(server.boss, other, host.document())
    assert refusal.value.code == "host_taken"


def test_a_code_is_worthless_once_a_host_came_by_file(server: Vendor) -> None:
    made = server.installation(server.customer())
    server.services.installations.take_host_info(server.boss, made.installation.id, Host(server).document())
    thief = Host(server, "elsewhere")
    said = host_info.read(thief.document())
    request = ActivationRequest(**dict(said), challenge=server.services.activation.challenge(), code=made.code)
    with pytest.raises(NotFound):
        server.services.activation.answer(activation.sign_request(request, thief.key))


def test_forged_host_info_is_refused(server: Vendor) -> None:
    made = server.installation(server.customer()).installation
    document = Host(server).document()
    for position in range(0, len(document), 11):
        changed = bytearray(document)
        changed[position] ^= 1
        with pytest.raises(sealed.DocumentRefused):
            server.services.installations.take_host_info(server.boss, made.id, bytes(changed))
    assert server.services.installations.get(server.boss, made.id).state == "waiting"


def test_keys_rotate_and_older_builds_get_what_they_can_read(server: Vendor) -> None:
    keys, installations = server.services.keys, server.services.installations
    old_build = Host(server)
    first = keys.list()[0]
    second = keys.rotate()
    assert [(key.id, key.signs) for key in keys.list()] == [(second.id, True), (first.id, False)]
    customer = server.customer()
    old, new = (server.installation(customer, name).installation.id for name in ("old", "new"))
    installations.take_host_info(server.boss, old, old_build.document())
    installations.take_host_info(server.boss, new, Host(server).document())
    assert [installations.licenses(server.boss, each)[0].signed_by for each in (old, new)] == [first.id, second.id]
    keys.retire(first.id)
    assert not list((server.services.settings.home / "license" / "secrets").glob(f"*{first.id}.pem"))
    with pytest.raises(Conflict) as refusal:
        installations.act(server.boss, old, Act.ISSUE)
    assert refusal.value.code == "no_common_key"
    with pytest.raises(Conflict):
        keys.retire(second.id)  # the last one
    with pytest.raises(Conflict):
        keys.create()
    with pytest.raises(NotFound):
        keys.retire("nothing")


def test_private_keys_are_in_their_files_alone(server: Vendor) -> None:
    folder = server.services.settings.home / "license" / "secrets"
    (private,) = folder.glob("*.pem")
    assert private.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    secret = private.read_text().splitlines()[1].encode()
    everything = b"".join(path.read_bytes() for path in server.services.settings.home.rglob("*") if path.is_file())
    assert everything.count(secret) == 1
    assert secret.decode() not in str(server.services.keys.list())


def test_customers_see_their_own_and_change_nothing(server: Vendor) -> None:
    ours, theirs = server.customer("ours"), server.customer("theirs")
    mine, other = server.installation(ours).installation, server.installation(theirs).installation
    head = contact(server, ours)
    installations = server.services.installations
    assert [each.id for each in installations.list(head)] == [mine.id]
    assert len(installations.list(server.boss)) == 2
    assert installations.list(head, customer_id=theirs) == []
    for ask in (installations.get, installations.licenses, installations.license_file):
        with pytest.raises(NotFound):
            ask(head, other.id)
    installations.take_host_info(head, mine.id, Host(server).document())  # by file they activate their own themselves
    assert installations.license_file(head, mine.id) == installations.license_file(head, mine.id, 1)
    with pytest.raises(NotFound):
        installations.take_host_info(head, other.id, Host(server).document())
    with pytest.raises(NotFound):
        installations.license_file(head, mine.id, 2)
    refused = (
        lambda: installations.create(head, ours, "more", mine.terms),
        lambda: installations.change(head, mine.id, mine.terms),
        lambda: installations.act(head, mine.id, Act.ISSUE),
        lambda: installations.signed_by(head),
        lambda: installations.renew(head, mine.id, mine.terms.expires_at + YEAR),
        lambda: installations.new_code(head, mine.id),
        lambda: installations.forgive_clone(head, mine.id),
        lambda: installations.delete(head, mine.id),
        lambda: server.services.customers.list(head),
        lambda: server.services.customers.get(head, ours),
        lambda: server.services.customers.create(head, "another"),
        lambda: server.services.customers.contacts(head, theirs),
        lambda: server.services.customers.add_contact(head, theirs, "x@school.example"),
        lambda: server.services.customers.reset_contact(head, theirs, head.user_id),
        lambda: server.services.customers.delete_contact(head, theirs, head.user_id),
        lambda: server.services.customers.delete(head, theirs),
    )
    for ask_for in refused:
        with pytest.raises(Forbidden):
            ask_for()
    for change in (server.services.customers.rename, server.services.customers.add_contact):
        with pytest.raises(Forbidden):
            change(head, ours, "new@school.example")
    with pytest.raises(Forbidden):  # nobody makes a vendor of themselves
        server.services.customers.add_vendor(head, "boss@school.example")
    assert [each.email for each in server.services.customers.vendors(head)] == []  # none of the vendor's people


def test_impossible_terms_are_refused(server: Vendor) -> None:
    customer = server.customer()
    for terms in (
        replace(server.terms(), expires_at=START),
        replace(server.terms(), starts_at=START + timedelta(microseconds=1)),
    ):
        with pytest.raises(InvalidInput):
            server.services.installations.create(server.boss, customer, "x", terms)
    with pytest.raises(NotFound):
        server.services.installations.create(server.boss, "nobody", "x", server.terms())
    made = server.installation(customer).installation
    with pytest.raises(InvalidInput):
        server.services.installations.act(server.boss, made.id, Act.MOVE)


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    with vendor(tmp_path / "home", with_key=False) as server:
        made = server.installation(server.customer()).installation
        with pytest.raises(Conflict) as refusal:
            server.services.installations.take_host_info(server.boss, made.id, Host(server).document())
        assert refusal.value.code == "no_common_key"
        assert server.services.installations.get(server.boss, made.id).state == "waiting"


def test_a_disabled_customer_keeps_its_licenses(server: Vendor) -> None:
    customer = server.customer()
    made = server.installation(customer).installation
    server.services.installations.take_host_info(server.boss, made.id, Host(server).document())
    assert server.services.customers.disable(server.boss, customer).is_disabled
    assert read(server, made.id).serial == 1
    assert not server.services.customers.enable(server.boss, customer).is_disabled
    assert server.services.customers.rename(server.boss, customer, "第二中学").name == "第二中学"
    server.services.installations.act(server.boss, made.id, Act.ISSUE)
    assert read(server, made.id).customer == "第二中学"
    with pytest.raises(NotFound):  # the vendor is no customer of its own
        server.services.customers.get(server.boss, server.boss.organization_id)


def test_a_backup_makes_the_same_server_elsewhere(server: Vendor, tmp_path: Path) -> None:
    made = server.installation(server.customer(), desktops=40).installation
    server.services.installations.take_host_info(server.boss, made.id, Host(server).document())
    home, other_home = server.services.settings.home, tmp_path / "elsewhere"
    file = tmp_path / "backup.tar.gz"
    assert main(["license", "backup", str(file), "--home", str(home)]) == 0
    assert file.stat().st_mode & 0o077 == 0
    assert main(["restore", str(file), "--home", str(tmp_path / "installation")]) == 1  # it is no installation's
    assert main(["license", "restore", str(file), "--home", str(other_home)]) == 0
    assert main(["license", "restore", str(file), "--home", str(other_home)]) == 1  # nothing is lost
    settings = Settings.model_validate({"home": other_home})
    with license_services(settings, clock=server.clock, passwords=QUICK_PASSWORDS) as elsewhere:
        assert elsewhere.installations.get(server.boss, made.id) == server.services.installations.get(server.boss, made.id)
        assert elsewhere.installations.act(server.boss, made.id, Act.ISSUE).serial == 2
        document = elsewhere.installations.license_file(server.boss, made.id)
        assert licenses.read(document, server.pin().keys.get)[0].limits.desktops == 40


def test_every_method_that_is_asked_by_people_states_its_verbs() -> None:
    for service in (InstallationService, CustomerService, ExchangeService):
        for name, method in inspect.getmembers(service, inspect.isfunction):
            is_internal = name.startswith("_") or name.endswith("_within") or name == "template"
            assert is_internal or getattr(method, "__verbs__", None), name
