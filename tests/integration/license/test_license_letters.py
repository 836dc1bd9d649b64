"""What a customer's people are written, in their language: issued, moved, near the end, at the end. By a real SMTP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.installation import START
from tests.support.license_server import YEAR, Host, Vendor, vendor
from tests.support.mail_server import MailServer, mail_server

pytestmark = pytest.mark.slow


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, post: MailServer) -> Iterator[Vendor]:
    mail = {"host": "127.0.0.1", "port": post.port, "security": "none", "sender": "licenses@vendor.example"}
    with vendor(tmp_path / "home", mail=mail) as made:
        yield made


def subjects(server: Vendor, post: MailServer) -> list[tuple[str, str]]:
    """To whom what was written since the last look."""
    server.services.notices.round()
    server.services.notices.send_due()
    found = [(str(letter["To"]), str(letter["Subject"])) for letter in post.letters]
    post.letters.clear()
    return sorted(found)


def test_a_license_has_its_letters(server: Vendor, post: MailServer) -> None:
    customer = server.customer("School & Sons")
    for email, language in (("head@school.example", "en"), ("xiao@school.example", "zh_CN")):
        server.services.customers.add_contact(server.boss, customer, email, language=language)
    other = server.customer("others")
    server.services.customers.add_contact(server.boss, other, "other@school.example")
    made = server.installation(customer).installation
    installations = server.services.installations
    assert subjects(server, post) == []
    installations.take_host_info(server.boss, made.id, Host(server).document())
    assert subjects(server, post) == [
        ("head@school.example", "A license for main"),
        ("xiao@school.example", "main 的许可证"),
    ]
    installations.take_host_info(server.boss, made.id, Host(server).document())
    assert [subject for _, subject in subjects(server, post)] == [
        "main was moved to another computer",
        "main 已换到另一台计算机",
    ]
    told = {}
    for left in (31, 30, 29, 8, 7, 2, 1, 0, -1):
        server.clock.set(START + YEAR - timedelta(days=left))
        told[left] = [subject for email, subject in subjects(server, post) if email.startswith("head")]
    soon, ended = ["The license of main ends soon"], ["The license of main has ended"]
    assert told == {31: [], 30: soon, 29: [], 8: [], 7: soon, 2: [], 1: soon, 0: ended, -1: []}
    installations.change(server.boss, made.id, replace(made.terms, expires_at=START + 2 * YEAR))
    assert [subject for _, subject in subjects(server, post)] == ["A license for main", "main 的许可证"]
    server.clock.set(START + 2 * YEAR - timedelta(days=5))
    server.services.notices.round()
    server.services.notices.send_due()
    assert "School & Sons ends on 2028-03-01, in 5 days" in " ".join(post.text(0).split())
    assert "School &amp; Sons" in post.html(0)
    assert f"http://localhost:8090/installations/{made.id}" in post.text(0)


def test_a_letter_waits_while_the_mail_server_is_away(server: Vendor, post: MailServer) -> None:
    customer = server.customer()
    server.services.customers.add_contact(server.boss, customer, "head@school.example")
    made = server.installation(customer).installation
    post.answer = "451 later"
    server.services.installations.take_host_info(server.boss, made.id, Host(server).document())
    assert subjects(server, post) == []
    post.answer = "250 OK"
    server.clock.set(START + timedelta(minutes=1))
    assert len(subjects(server, post)) == 1
    assert subjects(server, post) == []
