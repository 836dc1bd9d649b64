"""The XFCE image, built or out of the cache: a desktop cloned from its golden, asked from inside. Takes minutes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.drivers.desktops import Desktops
from tests.support.local_cloud import HostProcess, host_process, local_settings
from tests.support.waiting import eventually
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server

pytestmark = [pytest.mark.image, pytest.mark.timeout(2400)]

HOSTNAME = "pc-xfce"


@pytest.fixture(scope="module")
def xfce_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    settings = local_settings(tmp_path_factory.mktemp("xfce"), image="xfce", prepared_flavors=("medium",))
    with host_process(settings) as host:
        yield host


@pytest.fixture(scope="module")
def cloud(xfce_host: HostProcess) -> Iterator[Cloud]:
    with xfce_host.connected() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def desktop(cloud: Cloud) -> Iterator[Server]:
    desktops = Desktops(cloud, 240)
    with desktops.all_removed():
        yield desktops.create_ready(hostname=HOSTNAME, flavor_id="medium")


def said(cloud: Cloud, server: Server, script: str, *, as_user: bool = True) -> str:
    command = ["/bin/sh", "-c", script]
    result = cloud.guest.run(server.id, ["/etc/desktop/as-user", *command] if as_user else command, timeout_seconds=60)
    assert result.exit_code == 0, (result.stdout, result.stderr)
    return result.stdout.decode().strip()


def has_input_state(cloud: Cloud, server: Server, state: str) -> bool:
    """1 is letters as they are typed, 2 pinyin."""
    return said(cloud, server, "fcitx5-remote") == state


def test_it_is_the_default_and_needs_a_gibibyte(cloud: Cloud) -> None:
    first = cloud.images.list()[0]
    assert (first.name, first.is_default, first.min_memory_mib) == ("XFCE desktop", True, 1024)


def test_the_session_runs(cloud: Cloud, desktop: Server) -> None:
    running = said(cloud, desktop, "ps -e -o comm=", as_user=False).split()
    wanted = {"xfce4-session", "xfwm4", "xfce4-panel", "xfdesktop", "xfsettingsd", "xfce4-terminal", "spice-vdagent"}
    assert wanted <= set(running)
    assert said(cloud, desktop, "systemctl --failed --no-legend --plain", as_user=False) == ""


def test_ctrl_space_switches_to_pinyin_and_back(cloud: Cloud, desktop: Server) -> None:
    assert said(cloud, desktop, "fcitx5-remote") == "1"
    for state in ("2", "1"):
        said(cloud, desktop, "xdotool key --clearmodifiers ctrl+space")
        eventually(partial(has_input_state, cloud, desktop, state), 20, what=f"input state {state}")
    assert said(cloud, desktop, "fcitx5-remote -s pinyin; fcitx5-remote -n; fcitx5-remote -c") == "pinyin"


def test_fonts_and_languages_are_there(cloud: Cloud, desktop: Server) -> None:
    assert said(cloud, desktop, "fc-match -f %{family} sans-serif:lang=zh-cn").startswith(("WenQuanYi", "文泉驿"))
    assert said(cloud, desktop, "fc-match -f %{family} sans-serif") == "Noto Sans"
    assert {"en_US.utf8", "zh_CN.utf8"} <= set(said(cloud, desktop, "locale -a").split())
    assert said(cloud, desktop, "LC_ALL=zh_CN.UTF-8 date -d 2030-01-02 +%A") == "星期三"
    said(cloud, desktop, "test -s /usr/share/locale/zh_CN/LC_MESSAGES/xfce4-panel.mo")


def test_the_sound_service_has_a_card(cloud: Cloud, desktop: Server) -> None:
    assert "alsa_output" in said(cloud, desktop, "pactl list short sinks")
    assert said(cloud, desktop, "pactl get-sink-mute @DEFAULT_SINK@") == "Mute: no"


def test_the_terminals_prompt_has_the_clones_own_name(cloud: Cloud, desktop: Server) -> None:
    script = 'bash -ic \'eval "$PROMPT_COMMAND"; printf "%s" "${PS1@P}"\' 2>/dev/null'
    assert f"user@{HOSTNAME}" in said(cloud, desktop, script)


def test_clipboard_and_message_work(cloud: Cloud, desktop: Server) -> None:
    said(cloud, desktop, "printf 你好 | /etc/desktop/clipboard set", as_user=False)
    assert said(cloud, desktop, "/etc/desktop/clipboard get", as_user=False) == "你好"
    said(cloud, desktop, "/etc/desktop/message 再见", as_user=False)
    eventually(lambda: "gxmessage" in said(cloud, desktop, "ps -e -o comm=", as_user=False), 30, what="the window")


def test_programs_are_there(cloud: Cloud, desktop: Server) -> None:
    said(cloud, desktop, "command -v firefox-esr netsurf-gtk thunar mousepad ristretto xarchiver pavucontrol")


def session_language(cloud: Cloud, server: Server) -> str:
    """What the session was begun in."""
    environment = said(cloud, server, "cat /proc/$(pgrep -x xfce4-session)/environ", as_user=False).split("\0")
    return next(value.removeprefix("LANG=") for value in environment if value.startswith("LANG="))


def test_a_session_in_a_language_without_a_golden_begins_again(cloud: Cloud) -> None:
    desktops = Desktops(cloud, 600)
    with desktops.all_removed():
        server = desktops.create_ready(flavor_id="medium", language="zh_CN")
        assert session_language(cloud, server) == "zh_CN.UTF-8"
        assert said(cloud, server, "pgrep -xc xfce4-session") == "1"
        assert said(cloud, server, "systemctl --failed --no-legend --plain", as_user=False) == ""


def test_a_golden_in_chinese(tmp_path: Path) -> None:
    settings = local_settings(tmp_path / "var", image="xfce", prepared_flavors=("medium",), prepared_languages=("zh_CN",))
    with host_process(settings.model_copy(update={"language": "zh_CN"})) as host, host.connected() as cloud:
        desktops = Desktops(cloud, 60)
        with desktops.all_removed():
            server = desktops.create_ready(flavor_id="medium", language="zh_CN")
            assert session_language(cloud, server) == "zh_CN.UTF-8"
            assert "server_not_awaited" not in host.log
            assert said(cloud, server, "fcitx5-remote") == "1"
            assert {"Desktop", "Documents", "Downloads"} <= set(said(cloud, server, "ls /home/user").split())
            assert said(cloud, server, "xdg-user-dir DOWNLOAD") == "/home/user/Downloads"
