"""Events are numbered when they are written and seen when they are committed: number 11 may be seen before number 10."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

#: How long a missing number is waited for: those of transactions that failed never come.
GAP = timedelta(seconds=5)


def settled(newest_first: Sequence[tuple[int, datetime]], now: datetime) -> int:
    """The number up to which nothing more will come; ``newest_first`` are the last events' numbers and times. 0: none."""
    if not newest_first:
        return 0
    newest = newest_first[0][0]
    found = newest
    for (number, at), (before, _) in pairwise(newest_first):
        if before != number - 1 and now - at < GAP:
            found = before
    return found
