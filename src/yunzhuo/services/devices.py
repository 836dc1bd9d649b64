"""Known browsers: a mark that a browser gets when somebody came in with it, and shows when they come again.

It lets nobody in. It only says whose wrong passwords are whose: those of strangers do not keep the owner of an account out
(the device cookies that OWASP describes against online guessing). Nothing of it is kept here: a mark is a random word
with our keyed digest of it and the account.
"""

from yunzhuo.phoenix.common.ids import new_secret
from yunzhuo.phoenix.security.keyring import Keyring

_PURPOSE = "device"
_BETWEEN, _WITHIN = ".", "~"
_MOST_ACCOUNTS = 5
_LONGEST = 1024


class KnownDevices:
    """Makes and reads marks; a browser carries those of the accounts that were used with it last."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def word(self, marks: str, user_id: str) -> str | None:
        """The random word of the mark for this account among a browser's; None when it has none."""
        for mark in marks[:_LONGEST].split(_BETWEEN)[:_MOST_ACCOUNTS]:
            word, _, proof = mark.partition(_WITHIN)
            if self._keys.fits(_PURPOSE, f"{word}|{user_id}", proof):
                return word
        return None

    def marked(self, marks: str, user_id: str) -> str:
        """A browser's marks, with one for this account in front."""
        if self.word(marks, user_id) is not None:
            return marks
        word = new_secret(12)
        others = [mark for mark in marks[:_LONGEST].split(_BETWEEN) if _WITHIN in mark]
        fresh = f"{word}{_WITHIN}{self._keys.mark(_PURPOSE, f'{word}|{user_id}')}"
        return _BETWEEN.join([fresh, *others][:_MOST_ACCOUNTS])
