"""Clipboard and files: for the owner alone, within limits, noted and never kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, NotFound, YunzhuoError
from yunzhuo.services.access import Actor
from yunzhuo.services.guests import PIECE_BYTES, GuestService
from yunzhuo.services.rules.lifecycle import Action


def put(guests: GuestService, actor: Actor, desktop_id: str, name: str, content: bytes) -> None:
    for offset in range(0, max(len(content), 1), PIECE_BYTES):
        piece = content[offset : offset + PIECE_BYTES]
        guests.write_piece(actor, desktop_id, name, piece, offset=offset, size_bytes=len(content))


def noted(yunzhuo: Installation) -> list[tuple[str, dict[str, object]]]:
    engine = create_engine(yunzhuo.settings.database_url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT verb, after FROM audit_entries WHERE verb IN ('desktop:clipboard', 'desktop:files') ORDER BY id")
        )
        found = [(verb, json.loads(after)) for verb, after in rows]
    engine.dispose()
    return found


def test_text_goes_both_ways_and_only_its_length_is_noted(yunzhuo: Installation, lin: Actor) -> None:
    guests, desktop_id = yunzhuo.services.guests, yunzhuo.available(lin)
    guests.set_clipboard(lin, desktop_id, "密码 secret")
    assert guests.get_clipboard(lin, desktop_id) == "密码 secret"
    assert noted(yunzhuo) == [
        ("desktop:clipboard", {"to": "desktop", "bytes": 13}),
        ("desktop:clipboard", {"from": "desktop", "bytes": 13}),
    ]


@pytest.mark.parametrize("wrong", ["x" * 1025, "a\0b", "\ud800"])
def test_text_that_no_clipboard_takes(tmp_path: Path, wrong: str) -> None:
    with installation(tmp_path / "home", guests={"clipboard_bytes": 1024}) as yunzhuo:
        lin = yunzhuo.person()
        desktop_id = yunzhuo.available(lin)
        yunzhuo.services.guests.set_clipboard(lin, desktop_id, "x" * 1024)
        with pytest.raises(InvalidInput):
            yunzhuo.services.guests.set_clipboard(lin, desktop_id, wrong)
        assert yunzhuo.services.guests.get_clipboard(lin, desktop_id) == "x" * 1024


def test_a_file_has_its_name_once_it_is_whole(yunzhuo: Installation, lin: Actor) -> None:
    guests, desktop_id = yunzhuo.services.guests, yunzhuo.available(lin)
    content = bytes(range(256)) * 4096 + b"the end"
    assert guests.write_piece(lin, desktop_id, "课.bin", content[:PIECE_BYTES], offset=0, size_bytes=None) is None
    assert guests.files(lin, desktop_id) == []
    whole = guests.write_piece(lin, desktop_id, "课.bin", content[PIECE_BYTES:], offset=PIECE_BYTES, size_bytes=len(content))
    assert whole is not None
    assert (whole.name, whole.size_bytes) == ("课.bin", len(content))
    first = guests.read_piece(lin, desktop_id, "课.bin", offset=0)
    rest = guests.read_piece(lin, desktop_id, "课.bin", offset=PIECE_BYTES)
    assert first.content + rest.content == content
    assert noted(yunzhuo)[-2:] == [
        ("desktop:files", {"to": "desktop", "bytes": len(content), "file": "课.bin"}),
        ("desktop:files", {"from": "desktop", "bytes": len(content), "file": "课.bin"}),
    ]


def test_what_is_given_up_leaves_nothing(yunzhuo: Installation, lin: Actor) -> None:
    guests, desktop_id = yunzhuo.services.guests, yunzhuo.available(lin)
    guests.write_piece(lin, desktop_id, "half", b"12345", offset=0, size_bytes=10)
    guests.drop_partial(lin, desktop_id, "half")
    with pytest.raises(NotFound):
        guests.write_piece(lin, desktop_id, "half", b"67890", offset=5, size_bytes=10)


def test_pieces_and_names_that_are_refused(yunzhuo: Installation, lin: Actor) -> None:
    guests, desktop_id = yunzhuo.services.guests, yunzhuo.available(lin)
    put(guests, lin, desktop_id, "whole", b"12345")
    for refused, code in (
        (lambda: guests.write_piece(lin, desktop_id, "../x", b"", offset=0, size_bytes=0), "bad_file_name"),
        (lambda: guests.read_piece(lin, desktop_id, "../../etc/shadow", offset=0), "bad_file_name"),
        (lambda: guests.drop_partial(lin, desktop_id, "a/b"), "bad_file_name"),
        (lambda: guests.write_piece(lin, desktop_id, "x", b"123", offset=0, size_bytes=2), "file_out_of_step"),
    ):
        assert_refused(refused, InvalidInput, code)


def test_limits_hold_for_files_and_folders(tmp_path: Path) -> None:
    with installation(tmp_path / "home", guests={"file_bytes": 100, "folder_bytes": 150}) as yunzhuo:
        lin, guests = yunzhuo.person(), yunzhuo.services.guests
        desktop_id = yunzhuo.available(lin)
        for name in ("one", "two"):
            put(guests, lin, desktop_id, name, bytes(75))
        assert [file.name for file in guests.folder(lin, desktop_id)] == ["one", "two"]
        put(guests, lin, desktop_id, "three", b"x")
        assert_refused(lambda: guests.folder(lin, desktop_id), InvalidInput, "folder_too_large")
        assert_refused(lambda: put(guests, lin, desktop_id, "four", bytes(101)), InvalidInput, "file_too_large")
        server = yunzhuo.cloud.servers.find(desktop_id)
        assert server is not None
        yunzhuo.cloud.guest.write_piece(server.id, "Downloads/huge", bytes(101), offset=0)
        assert_refused(lambda: guests.read_piece(lin, desktop_id, "huge", offset=0), InvalidInput, "file_too_large")


def test_nobody_else_may_and_not_while_it_is_off(yunzhuo: Installation, lin: Actor, mei: Actor, boss: Actor) -> None:
    guests, desktop_id = yunzhuo.services.guests, yunzhuo.available(lin)
    for ask in (guests.get_clipboard, guests.files, lambda actor, desktop: put(guests, actor, desktop, "x", b"")):
        assert_refused(lambda: ask(mei, desktop_id), NotFound, "desktop_not_found")  # noqa: B023 (called at once)
        assert_refused(lambda: ask(boss, desktop_id), Forbidden, "forbidden")  # noqa: B023 (called at once)
    yunzhuo.services.desktops.act(lin, desktop_id, Action.STOP)
    yunzhuo.run()
    assert_refused(lambda: guests.files(lin, desktop_id), Conflict, "desktop_not_running")


def assert_refused(ask: Callable[[], object], kind: type[YunzhuoError], code: str) -> None:
    with pytest.raises(kind) as refusal:
        ask()
    assert refusal.value.code == code
