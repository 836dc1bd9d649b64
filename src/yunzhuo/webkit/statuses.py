"""Which HTTP status an error has: the only place that says so.

==================  ======  ====================================================================
error               status  why
==================  ======  ====================================================================
InvalidInput        422     the request was understood and says something impossible
NotSignedIn         401     with ``WWW-Authenticate: Bearer``
Forbidden           403
NotFound            404     also for what belongs to somebody else
Conflict            409     the present state does not allow it; it may later
LimitReached        409     so does a used-up quota: deleting something makes room
TooManyAttempts     429     with ``Retry-After``
NotOffered          422     as an impossible value: asking again never helps
Unavailable         503     with ``Retry-After``
anything else       500     without a word about the inside
==================  ======  ====================================================================

JSON that cannot be read is 400, a body that is too large 413; other statuses come from the web framework.
"""

from collections.abc import Mapping
from http import HTTPStatus

from apiflask.exceptions import HTTPError
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from yunzhuo.phoenix.common.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    LimitReached,
    NotFound,
    NotOffered,
    NotSignedIn,
    TooManyAttempts,
    Unavailable,
    YunzhuoError,
)
from yunzhuo.webkit.problems import Problem

STATUS: Mapping[type[YunzhuoError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    LimitReached: HTTPStatus.CONFLICT,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    NotOffered: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
RETRY_AFTER_SECONDS = 5
CHALLENGE = 'Bearer realm="yunzhuo"'

# What the web framework refuses by itself, in our words.
_FRAMEWORK_WORDS: Mapping[int, tuple[str, str]] = {
    400: ("malformed_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know this method."),
    408: ("request_timeout", "The request did not come in in time."),
    413: ("body_too_large", "The request is larger than what is taken here."),
}
_BROKEN = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong inside Yunzhuo.")


def problem_of(error: Exception) -> Problem:
    """What is told of an error."""
    match error:
        case YunzhuoError():
            return _of_ours(error)
        case HTTPError():
            return Problem(error.status_code, "invalid_input", "The request is not valid.", errors=_fields(error.detail))
        case CSRFError():
            return Problem(HTTPStatus.BAD_REQUEST, "form_expired", "This form is no longer valid; load the page again.")
        case HTTPException(code=int(status)):
            return _of_framework(error, status)
        case _:
            return _BROKEN


def status_of(error: YunzhuoError) -> HTTPStatus:
    """The status of an error of ours; of one that nobody expects here: 500."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def _of_ours(error: YunzhuoError) -> Problem:
    status = status_of(error)
    if status is _BROKEN.status:
        return _BROKEN
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    fields = error.fields if isinstance(error, InvalidInput) else {}
    return Problem(status, error.code, error.message, errors=fields, headers=headers)


def _of_framework(error: HTTPException, status: int) -> Problem:
    code, detail = _FRAMEWORK_WORDS.get(status, (error.name.lower().replace(" ", "_"), f"{error.name}."))
    # Among the headers is what belongs to the status (Allow, say); the body's kind is ours to say.
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return Problem(status, code, detail, headers=headers)


def _fields(detail: object) -> dict[str, str]:
    """What APIFlask found wrong (location -> field -> sentences) as one sentence a field."""
    found: dict[str, str] = {}
    for fields in detail.values() if isinstance(detail, Mapping) else ():
        for name, sentences in fields.items():
            found["body" if name == "_schema" else str(name)] = " ".join(str(sentence) for sentence in sentences)
    return found
