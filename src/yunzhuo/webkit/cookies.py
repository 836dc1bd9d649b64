"""The one cookie of a browser: signed, so that it cannot be made up, and read by more than one process.

It carries the session's secret, the CSRF secret, the chosen language and messages for the next page. Nothing here needs
a web framework: the stream process reads the same cookie.
"""

import hashlib
import json

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE_NAME = "yunzhuo_session"
DEVICE_COOKIE_NAME = "yunzhuo_browser"
DEVICE_SECONDS = 400 * 86400  # the longest that browsers keep one
# Flask-Login's own name for what identifies the user; ours is identified by the session's secret.
SECRET_FIELD = "_user_id"  # nosec B105 # the name of a field, no secret
MAX_AGE_SECONDS = 31 * 86400  # the session's own end stands in the database and comes long before


def name_of(cookie: str, *, is_https: bool) -> str:
    """What a cookie is called. Over HTTPS browsers take one with this prefix from this very host alone, and never over HTTP
    (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{cookie}" if is_https else cookie


def serializer(secret_key: str) -> URLSafeTimedSerializer:
    """Signs and reads the cookie's content."""
    return URLSafeTimedSerializer(
        secret_key,
        salt="yunzhuo-session",
        serializer=json,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def session_secret(secret_key: str, cookie: str) -> str | None:
    """The session's secret in a cookie; None when it is not ours, too old, or carries none."""
    try:
        content = serializer(secret_key).loads(cookie, max_age=MAX_AGE_SECONDS)
    except BadSignature:
        return None
    secret = content.get(SECRET_FIELD) if isinstance(content, dict) else None
    return secret if isinstance(secret, str) else None
