"""Letters: words, arguments and a link laid out as plain text and as HTML. Pure."""

from collections.abc import Mapping
from html import escape

from yunzhuo.phoenix.mail import Letter
from yunzhuo.services.letter_words import WORDS, Kind

_FALLBACK = "en"
# Mail programs know little CSS and no variables; a letter is read on paper white.
_HTML = """\
<!doctype html>
<html lang="{tag}">
  <head><meta charset="utf-8"><title>{subject}</title></head>
  <body style="margin:0;padding:24px;background:#f3f6f9;font:16px/1.5 sans-serif;color:#182433">
    <div style="max-width:480px;margin:0 auto;padding:32px;background:#fff;border-radius:8px">
      <p style="margin:0 0 24px;font-weight:600;color:#0f6f97">{brand}</p>
      {body}
    </div>
  </body>
</html>
"""
_BRANDS = {"en": "Yunzhuo", "zh_CN": "云晫"}
_BUTTON = "display:inline-block;padding:10px 20px;border-radius:6px;background:#0f6f97;color:#fff;text-decoration:none"


def write(kind: Kind, language: str, arguments: Mapping[str, str], link: str | None) -> Letter:
    """The letter of this kind. ``arguments`` are texts, taken as they are; an unknown language is English."""
    language = language if language in WORDS else _FALLBACK
    words = WORDS[language][kind]
    paragraphs = [paragraph % arguments for paragraph in words.paragraphs]
    with_link = link if words.button else None
    subject = words.subject % arguments
    html = _html(kind, language, subject, paragraphs, with_link)
    return Letter(subject, _text(paragraphs, words.button, with_link), html)


def _text(paragraphs: list[str], button: str | None, link: str | None) -> str:
    first, *rest = paragraphs
    parts = [first, *([f"{button}:\n{link}"] if link else []), *rest]
    return "\n\n".join(parts) + "\n"


def _html(kind: Kind, language: str, said: str, paragraphs: list[str], link: str | None) -> str:
    words = WORDS[language][kind]
    first, *rest = (f'<p style="margin:0 0 16px">{escape(paragraph)}</p>' for paragraph in paragraphs)
    parts = [first, *(_linked(link, words.button or "") if link else ()), *rest]
    subject, tag = escape(said), language.replace("_", "-")
    return _HTML.format(tag=tag, subject=subject, brand=_BRANDS[language], body="\n      ".join(parts))


def _linked(link: str, label: str) -> tuple[str, str]:
    """A button, and the address to be seen and copied."""
    address = escape(link)
    return (
        f'<p style="margin:24px 0"><a href="{address}" style="{_BUTTON}">{escape(label)}</a></p>',
        f'<p style="margin:0 0 16px;font-size:13px;word-break:break-all">{address}</p>',
    )
