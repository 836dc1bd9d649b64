"""Keystone's domain that organizations' projects are in, asked with a token for that domain."""

import re
from collections.abc import Sequence
from functools import cached_property

from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable
from yunzhuo.phoenix.cloud.openstack.catalog import Catalog
from yunzhuo.phoenix.cloud.openstack.connection import Connection, Json, Refusals
from yunzhuo.phoenix.cloud.project_resources import Project
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, NotFound

#: Before an organization's id in the tags of its project.
_ORGANIZATION = "organization-"
_ORGANIZATION_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


class Domain:
    """The projects of this installation: they carry its tag, and their organization's id."""

    def __init__(self, home: Connection) -> None:
        self._home = home
        self._mark = f"yunzhuo-{home.settings.tag}"
        self._all = Catalog(self._ask_for_all, seconds=home.settings.catalog_seconds)

    @property
    def is_offered(self) -> bool:
        """Whether the settings want projects."""
        return bool(self._home.settings.projects_domain)

    @cached_property
    def _connection(self) -> Connection:
        if not self.is_offered:
            raise CloudNotOffered("projects (the setting [openstack] projects_domain is empty)")
        return self._home.in_domain(self._home.settings.projects_domain)

    def find(self, project_id: str) -> Project | None:
        """One of ours, or None."""
        return self._all.find(lambda project: project.id == project_id)

    def fresh(self) -> Sequence[Project]:
        """All of ours as they are now."""
        self._all.forget()
        return self._all.items()

    def make(self, organization_id: str, description: str) -> Project:
        """The organization's project: made, or found by its name, which is unique in a domain."""
        if not _ORGANIZATION_ID.fullmatch(organization_id):
            raise InvalidInput("An organization's id has 1 to 36 letters, digits, _ or -.", fields={"organization_id": "no id"})
        there = next((each for each in self.fresh() if each.organization_id == organization_id), None)
        if there is None:
            there = self._make(organization_id, description)
        elif there.description != description:
            there = self.change(there.id, {"description": description})
        self._all.forget()
        return there

    def _make(self, organization_id: str, description: str) -> Project:
        name = f"{self._home.settings.tag}-{organization_id}"  # 64 characters are the most
        wanted = {
            "name": name,
            "description": description,
            "domain_id": self._connection.domain_id,
            "tags": [self._mark, f"{_ORGANIZATION}{organization_id}"],
        }
        try:
            made = self._ask("POST", "/projects", {"project": wanted}, {409: _name_taken})["project"]
        except Conflict:
            # By another process at the same moment, or by somebody who is not us.
            there = next((each for each in self.fresh() if each.organization_id == organization_id), None)
            if there is None:
                raise
            return there
        return self._read(made)

    def change(self, project_id: str, changes: Json) -> Project:
        """Another description."""
        return self._read(self._ask("PATCH", f"/projects/{project_id}", {"project": dict(changes)}, {})["project"])

    def remove(self, project_id: str) -> None:
        """Delete the project; what is in it stays without one, so it has to be empty."""
        self._ask("DELETE", f"/projects/{project_id}", None, {404: _gone})
        self._all.forget()

    def close(self) -> None:
        """Give back the connection."""
        if "_connection" in self.__dict__:
            self._connection.close()

    def _ask_for_all(self) -> Sequence[Project]:
        path = f"/projects?domain_id={self._connection.domain_id}&tags={self._mark}"
        answer = self._connection.get("identity", path)
        if answer.get("truncated"):
            raise CloudUnavailable("Keystone tells of a part of the projects only ([DEFAULT] list_limit).")
        found = (self._read(each) for each in answer["projects"])
        return sorted((each for each in found if each.organization_id), key=lambda project: project.name)

    def _read(self, found: Json) -> Project:
        tagged = (each.removeprefix(_ORGANIZATION) for each in found["tags"] if each.startswith(_ORGANIZATION))
        return Project(found["id"], next(tagged, ""), found["name"], found.get("description") or "", bool(found["enabled"]))

    def _ask(self, method: str, path: str, body: Json | None, refusals: Refusals) -> Json:
        return self._connection.ask("identity", method, path, body, refusals=refusals)


def _name_taken(said: str, **details: object) -> Conflict:
    return Conflict("project_name_taken", f"The cloud has a project of this name that is not ours: {said}", **details)


def _gone(said: str, **details: object) -> NotFound:
    return NotFound("project_gone", f"The project is gone already: {said}", **details)
