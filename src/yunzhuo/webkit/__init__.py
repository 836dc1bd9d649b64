"""What every Flask process of ours shares: sessions, CSRF, errors, languages, headers, request ids, static files.

The parts that routes use all the time stand here: :func:`services`, :func:`actor`, :func:`client_address`,
:func:`request_id`.
"""

from yunzhuo.webkit.context import actor, client_address, request_id, services

__all__ = ["actor", "client_address", "request_id", "services"]
