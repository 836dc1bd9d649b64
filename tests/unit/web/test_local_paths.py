"""A link to us must not lead people elsewhere."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yunzhuo.webkit.sessions import local_path


@pytest.mark.parametrize(
    "path", ["/", "/desktops", "/desktops/1?tab=2#x", "/a//b", "/a:b", "/中文", "/a%0ab", "/?next=http://x"]
)
def test_paths_of_ours_are_taken(path: str) -> None:
    assert local_path(path, "/home") == path


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "desktops",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/%\x00",
        "//[",
    ],
)
def test_everything_else_is_not(address: str | None) -> None:
    assert local_path(address, "/home") == "/home"


@given(st.text(alphabet=st.sampled_from("/\\:@.evil%0a\t\n\r #?[]"), max_size=12))
@example("/.//evil.example")
def test_a_browser_stays_with_us(address: str) -> None:
    """Browsers drop tabs and newlines and read a backslash as a slash (WHATWG URL)."""
    taken = local_path(address, "/home")
    as_read = taken.translate({9: None, 10: None, 13: None}).strip().replace("\\", "/")
    assert urlsplit(urljoin("http://here.example/page", as_read)).netloc == "here.example"
