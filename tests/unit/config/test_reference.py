"""The settings file and the reference say what the settings are."""

import re
import tomllib
from pathlib import Path

from yunzhuo.phoenix.config.loader import load, project_root
from yunzhuo.phoenix.config.reference import all_settings, markdown, template


def test_the_settings_file_in_the_repository_is_the_template() -> None:
    root = project_root()
    assert root is not None

    assert (root / "etc" / "yunzhuo.toml").read_text(encoding="utf-8") == template(), (
        "run `yunzhuo config template > etc/yunzhuo.toml`"
    )


def test_the_template_with_every_line_taken_in_says_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(re.sub(r"^# (?=[a-z_]+ = |  |\])", "", template(), flags=re.MULTILINE))

    given = tomllib.loads(file.read_text())
    assert {key for table in given.values() if isinstance(table, dict) for key in table} >= {"port", "flavors", "level"}
    assert load(file, {}, {}).model_dump(exclude={"home"}) == load(None, {}, {}).model_dump(exclude={"home"})


def test_every_setting_has_help_and_stands_in_the_reference() -> None:
    text = markdown()

    for setting in all_settings().values():
        assert setting.help, setting.name
        assert f"`{setting.environment_variable}`" in text


def test_environment_variables_are_named_after_settings() -> None:
    assert all_settings()["web.port"].environment_variable == "YUNZHUO_WEB__PORT"
    assert all_settings()["home"].environment_variable == "YUNZHUO_HOME"
