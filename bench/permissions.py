"""What a permission check costs a request: somebody in 50 groups with roles of the organization's own, beside somebody in none.

One command. Both ask the real application, in this process, for a desktop: the one in no group for their own, the other for
that of a pupil in the last of their 50 groups (50 people in each). They ask by turns; the difference of the medians is
what roles, groups and reach add, the goal is below 1 ms. It is processor time that is measured: on a busy
computer the wall clock would tell of the others. ``--json`` prints one JSON object as the last line.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from yunzhuo.phoenix.common.logging import configure
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.services.access import Role, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.first_start import prepare
from yunzhuo.services.list_files import FileKind
from yunzhuo.web.app import create_app

GROUPS, PEOPLE_IN_EACH, ROLES = 50, 50, 10
PASSWORD = "correct horse battery"
GOAL_MS = 1.0


def token(all_services: Services, email: str) -> str:
    return all_services.tokens.create_with_password(email, PASSWORD, client_address="192.0.2.1").secret


def school(all_services: Services) -> tuple[str, str, str, str]:
    """Somebody in no group, a teacher of 50 groups: their tokens, and the desktop that each asks for."""
    here = all_services.accounts.default_organization_id()
    chief = installation(here)
    all_services.catalog.synchronize(here)
    people, groups, roles = all_services.people, all_services.groups, all_services.roles
    plain = people.create(chief, "plain@bench.local", Role.USER, password=PASSWORD).user
    teacher = people.create(chief, "teacher@bench.local", Role.TEACHER, password=PASSWORD).user
    made = [roles.create(chief, f"role {number}", {"catalog:read": "organization"}).id for number in range(ROLES)]
    listed = "email,groups\n"
    for number in range(GROUPS):
        group = groups.create(chief, f"group {number}")
        groups.put_member(chief, group.id, teacher.id, is_owner=True)
        roles.grant(chief, made[number % ROLES], group.id)
        listed += "".join(f"p{number}-{index}@bench.local,group {number}\n" for index in range(PEOPLE_IN_EACH))
    pupils = all_services.people_import.run(chief, listed.encode(), FileKind.CSV).made
    pupil = pupils[-1].user.actor()
    image, flavor = all_services.catalog.images(pupil)[0].id, all_services.catalog.flavors(pupil)[0].id
    own = all_services.desktops.request(plain.actor(), image_id=image, flavor_id=flavor).desktop.id
    theirs = all_services.desktops.request(pupil, image_id=image, flavor_id=flavor).desktop.id
    return token(all_services, plain.email), own, token(all_services, teacher.email), theirs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="of each kind")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    configure("bench", level="warning", style="console")
    with tempfile.TemporaryDirectory(prefix="yunzhuo-bench-") as folder:
        settings = Settings.model_validate({"home": Path(folder) / "home", "cloud": {"driver": "memory"}})
        prepare(settings)
        with services(settings) as all_services:
            plain, own, teacher, theirs = school(all_services)
            client = create_app(all_services, secret_key="a key of the bench").test_client()

            def ask(secret: str, desktop_id: str) -> float:
                began = time.process_time()
                answer = client.get(f"/api/v1/desktops/{desktop_id}", headers={"Authorization": f"Bearer {secret}"})
                took = (time.process_time() - began) * 1000
                if answer.status_code != 200:
                    raise SystemExit(answer.text)
                return took

            for _ in range(50):
                ask(plain, own), ask(teacher, theirs)
            without, with_groups = [], []
            for _ in range(asked.requests):
                without.append(ask(plain, own))
                with_groups.append(ask(teacher, theirs))
            person = all_services.accounts.by_email("teacher@bench.local").actor()
            checks = []
            for _ in range(asked.requests):
                began = time.process_time()
                all_services.organizations.widened(person)
                checks.append((time.process_time() - began) * 1000)
    added = statistics.median(b - a for a, b in zip(without, with_groups, strict=True))
    figures = {
        "groups": GROUPS,
        "requests": asked.requests,
        "median_ms_without": round(statistics.median(without), 3),
        "median_ms_with_groups": round(statistics.median(with_groups), 3),
        "added_ms": round(added, 3),
        "rights_found_ms": round(statistics.median(checks), 3),
        "goal_ms": GOAL_MS,
        "is_met": added < GOAL_MS,
    }
    print(f"A request took {figures['median_ms_without']} ms, in {GROUPS} groups {figures['median_ms_with_groups']} ms.")
    print(f"Groups, roles and reach add {figures['added_ms']} ms (the goal is below {GOAL_MS}).")
    print(f"To find all rights of somebody takes {figures['rights_found_ms']} ms of each request, in groups or not.")
    if asked.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
