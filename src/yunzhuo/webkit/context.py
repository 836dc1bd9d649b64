"""Who asks, whence, and what can be asked: the little that every route needs to know."""

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app, g, request, session
from flask_login import current_user

from yunzhuo.phoenix.common.errors import Forbidden, NotFound, NotSignedIn
from yunzhuo.services.access import Actor
from yunzhuo.services.accounts import UserView
from yunzhuo.services.assembly import Services

STEPS = "YUNZHUO_FIRST_STEPS"
_EXTENSION = "yunzhuo"
ORGANIZATION_HEADER = "X-Organization"
ORGANIZATION_FIELD = "organization"  # of the browser session


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Endpoints: where somebody with a one-time password chooses another; where somebody is sent who has to have a second
    factor (the first of them), and what belongs to that; and what everybody may always."""

    change_password: str
    enroll: tuple[str, ...]
    always: frozenset[str]


def install(app: Flask, all_services: Services) -> None:
    """Give the application its services."""
    app.extensions[_EXTENSION] = all_services


def services() -> Services:
    """The services of the application that answers this request."""
    return cast(Services, current_app.extensions[_EXTENSION])


def client_address() -> str:
    """The address this request came from; the proxy's word for it only where the settings say so."""
    return request.remote_addr or "unknown"


def request_id() -> str:
    """What this request is called in the log, in the audit entries and in the answer."""
    return cast(str, g.request_id)


def act_for(user: UserView) -> None:
    """From here on this request is ``user``'s: they came with a proof other than a browser session."""
    g.proven_user = user


def signed_in_user() -> UserView | None:
    """Who this browser is signed in as, or None. Asked of the database once per request."""
    return current_user.view if current_user.is_authenticated else None


def first_step(user: UserView) -> str | None:
    """Where somebody has to go who has to do something before anything else; None when they may do what they ask for."""
    steps: FirstSteps = current_app.config[STEPS]
    if user.must_change_password:
        target, allowed = steps.change_password, {steps.change_password}
    elif user.must_enroll:
        target, allowed = steps.enroll[0], {steps.change_password, *steps.enroll}
    else:
        return None
    return None if request.endpoint in allowed | steps.always else target


def actor() -> Actor:
    """Whoever asks, with all their rights; found once a request. Raises NotSignedIn when nobody knows who it is, Forbidden
    when they have to do something else first.

    An operator says in which other organization they ask: programs in a header, pages by having gone into it.
    """
    found: Actor | None = g.get("actor")
    if found is None:
        user: UserView | None = g.get("proven_user") or signed_in_user()
        if user is None:
            raise NotSignedIn("not_signed_in", "Please sign in.")
        if "proven_user" not in g and first_step(user) is not None:
            told = "Choose a password of your own, or set up a second factor, in the portal first."
            raise Forbidden("first_step_needed", told)
        asked = user.actor(client_address=client_address(), request_id=request_id())
        found = g.actor = _widened(asked)
    return found


def _widened(asked: Actor) -> Actor:
    organizations = services().organizations
    if "proven_user" in g:
        return organizations.widened(asked, request.headers.get(ORGANIZATION_HEADER))
    try:
        return organizations.widened(asked, session.get(ORGANIZATION_FIELD))
    except NotFound:  # what this browser had gone into is not there any more, or not for this person: back home
        session.pop(ORGANIZATION_FIELD, None)
        return organizations.widened(asked)
