"""Who QEMU runs as, for a host process that is root and for one that is not."""

import os
from pathlib import Path

import pytest

from yunzhuo.host import privileges
from yunzhuo.host.privileges import QemuAccount, QemuUserMissing, qemu_account


def test_who_is_not_root_runs_it_as_themselves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    account = qemu_account("no-such-user")
    assert (account.uid, account.drops_root) == (4242, False)
    before = tmp_path.stat().st_uid
    account.let_pass(tmp_path)
    assert (tmp_path.stat().st_uid, tmp_path.stat().st_mode & 0o777) == (before, 0o710)
    file = tmp_path / "disk"
    file.touch()
    account.own(file, 0o600)
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (before, 0o600)
    assert not any("reuid" in word or "groups" in word for word in account.prefix(with_kvm=True))


def test_root_needs_the_user_that_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(QemuUserMissing, match="no-such-user"):
        qemu_account("no-such-user")


@pytest.mark.parametrize(("group", "said"), [(78, "--groups=78"), (None, "--clear-groups")])
def test_roots_rights_are_dropped_but_for_the_group_of_kvm(
    monkeypatch: pytest.MonkeyPatch, group: int | None, said: str
) -> None:
    monkeypatch.setattr(privileges, "kvm_device_group", lambda: group)
    account = QemuAccount(5, 6, drops_root=True)
    assert said in account.prefix(with_kvm=True)
    assert "--clear-groups" in account.prefix(with_kvm=False)
    assert {"--reuid=5", "--regid=6", "--bounding-set=-all"} <= set(account.prefix(with_kvm=True))
