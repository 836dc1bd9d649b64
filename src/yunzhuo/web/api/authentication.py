"""Bearer tokens, which all APIs of ours take in the same way."""

from yunzhuo.webkit.bearer import bearer, come_in, present_token

__all__ = ["bearer", "come_in", "present_token"]
