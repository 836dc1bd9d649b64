"""The pages: server-rendered, whole without a script, live with one. Routes are thin; what they do is the services'."""

from yunzhuo.web.portal import accounts, consoles, desktops, guests, life, profile
from yunzhuo.web.portal.pages import blueprint

__all__ = ["accounts", "blueprint", "consoles", "desktops", "guests", "life", "profile"]
