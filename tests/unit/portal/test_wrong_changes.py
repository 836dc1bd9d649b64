"""Forms of the administration that say nothing, or ask for a change that there is not: told, and nothing has changed."""

from collections.abc import Iterator

import pytest
from flask import Flask
from tests.support.installation import Installation
from tests.support.pages import signed_in, somebody
from tests.support.pools import make_pool
from werkzeug.routing import Rule

from yunzhuo.services.access import Actor, Role
from yunzhuo.services.audit_search import AuditWish

pytestmark = pytest.mark.slow

# What needs no words: the address says it all.
DEEDS = ("/end", "/reset", "/password-reset", "/disabled", "/delete", "/leave", "/remove", "/revoke", "/withdraw")


@pytest.fixture(scope="module")
def head(yunzhuo: Installation) -> Actor:
    return somebody(yunzhuo, "head", Role.OPERATOR)


@pytest.fixture(scope="module")
def ids(yunzhuo: Installation, head: Actor) -> dict[str, str]:
    """Something of each kind, by what addresses call it."""
    lin = somebody(yunzhuo, "lin")
    return {
        "user_id": lin.user_id,
        "group_id": yunzhuo.services.groups.create(head, "Class 1").id,
        "role_id": yunzhuo.services.roles.create(head, "Helpers", {"user:read": "group"}).id,
        "pool_id": make_pool(yunzhuo, head, spares=0),
        "desktop_id": yunzhuo.available(lin),
        "gateway_id": yunzhuo.services.gateways.list(head)[0].id,
        "organization_id": head.organization_id,
        "host_id": yunzhuo.cloud.hosts.list()[0].id,
    }


def addresses(app: Flask, ids: dict[str, str]) -> Iterator[str]:
    """Where the administration's forms are sent."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("portal.") and "POST" in (rule.methods or ()) and rule.rule.startswith("/admin"):
            yield filled(rule, ids)


def filled(rule: Rule, ids: dict[str, str]) -> str:
    built = rule.build({name: ids.get(name, "nothing") for name in rule.arguments})
    assert built is not None
    return built[1]


def test_what_is_empty_or_unknown_is_told_and_changes_nothing(
    yunzhuo: Installation, app: Flask, head: Actor, ids: dict[str, str]
) -> None:
    browser = signed_in(app, head)
    token = browser.get("/admin/groups").form("/sign-out").fields["csrf_token"]
    before = done(yunzhuo, head)
    sent = [path for path in addresses(app, ids) if not path.endswith(DEEDS)]
    told = {
        (path, *said): browser.client.post(path, data={"csrf_token": token, **said}).status_code
        for path in sent
        for said in ({}, {"change": "explode"})
    }
    # A form is shown again with what is wrong, or its page is, with that above it.
    assert {where: status for where, status in told.items() if status not in (303, 409, 422)} == {}
    assert done(yunzhuo, head) == before


def done(yunzhuo: Installation, head: Actor) -> list[str]:
    """All that the audit log says was done."""
    found = yunzhuo.services.audit_reader.export(head, AuditWish(outcome="done"))
    return [entry.verb for entry in found if entry.verb != "audit:export"]  # which says so itself
