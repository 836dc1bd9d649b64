"""Text as it may stand in a cell: a program that opens the file must not take it for a formula."""

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def harmless(value: object) -> str:
    """The text of a cell; what a spreadsheet would compute gets an apostrophe before it (OWASP, CSV injection)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_BEGINS_A_FORMULA) else text


def meant(text: str) -> str:
    """The text behind what :func:`harmless` wrote."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_BEGINS_A_FORMULA) else text
