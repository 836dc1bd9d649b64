"""A backup fills an empty home, and goes on there where the old one was."""

import io
import json
import stat
import tarfile
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.installation import PASSWORD, Installation

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.db import dump
from yunzhuo.phoenix.db.base import Base
from yunzhuo.phoenix.db.session import Database
from yunzhuo.services.access import Actor
from yunzhuo.services.assembly import services
from yunzhuo.services.backup import back_up, restore
from yunzhuo.services.rules.lifecycle import Action, State

# Long stories, each on an installation of its own.
pytestmark = pytest.mark.slow


def rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the database."""
    db = Database(settings.database_url)
    with db.reading() as tx:
        found = {
            name: [tuple(row) for row in tx.execute(select(table).order_by(*table.primary_key.columns))]
            for name, table in Base.metadata.tables.items()
        }
    db.close()
    return found


def test_everything_is_there_again_on_an_empty_home(yunzhuo: Installation, lin: Actor, tmp_path: Path) -> None:
    there = yunzhuo.available(lin, name="Chemistry 化学")
    yunzhuo.services.snapshots.create(lin, there, "before")
    yunzhuo.run()
    yunzhuo.services.desktops.act(lin, there, Action.STOP)  # goes on, and is taken up where it stands
    file = tmp_path / "backup.tar.gz"
    made = back_up(yunzhuo.settings, file, [{"name": "Linux desktop", "version": "1"}], yunzhuo.clock)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.tables["desktops"] == 1
    with pytest.raises(Conflict):
        back_up(yunzhuo.settings, file, [], yunzhuo.clock)
    with pytest.raises(Conflict):
        restore(yunzhuo.settings, file)
    settings = Settings.model_validate({"home": tmp_path / "elsewhere", "cloud": {"driver": "memory"}})
    assert restore(settings, file).images == [{"name": "Linux desktop", "version": "1"}]
    assert rows(settings) == rows(yunzhuo.settings)
    for secret in yunzhuo.settings.secrets_dir.iterdir():
        copy = settings.secrets_dir / secret.name
        assert copy.read_bytes() == secret.read_bytes()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with services(settings, clock=yunzhuo.clock, cloud=yunzhuo.cloud) as others:
        assert others.sign_ins.sign_in(lin.email, PASSWORD, client_address="192.0.2.7").secret
        for _ in range(40):
            for operation_id in others.engine.due():
                others.engine.advance(operation_id)
            yunzhuo.pass_time(0.1)
        assert others.desktops.get(lin, there).state is State.STOPPED


def test_what_is_no_backup_changes_nothing(yunzhuo: Installation, tmp_path: Path) -> None:
    good = tmp_path / "good.tar.gz"
    back_up(yunzhuo.settings, good, [], yunzhuo.clock)
    with tarfile.open(good) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
        contents = {name: file.read() for name, file in members.items() if file}
    manifest = json.loads(contents["manifest.json"])
    bad = {
        "no manifest": {name: content for name, content in contents.items() if name != "manifest.json"},
        "another format": {**contents, "manifest.json": json.dumps({**manifest, "format": 99}).encode()},
        "a secret elsewhere": {**contents, "manifest.json": json.dumps({**manifest, "secrets": ["../../evil"]}).encode()},
        "no such table": {**contents, "tables/nonsense.jsonl": b"{}\n"},
        "no such column": {**contents, "tables/flavors.jsonl": b'{"nonsense": 1}\n'},
        "no rows": {**contents, "tables/flavors.jsonl": b"[1]\n"},
    }
    settings = Settings.model_validate({"home": tmp_path / "elsewhere", "cloud": {"driver": "memory"}})
    for name, files in bad.items():
        file = tmp_path / "bad.tar.gz"
        with tarfile.open(file, "w:gz") as archive:
            for member, content in files.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        with pytest.raises(InvalidInput):
            restore(settings, file)
        db = Database(settings.database_url)
        assert dump.is_empty(db), name
        db.close()
        assert not settings.secrets_dir.exists(), name
    (tmp_path / "bad.tar.gz").write_bytes(b"not even an archive")
    with pytest.raises(InvalidInput):
        restore(settings, tmp_path / "bad.tar.gz")
    restore(settings, good)  # nothing of the failed ones is in the way
