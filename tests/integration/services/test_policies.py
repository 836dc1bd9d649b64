"""What screens allow: who has a say, and that the strictest word counts where something is opened or carried."""

from pathlib import Path

import pytest
from tests.support.installation import Installation, installation

from yunzhuo.phoenix.cloud.resources import ConsoleProtocol
from yunzhuo.phoenix.common.errors import Forbidden, InvalidInput, NotFound
from yunzhuo.services.access import Actor
from yunzhuo.services.first_start import gateway_key_file
from yunzhuo.services.policies import PolicySubject

CLIENT = "192.0.2.7"
ALL = {"clipboard_to_desktop": True, "clipboard_from_desktop": True, "file_transfer": True, "usb": True}


def allowed(yunzhuo: Installation, person: Actor, desktop_id: str) -> tuple[dict[str, object], float | None]:
    """What a gateway is told when the person opens the desktop's screen, and for how long."""
    gateway_id = yunzhuo.services.gateways.gateway_id(gateway_key_file(yunzhuo.settings).read_text().strip())
    ticket = yunzhuo.services.consoles.open(person, desktop_id, ConsoleProtocol.VNC).ticket
    redemption = yunzhuo.services.consoles.redeem(gateway_id, ticket, client_address=CLIENT)
    return dict(redemption.policy), redemption.ends_in_seconds


def test_the_strictest_word_counts(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    policies, groups = yunzhuo.services.policies, yunzhuo.services.groups
    desktop_id, mei = yunzhuo.available(lin), yunzhuo.person("mei")
    free = {**ALL, "view_only": False, "kib_per_second": 0}
    assert allowed(yunzhuo, lin, desktop_id) == (free, None)
    group = groups.create(boss, "exam")
    groups.put_member(boss, group.id, lin.user_id)
    policies.put(boss, PolicySubject.GROUP, group.id, {"usb": False, "session_seconds": 3600, "kib_per_second": 900})
    policies.put(boss, PolicySubject.USER, lin.user_id, {"usb": True, "session_seconds": 0, "kib_per_second": 500})
    policies.put(boss, PolicySubject.DESKTOP, desktop_id, {"clipboard_from_desktop": False})
    strict = {**free, "usb": False, "clipboard_from_desktop": False, "kib_per_second": 500}
    assert allowed(yunzhuo, lin, desktop_id) == (strict, 3600)
    assert allowed(yunzhuo, mei, yunzhuo.available(mei)) == (free, None), "others are not meant"
    policies.put(boss, PolicySubject.ORGANIZATION, boss.organization_id, {"view_only": True})
    only_to_look, _ = allowed(yunzhuo, mei, yunzhuo.available(mei, name="second"))
    touching = ("clipboard_to_desktop", "file_transfer", "usb")
    assert only_to_look == {**free, "view_only": True, **dict.fromkeys(touching, False)}
    groups.delete(boss, group.id)
    policies.put(boss, PolicySubject.ORGANIZATION, boss.organization_id, {})
    told = {(each.subject, each.subject_name): each.says for each in policies.list(boss)}
    assert told == {
        ("user", lin.email): {"usb": True, "session_seconds": 0, "kib_per_second": 500},
        ("desktop", "Linux desktop 1"): {"clipboard_from_desktop": False},
    }


def test_what_the_page_carries_is_bound_as_well(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    guests, policies, desktop_id = yunzhuo.services.guests, yunzhuo.services.policies, yunzhuo.available(lin)
    guests.set_clipboard(lin, desktop_id, "text")
    policies.put(boss, PolicySubject.USER, lin.user_id, {"clipboard_from_desktop": False})
    guests.set_clipboard(lin, desktop_id, "more text")
    with pytest.raises(Forbidden) as refused:
        guests.get_clipboard(lin, desktop_id)
    assert refused.value.code == "policy_forbids"
    policies.put(boss, PolicySubject.USER, lin.user_id, {"view_only": True, "file_transfer": True})
    assert guests.get_clipboard(lin, desktop_id) == "more text"
    for carry in (
        lambda: guests.set_clipboard(lin, desktop_id, "x"),
        lambda: guests.files(lin, desktop_id),
        lambda: guests.write_piece(lin, desktop_id, "a.txt", b"x", offset=0, size_bytes=1),
    ):
        with pytest.raises(Forbidden):
            carry()


def test_the_settings_bind_the_page_too(tmp_path: Path) -> None:
    with installation(tmp_path / "home", consoles={"file_transfer": False}) as strict:
        lin = strict.person("lin")
        with pytest.raises(Forbidden):
            strict.services.guests.files(lin, strict.available(lin))


def test_what_is_no_policy_is_refused(yunzhuo: Installation, lin: Actor, boss: Actor) -> None:
    put = yunzhuo.services.policies.put
    wrong = {"usb": 1, "session_seconds": True, "kib_per_second": -1, "sound": False}
    with pytest.raises(InvalidInput) as refused:
        put(boss, PolicySubject.USER, lin.user_id, wrong)
    assert refused.value.fields.keys() == wrong.keys()
    with pytest.raises(NotFound):
        put(boss, PolicySubject.POOL, lin.user_id, {"usb": False})
    assert yunzhuo.services.policies.list(boss) == []
