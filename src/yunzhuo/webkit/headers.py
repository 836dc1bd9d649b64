"""What browsers are told about every answer: where a page may load from, and who may look into it."""

from flask import Flask, Response, request

_PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
_HTTPS_FOR_A_YEAR = "max-age=31536000; includeSubDomains"


def content_security_policy(gateway_origin: str) -> str:
    """Everything from ourselves, and screens from the gateway; nothing inline, nothing framed (CSP level 3)."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "media-src 'self' blob:",
            f"connect-src 'self' {gateway_origin}",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


def security_headers(gateway_origin: str, *, is_https: bool) -> dict[str, str]:
    """The headers of every answer, also of those that no Flask application makes."""
    headers = {
        "Content-Security-Policy": content_security_policy(gateway_origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
    }
    if is_https:
        headers["Strict-Transport-Security"] = _HTTPS_FOR_A_YEAR
    return headers


def install(app: Flask, headers: dict[str, str]) -> None:
    """Put ``headers`` on every answer. What is not a static file is not kept by anybody's cache."""

    def finish(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.after_request(finish)
