"""The license server's pages: server-rendered over its services, beside everybody's own account from ``webkit``."""

from yunzhuo.license.pages import changes, customers, installations, keys, lists, vendors
from yunzhuo.license.pages.frame import blueprint

__all__ = ["blueprint", "changes", "customers", "installations", "keys", "lists", "vendors"]
