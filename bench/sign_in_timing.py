"""Whether the time of a refused sign-in tells known addresses from unknown ones.

``python bench/sign_in_timing.py [--rounds N] [--quick-hash] [--json]``. An installation of its own, SQLite, no other processes.
Each round gives a wrong password for a known address and for one that nobody has, in an order drawn by chance, and asks for
a link for a new password for both. What is compared, in the same run: how well the time tells the two apart, as the area
under the ROC curve (0.5: not at all, 1: always; Mann-Whitney). ``--quick-hash`` replaces argon2 by one that takes no time, so
that nothing hides what is left: the harder test. ``--json`` prints one JSON object as the last line; times are milliseconds.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.installation import QUICK_PASSWORDS, Installation, installation  # noqa: E402 (the path has to be set first)

from yunzhuo.phoenix.common.errors import NotSignedIn  # noqa: E402
from yunzhuo.phoenix.security.passwords import Passwords  # noqa: E402

PEOPLE = 50
ENOUGH = 0.05
_WITHOUT_LIMITS = {"attempts_per_account": 10**9, "attempts_per_client": 10**9, "mails_per_address": 10**9}
# Nobody answers there; letters are only written here, never sent.
_MAIL = {"host": "127.0.0.1", "port": 9, "security": "none"}


def auc(known: Sequence[float], unknown: Sequence[float]) -> float:
    """The chance that a time of a known address is the longer one; ties count half."""
    ranked = sorted([(value, 1) for value in known] + [(value, 0) for value in unknown])
    rank_sum, index = 0.0, 0
    while index < len(ranked):
        end = index
        while end < len(ranked) and ranked[end][0] == ranked[index][0]:
            end += 1
        rank_sum += (index + 1 + end) / 2 * sum(kind for _, kind in ranked[index:end])
        index = end
    return (rank_sum - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown))


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def measure(yunzhuo: Installation, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Times by what was asked (sign_in, reset) and by whether the address is known."""
    dice = random.Random(7)
    known = [yunzhuo.person(f"p{number:03}").email for number in range(PEOPLE)]
    unknown = [email.replace("p", "q", 1) for email in known]

    def refused(email: str) -> None:
        try:
            yunzhuo.services.sign_ins.sign_in(email, "not the password", client_address="192.0.2.7")
        except NotSignedIn:
            return
        raise AssertionError("this password was wrong")

    def reset(email: str) -> None:
        yunzhuo.services.regaining.request_reset(email, client_address="192.0.2.7")

    times: dict[str, dict[str, list[float]]] = {what: {"known": [], "unknown": []} for what in ("sign_in", "reset")}
    for number in range(rounds + 20):
        pair = [("known", dice.choice(known)), ("unknown", dice.choice(unknown))]
        dice.shuffle(pair)
        for kind, email in pair:
            for what, ask in (("sign_in", refused), ("reset", reset)):
                taken = milliseconds(lambda ask=ask, email=email: ask(email))  # type: ignore[misc]
                if number >= 20:  # the first ones fill caches
                    times[what][kind].append(taken)
        if number % 200 == 0:
            yunzhuo.pass_time(yunzhuo.settings.accounts.attempts_window_seconds + 1)
            yunzhuo.services.attempts.forget_old()
    return times


def figures(times: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """What the times tell."""
    return {
        what: {
            "auc": round(auc(kinds["known"], kinds["unknown"]), 4),
            "median_known_ms": round(statistics.median(kinds["known"]), 3),
            "median_unknown_ms": round(statistics.median(kinds["unknown"]), 3),
        }
        for what, kinds in times.items()
    }


def run(rounds: int, *, quick_hash: bool) -> dict[str, dict[str, float]]:
    """Measure in an installation of one's own."""
    passwords = QUICK_PASSWORDS if quick_hash else Passwords()
    with (
        tempfile.TemporaryDirectory() as folder,
        installation(Path(folder) / "home", passwords=passwords, accounts=_WITHOUT_LIMITS, mail=_MAIL) as yunzhuo,
    ):
        return figures(measure(yunzhuo, rounds))


def main() -> int:
    """Measure and say; the exit code is 1 when the time tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--quick-hash", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = run(arguments.rounds, quick_hash=arguments.quick_hash)
    for what, values in found.items():
        known, unknown = values["median_known_ms"], values["median_unknown_ms"]
        print(f"{what:8} AUC {values['auc']:.4f}   median known {known:.3f} ms, unknown {unknown:.3f} ms")
    if arguments.json:
        print(json.dumps({"rounds": arguments.rounds, "quick_hash": arguments.quick_hash, **found}))
    return int(any(abs(values["auc"] - 0.5) >= ENOUGH for values in found.values()))


if __name__ == "__main__":
    sys.exit(main())
