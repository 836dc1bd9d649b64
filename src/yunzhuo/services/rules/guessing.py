"""How soon a password would be guessed by somebody who tries the likely ones first."""

from collections.abc import Iterable

# Estimated tries. Whoever guesses at the door is stopped after a handful; this is for a copy of the hashes.
FEWEST_GUESSES = 10**6
# The estimate looks for patterns in all parts of a password: its time grows with the square of the length.
_LOOKED_AT = 72
# What people here choose, beside the library's lists (30,000 passwords, English words and names).
_LOCAL_WORDS = ("yunzhuo", "desktop", "woaini", "5201314", "1314520", "zhongguo", "xuexiao", "laoshi", "xuesheng", "mima")


def is_easily_guessed(password: str, about: Iterable[str] = ()) -> bool:
    """Whether fewer than a million tries would find it: it is among the most used, a pattern, or made of words ``about`` its
    owner (address, name). Estimated by zxcvbn (Wheeler, USENIX Security 2016)."""
    if not password:
        return True
    from zxcvbn import zxcvbn  # noqa: PLC0415 (its word lists take 30 ms to load; most processes never need them)

    known = [word for text in about for word in (text, *text.replace("@", " ").replace(".", " ").split())]
    return bool(zxcvbn(password[:_LOOKED_AT], user_inputs=[*known, *_LOCAL_WORDS])["guesses"] < FEWEST_GUESSES)
