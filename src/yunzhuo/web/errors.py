"""Which HTTP status an error has, for the routes of this process; the table stands in ``webkit/statuses.py``."""

from yunzhuo.webkit.statuses import CHALLENGE, RETRY_AFTER_SECONDS, STATUS, problem_of

__all__ = ["CHALLENGE", "RETRY_AFTER_SECONDS", "STATUS", "problem_of"]
