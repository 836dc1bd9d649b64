"""The references of settings and commands say what the settings and the commands are."""

import json

from tests.drivers import verified
from tests.drivers.driver_table import OFFERS
from tests.support.command_reference import command_reference
from tests.support.committed_page import DOCS, check

from yunzhuo.phoenix.config.reference import markdown

_CONFIGURATION_HEAD = """\
# Configuration

Every setting with its default; this page is made from the settings themselves. Nothing has to be set.

Settings come from `etc/yunzhuo.toml` in the clone, else `/etc/yunzhuo/yunzhuo.toml`, or the file named with `--config`. The
environment goes over the file (a list is written as JSON), and flags go over both. `yunzhuo config check` tells every mistake
at once, `yunzhuo config show` says what is in force and who said so. Processes read their settings once, at their start. A
gateway on another computer has [a file of its own](../explanation/gateway.md).

"""


def test_the_configuration_reference_is_made_from_the_settings() -> None:
    check(DOCS / "reference" / "configuration.md", _CONFIGURATION_HEAD + markdown())


def test_the_command_reference_is_made_from_the_commands() -> None:
    check(DOCS / "reference" / "cli.md", command_reference())


def test_the_table_of_drivers_is_what_the_contract_suite_saw() -> None:
    known = json.loads(verified.FILE.read_text(encoding="utf-8"))
    for driver, seen in known.items():
        # What nobody has seen yet is told as that; what was seen must be what the driver is said to offer.
        contradictions = [call for call, how in seen.items() if (how == "verified") is not (call in OFFERS[driver])]
        assert not contradictions, driver
    check(DOCS / "reference" / "drivers.md", verified.page(known))
