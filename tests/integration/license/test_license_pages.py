"""The license server's pages: what the vendor and a customer do by them, who is let in, and that each is right in itself."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from tests.support.license_server import YEAR, Host, Vendor, vendor
from tests.support.pages import CHINESE, Form, Page, Visitor

from yunzhuo.license.rules import Act
from yunzhuo.phoenix.security import licenses
from yunzhuo.services.list_files import FileKind, read

pytestmark = pytest.mark.slow

PASSWORD = "another horse battery"
_DATE = re.compile(r"20\d\d-\d\d-\d\d")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("pages") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def app(server: Vendor) -> Flask:
    return server.app()


def came_in(app: Flask, email: str, one_time: str | None) -> Visitor:
    """Somebody who comes in with a one-time password, and chooses one of their own."""
    visitor = Visitor(app.test_client())
    visitor.sign_in(email, one_time or "")
    assert visitor.client.get("/installations").location == "/password"
    answer = visitor.fill_in("/password", present=one_time or "", chosen=PASSWORD, repeated=PASSWORD)
    assert answer.status_code == 303, Page(answer.text).text
    return visitor


@pytest.fixture(scope="module")
def boss(server: Vendor, app: Flask) -> Visitor:
    made = server.services.customers.add_vendor(server.boss, "boss@vendor.example")
    return came_in(app, "boss@vendor.example", made.one_time_password)


def one_time(text: str) -> str:
    """What a page shows once."""
    return str(re.findall(r'<code class="one-time"[^>]*>([^<]+)</code>', text)[0])


def upload(visitor: Visitor, path: str, form: Form, content: bytes, name: str = "x.json", **values: str) -> Any:
    data = {**form.fields, **values, "file": (io.BytesIO(content), name)}
    return visitor.client.post(form.action or path, data=data, content_type="multipart/form-data")


def test_from_a_customer_to_a_license_that_they_make_themselves(server: Vendor, app: Flask, boss: Visitor) -> None:
    assert "No customer yet" in boss.get("/installations/new").text
    assert boss.send("/customers", boss.get("/customers").form("/customers"), name="第一中学").status_code == 303
    again = boss.send("/customers", boss.get("/customers").form("/customers"), name="第一中学")
    assert (again.status_code, "There is a customer of this name already." in again.text) == (409, True)
    (customer,) = server.services.customers.list(server.boss)
    here = f"/customers/{customer.id}"
    access = boss.send(here, boss.get(here).form("/contacts"), email="head@one.example", language="zh_CN")
    head = came_in(app, "head@one.example", one_time(access.text))
    assert "实例" in head.get("/installations").text  # in the language that the vendor said
    new = boss.get(f"/installations/new?customer={customer.id}")
    made = boss.send("/installations/new", new.form(""), customer=customer.id, name="main", desktops="40", until="2099-08-31")
    assert one_time(made.text)
    (found,) = server.services.installations.list(server.boss)
    assert (found.terms.limits.desktops, found.terms.features) == (40, ("pools", "personal_disks"))
    assert found.terms.expires_at.isoformat() == "2099-09-01T00:00:00+00:00"
    # The customer activates it by file, and nobody else's file or another file does.
    path, host = f"/installations/{found.id}", Host(server)
    form = head.get(path).form("/host-info")
    broken = upload(head, path, form, b"{}")
    assert broken.status_code == 422
    assert server.services.installations.get(server.boss, found.id).state == "waiting"
    assert upload(head, path, form, host.document()).status_code == 303
    document = head.client.get(f"{path}/licenses/1").data
    assert licenses.read(document, server.pin().keys.get)[0].customer == "第一中学"
    assert not [form for form in head.get(path).forms if form.action.endswith(("/actions", "/code"))]


def test_an_installations_life_by_its_page(server: Vendor, boss: Visitor) -> None:
    installations = server.services.installations
    made = server.installation(server.customer("life"), desktops=3).installation
    path = f"/installations/{made.id}"
    assert upload(boss, path, boss.get(path).form("/host-info"), Host(server, "first").document()).status_code == 303
    change = boss.get(f"{path}/change").form("")
    assert change.fields["until"] == "2027-03-02"
    answer = boss.send(f"{path}/change", change, desktops="", users="9", moves_allowed="1")
    assert answer.status_code == 303
    now = installations.get(server.boss, made.id)
    assert (now.terms.limits.desktops, now.terms.limits.users, now.moves_allowed, now.serial) == (None, 9, 1, 2)
    assert now.terms.expires_at == made.terms.expires_at  # a day that was not changed keeps its time
    refused = boss.send(f"{path}/change", change, until="2001-01-01")
    assert (refused.status_code, "It ends before it begins." in refused.text) == (422, True)

    def act(action: str, expected: str) -> None:
        form = next(form for form in boss.get(path).forms if form.action.endswith("/actions"))
        assert boss.send(path, form, action=action).location == path
        assert installations.get(server.boss, made.id).state == expected, action

    act("renew", "active")
    assert installations.get(server.boss, made.id).terms.expires_at >= made.terms.expires_at + YEAR
    act("issue", "active")
    act("suspend", "suspended")
    act("resume", "active")
    moved = upload(boss, path, boss.get(path).form("/host-info"), Host(server, "second").document())
    assert moved.status_code == 303
    too_often = upload(boss, path, boss.get(path).form("/host-info"), Host(server, "third").document())
    assert (too_often.status_code, "It was moved 1 times" in too_often.text) == (409, True)
    assert one_time(boss.send(path, boss.get(path).form("/code")).text)
    page = boss.get(path)
    assert page.text.count("superseded") == len(installations.licenses(server.boss, made.id)) - 1
    assert "moved 1 of 1 times" in page.text
    question = boss.get(f"{path}/confirm/delete")
    assert boss.send(path, question.form("/actions"), action="delete").location == path
    assert "Revoke it first." in boss.get(path).text
    assert boss.send(path, boss.get(f"{path}/confirm/revoke").form("/actions"), action="revoke").location == path
    assert boss.send(path, boss.get(f"{path}/confirm/delete").form("/actions"), action="delete").location == "/installations"
    boss.get(path, 404)
    boss.get(f"{path}/confirm/nothing", 404)


def test_customers_and_people_by_their_pages(server: Vendor, boss: Visitor) -> None:
    customer = server.customer("people")
    path = f"/customers/{customer}"
    for name in ("a", "b"):
        boss.send(path, boss.get(path).form("/contacts"), email=f"{name}@people.example")
    taken = boss.send(path, boss.get(path).form("/contacts"), email="a@people.example")
    assert (taken.status_code, "There is an account with this address already." in taken.text) == (409, True)
    contact = server.services.customers.contacts(server.boss, customer)[0]
    assert one_time(boss.send(path, boss.get(path).form(f"/contacts/{contact.id}"), change="reset").text)
    boss.send(path, boss.get(path).form(f"/contacts/{contact.id}"), change="delete")
    assert len(server.services.customers.contacts(server.boss, customer)) == 1
    own = next(form for form in boss.get(path).forms if form.action == path)
    boss.send(path, own, change="rename", name="renamed")
    boss.send(path, own, change="disable")
    assert server.services.customers.get(server.boss, customer).is_disabled
    boss.send(path, own, change="enable")
    gone = boss.send(f"{path}/delete", boss.get(f"{path}/delete").form(""))
    assert gone.location == "/customers"
    boss.get(path, 404)
    assert one_time(boss.send("/people", boss.get("/people").form("/people"), email="second@vendor.example").text)
    second = server.services.customers.vendors(server.boss)[-1]
    boss.send("/people", boss.get("/people").form(f"/people/{second.id}"), change="delete")
    assert "second@vendor.example" not in boss.get("/people").text


def test_lists_by_their_page(server: Vendor, boss: Visitor) -> None:
    text = "customer,contact,installation,expires\nlisted,x@listed.example,main,2099-08-31\n"
    form = boss.get("/lists").form("")
    tried = upload(boss, "/lists", form, text.encode(), "x.csv", dry_run="yes")
    assert "The line is right." in Page(tried.text).text
    wrong = upload(boss, "/lists", form, text.replace("2099-08-31", "soon").encode(), "x.csv")
    assert (wrong.status_code, "expires is a day" in Page(wrong.text).text) == (422, True)
    assert upload(boss, "/lists", form, b"what,ever\n", "x.csv").status_code == 422
    made = upload(boss, "/lists", form, text.encode(), "x.csv", dry_run="no")
    columns = ("customer", "contact", "one_time_password", "installation", "installation_id", "activation_code")
    (line,) = read(made.data, FileKind.CSV, columns, "customer")
    assert line.cells["one_time_password"]
    assert line.cells["activation_code"]
    for kind in FileKind:
        assert boss.client.get(f"/lists/export?kind={kind}").status_code == 200
        assert boss.client.get(f"/lists/template?kind={kind}").status_code == 200


def test_what_is_found_and_what_ends_when(server: Vendor, boss: Visitor) -> None:
    customer = server.customer("many")
    for number in range(52):
        server.installation(customer, f"lab-{number:02}")
    assert "lab-40" in boss.get("/installations?q=lab-40").text
    assert "lab-41" not in boss.get("/installations?q=lab-40").text
    assert "Nothing found" in boss.get("/installations?q=zzz").text
    assert "lab-51" in boss.get("/installations?q=many&page=2").text
    assert "lab-00" not in boss.get("/installations?q=many&page=2").text
    assert "lab-00" not in boss.get("/installations?q=many&state=active").text


def every_page(server: Vendor) -> dict[str, list[str]]:
    """The pages of the vendor and of a customer, with something on each."""
    customer = server.customer("every page")
    made, waiting = server.installation(customer, "一").installation, server.installation(customer, "waiting").installation
    server.services.installations.take_host_info(server.boss, made.id, Host(server, "every").document())
    server.services.installations.act(server.boss, made.id, Act.SUSPEND)
    server.services.installations.act(server.boss, made.id, Act.RESUME)
    path = f"/installations/{made.id}"
    shared = ["/installations", "/installations?q=zzz", path, "/profile", "/security", "/password", "/security/password"]
    own = [f"{path}/change", f"{path}/confirm/revoke", f"{path}/confirm/delete", f"/installations/{waiting.id}"]
    own += ["/installations/new", "/customers", "/customers?q=zzz", f"/customers/{customer}", f"/customers/{customer}/delete"]
    return {"boss": [*shared, *own, "/people", "/keys", "/lists"], "head": shared, "nobody": ["/sign-in", "/forgot"]}


@pytest.fixture(scope="module")
def readers(server: Vendor, app: Flask, boss: Visitor) -> tuple[dict[str, Visitor], dict[str, list[str]]]:
    paths = every_page(server)
    customer = next(each for each in server.services.customers.list(server.boss) if each.name == "every page")
    access = server.services.customers.add_contact(server.boss, customer.id, "every@page.example")
    head = came_in(app, "every@page.example", access.one_time_password)
    return {"boss": boss, "head": head, "nobody": Visitor(app.test_client())}, paths


def test_each_page_is_right_in_itself_in_both_languages(readers: tuple[dict[str, Visitor], dict[str, list[str]]]) -> None:
    visitors, paths = readers
    for language, headers in (("en", {"Accept-Language": "en"}), ("zh-CN", CHINESE)):
        for who, all_paths in paths.items():
            for path in all_paths:
                page = visitors[who].get(path, headers=headers)
                assert page.language == language, path
                assert (page.inline, page.unnamed, len(page.headings)) == ([], [], 1), path
                assert len(page.ids) == len(set(page.ids)), path


def test_pages_of_the_vendor_are_not_there_for_a_customer(
    server: Vendor, app: Flask, readers: tuple[dict[str, Visitor], dict[str, list[str]]]
) -> None:
    visitors, paths = readers
    head, shared = visitors["head"], set(paths["head"])
    for path in paths["boss"]:
        if (path not in shared and not path.startswith("/installations/")) or path.endswith(("/change", "/new")):
            head.get(path, 404)
    other = server.installation(server.customer("theirs")).installation
    head.get(f"/installations/{other.id}", 404)
    token = head.get("/profile").form("/sign-out").fields
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or not rule.endpoint.startswith("portal."):
            continue
        if rule.rule.startswith(("/sign", "/forgot", "/reset", "/security", "/profile", "/password", "/language", "/confirm")):
            continue
        address = re.sub(r"<(?:int:)?\w+>", other.id, rule.rule)
        assert head.client.post(address, data={**token, "action": "issue", "change": "rename"}).status_code == 404, address
        assert Visitor(app.test_client()).client.post(address, data=token).status_code == 400, address  # no form of ours
    for path in paths["boss"]:
        assert Visitor(app.test_client()).client.get(path).location.startswith("/sign-in"), path


def test_a_server_without_keys_says_what_to_do(tmp_path: Path) -> None:
    with vendor(tmp_path / "home", with_key=False) as bare:
        app = bare.app()
        made = bare.services.customers.add_vendor(bare.boss, "boss@vendor.example")
        boss = came_in(app, "boss@vendor.example", made.one_time_password)
        assert "yunzhuo license keys create" in boss.get("/keys").text
        assert "No installation yet" in boss.get("/installations").text
        installation = bare.installation(bare.customer()).installation
        path = f"/installations/{installation.id}"
        refused = upload(boss, path, boss.get(path).form("/host-info"), Host(bare).document())
        assert (refused.status_code, "trusts none of our signing keys" in refused.text) == (409, True)


def test_empty_forms_and_unknown_changes_are_told_and_change_nothing(server: Vendor, boss: Visitor) -> None:
    customers = server.services.customers
    customer = customers.create(server.boss, "The empty one")
    here = f"/customers/{customer.id}"
    for page, form in (("/customers", "/customers"), (here, "/contacts"), ("/people", "/people")):
        answer = boss.send(page, boss.get(page).form(form))
        assert (answer.status_code, "field-error" in answer.text) == (422, True), page
    token = boss.get("/customers").form("/customers").fields["csrf_token"]
    for path in (here, f"{here}/contacts/nobody", "/people/nobody"):
        answer = boss.client.post(path, data={"csrf_token": token, "change": "explode"})
        assert answer.status_code == 422, path
    boss.get("/keys/none.pub", status=404)
    assert [each.name for each in customers.list(server.boss) if each.id == customer.id] == ["The empty one"]
