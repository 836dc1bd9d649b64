"""Lists of people: read with limits, tried before, taken in whole or not at all; several accounts changed together."""

import contextlib
import csv
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.services import list_files
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.list_files import MAX_ROWS, FileKind
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.people_import import COLUMNS, Change, PeopleImport

CLIENT = "192.0.2.7"


@pytest.fixture
def lists(yunzhuo: Installation) -> PeopleImport:
    return yunzhuo.services.people_import


def book(*rows: tuple[object, ...]) -> bytes:
    workbook = Workbook()
    for row in rows:
        workbook.active.append(row)
    packed = io.BytesIO()
    workbook.save(packed)
    return packed.getvalue()


def emails(yunzhuo: Installation, boss: Actor) -> set[str]:
    return {person.user.email for person in yunzhuo.services.people.list(boss, limit=200).items}


@pytest.mark.parametrize("kind", list(FileKind))
def test_a_list_makes_accounts_with_one_time_passwords(
    yunzhuo: Installation, lists: PeopleImport, boss: Actor, kind: FileKind
) -> None:
    group = yunzhuo.services.groups.create(boss, "Class 1")
    rows = [("Lin@School.local", "", "Class 1", "zh_CN"), ("wang@school.local", "teacher", "", "")]
    content = list_files.write(rows, COLUMNS, kind)
    tried = lists.run(boss, content, kind, dry_run=True)
    assert (len(tried.lines), tried.problems, tried.made) == (2, [], ())
    assert emails(yunzhuo, boss) == {boss.email}
    report = lists.run(boss, content, kind)
    lin, wang = report.made
    assert (lin.user.email, lin.user.role, lin.user.language) == ("lin@school.local", Role.USER, "zh_CN")
    assert wang.user.role is Role.TEACHER
    assert [member.email for member in yunzhuo.services.groups.members(boss, group.id)] == ["lin@school.local"]
    assert lin.one_time_password
    accounts, sign_ins = yunzhuo.services.accounts, yunzhuo.services.sign_ins
    assert yunzhuo.services.sign_ins.sign_in(
        lin.user.email, lin.one_time_password, client_address=CLIENT
    ).user.must_change_password
    accounts.change_password(lin.user.actor(), lin.one_time_password, PASSWORD)
    assert not sign_ins.sign_in(lin.user.email, PASSWORD, client_address=CLIENT).user.must_change_password
    assert lin.one_time_password not in yunzhuo.everything_stored()
    again = list_files.read(lists.export(boss, kind), kind, COLUMNS, "email")
    assert [line.cells["email"] for line in again] == sorted(emails(yunzhuo, boss))


def test_every_wrong_line_is_told_and_nobody_is_made(yunzhuo: Installation, lists: PeopleImport, boss: Actor) -> None:
    other = yunzhuo.services.organizations.create(installation(boss.organization_id), "other")
    yunzhuo.services.people.create(installation(other.id), "there@other.local", Role.USER, password=PASSWORD)
    rows = [
        ("good@school.local", "user", "", ""),
        ("not an address", "user", "", ""),
        ("role@school.local", "king", "", ""),
        ("more@school.local", "operator", "", ""),
        ("group@school.local", "user", "Class 9", ""),
        ("tongue@school.local", "user", "", "fr"),
        ("GOOD@school.local", "user", "", ""),
        (boss.email, "user", "", ""),
        ("there@other.local", "user", "", ""),
    ]
    report = lists.run(boss, list_files.write(rows, COLUMNS, FileKind.CSV), FileKind.CSV)
    assert report.made == ()
    problems = {line.number: line.problem or "" for line in report.problems}
    assert sorted(problems) == [3, 4, 5, 6, 7, 8, 9, 10]
    words = {4: "king", 5: "operator", 6: "Class 9", 7: "fr", 8: "line 2", 9: "already", 10: "cannot be used"}
    assert all(word in problems[number] for number, word in words.items())
    assert emails(yunzhuo, boss) == {boss.email}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"email\n",
        b"name\nx\n",
        b"email,email\nx,y\n",
        b"email,password\nx@y.z,secret\n",
        b"email\nx@y.z,more\n",
        b"email\n\xff\xfe\n",
        b'email\n"x@y.z\n',
        b"email\n" + b"x@y.z\n" * (MAX_ROWS + 1),
        b"email\n" + b"x" * list_files.MAX_BYTES,
    ],
    ids=["empty", "nobody", "no email", "twice", "unknown column", "more cells", "no text", "open quote", "rows", "bytes"],
)
def test_what_is_no_list_of_people_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        list_files.read(content, FileKind.CSV, COLUMNS, "email")


def test_a_list_with_semicolons_is_one_too() -> None:
    (line,) = list_files.read("\ufeffemail;role\r\nx@y.z;user\r\n;\r\n".encode(), FileKind.CSV, COLUMNS, "email")
    assert line.cells == {"email": "x@y.z", "role": "user"}


def test_a_book_that_unpacks_to_too_much_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            bomb.writestr(name, b" " * (40 * 1024 * 1024))
    assert len(packed.getvalue()) < 1024 * 1024
    with pytest.raises(InvalidInput) as refusal:
        list_files.read(packed.getvalue(), FileKind.XLSX, COLUMNS, "email")
    assert refusal.value.code == "file_too_large"


def test_entities_in_a_book_are_not_expanded() -> None:
    with zipfile.ZipFile(io.BytesIO(book(("email",), ("x@y.z",)))) as good:
        members = {name: good.read(name) for name in good.namelist()}
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    members["xl/workbook.xml"] = entities + members["xl/workbook.xml"].split(b"?>", 1)[-1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as evil:
        for name, content in members.items():
            evil.writestr(name, content)
    with pytest.raises(InvalidInput):
        list_files.read(packed.getvalue(), FileKind.XLSX, COLUMNS, "email")


@given(content=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: f"email\n{text}".encode("utf-8", "replace")))
def test_any_bytes_are_a_list_or_refused(content: bytes) -> None:
    for kind in FileKind:
        with contextlib.suppress(InvalidInput):
            assert list_files.read(content, kind, COLUMNS, "email")


def test_no_cell_is_taken_for_a_formula(yunzhuo: Installation, lists: PeopleImport, boss: Actor) -> None:
    group = yunzhuo.services.groups.create(boss, '=HYPERLINK("http://evil.example")')
    yunzhuo.services.groups.put_member(boss, group.id, boss.user_id)
    yunzhuo.services.people.create(boss, "+cmd@school.local", Role.USER)
    text = lists.export(boss, FileKind.CSV).decode("utf-8-sig")
    assert "+cmd@school.local" in [
        line.cells["email"] for line in list_files.read(text.encode(), FileKind.CSV, COLUMNS, "email")
    ]
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert "'+cmd@school.local" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    sheet = load_workbook(io.BytesIO(lists.export(boss, FileKind.XLSX))).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}


def test_several_accounts_are_changed_together(yunzhuo: Installation, lists: PeopleImport, boss: Actor, lin: Actor) -> None:
    mei = yunzhuo.person("mei")
    yunzhuo.request(mei)
    ids = [lin.user_id, mei.user_id, boss.user_id, "nobody", lin.user_id]
    outcomes = lists.change_many(boss, ids, Change.DISABLE)
    codes = [outcome.refusal and outcome.refusal.code for outcome in outcomes]
    assert codes == [None, None, "own_account", "user_not_found"]
    lists.change_many(boss, ids[:2], Change.ENABLE)
    reset = lists.change_many(boss, ids[:2], Change.RESET)
    assert len({outcome.access.one_time_password for outcome in reset if outcome.access}) == 2
    kept, _ = lists.change_many(boss, [mei.user_id, lin.user_id], Change.DELETE)
    assert kept.refusal
    assert kept.refusal.code == "user_has_desktops"
    lists.change_many(boss, [mei.user_id], Change.DELETE, DesktopsOfDeleted())
    assert emails(yunzhuo, boss) == {boss.email}
    for wrong in ([], [str(number) for number in range(501)]):
        with pytest.raises(InvalidInput):
            lists.change_many(boss, wrong, Change.DISABLE)
