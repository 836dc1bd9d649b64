"""Files that come in: names that are paths, archives that are bombs or lie, links. And files that go out: formulas, pages."""

import csv
import io
import json
import socket
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from openpyxl import Workbook

from tests.support.api import Api
from tests.support.installation import Installation
from tests.support.pages import somebody
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.backup import restore
from yunzhuo.services.list_files import FileKind, read
from yunzhuo.services.people_import import COLUMNS
from yunzhuo.services.tokens import TokenWish

# Each sweep asks at many doors.
pytestmark = pytest.mark.slow

PATHS = [
    "..",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "..\\x",
    "a/b",
    ".ssh",
    "a\x00.txt",
    "a\r\nX: y",
    "\u202egpj.exe",
    "x" * 241,
]
SHEET = "xl/worksheets/sheet1.xml"
ENTITIES = [
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
]


def api_of(app: Flask, yunzhuo: Installation, person: Actor) -> Api:
    return Api(app.test_client(), yunzhuo.services.tokens.create(person, TokenWish("program")).secret)


@pytest.fixture(scope="module")
def owner(app: Flask, yunzhuo: Installation) -> tuple[Api, str]:
    """Somebody's program, and the address of the files of their desktop."""
    person = somebody(yunzhuo, "owner")
    return api_of(app, yunzhuo, person), f"/desktops/{yunzhuo.available(person)}/files"


@pytest.mark.parametrize("name", PATHS)
def test_no_name_of_a_file_is_a_path(owner: tuple[Api, str], name: str) -> None:
    api, files = owner
    before = api.get(files).get_json()
    for spelled in (quote(name, safe=""), quote(quote(name, safe=""), safe="")):
        for method in ("PUT", "GET", "DELETE"):
            answer = api.ask(method, f"{files}/{spelled}", data=b"x")
            if answer.status_code == 201:  # spelled twice it is a plain name, percent signs and all
                assert spelled.startswith("%25") or "%25" in spelled
                assert api.get(files).get_json()["items"][0]["name"].isprintable()
                return
            assert answer.status_code in (404, 405, 422), (method, spelled, answer.status_code)
    assert api.get(files).get_json() == before


def test_a_page_among_the_files_is_never_shown_as_ours(owner: tuple[Api, str]) -> None:
    api, files = owner
    name = 'evil";x="y.html'
    assert api.ask("PUT", f"{files}/{quote(name)}", data=b"<script>alert(1)</script>").status_code == 201
    answer = api.get(f"{files}/{quote(name)}")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''evil%22%3Bx%3D%22y.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.mimetype == "application/octet-stream"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def book(cells: list[str], *, sheet_begins_with: bytes = b"", also: dict[str, bytes] | None = None) -> bytes:
    """An XLSX file, with something before its sheet, or with more in it; the sheet is its last member."""
    workbook, plain, packed = Workbook(), io.BytesIO(), io.BytesIO()
    for cell in cells:
        workbook.active.append((cell,))
    workbook.save(plain)
    with zipfile.ZipFile(plain) as good, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as evil:
        for name, content in {**{name: good.read(name) for name in good.namelist() if name != SHEET}, **(also or {})}.items():
            evil.writestr(name, content)
        evil.writestr(SHEET, sheet_begins_with + good.read(SHEET))
    return packed.getvalue()


@pytest.mark.parametrize("entities", ENTITIES)
def test_what_a_sheet_declares_is_neither_expanded_nor_fetched(entities: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(book(["email", "x@school.local"], sheet_begins_with=entities), FileKind.XLSX, COLUMNS, "email")


def test_a_book_that_lies_about_its_size_is_not_believed() -> None:
    """The directory says that a sheet of 70 MiB is one of a hundred bytes: it is read no further than that."""
    bomb = bytearray(book(["email", "x@school.local"], sheet_begins_with=b" " * (70 * 1024 * 1024)))
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", bomb, bomb.rindex(signature) + at, 100)
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as lying:
        assert sum(member.file_size for member in lying.infolist()) < 100_000
    tracemalloc.start()
    with pytest.raises(InvalidInput):
        read(bytes(bomb), FileKind.XLSX, COLUMNS, "email")
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    tracemalloc.stop()


def test_nothing_is_fetched_for_a_book() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        nobody.setblocking(False)
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/x.dtd"
        lines = read(
            book(["email", "x@school.local"], sheet_begins_with=f'<!DOCTYPE x SYSTEM "{address}">'.encode()),
            FileKind.XLSX,
            COLUMNS,
            "email",
        )
        assert [line.cells["email"] for line in lines] == ["x@school.local"]
        with pytest.raises(BlockingIOError):
            nobody.accept()


def test_paths_in_a_book_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zip slip: members are read where they are, never unpacked to where their names say."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    read(book(["email", "x@school.local"], also={"../slipped": b"x", "/slipped": b"x"}), FileKind.XLSX, COLUMNS, "email")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]
    assert not Path("/slipped").exists()


def test_a_bomb_is_refused_at_the_door(app: Flask, yunzhuo: Installation, boss: Actor) -> None:
    api = api_of(app, yunzhuo, boss)
    many = book(["email"], also={f"x{number}": b"" for number in range(200)})
    large = book(["email"], also={"x": b" " * (70 * 1024 * 1024)})
    for content in (many, large):
        assert len(content) < 1024 * 1024
        answer = api.post("/user-lists?kind=xlsx&dry_run=true", data=content)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "file_too_large")


def test_no_file_of_ours_brings_a_formula(app: Flask, yunzhuo: Installation, boss: Actor) -> None:
    """Lists of people and the audit log, as their readers get them: '=1+1@school.local' is a good address."""
    yunzhuo.services.people.create(boss, "=1+1@school.local", Role.USER)
    yunzhuo.services.groups.create(boss, '@SUM(1,"x")')
    api = api_of(app, yunzhuo, boss)
    for path in ("/user-lists?kind=csv", "/audit/export?kind=csv"):
        cells = [cell for row in csv.reader(io.StringIO(api.get(path).text.lstrip("\ufeff"))) for cell in row]
        assert any("=1+1@" in cell for cell in cells), path
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\0"))], path


def archive(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    file = tmp_path / "evil.tar.gz"
    with tarfile.open(file, "w:gz") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return file


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def manifest(**changes: object) -> tuple[tarfile.TarInfo, bytes]:
    told: dict[str, object] = {
        "format": 1,
        "version": "0",
        "revision": "0001",
        "made_at": "",
        "tables": {},
        "secrets": [],
        "images": [],
    }
    return entry("manifest.json"), json.dumps({**told, **changes}).encode()


EVIL_BACKUPS: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "a link to itself": [(entry("manifest.json", tarfile.SYMTYPE, "manifest.json"), b"")],
    "a hard link to itself": [(entry("manifest.json", tarfile.LNKTYPE, "manifest.json"), b"")],
    "a link to the machine": [(entry("manifest.json", tarfile.SYMTYPE, "/etc/passwd"), b"")],
    "a device": [(entry("manifest.json", tarfile.CHRTYPE), b"")],
    "JSON without end": [(entry("manifest.json"), b"[" * 200_000)],
    "secrets that are no list": [manifest(secrets=5)],
    "a secret with a path": [manifest(secrets=["../evil"])],
    "a secret that is a link": [manifest(secrets=["key"]), (entry("secrets/key", tarfile.SYMTYPE, "/etc/passwd"), b"")],
    "a secret that is not there": [manifest(secrets=["key"])],
    "a revision that is none": [manifest(revision="'; DROP TABLE users; --")],
    "a revision that is no text": [manifest(revision={"x": 1})],
    "a table that is none": [manifest(), (entry("tables/sqlite_master.jsonl"), b"{}\n")],
    "a column that is none": [manifest(), (entry("tables/users.jsonl"), b'{"id) --": 1}\n')],
    "a row that cannot be": [manifest(), (entry("tables/users.jsonl"), b'{"id": null}\n')],
    "a value that cannot be": [manifest(), (entry("tables/users.jsonl"), b'{"id": {"$time": "yesterday"}}\n')],
    "a line without end": [manifest(), (entry("tables/users.jsonl"), b'{"id": "' + b" " * (17 * 1024 * 1024))],
}


@pytest.mark.parametrize("what", EVIL_BACKUPS)
def test_an_evil_backup_is_refused_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    settings = Settings.model_validate({"home": tmp_path / "home", "cloud": {"driver": "memory"}})
    with pytest.raises(InvalidInput):
        restore(settings, archive(tmp_path, EVIL_BACKUPS[what]))
    assert not settings.secrets_dir.exists()
    assert not (tmp_path / "evil").exists()
