"""What a look at the cloud says."""

from datetime import UTC, datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.rules.reconcile import Finding, FindingKind, KnownDesktop, SeenServer, Thing, compare, may_remove

NOW = datetime(2026, 3, 2, tzinfo=UTC)
faults = st.sampled_from([None, "broke"])
codes = st.sampled_from([None, "memory_lost"])
statuses = st.sampled_from([status for status in Observed if status is not Observed.MISSING])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, KnownDesktop], list[SeenServer]]:
    ours = draw(st.sets(st.integers(0, 9)))
    theirs = draw(st.lists(st.integers(0, 14), unique=True))
    desktops = {
        str(n): KnownDesktop(
            id=str(n),
            name=f"desktop {n}",
            server_id=draw(st.sampled_from([None, f"s{n}"])),
            observed=draw(st.none() | st.sampled_from(list(Observed))),
            fault=draw(st.sampled_from([None, "broke"])),
            fault_code=draw(codes),
            missing_since=draw(st.sampled_from([None, NOW])),
            is_deleted=draw(st.booleans()),
            is_changing=draw(st.booleans()),
        )
        for n in ours
    }
    servers = [
        SeenServer(
            f"{draw(st.sampled_from('st'))}{n}", str(n), draw(statuses), draw(st.sampled_from([None, "broke"])), draw(codes)
        )
        for n in theirs
    ]
    return desktops, servers


@given(worlds())
def test_findings(world: tuple[dict[str, KnownDesktop], list[SeenServer]]) -> None:
    desktops, servers = world
    present = {server.desktop_id for server in servers}
    for finding in compare(desktops, servers):
        desktop = desktops.get(finding.desktop_id)
        match finding.kind:
            case FindingKind.STRANGER:
                assert desktop is None
            case FindingKind.LEFT_BEHIND:
                assert desktop is not None
                assert desktop.is_deleted
                assert finding.desktop_id in present
            case FindingKind.CHANGED | FindingKind.RENAMED | FindingKind.MOVED | FindingKind.ADOPTED | FindingKind.DOUBLE:
                assert desktop is not None
                assert not desktop.is_changing
                assert finding.desktop_id in present
                assert (finding.kind is FindingKind.ADOPTED) is (desktop.server_id is None)
                assert (finding.kind is FindingKind.DOUBLE) is (desktop.server_id not in (None, finding.cloud_id))
            case FindingKind.NO_SERVER:
                assert desktop is not None
                assert desktop.server_id is None
                assert finding.desktop_id not in present
            case FindingKind.MISSING_FIRST | FindingKind.MISSING_AGAIN:
                assert desktop is not None
                assert finding.desktop_id not in present
                assert not desktop.is_changing
                assert (desktop.missing_since is None) is (finding.kind is FindingKind.MISSING_FIRST)


@given(worlds())
def test_every_server_that_is_not_a_living_desktops_is_found(
    world: tuple[dict[str, KnownDesktop], list[SeenServer]],
) -> None:
    desktops, servers = world
    found = {finding.cloud_id for finding in compare(desktops, servers)}
    for server in servers:
        desktop = desktops.get(server.desktop_id)
        if desktop is None or desktop.is_deleted:
            assert server.id in found


def test_a_cloud_that_says_what_we_know_is_not_news() -> None:
    desktop = KnownDesktop("1", "Chemistry", "s1", Observed.RUNNING, None, None, None, False, False, "Chemistry", "h1")
    same = SeenServer("s1", "1", Observed.RUNNING, None, None, "Chemistry", "h1")
    assert compare({"1": desktop}, [same]) == []
    renamed = SeenServer("s1", "1", Observed.RUNNING, None, None, "Physics", "h1")
    assert [finding.kind for finding in compare({"1": desktop}, [renamed])] == [FindingKind.RENAMED]
    moved = SeenServer("s1", "1", Observed.RUNNING, None, None, "Chemistry", "h2")
    assert [finding.kind for finding in compare({"1": desktop}, [moved])] == [FindingKind.MOVED]


def test_only_what_a_deleted_desktop_left_is_removed_and_never_at_first_sight() -> None:
    grace = timedelta(seconds=2)
    for kind, thing, is_in_use in product(FindingKind, Thing, (False, True)):
        found = Finding(kind, "1", "1", "", thing=thing, is_in_use=is_in_use)
        assert not may_remove(found, NOW, NOW, grace)
        assert not may_remove(found, NOW, NOW + timedelta(seconds=1.9), grace)
        is_second_address = kind is FindingKind.DOUBLE and thing is Thing.ADDRESS
        is_of_nobody = kind is FindingKind.LEFT_BEHIND or is_second_address
        assert may_remove(found, NOW, NOW + grace, grace) is (is_of_nobody and not is_in_use)
