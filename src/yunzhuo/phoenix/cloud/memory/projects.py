"""Projects: which things are in which, and how much of them there may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pydantic import Field

from yunzhuo.phoenix.cloud.errors import NoCapacity, OtherProject, ProjectInUse, ProjectNotFound
from yunzhuo.phoenix.cloud.memory import store, things
from yunzhuo.phoenix.cloud.memory.calls import Gate
from yunzhuo.phoenix.cloud.memory.state import Transaction
from yunzhuo.phoenix.cloud.memory.things import Thing
from yunzhuo.phoenix.cloud.project_resources import OF_VOLUMES, Project, QuotaKind, QuotaUse
from yunzhuo.phoenix.common.errors import InvalidInput

_Result = TypeVar("_Result")
_MIB_OF_GIB = 1024


class MadeProject(Thing):
    """A project, and what there may be in it no more of."""

    organization_id: str
    description: str
    is_enabled: bool = True
    quota: dict[QuotaKind, int] = Field(default_factory=dict)


class Projects:
    """See :class:`yunzhuo.phoenix.cloud.interface.Projects`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def list(self) -> Sequence[Project]:
        def read(transaction: Transaction) -> Sequence[Project]:
            found = (_as_project(each) for each in things.read_all(transaction, MadeProject))
            return tuple(sorted(found, key=lambda project: project.name))

        return self._perform("list", "", read)

    def create(self, organization_id: str, description: str) -> Project:
        def make(transaction: Transaction) -> Project:
            known = [each for each in things.read_all(transaction, MadeProject) if each.organization_id == organization_id]
            made = known[0] if known else MadeProject(id=transaction.draw_id(), organization_id=organization_id, description="")
            made = made.model_copy(update={"description": description})
            things.write(transaction, made)
            return _as_project(made)

        return self._perform("create", organization_id, make)

    def get(self, project_id: str) -> Project:
        return self._perform("get", project_id, lambda transaction: _as_project(_read(transaction, project_id)))

    def quota(self, project_id: str) -> Mapping[QuotaKind, QuotaUse]:
        return self._perform("quota", project_id, lambda transaction: _quota(transaction, project_id))

    def set_quota(self, project_id: str, quota: Mapping[QuotaKind, int | None]) -> None:
        def change(transaction: Transaction) -> None:
            made = _read(transaction, project_id)
            _check_volumes(transaction, project_id, quota)
            told = {**made.quota, **quota}
            left = {kind: most for kind, most in told.items() if most is not None}
            things.write(transaction, made.model_copy(update={"quota": left}))

        self._perform("set_quota", project_id, change)

    def delete(self, project_id: str) -> None:
        def remove(transaction: Transaction) -> None:
            found = [what for what, tags in _contents(transaction, project_id).items() if tags]
            if found:
                raise ProjectInUse(project_id, found)
            things.remove(transaction, MadeProject, project_id)
            transaction.execute("DELETE FROM placements WHERE project_id = ?", project_id)

        self._perform("delete", project_id, remove)

    def _perform(self, verb: str, subject: str, action: Callable[[Transaction], _Result]) -> _Result:
        return self._gate.perform(f"projects.{verb}", lambda transaction, _plan: action(transaction), subject=subject)


def mib_as_counted(size_mib: int) -> int:
    """How much of the quota a volume or its snapshot takes: whole GiB."""
    return -(-size_mib // _MIB_OF_GIB) * _MIB_OF_GIB


def place(transaction: Transaction, tag: str, project_id: str | None, wanted: Mapping[QuotaKind, int]) -> None:
    """Write down that what carries our tag is made in a project. Raises ProjectNotFound, NoCapacity."""
    transaction.execute("DELETE FROM placements WHERE tag = ?", tag)
    if project_id is not None:
        _read(transaction, project_id)
        check_quota(transaction, project_id, wanted)
        transaction.execute("INSERT INTO placements (tag, project_id) VALUES (?, ?)", tag, project_id)


def project_of(transaction: Transaction, tag: str) -> str | None:
    """Where what carries this tag is; None: in the part that all share."""
    row = transaction.row("SELECT project_id FROM placements WHERE tag = ?", tag)
    return str(row[0]) if row else None


def check_quota(transaction: Transaction, project_id: str | None, wanted: Mapping[QuotaKind, int]) -> None:
    """Raises NoCapacity when a project may not have this much more."""
    if project_id is None:
        return
    for kind, use in _quota(transaction, project_id).items():
        if use.most is not None and wanted.get(kind, 0) > 0 and use.used + wanted[kind] > use.most:
            raise NoCapacity(f"The project's quota is used up: {use.used} of {use.most} {kind}.", project_id=project_id)


def check_together(transaction: Transaction, tag: str, server_tag: str | None) -> None:
    """Raises OtherProject when a thing and a server are not in one project."""
    if project_of(transaction, tag) != project_of(transaction, server_tag or ""):
        raise OtherProject(server_tag or "")


def _read(transaction: Transaction, project_id: str) -> MadeProject:
    found = things.read(transaction, MadeProject, project_id)
    if found is None:
        raise ProjectNotFound(project_id)
    return found


def _contents(transaction: Transaction, project_id: str) -> Mapping[str, Sequence[str]]:
    store.purge(transaction)
    tables = {
        "servers": ("servers", "desktop_id"),
        "volumes": ("volumes", "disk_id"),
        "floating IPs": ("floating_ips", "address_id"),
    }
    return {
        what: [
            str(row[0])
            for row in transaction.rows(
                f"SELECT {column} FROM {table} JOIN placements ON tag = {column} WHERE project_id = ?",  # nosec B608 # names of ours
                project_id,
            )
        ]
        for what, (table, column) in tables.items()
    }


def _quota(transaction: Transaction, project_id: str) -> Mapping[QuotaKind, QuotaUse]:
    made, contents = _read(transaction, project_id), _contents(transaction, project_id)
    servers = [record for record in store.read_servers(transaction) if record.desktop_id in contents["servers"]]
    sizes = _volumes(transaction, project_id)
    used = {
        QuotaKind.SERVERS: len(servers),
        QuotaKind.VCPUS: sum(record.vcpus for record in servers),
        QuotaKind.MEMORY_MIB: sum(record.memory_mib for record in servers),
        QuotaKind.ADDRESSES: len(contents["floating IPs"]),
        QuotaKind.VOLUMES: len(sizes),
        QuotaKind.VOLUMES_MIB: sum(mib_as_counted(size) * (1 + kept) for size, kept in sizes),
        QuotaKind.VOLUME_SNAPSHOTS: sum(kept for _, kept in sizes),
    }
    return {kind: QuotaUse(used[kind], made.quota.get(kind)) for kind in QuotaKind}


def _volumes(transaction: Transaction, project_id: str) -> Sequence[tuple[int, int]]:
    """The size of each volume, MiB, and how many snapshots it has."""
    rows = transaction.rows(
        "SELECT size_mib, (SELECT count(*) FROM volume_snapshots WHERE volume_id = volumes.id)"
        " FROM volumes JOIN placements ON tag = disk_id WHERE project_id = ?",
        project_id,
    )
    return [(row[0], row[1]) for row in rows]


def _check_volumes(transaction: Transaction, project_id: str, quota: Mapping[QuotaKind, int | None]) -> None:
    uses = _quota(transaction, project_id)
    for kind in OF_VOLUMES & quota.keys():
        most = quota[kind]
        if most is not None and (most < uses[kind].used or (kind is QuotaKind.VOLUMES_MIB and most % _MIB_OF_GIB)):
            raise InvalidInput("The cloud refused this quota of volumes.", fields={kind.value: f"{uses[kind].used} are used"})


def _as_project(made: MadeProject) -> Project:
    name = f"yunzhuo-{made.organization_id}"
    return Project(made.id, made.organization_id, name, made.description, made.is_enabled)
