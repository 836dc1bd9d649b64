"""How soon an operation is looked at again."""

from yunzhuo.services.rules.lifecycle import Step

CHECK_SHORTEST_SECONDS = 0.05
RETRY_FIRST_SECONDS = 0.5
RETRY_LONGEST_SECONDS = 15.0


def retry_delay_seconds(attempts: int) -> float:
    """How long to wait before what broke is tried again, after ``attempts`` tries: doubling, bounded."""
    return min(RETRY_FIRST_SECONDS * 2.0 ** min(max(attempts - 1, 0), 16), RETRY_LONGEST_SECONDS)


CHECK_LONGEST_SECONDS = 2.0
CHECK_OTHERS_LONGEST_SECONDS = 10.0
CHECK_TOLD_SHORTEST_SECONDS = 1.0
CHECK_TOLD_LONGEST_SECONDS = 10.0

#: What a cloud that tells of changes to servers tells the end of.
TOLD = frozenset({Step.RUNNING, Step.STOPPED, Step.SUSPENDED, Step.REBUILT, Step.RESIZED, Step.ROLLED_BACK, Step.GONE})


def check_delay_seconds(elapsed: float, *, of_another: bool = False, is_told: bool = False) -> float:
    """How long to wait before looking again at what takes its time, ``elapsed`` seconds into it.

    A tenth of what has passed: quick where a clone takes half a second, gentle where a boot takes half a minute, and gentler
    still where it is another operation that is waited for (``of_another``), which may stand in a queue. Where the cloud says
    when there is something to see (``is_told``), only for the case that this is lost.
    """
    if is_told and not of_another:
        return min(max(elapsed, CHECK_TOLD_SHORTEST_SECONDS), CHECK_TOLD_LONGEST_SECONDS)
    longest = CHECK_OTHERS_LONGEST_SECONDS if of_another else CHECK_LONGEST_SECONDS
    return min(max(0.1 * elapsed, CHECK_SHORTEST_SECONDS), longest)


def check_boot_delay_seconds(elapsed: float, usual: float) -> float:
    """How long to wait before looking again at a system that starts, ``elapsed`` seconds into it, where the like took ``usual``
    seconds at least: seldom while it cannot be ready yet, often when it should be, and as ever when it takes longer."""
    if elapsed > 1.25 * usual:
        return check_delay_seconds(elapsed)
    soon = 0.75 * usual
    return min(max(soon - elapsed, usual / 32, CHECK_SHORTEST_SECONDS), CHECK_LONGEST_SECONDS)


def first_look_seconds(step: Step, *, is_told: bool) -> float:
    """How long to wait with the first look at what the cloud was just asked for; it is not there at once."""
    return CHECK_TOLD_SHORTEST_SECONDS if is_told and step in TOLD else 0.0
