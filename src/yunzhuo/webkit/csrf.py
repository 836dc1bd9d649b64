"""Forms come from our own pages: each carries a token that only they can know."""

from flask import Blueprint, Flask
from flask_wtf.csrf import CSRFProtect


def install(app: Flask, *, exempt: tuple[Blueprint, ...] = ()) -> None:
    """Check every request that changes something, except for blueprints that take no cookies."""
    # Our pages send no Referer (Referrer-Policy), and a page may stay open as long as its session lasts.
    app.config.update(WTF_CSRF_SSL_STRICT=False, WTF_CSRF_TIME_LIMIT=None)
    protection = CSRFProtect(app)
    for blueprint in exempt:
        protection.exempt(blueprint)
