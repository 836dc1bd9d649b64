"""What servers are told at their first boot is what the agent finds in it, and what cloud-init reads."""

import email
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from yunzhuo.services.rules.first_boot import DOOR_FILE, user_data
from yunzhuo_agent import door

TOLD = {"url": "https://agents.school.local:8084", "authority": "-----BEGIN 一", "key": "yza1.a.b.c"}


@pytest.mark.parametrize("own", ["", "#cloud-config\nwrite_files: []\n", "#!/bin/sh\necho 你好\n", "#include\nhttp://x/y\n"])
def test_the_agent_finds_its_door(own: str) -> None:
    found = door.in_user_data(user_data(**TOLD, own=own).encode())
    assert found is not None
    assert json.loads(found) == TOLD


def test_what_the_installation_adds_comes_first_and_whole() -> None:
    own = "#cloud-config\npackages: [yunzhuo-agent]\n# 注\n"
    parts = list(email.message_from_string(user_data(**TOLD, own=own)).walk())[1:]
    assert [part.get_content_type() for part in parts] == ["text/cloud-config", "text/cloud-config"]
    content = parts[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode() == own
    assert user_data(**TOLD, own=own) == user_data(**TOLD, own=own)


def test_the_door_is_a_file_of_roots_own_beside_what_others_write() -> None:
    (file,) = json.loads(user_data(**TOLD).removeprefix("#cloud-config\n"))["write_files"]
    assert (file["path"], file["permissions"], json.loads(file["content"])) == (DOOR_FILE, "0600", TOLD)
    assert user_data(**TOLD, own=" \n") == user_data(**TOLD)
    merged = json.loads(user_data(**TOLD).removeprefix("#cloud-config\n"))["merge_how"]
    assert merged == "list(append)+dict(no_replace,recurse_list)+str()"


@given(
    start=some.sampled_from(
        [
            ("#cloud-config\n", "cloud-config"),
            ("#!/bin/sh\n", "x-shellscript"),
            ("#cloud-boothook\n", "cloud-boothook"),
            ("#include\nhttp://x/", "x-include-url"),
            ("## template: jinja\n", "plain"),
        ]
    ),
    rest=some.text(max_size=200),
)
def test_whatever_the_installation_adds_is_one_part_of_its_kind(start: tuple[str, str], rest: str) -> None:
    first, kind = start
    own, theirs = list(email.message_from_string(user_data(**TOLD, own=first + rest)).walk())[1:]
    assert (own.get_content_type(), theirs.get_content_type()) == (f"text/{kind}", "text/cloud-config")
    content = own.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().splitlines() == (first + rest).splitlines()


@pytest.mark.parametrize(
    "text", [b"", b"#cloud-config\n", b"#cloud-config\n[]", b"#!/bin/sh\n", b"\xff\xfe\0", b"#cloud-config\na: b\n"]
)
def test_user_data_of_others_has_no_door(text: bytes) -> None:
    assert door.in_user_data(text) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://x"},
        {"url": 7},
        {"url": "https://"},
        {"url": "https://x:99999"},
        {"key": ""},
        {"key": "a b"},
        {"key": None},
    ],
)
def test_a_door_that_cannot_be_used(wrong: dict[str, object]) -> None:
    with pytest.raises(door.DoorUnknown):
        door.parse(json.dumps({**TOLD, **wrong}).encode())
