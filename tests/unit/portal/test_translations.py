"""Every sentence of the pages is there in Chinese, and nothing is there that no page says."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

import yunzhuo

SOURCE = Path(yunzhuo.__file__).parent
TRANSLATIONS = SOURCE / "webkit" / "translations"
CATALOGS = sorted(TRANSLATIONS.glob("*/LC_MESSAGES/messages.po"))
HOW = "docs/how-to/translate.md says how to bring the catalog up to date"


def said_in_pages() -> set[str | tuple[str, ...]]:
    """What the sources say, as `pybabel extract` finds it."""
    with (TRANSLATIONS / "babel.cfg").open() as mapping:
        methods, options = parse_mapping_cfg(mapping)  # type: ignore[no-untyped-call]  # Babel gives it no types
    keywords = {**DEFAULT_KEYWORDS, "lazy_gettext": None}
    return {found[2] for found in extract_from_dir(SOURCE, methods, options, keywords=keywords)}


def messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def read(file: Path) -> Catalog:
    with file.open("rb") as text:
        return read_po(text, locale=file.parts[-3])


@pytest.mark.slow
@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parts[-3])
def test_a_catalog_has_what_the_pages_say_and_nothing_else(file: Path) -> None:
    translated = {message.id if isinstance(message.id, str) else tuple(message.id) for message in messages(read(file))}
    said = said_in_pages()
    assert said - translated == set(), HOW
    assert translated - said == set(), HOW


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parts[-3])
def test_a_catalog_is_whole(file: Path) -> None:
    catalog = read(file)
    assert not catalog.obsolete, HOW
    for message in messages(catalog):
        texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
        assert texts
        assert all(texts), f"{message.id!r} has no translation"
        assert not message.fuzzy, f"{message.id!r} is marked as uncertain"
        assert list(message.check(catalog)) == []


def test_there_is_chinese() -> None:
    assert [file.parts[-3] for file in CATALOGS] == ["zh"]
