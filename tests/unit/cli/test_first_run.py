"""What has to stand before the processes start."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunzhuo.cli import checks, first_run
from yunzhuo.cli.checks import Verdict
from yunzhuo.gateway import config as gateway_config
from yunzhuo.phoenix.common.errors import Conflict, Unavailable
from yunzhuo.phoenix.config.settings import CloudSettings, GatewaySettings, HostSettings, Settings, StreamSettings, WebSettings


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        web=WebSettings(port=free_port()),
        gateway=GatewaySettings(port=free_port()),
        stream=StreamSettings(port=free_port()),
        cloud=CloudSettings(driver="memory"),
    )


def test_the_state_folder_is_made_for_us_alone_and_held(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"

    with first_run.sole_use(home), pytest.raises(Conflict) as refused, first_run.sole_use(home):
        pass

    assert home.stat().st_mode & 0o777 == 0o700
    assert f"(process {os.getpid()})" in refused.value.message
    assert "--home" in refused.value.message


def test_a_state_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(Unavailable, match=r"cannot be made \(.*\): choose another with --home"),
        first_run.sole_use(tmp_path / "file" / "home"),
    ):
        pass


def test_a_port_that_is_taken_says_by_whom_and_what_to_change(settings: Settings, taken_port: int) -> None:
    settings = settings.model_copy(update={"web": WebSettings(port=taken_port)})

    with pytest.raises(Unavailable) as refused:
        first_run.require_good(settings)

    message = refused.value.message
    assert message.startswith(f"port {taken_port} (web.port): taken by ")
    assert message.endswith(f"(process {os.getpid()}); stop that, or choose another with --port")
    assert len(message.splitlines()) == 1


def test_an_address_that_is_not_ours_is_not_called_taken(settings: Settings) -> None:
    settings = settings.model_copy(update={"web": WebSettings(host="192.0.2.1", port=free_port())})

    (web, *_) = checks.ports(settings)

    assert web.verdict is Verdict.BAD
    assert web.found == "Cannot assign requested address on 192.0.2.1"


def test_a_full_disk_is_told_with_figures(settings: Settings) -> None:
    settings = settings.model_copy(update={"host": HostSettings(disk_reserve_mib=1 << 40)})

    with pytest.raises(Unavailable, match=r"disk: \d+ MiB free for .*; \d+ MiB are needed: make room"):
        first_run.require_good(settings)


def test_no_memory_for_a_desktop_is_worth_a_note(settings: Settings) -> None:
    settings = settings.model_copy(
        update={"host": HostSettings(memory_reserve_mib=1 << 40), "cloud": CloudSettings(driver="local")}
    )

    assert checks.memory(settings).verdict is Verdict.NOTE


def test_the_gateways_file_says_what_the_settings_say(settings: Settings) -> None:
    with first_run.sole_use(settings.home):
        file = first_run.write_gateway_file(settings)

    written = gateway_config.load(file)
    assert written.listen.port == settings.gateway.port
    assert written.manager_url == f"http://127.0.0.1:{settings.web.port}"
    assert written.key_file.is_relative_to(settings.secrets_dir)
    assert written.allowed_origins == (f"http://localhost:{settings.web.port}",)


def test_processes_of_an_earlier_run_are_waited_for(tmp_path: Path) -> None:
    with first_run.sole_use(tmp_path):
        frozen = tmp_path / first_run.FROZEN_FILE
        ending = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)", str(frozen)])
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        processes = {"web": {"pid": ending.pid}, "host": {"pid": stranger.pid}, "worker": {"pid": None}}
        (tmp_path / first_run.STATE_FILE).write_text(json.dumps({"supervisor": 1, "processes": processes}))
        try:
            assert first_run.left_behind(tmp_path) == [ending.pid]
            first_run.await_last_ones(tmp_path)
            assert ending.poll() == 0
        finally:
            stranger.kill()
            stranger.wait()
            ending.wait()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"processes": 3}', '{"processes": {"web": {}}}'])
def test_a_state_file_of_rubbish_names_nobody(tmp_path: Path, text: str) -> None:
    with first_run.sole_use(tmp_path):
        (tmp_path / first_run.STATE_FILE).write_text(text)

        assert first_run.left_behind(tmp_path) == []
