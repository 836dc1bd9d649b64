"""Records are whole or not there."""

import base64
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.host.processes import ProcessIdentity
from yunzhuo.host.removal import remove_folder
from yunzhuo.host.server_secrets import Identity, load_secrets, new_secrets, save_secrets
from yunzhuo.host.store import (
    Phase,
    RecordUnreadable,
    SavedMemory,
    ServerRecord,
    SnapshotRecord,
    Wanted,
    load_record,
    save_record,
    write_whole,
)
from yunzhuo.phoenix.config.settings import FlavorSettings

RECORD = ServerRecord(
    id="abc",
    desktop_id="d1",
    name="桌面 one",
    hostname="pc-1",
    image_id="light",
    flavor_id="small",
    vcpus=1,
    memory_mib=512,
    disk_mib=4096,
    created_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "abc"
    folder.mkdir()
    return folder


def test_a_record_comes_back_as_it_went(folder: Path) -> None:
    process = ProcessIdentity(4711, 99, "boot")
    now = RECORD.created_at
    record = RECORD.but(
        phase=Phase.MADE,
        wanted=Wanted.STOPPED,
        process=process,
        fault="bad",
        metadata=(("a", "b"),),
        next_flavor=FlavorSettings(id="large", name="Large", vcpus=4, memory_mib=4096, disk_mib=8192),
        saved=SavedMemory(key="k", saved_at=now, size_bytes=5, desktop_was_up=True),
        snapshots=(SnapshotRecord(id="s", name="第一", created_at=now, has_memory=True, key="k", desktop_was_up=True),),
    )
    save_record(folder, record)
    assert load_record(folder) == record
    assert (folder / "server.json").stat().st_mode & 0o777 == 0o600


def test_a_record_of_an_earlier_version_is_read(folder: Path) -> None:
    later = {"next_flavor", "state_key", "saved", "snapshots", "rolling_back_to"}
    (folder / "server.json").write_text(RECORD.model_dump_json(exclude=later))
    assert load_record(folder) == RECORD


def test_no_record_is_no_error_and_a_bad_one_is(folder: Path) -> None:
    assert load_record(folder) is None
    for text in ("", "{}", '{"format": 1', RECORD.but(id="other").model_dump_json(), RECORD.but(format=2).model_dump_json()):
        (folder / "server.json").write_text(text)
        with pytest.raises(RecordUnreadable):
            load_record(folder)


@given(content=st.binary(max_size=100))
def test_any_bytes_instead_of_a_record_are_told_apart(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("record")
    (folder / "server.json").write_bytes(content)
    with pytest.raises(RecordUnreadable):
        load_record(folder)


def test_a_write_that_fails_leaves_the_old_content(folder: Path) -> None:
    target = folder / "file"
    write_whole(target, b"old")
    target.with_name("file.partial").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"


def test_removing_a_folder_takes_its_name_first(folder: Path) -> None:
    (folder / "disk.qcow2").write_text("x")
    remove_folder(folder)
    remove_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_secrets_are_new_for_each_server_and_kept_for_its_life(folder: Path) -> None:
    one, other = new_secrets("one"), new_secrets("other")
    for name in ("machine_id", "ssh_key_private", "ssh_key_public", "vnc_password", "spice_password"):
        assert getattr(one, name) != getattr(other, name)
    assert new_secrets("one").machine_id == one.machine_id
    assert "one" not in one.machine_id
    assert len(one.machine_id) == 32
    assert len(one.vnc_password) == 8
    save_secrets(folder, one)
    assert load_secrets(folder) == one
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert one.vnc_password not in repr(one)


def test_the_identity_is_told_in_lines() -> None:
    secrets = new_secrets("one")
    identity = Identity(secrets, lambda: "pc-1", lambda: "zh_CN")
    for_program = dict(line.split(" ", 1) for line in identity.for_program(with_language=True).decode().splitlines())
    *port_lines, end = identity.for_port().decode().splitlines()
    for_port = dict(line.split(" ", 1) for line in port_lines)
    assert end == "end"
    for lines in (for_program, for_port):
        assert list(lines) == ["time", "hostname", "machine-id", "ssh-key-private", "ssh-key-public", "language"]
        assert lines["language"] == "zh_CN"
        assert (lines["hostname"], lines["machine-id"]) == ("pc-1", secrets.machine_id)
        assert abs(float(lines["time"]) - time.time()) < 5
    assert base64.b64decode(for_program["ssh-key-private"]).decode() == secrets.ssh_key_private
    assert for_port["ssh-key-private"].replace("|", "\n") + "\n" == secrets.ssh_key_private
    assert for_port["ssh-key-public"] + "\n" == secrets.ssh_key_public
    assert b"language" not in identity.for_program(with_language=False)
    assert b"language" not in Identity(secrets, lambda: "pc-1").for_port()


def test_a_folder_that_cannot_be_synced_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "file", b"")
    assert list(tmp_path.iterdir()) == []
