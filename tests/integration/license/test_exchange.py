"""Everything of a vendor's as one list: taken in whole or not at all, and what is taken away comes in again elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.installation import START
from tests.support.license_server import YEAR, Host, Vendor, vendor

from yunzhuo.license.exchange import COLUMNS, ExchangeReport
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput
from yunzhuo.services.list_files import FileKind, write

pytestmark = pytest.mark.slow

HEAD = ("customer", "contact", "installation", "edition", "features", "desktops", "expires", "moves")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Vendor]:
    with vendor(tmp_path / "home") as made:
        yield made


def run(server: Vendor, *rows: tuple[object, ...], kind: FileKind = FileKind.CSV, dry_run: bool = False) -> ExchangeReport:
    return server.services.exchange.run(server.boss, write(rows, HEAD, kind), kind, dry_run=dry_run)


@pytest.mark.parametrize("kind", FileKind)
def test_a_list_makes_customers_contacts_and_installations(server: Vendor, kind: FileKind) -> None:
    rows = (
        ("第一中学", "head@one.example", "main", "school", "", 100, "2027-08-31", 5),
        ("第一中学", "head@one.example", "annex", "", "api_tokens", "", "2027-08-31T16:00:00Z", ""),
        ("第二中学", "", "", "", "", "", "", ""),
    )
    tried = run(server, *rows, kind=kind, dry_run=True)
    assert ([line.problem for line in tried.lines], tried.made) == ([None] * 3, ())
    assert server.services.customers.list(server.boss) == []
    first, second, third = run(server, *rows, kind=kind).made
    assert first.contact is not None
    assert first.contact.one_time_password
    assert (second.contact, third.contact, third.installation) == (None, None, None)
    main, annex = sorted(server.services.installations.list(server.boss), key=lambda each: each.name, reverse=True)
    assert (main.terms.limits.desktops, main.terms.features, main.moves_allowed) == (100, ("pools", "personal_disks"), 5)
    assert main.terms.expires_at.isoformat() == "2027-09-01T00:00:00+00:00"
    assert (annex.terms.features, annex.terms.expires_at.hour, annex.moves_allowed) == (("api_tokens",), 16, 2)
    assert annex.terms.limits.desktops is None
    assert [each.name for each in server.services.customers.list(server.boss)] == ["第一中学", "第二中学"]


def test_one_wrong_line_makes_nothing_of_all(server: Vendor) -> None:
    theirs = server.customer("theirs")
    server.installation(theirs, "there")
    server.services.customers.add_contact(server.boss, theirs, "boss@theirs.example")
    day = "2027-08-31"
    wrong: tuple[tuple[object, ...], ...] = (
        ("theirs", "", "there", "", "", "", day, ""),
        ("x", "boss@theirs.example", "a", "", "", "", day, ""),
        ("x", "nobody", "b", "", "", "", day, ""),
        ("x", "", "c", "", "telepathy", "", day, ""),
        ("x", "", "d", "", "", "many", day, ""),
        ("x", "", "e", "", "", -1, day, ""),
        ("x", "", "f", "", "", "", "", ""),
        ("x", "", "g", "", "", "", "tomorrow", ""),
        ("x", "", "h", "", "", "", "2001-01-01", ""),
        ("x", "", "h", "", "", "", day, 5000),
        ("x", "", "", "school", "", "", "", ""),
        ("", "", "i", "", "", "", day, ""),
        ("x", "", "good", "", "", "", day, ""),
        ("x", "", "good", "", "", "", day, ""),
        (server.services.accounts.organizations.list(server.boss)[0].name, "", "", "", "", "", "", ""),
    )
    report = run(server, *wrong)
    assert [line.number for line in report.lines if not line.problem] == [14]
    assert [line.number for line in report.problems] == [*range(2, 14), 15, 16]
    assert "Line 14" in str(report.lines[13].problem)
    assert report.made == ()
    assert [each.name for each in server.services.customers.list(server.boss)] == ["theirs"]


def test_what_is_taken_away_comes_in_again_elsewhere(server: Vendor, tmp_path: Path) -> None:
    for name in ("one", "+two"):  # what a spreadsheet would take for a formula comes back as it was
        customer = server.customer(name)
        for number in range(2):
            server.services.customers.add_contact(server.boss, customer, f"{number}{name}@school.example", language="zh_CN")
        server.installation(customer, desktops=40, users=7)
    made = server.installation(server.customer("empty handed"), "idle").installation
    server.services.installations.take_host_info(server.boss, made.id, Host(server).document())
    taken_away = server.services.exchange.export(server.boss, FileKind.CSV)
    with vendor(tmp_path / "elsewhere") as other:
        other.services.exchange.run(other.boss, taken_away, FileKind.CSV)
        assert other.services.exchange.export(other.boss, FileKind.CSV) == taken_away
        assert {each.state for each in other.services.installations.list(other.boss)} == {"waiting"}
        example = other.services.exchange.template(FileKind.XLSX)
        assert not other.services.exchange.run(other.boss, example, FileKind.XLSX, dry_run=True).problems


def test_customers_have_no_list(server: Vendor) -> None:
    customer = server.customer()
    head = server.services.customers.add_contact(server.boss, customer, "head@school.example").user.actor()
    with pytest.raises(Forbidden):
        server.services.exchange.export(head, FileKind.CSV)
    with pytest.raises(Forbidden):
        server.services.exchange.run(head, b"customer\nx\n", FileKind.CSV)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("fuzz") / "home") as made:
        yield made


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(FileKind)))
def test_foreign_bytes_are_refused(standing: Vendor, content: bytes, kind: FileKind) -> None:
    with pytest.raises(InvalidInput):
        standing.services.exchange.run(standing.boss, content, kind, dry_run=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_whatever_stands_in_a_line_is_an_answer(standing: Vendor, cells: list[str]) -> None:
    content = write([["x", *cells[1:]]], COLUMNS, FileKind.CSV)
    try:
        report = standing.services.exchange.run(standing.boss, content, FileKind.CSV, dry_run=True)
    except InvalidInput:  # of the file as a whole: a NUL, say
        return
    assert len(report.lines) == 1


def test_times_of_terms_are_kept(server: Vendor) -> None:
    """What the API made to the second is the same after a round trip."""
    made = server.installation(server.customer()).installation
    assert (START + YEAR).isoformat() in server.services.exchange.export(server.boss, FileKind.CSV).decode()
    assert made.terms.expires_at == START + YEAR
