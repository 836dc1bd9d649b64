"""Everybody's pages of their own account: coming in, getting back in, what proves them, their settings."""

from yunzhuo.webkit.account import entrance, profile, regaining, security
from yunzhuo.webkit.account.security import ENROLL_ENDPOINTS
from yunzhuo.webkit.pages import Routes

ROUTES: tuple[Routes, ...] = (entrance.routes, regaining.routes, security.routes, profile.routes)

__all__ = ["ENROLL_ENDPOINTS", "ROUTES"]
