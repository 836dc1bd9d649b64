"""What a look at the cloud says."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.lifecycle import Observed
from yunzhuo.services.rules.reconcile import FindingKind, KnownDesktop, SeenServer, compare

NOW = datetime(2026, 3, 2, tzinfo=UTC)
codes = st.sampled_from([None, "memory_lost"])
statuses = st.sampled_from([status for status in Observed if status is not Observed.MISSING])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, KnownDesktop], list[SeenServer]]:
    ours = draw(st.sets(st.integers(0, 9)))
    theirs = draw(st.lists(st.integers(0, 14), unique=True))
    desktops = {
        str(n): KnownDesktop(
            id=str(n),
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
    servers = [SeenServer(f"s{n}", str(n), draw(statuses), draw(st.sampled_from([None, "broke"])), draw(codes)) for n in theirs]
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
            case FindingKind.CHANGED:
                assert desktop is not None
                assert not desktop.is_changing
                assert finding.desktop_id in present
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
    found = {finding.server_id for finding in compare(desktops, servers)}
    for server in servers:
        desktop = desktops.get(server.desktop_id)
        if desktop is None or desktop.is_deleted:
            assert server.id in found
