"""Fields that are not for the one who sends them, and ids of what is somebody else's."""

from typing import Any

import pytest
from flask import Flask

from tests.support.api import Api, problem
from tests.support.installation import PASSWORD, Installation
from tests.support.pages import Visitor
from yunzhuo.services.access import Actor, Role, installation
from yunzhuo.services.tokens import TokenWish

# Each sweep asks at many doors.
pytestmark = pytest.mark.slow

# What no body may carry for the one who would like to be more, or somebody else.
GREEDY: dict[str, object] = {
    "role": "operator",
    "organization_id": "x",
    "is_service": True,
    "must_change_password": False,
    "user_id": "x",
    "id": "x",
    "created_at": "2020-01-01T00:00:00Z",
    "wanted_state": "gone",
}


def api_of(app: Flask, yunzhuo: Installation, person: Actor) -> Api:
    return Api(app.test_client(), yunzhuo.services.tokens.create(person, TokenWish("program")).secret)


def bodies(app: Flask) -> list[tuple[str, str, dict[str, Any]]]:
    """Each operation that takes JSON, with the schema of what it takes."""
    document = Api(app.test_client()).get("/openapi.json").get_json()
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                name = content["schema"]["$ref"].rpartition("/")[2]
                found.append((method.upper(), path.removeprefix("/api/v1"), document["components"]["schemas"][name]))
    return found


def test_no_body_takes_a_field_that_is_not_its_own(app: Flask, yunzhuo: Installation, boss: Actor) -> None:
    """Mass assignment: greedy fields that the operation has none of are refused by name."""
    api, taken = api_of(app, yunzhuo, boss), 0
    for method, path, schema in bodies(app):
        assert schema["additionalProperties"] is False, path
        greedy = {name: value for name, value in GREEDY.items() if name not in schema["properties"]}
        answer = api.ask(method, path.replace("{", "").replace("}", ""), json=greedy)
        # Where the thing in the address is looked for first, there is none.
        assert answer.status_code in (404, 422), (method, path)
        if answer.status_code == 422:
            assert greedy.keys() <= problem(answer, 422, "invalid_input")["errors"].keys()
            taken += 1
    assert taken > 30


def test_nobody_makes_themselves_more(app: Flask, yunzhuo: Installation, lin: Actor, visitor: Visitor) -> None:
    api = api_of(app, yunzhuo, lin)
    for field, value in GREEDY.items():
        problem(api.patch("/users/me", json={"language": "en", field: value}), 422, "invalid_input")
    sent = visitor.fill_in("/profile", language="en", **{name: str(value) for name, value in GREEDY.items()})
    assert sent.status_code == 303
    problem(api.patch(f"/users/{lin.user_id}", json={"role": "operator"}), 403, "forbidden")
    stranger = Visitor(app.test_client())
    address = f"new-{lin.user_id[:8]}@school.local"
    form = stranger.get("/register").form("")
    stranger.send("/register", form, email=address, password=PASSWORD, **{"role": "operator", "organization_id": "x"})
    for email in (lin.email, address):
        found = yunzhuo.services.accounts.by_email(email)
        assert (found.role, found.organization_id, found.is_service) == (Role.USER, lin.organization_id, False)


@pytest.fixture(scope="module")
def theirs(yunzhuo: Installation) -> dict[str, str]:
    """What another organization has, by the name of the field that would say it."""
    other = yunzhuo.services.organizations.create(
        installation(yunzhuo.services.accounts.default_organization_id()), "elsewhere"
    ).id
    yunzhuo.services.catalog.synchronize(other)
    chief = installation(other)
    made = yunzhuo.services.people.create(chief, "stranger@elsewhere.local", Role.USER, password=PASSWORD)
    stranger = made.user.actor()
    accepted = yunzhuo.request(stranger, name="hidden")
    yunzhuo.run()
    yunzhuo.services.snapshots.create(stranger, accepted.desktop.id, "hidden")
    yunzhuo.run()
    return {
        "organization": other,
        "user": stranger.user_id,
        "desktop": accepted.desktop.id,
        "operation": accepted.operation.id,
        "snapshot": yunzhuo.services.snapshots.list(stranger, accepted.desktop.id).items[0].id,
        "image": yunzhuo.image(stranger).id,
        "group": yunzhuo.services.groups.create(chief, "hidden group").id,
        "role": yunzhuo.services.roles.create(chief, "hidden role", {"catalog:read": "organization"}).id,
    }


def test_ids_of_another_organization_in_bodies_find_nothing(
    app: Flask, yunzhuo: Installation, boss: Actor, lin: Actor, theirs: dict[str, str]
) -> None:
    """Ids in addresses are the matrix's (tests/access); these are the ones that bodies and queries carry."""
    api, person = api_of(app, yunzhuo, boss), api_of(app, yunzhuo, lin)
    desktop = person.desktop()
    yunzhuo.run()
    image, wish = theirs["image"], person.wish()
    asked = {
        "a desktop for somebody there": api.post("/desktops", json={**wish, "owner": theirs["user"]}),
        "their image": person.post("/desktops", json={**wish, "image": image}),
        "another image, theirs": person.post(f"/desktops/{desktop}/actions", json={"action": "rebuild", "image": image}),
        "their snapshot": person.post(
            f"/desktops/{desktop}/actions", json={"action": "roll_back", "snapshot": theirs["snapshot"]}
        ),
        "a quota of theirs": api.ask("PUT", "/quotas", json=quota("user", theirs["user"])),
        "a quota of their group": api.ask("PUT", "/quotas", json=quota("group", theirs["group"])),
        "a quota of all of them": api.ask("PUT", "/quotas", json=quota("organization", theirs["organization"])),
        "somebody of theirs as heir": api.delete(f"/users/{lin.user_id}?desktops=hand_over&to={theirs['user']}"),
        "disk of theirs": person.post("/personal-disk/connect", json={"desktop": theirs["desktop"]}),
        "into their organization": api.get("/users", headers={"X-Organization": theirs["organization"]}),
        "with a role of theirs": api.ask("PUT", f"/roles/{theirs['role']}/holders/{lin.user_id}"),
        "into a group of theirs": api.ask("PUT", f"/groups/{theirs['group']}/members/{lin.user_id}", json={}),
    }
    for what, answer in asked.items():
        assert answer.status_code in (403, 404, 422), (what, answer.status_code, answer.text)
        assert "stranger" not in answer.text, what
        assert "hidden" not in answer.text, what
    usage = api.get("/usage", query_string={"user": theirs["user"]}).get_json()["items"]
    assert {day["running_seconds"] for day in usage} == {0}


def test_of_many_at_once_those_of_others_are_left_out(
    app: Flask, yunzhuo: Installation, boss: Actor, theirs: dict[str, str]
) -> None:
    api = api_of(app, yunzhuo, boss)
    before = yunzhuo.services.desktops.get(stranger_of(yunzhuo), theirs["desktop"])
    for path, body in (
        ("/desktops/actions", {"ids": [theirs["desktop"]], "action": "delete"}),
        ("/operations/actions", {"ids": [theirs["operation"]], "action": "cancel"}),
        ("/user-actions", {"ids": [theirs["user"]], "change": "disable"}),
    ):
        answer = api.post(path, json=body)
        assert answer.status_code in (200, 404, 422), (path, answer.text)
        assert "stranger" not in answer.text, path
        assert "not_found" in answer.text, (path, answer.text)
    yunzhuo.run()
    assert yunzhuo.services.desktops.get(stranger_of(yunzhuo), theirs["desktop"]) == before
    assert yunzhuo.services.sign_ins.sign_in("stranger@elsewhere.local", PASSWORD, client_address="192.0.2.9").secret


def stranger_of(yunzhuo: Installation) -> Actor:
    return yunzhuo.services.accounts.by_email("stranger@elsewhere.local").actor()


def quota(subject: str, subject_id: str) -> dict[str, object]:
    return {"subject": subject, "subject_id": subject_id, "resource": "desktops", "most": 1}
