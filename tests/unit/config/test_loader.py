"""Settings: file < environment < flags, and every mistake at once with where it came from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.loader import freeze, load, load_with_origins, project_root
from yunzhuo.phoenix.config.reference import all_settings
from yunzhuo.phoenix.config.settings import Settings

THREADS = st.none() | st.integers(1, 256)


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    return tmp_path / "yunzhuo.toml"


def mistakes(file: Path | None, environ: dict[str, str] | None = None, flags: dict[str, object] | None = None) -> list[str]:
    """The lines that name mistakes, the path of the file shortened to FILE."""
    with pytest.raises(InvalidInput) as refused:
        load(file, environ or {}, flags or {})
    return [line.strip().replace(str(file), "FILE") for line in refused.value.message.splitlines()[1:]]


def test_nothing_given_is_all_defaults() -> None:
    settings = load(None, {}, {})

    root = project_root()
    assert root is not None
    assert settings == Settings(home=root / "var")


def test_a_flag_goes_over_the_environment_and_that_over_the_file(settings_file: Path) -> None:
    settings_file.write_text("[web]\nport = 9001\nthreads = 3\nmax_body_bytes = 5000\n")

    loaded = load_with_origins(
        settings_file,
        {"YUNZHUO_WEB__PORT": "9002", "YUNZHUO_WEB__THREADS": "4", "PATH": "/bin"},
        {"web.port": 9003, "home": None},
    )

    web = loaded.settings.web
    assert (web.port, web.threads, web.max_body_bytes) == (9003, 4, 5000)
    assert loaded.origins == {
        "web.port": "command line",
        "web.threads": "YUNZHUO_WEB__THREADS",
        "web.max_body_bytes": str(settings_file),
    }


@given(in_file=THREADS, in_environment=THREADS, in_flags=THREADS)
def test_the_strongest_source_that_says_something_wins(
    tmp_path_factory: pytest.TempPathFactory, in_file: int | None, in_environment: int | None, in_flags: int | None
) -> None:
    file = tmp_path_factory.getbasetemp() / "merge.toml"
    file.write_text("" if in_file is None else f"[web]\nthreads = {in_file}\n")
    environ = {} if in_environment is None else {"YUNZHUO_WEB__THREADS": str(in_environment)}

    settings = load(file, environ, {"web.threads": in_flags})

    said = [value for value in (in_flags, in_environment, in_file) if value is not None]
    assert settings.web.threads == (said[0] if said else Settings().web.threads)


@given(st.sampled_from(sorted(all_settings())), st.text(max_size=8))
def test_any_text_for_any_setting_is_taken_or_refused_by_name(name: str, text: str) -> None:
    variable = all_settings()[name].environment_variable
    said = ""
    try:
        load(None, {variable: text}, {})
    except InvalidInput as refused:
        said = refused.message

    assert not said or variable in said or "defaults" in said


def test_all_mistakes_are_told_at_once_with_their_origin(settings_file: Path) -> None:
    settings_file.write_text('languge = "en"\n[web]\nprot = 9001\nthreads = 0\n[nonsense]\nx = 1\n')

    assert mistakes(settings_file, {"YUNZHUO_LOG__LEVEL": "loud", "YUNZHUO_HOST__QEMU": "x"}, {"web.port": 70000}) == [
        "FILE: languge: no such setting (did you mean language?)",
        "FILE: web.prot: no such setting (did you mean web.port?)",
        "FILE: nonsense: no such setting",
        "YUNZHUO_HOST__QEMU: host.qemu: no such setting (did you mean host.qemu_user?)",
        "command line: web.port: should be less than or equal to 65535",
        "FILE: web.threads: should be greater than or equal to 1",
        "YUNZHUO_LOG__LEVEL: log.level: should be 'debug', 'info', 'warning' or 'error'",
    ]


def test_a_file_that_is_no_toml_does_not_hide_other_mistakes(settings_file: Path) -> None:
    settings_file.write_text("[web\n")

    broken, environment = mistakes(settings_file, {"YUNZHUO_WEB__PORT": "many"})

    assert broken.startswith("FILE: is not TOML: ")
    assert "line 1" in broken
    assert environment.startswith("YUNZHUO_WEB__PORT: web.port: should be a valid integer")


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "none.toml") == ["FILE: cannot be read (No such file or directory)"]


def test_a_file_that_is_not_text_is_refused(settings_file: Path) -> None:
    settings_file.write_bytes(b"language = \xff\n")

    assert mistakes(settings_file) == ["FILE: is not UTF-8 text"]


def test_a_section_must_be_a_table(settings_file: Path) -> None:
    settings_file.write_text("web = 9000\n")

    assert mistakes(settings_file) == ["FILE: web: is a section: write [web] and its settings below it"]


def test_a_value_is_never_repeated_in_a_message() -> None:
    with pytest.raises(InvalidInput) as refused:
        load(None, {"YUNZHUO_DATABASE__POOL_SIZE": "mysql://root:hunter2@db"}, {})

    assert "hunter2" not in str(refused.value)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(None, {"YUNZHUO_WEB__PORT": "", "YUNZHUO_HOME": ""}, {}) == load(None, {}, {})


def test_lists_come_from_the_environment_as_json() -> None:
    settings = load(None, {"YUNZHUO_HOST__PREPARED_FLAVORS": '["small"]'}, {})

    assert settings.host.prepared_flavors == ("small",)
    assert mistakes(None, {"YUNZHUO_HOST__PREPARED_FLAVORS": "small"}) == [
        "YUNZHUO_HOST__PREPARED_FLAVORS: host.prepared_flavors: should be a list in JSON"
    ]


def test_values_that_contradict_each_other_are_refused(settings_file: Path) -> None:
    settings_file.write_text(
        "[gateway]\nport = 8080\n[host]\nprepared_flavors = ['huge']\n"
        "flavors = [{id='a', name='A', vcpus=1, memory_mib=512, disk_mib=4096},"
        " {id='a', name='B', vcpus=1, memory_mib=512, disk_mib=4096}]\n"
    )

    assert mistakes(settings_file) == [
        "FILE: gateway.port: is 8080, and so is web.port",
        "FILE: host.flavors: has more than one flavor a",
        "FILE: host.prepared_flavors: there is no flavor huge to prepare",
    ]


def test_a_relative_home_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")

    assert load(None, {"YUNZHUO_HOME": "state"}, {}).home == tmp_path / "state"
    assert load(None, {}, {"home": "../state"}).home == tmp_path.parent / "state"
    assert load(None, {}, {"home": Path("~/state")}).home == Path("/home/somebody/state")


def test_frozen_settings_read_back_the_same_and_are_private(tmp_path: Path) -> None:
    settings = load(None, {"YUNZHUO_DATABASE__URL": "mysql://u:secret@db/y"}, {"web.port": 9000, "home": tmp_path})
    frozen = tmp_path / "frozen.toml"

    freeze(settings, frozen)

    assert load(frozen, {}, {}) == settings
    assert frozen.stat().st_mode & 0o777 == 0o600
