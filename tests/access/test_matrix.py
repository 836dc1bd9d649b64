"""The matrix of rights, compared with what really happens. One installation; what a wish changed is undone after it."""

import dataclasses
import inspect
import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from tests.access.methods import METHODS
from tests.access.routes import CONTENT, FORMS, address
from tests.access.world import ROLES, WHOSE, Row, World, rows, world
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import GRANTS, Role
from yunzhuo.services.assembly import Services
from yunzhuo.services.verbs import VERBS
from yunzhuo.web.portal import verb_words
from yunzhuo.webkit.cookies import SECRET_FIELD

pytestmark = pytest.mark.slow

ROWS = rows()
STATUSES = {403: "F", 404: "N", 409: "C", 422: "I"}


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("matrix") / "home") as made:
        yield made


def of_kind(kind: str) -> list[Row]:
    return [row for row in ROWS if row.kind == kind]


def service_methods(services: Services) -> dict[str, object]:
    """Every public method of every service, by name; those that are part of another one's transaction left out."""
    found: dict[str, object] = {}
    for field in dataclasses.fields(services):
        kind = type(getattr(services, field.name))
        if not kind.__module__.startswith("yunzhuo.services"):
            continue
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and "tx" not in inspect.signature(method).parameters:
                found[f"{field.name}.{name}"] = method
    return found


def test_every_method_and_route_stands_in_the_matrix(school: World) -> None:
    methods = service_methods(school.yunzhuo.services)
    assert {row.subject for row in of_kind("method") + of_kind("internal")} == set(methods)
    rules = {
        f"{method} {rule.rule}"
        for rule in school.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {row.name for row in ROWS if row.kind in ("route", "page", "open")} == rules


def test_methods_of_people_state_their_verbs(school: World) -> None:
    methods = service_methods(school.yunzhuo.services)
    for row in of_kind("method"):
        assert set(getattr(methods[row.subject], "__verbs__", ())) <= VERBS.keys(), row.name
        assert getattr(methods[row.subject], "__verbs__", ()), row.name
        assert hasattr(getattr(school.yunzhuo.services, row.subject.partition(".")[0]), "_audit"), row.name
    stated = {row.subject for row in of_kind("internal")} & {
        name for name, method in methods.items() if hasattr(method, "__verbs__")
    }
    assert not stated


def test_every_verb_that_is_granted_has_a_meaning() -> None:
    assert {verb for grants in GRANTS.values() for verb in grants} == VERBS.keys()
    assert verb_words.VERBS.keys() == VERBS.keys()


@pytest.mark.parametrize("role", ROLES)
def test_methods_do_what_the_matrix_says(school: World, role: Role) -> None:
    wrong = []
    for row in of_kind("method"):
        for whose, expected in zip(WHOSE, row.cells[role], strict=True):
            if expected == "-":
                continue
            found = ask_method(school, row.name, role, whose)
            if found != expected:
                wrong.append(f"{row.name} {whose}: {found}, not {expected}")
            if found in "YC":
                school.undo()
    school.undo()
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_routes_do_what_the_matrix_says(school: World, role: Role) -> None:
    client, headers = school.app.test_client(), {"Authorization": f"Bearer {school.tokens[role]}"}
    wrong = []
    for row in of_kind("route"):
        method, _, path = row.name.partition(" ")
        for whose, expected in zip(WHOSE, row.cells[role], strict=True):
            if expected == "-":
                continue
            target = school.targets[role, whose]
            content = CONTENT[row.name](school, target) if row.name in CONTENT else {}
            answer = client.open(address(path, school, target), method=method, headers=headers, **content)
            found = letter(answer)
            if found != expected:
                wrong.append(f"{row.name} {whose}: {answer.status_code} {found}, not {expected}")
            if method != "GET":
                school.undo()
    school.undo()
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_pages_do_what_the_matrix_says(school: World, role: Role) -> None:
    client = school.app.test_client()
    with client.session_transaction() as session:
        session[SECRET_FIELD] = school.sessions[role]
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/profile").text)
    assert found
    headers = {"X-CSRFToken": found[1]}
    wrong = []
    for row in of_kind("page"):
        method, _, path = row.name.partition(" ")
        for whose, expected in zip(WHOSE, row.cells[role], strict=True):
            if expected == "-":
                continue
            target = school.targets[role, whose]
            content = FORMS[row.name](school, target) if row.name in FORMS else {}
            answer = client.open(address(path, school, target), method=method, headers=headers, **content)
            letter_found = "Y" if answer.status_code < 400 else STATUSES.get(answer.status_code, str(answer.status_code))
            with client.session_transaction() as session:
                if any(kind == "bad" for kind, _ in session.pop("_flashes", [])):
                    letter_found = "R"
                session[SECRET_FIELD] = school.sessions[role]  # what is undone is the secret that it was renewed to, too
            if "/sign-in" in answer.headers.get("Location", ""):
                letter_found = "signed out"
            if letter_found != expected:
                wrong.append(f"{row.name} {whose}: {answer.status_code} {letter_found}, not {expected}")
            if method != "GET":
                school.undo()
    school.undo()
    assert wrong == []


def ask_method(school: World, name: str, role: Role, whose: str) -> str:
    """The letter for what a method answers."""
    try:
        METHODS[name](school, school.actors[role], school.targets[role, whose])
    except Forbidden:
        return "F"
    except NotFound:
        return "N"
    except (Conflict, LimitReached):
        return "C"
    except InvalidInput:
        return "I"
    return "Y"


def letter(answer: TestResponse) -> str:
    """The letter for an answer; of one for several things, for the only one that was asked for."""
    told = answer.get_json(silent=True) if answer.is_json else None
    listed = told.get("items") or told.get("results") if isinstance(told, dict) else None
    problem = listed[0].get("problem") if isinstance(listed, list) and listed and isinstance(listed[0], dict) else None
    status = problem["status"] if problem else answer.status_code
    return "Y" if status < 300 else STATUSES.get(status, str(status))
