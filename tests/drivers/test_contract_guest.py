"""The inside of a server: ready in the end, its own identity, commands, files, clipboard, messages."""

import os
import time

import pytest

from tests.drivers.desktops import Desktops
from yunzhuo.phoenix.cloud.errors import CloudUnavailable
from yunzhuo.phoenix.cloud.interface import PIECE_BYTES, Cloud
from yunzhuo.phoenix.cloud.resources import Server
from yunzhuo.phoenix.common.errors import InvalidInput, NotFound

_MIB = 1024 * 1024


def test_a_guest_gets_ready_and_asking_never_takes_long(cloud: Cloud, desktops: Desktops, patience: float) -> None:
    server = desktops.create()
    deadline = time.monotonic() + patience
    is_ready = False
    while not is_ready:
        assert time.monotonic() < deadline
        asked_at = time.monotonic()
        is_ready = cloud.guest.ready(server.id)
        assert time.monotonic() - asked_at < 5
        time.sleep(0.01)


@pytest.mark.needs("guest.run", "guest.read_file")
def test_every_guest_is_somebody_else(cloud: Cloud, desktops: Desktops, shared_server: Server) -> None:
    other = desktops.create_ready(hostname="another-one")
    assert cloud.guest.run(other.id, ["hostname"]).stdout.strip() == b"another-one"
    for path in ("/etc/hostname", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        mine, theirs = (cloud.guest.read_file(server.id, path, max_bytes=4096) for server in (shared_server, other))
        assert mine.strip()
        assert mine != theirs


@pytest.mark.needs("guest.run")
def test_run_answers_exit_code_and_outputs(cloud: Cloud, shared_server: Server) -> None:
    assert cloud.guest.run(shared_server.id, ["true"]).exit_code == 0
    assert cloud.guest.run(shared_server.id, ["false"]).exit_code == 1
    assert cloud.guest.run(shared_server.id, ["echo", "你好", "world"]).stdout.decode() == "你好 world\n"
    missing = cloud.guest.run(shared_server.id, ["cat", "/no/such/file"])
    assert missing.exit_code != 0
    assert missing.stdout == b""
    assert b"/no/such/file" in missing.stderr
    assert cloud.guest.run(shared_server.id, ["id", "-u"]).stdout.strip() == b"0"


@pytest.mark.needs("guest.run")
def test_run_feeds_input_byte_by_byte(cloud: Cloud, shared_server: Server) -> None:
    content = bytes(range(256)) * 16
    assert cloud.guest.run(shared_server.id, ["cat"], input=content).stdout == content


@pytest.mark.needs("guest.run")
def test_run_asks_no_shell(cloud: Cloud, shared_server: Server) -> None:
    argument = "$(id) `id` > /tmp/x; \"a\" 'b' * && false"
    result = cloud.guest.run(shared_server.id, ["echo", argument])
    assert (result.exit_code, result.stdout.decode()) == (0, argument + "\n")


@pytest.mark.needs("guest.run")
def test_run_of_a_command_that_is_not_there(cloud: Cloud, shared_server: Server) -> None:
    assert cloud.guest.run(shared_server.id, ["no-such-command-anywhere"]).exit_code == 127


@pytest.mark.needs("guest.run")
def test_run_does_not_wait_longer_than_told(cloud: Cloud, shared_server: Server) -> None:
    started_at = time.monotonic()
    with pytest.raises(CloudUnavailable):
        cloud.guest.run(shared_server.id, ["sleep", "20"], timeout_seconds=0.2)
    assert time.monotonic() - started_at < 10


@pytest.mark.needs("guest.run", "guest.write_file")
def test_run_keeps_at_most_a_mebibyte(cloud: Cloud, shared_server: Server) -> None:
    content = os.urandom(_MIB + 4096)
    cloud.guest.write_file(shared_server.id, "/root/large", content)
    result = cloud.guest.run(shared_server.id, ["cat", "/root/large"], timeout_seconds=60)
    assert result.exit_code == 0
    assert result.stdout == content[:_MIB]


@pytest.mark.needs("guest.read_file", "guest.write_file")
def test_files_come_back_as_they_went(cloud: Cloud, shared_server: Server) -> None:
    for path, content in (("/root/binary", os.urandom(200_000)), ("/root/空 文件", b""), ("/root/binary", b"replaced")):
        cloud.guest.write_file(shared_server.id, path, content)
        assert cloud.guest.read_file(shared_server.id, path, max_bytes=200_000) == content


@pytest.mark.needs("guest.read_file", "guest.write_file")
def test_files_that_cannot_be_read(cloud: Cloud, shared_server: Server) -> None:
    cloud.guest.write_file(shared_server.id, "/root/ten", b"0123456789")
    assert cloud.guest.read_file(shared_server.id, "/root/ten", max_bytes=10) == b"0123456789"
    with pytest.raises(InvalidInput):
        cloud.guest.read_file(shared_server.id, "/root/ten", max_bytes=9)
    with pytest.raises(NotFound):
        cloud.guest.read_file(shared_server.id, "/root/no-such-file", max_bytes=9)
    with pytest.raises(InvalidInput):
        cloud.guest.read_file(shared_server.id, "root/ten", max_bytes=10)


@pytest.mark.needs("guest.write_file")
def test_files_that_cannot_be_written(cloud: Cloud, shared_server: Server) -> None:
    with pytest.raises(NotFound):
        cloud.guest.write_file(shared_server.id, "/no/such/folder/file", b"")
    with pytest.raises(InvalidInput):
        cloud.guest.write_file(shared_server.id, "relative", b"")


@pytest.mark.needs("guest.list_files", "guest.write_piece", "guest.read_piece", "guest.move_file", "guest.delete_file")
def test_a_persons_file_travels_in_pieces(cloud: Cloud, shared_server: Server) -> None:
    guest, path = cloud.guest, "Downloads/-课件 'one'.bin"
    content = os.urandom(PIECE_BYTES + 70_001)
    guest.write_piece(shared_server.id, path, content[:PIECE_BYTES], offset=0)
    for _ in range(2):  # twice is harmless
        guest.write_piece(shared_server.id, path, content[PIECE_BYTES:], offset=PIECE_BYTES)
    first = guest.read_piece(shared_server.id, path, offset=0, max_bytes=PIECE_BYTES)
    rest = guest.read_piece(shared_server.id, path, offset=PIECE_BYTES, max_bytes=PIECE_BYTES)
    assert first.content + rest.content == content
    assert first.size_bytes == rest.size_bytes == len(content)
    assert guest.read_piece(shared_server.id, path, offset=len(content), max_bytes=10).content == b""
    guest.write_piece(shared_server.id, "Downloads/.hidden", b"x", offset=0)
    assert [(file.name, file.size_bytes) for file in guest.list_files(shared_server.id, "Downloads")] == [
        ("-课件 'one'.bin", len(content))
    ]
    guest.move_file(shared_server.id, path, "Downloads/two")
    assert [file.name for file in guest.list_files(shared_server.id, "Downloads")] == ["two"]
    for _ in range(2):
        guest.delete_file(shared_server.id, "Downloads/two")
    assert guest.list_files(shared_server.id, "Downloads") == ()
    assert guest.list_files(shared_server.id, "no such folder") == ()


@pytest.mark.needs("guest.write_piece", "guest.read_piece", "guest.move_file")
def test_pieces_that_do_not_fit(cloud: Cloud, shared_server: Server) -> None:
    guest = cloud.guest
    guest.write_piece(shared_server.id, "Downloads/short", b"12345", offset=0)
    with pytest.raises(InvalidInput) as refusal:
        guest.write_piece(shared_server.id, "Downloads/short", b"", offset=6)
    assert refusal.value.code == "file_out_of_step"
    with pytest.raises(InvalidInput):
        guest.write_piece(shared_server.id, "Downloads/short", bytes(PIECE_BYTES + 1), offset=0)
    with pytest.raises(InvalidInput):
        guest.read_piece(shared_server.id, "Downloads/short", offset=0, max_bytes=PIECE_BYTES + 1)
    for missing in (
        lambda: guest.write_piece(shared_server.id, "Downloads/missing", b"", offset=1),
        lambda: guest.read_piece(shared_server.id, "Downloads/missing", offset=0, max_bytes=1),
        lambda: guest.move_file(shared_server.id, "Downloads/missing", "Downloads/other"),
    ):
        with pytest.raises(NotFound):
            missing()
    for path in ("/etc/hostname", "../user/x", "Downloads/../../x", ""):
        with pytest.raises(InvalidInput):
            guest.read_piece(shared_server.id, path, offset=0, max_bytes=1)


@pytest.mark.needs("guest.get_clipboard", "guest.set_clipboard")
def test_the_clipboard_keeps_text(cloud: Cloud, shared_server: Server) -> None:
    for text in ("粘贴 me\nsecond line\n", "", "x" * 100_000):
        cloud.guest.set_clipboard(shared_server.id, text)
        assert cloud.guest.get_clipboard(shared_server.id) == text


@pytest.mark.needs("guest.get_clipboard", "guest.set_clipboard")
def test_the_clipboard_of_a_new_desktop_is_empty(cloud: Cloud, desktops: Desktops) -> None:
    assert cloud.guest.get_clipboard(desktops.create_ready().id) == ""


@pytest.mark.needs("guest.message")
def test_a_message_can_be_shown(cloud: Cloud, shared_server: Server) -> None:
    cloud.guest.message(shared_server.id, "还有五分钟下课。")
