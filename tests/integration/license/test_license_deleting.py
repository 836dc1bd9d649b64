"""Customers and installations are deleted once nothing of them counts; computers go on being told the truth."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import START
from tests.support.license_server import YEAR, Host, Vendor, vendor

from yunzhuo.license.rules import Act
from yunzhuo.phoenix.common.errors import Conflict, NotFound, NotSignedIn
from yunzhuo.phoenix.security import activation, host_info, licenses
from yunzhuo.phoenix.security.activation import ActivationRequest
from yunzhuo.services.sessions import Browser

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "home") as made:
        yield made


def asked(server: Vendor, host: Host) -> licenses.License:
    """What the server tells a computer that asks for its license."""
    request = ActivationRequest(**dict(host_info.read(host.document())), challenge=server.services.activation.challenge())
    answer = server.services.activation.answer(activation.sign_request(request, host.key))
    said = activation.read_answer(answer, server.pin().keys.get, challenge=request.challenge)
    return licenses.read(said.license.encode(), server.pin().keys.get)[0]


def test_an_installation_is_deleted_when_nothing_counts(server: Vendor) -> None:
    installations, boss, customer = server.services.installations, server.boss, server.customer()
    never, revoked, over = (server.installation(customer, name).installation for name in ("never", "revoked", "over"))
    hosts = {each.id: Host(server, each.name) for each in (revoked, over)}
    for installation_id, host in hosts.items():
        installations.take_host_info(boss, installation_id, host.document())
        with pytest.raises(Conflict) as refusal:
            installations.delete(boss, installation_id)
        assert refusal.value.code == "license_still_counts"
    installations.delete(boss, never.id)
    installations.act(boss, revoked.id, Act.REVOKE)
    installations.delete(boss, revoked.id)
    server.clock.set(START + YEAR + timedelta(days=13))  # in grace
    with pytest.raises(Conflict):
        installations.delete(boss, over.id)
    server.clock.set(START + YEAR + timedelta(days=14))
    installations.delete(boss, over.id)
    assert installations.list(boss) == []
    for each in (never, revoked, over):
        with pytest.raises(NotFound):
            installations.get(boss, each.id)
    # Its computer goes on being told what counts for it.
    assert asked(server, hosts[revoked.id]).withdrawn_at is not None
    server.services.notices.round()  # and nobody is written to about it


def test_a_computer_goes_on_with_higher_serials_in_another_installation(server: Vendor) -> None:
    """It has seen serial 3, and takes no lower one, whichever installation it belongs to now."""
    installations, boss, host = server.services.installations, server.boss, Host(server)
    first = server.installation(server.customer()).installation
    installations.take_host_info(boss, first.id, host.document())
    installations.act(boss, first.id, Act.ISSUE)
    installations.act(boss, first.id, Act.REVOKE)
    installations.delete(boss, first.id)
    second = server.installation(server.customer("another")).installation
    assert installations.take_host_info(boss, second.id, host.document()).serial == 4
    found = asked(server, host)
    assert (found.serial, found.installation_id, found.withdrawn_at) == (4, second.id, None)


def test_a_customer_is_deleted_with_all_of_theirs(server: Vendor) -> None:
    customers, installations, boss = server.services.customers, server.services.installations, server.boss
    customer = server.customer("第一中学")
    contact = customers.add_contact(boss, customer, "head@school.example")
    made = server.installation(customer).installation
    server.installation(customer, "never licensed")
    installations.take_host_info(boss, made.id, Host(server).document())
    with pytest.raises(Conflict) as refusal:
        customers.delete(boss, customer)
    assert (refusal.value.code, refusal.value.details["name"]) == ("license_still_counts", "main")
    assert len(installations.list(boss)) == 2  # all or nothing
    installations.act(boss, made.id, Act.REVOKE)
    customers.delete(boss, customer)
    assert (customers.list(boss), installations.list(boss)) == ([], [])
    for ask in (customers.get, customers.delete, customers.contacts):
        with pytest.raises(NotFound):
            ask(boss, customer)
    with pytest.raises(NotFound):
        server.installation(customer, "too late")
    with pytest.raises(NotSignedIn):
        server.services.accounts.sign_ins.sign_in(
            contact.user.email, contact.one_time_password or "", client_address="192.0.2.1", browser=Browser(None)
        )
    # The name and the address are free again.
    assert customers.add_contact(boss, server.customer("第一中学"), "head@school.example").one_time_password


def test_contacts_come_and_go(server: Vendor) -> None:
    customers, boss, customer = server.services.customers, server.boss, server.customer()
    first = customers.add_contact(boss, customer, "first@school.example")
    with pytest.raises(Conflict) as refusal:
        customers.delete_contact(boss, customer, first.user.id)
    assert refusal.value.code == "last_contact"
    second = customers.add_contact(boss, customer, "second@school.example")
    again = customers.reset_contact(boss, customer, second.user.id)
    assert again.one_time_password not in (None, second.one_time_password)
    customers.delete_contact(boss, customer, first.user.id)
    assert [each.email for each in customers.contacts(boss, customer)] == ["second@school.example"]
    other = server.customer("another")
    with pytest.raises(NotFound):  # somebody of another customer's is not there
        customers.reset_contact(boss, other, second.user.id)
    own = [customers.add_vendor(boss, f"{name}@vendor.example").user for name in ("a", "b")]
    assert [each.email for each in customers.vendors(boss)] == ["a@vendor.example", "b@vendor.example"]
    assert customers.reset_vendor(boss, own[0].id).one_time_password
    customers.delete_vendor(boss, own[0].id)
    with pytest.raises(Conflict):
        customers.delete_vendor(boss, own[1].id)  # somebody has to run it


def test_one_name_is_one_installation_of_a_customer(server: Vendor) -> None:
    customer = server.customer()
    server.installation(customer, "main")
    other = server.installation(customer, "annex").installation
    with pytest.raises(Conflict) as refusal:
        server.installation(customer, "main")
    assert refusal.value.code == "installation_name_taken"
    with pytest.raises(Conflict):
        server.services.installations.change(server.boss, other.id, other.terms, name="main")
    server.services.installations.change(server.boss, other.id, other.terms, name="annex")
    server.installation(server.customer("another"), "main")
