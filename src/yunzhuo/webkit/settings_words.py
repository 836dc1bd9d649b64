"""What the settings mean, as sentences for translators: they stand in the settings themselves, where no page is known."""

from collections.abc import Iterator

from yunzhuo.phoenix.config.reference import all_settings


def extract(*_: object, **__: object) -> Iterator[tuple[int, str, str, list[str]]]:
    """Babel's extraction method (its guide, "Writing Extraction Methods") for ``phoenix/config/settings.py``."""
    for setting in all_settings().values():
        yield 0, "gettext", setting.help, []
