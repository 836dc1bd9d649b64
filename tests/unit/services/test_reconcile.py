"""What a look at the cloud says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
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


@given(worlds(), st.sets(st.sampled_from([f"{letter}{number}" for letter in "st" for number in range(15)])))
def test_what_was_given_up_was_left_behind_whatever_is_being_done_to_its_desktop(
    world: tuple[dict[str, KnownDesktop], list[SeenServer]], given_up: set[str]
) -> None:
    desktops, servers = world
    findings = compare(desktops, servers, given_up)
    of_these = {finding.cloud_id: finding.kind for finding in findings if finding.server and finding.cloud_id in given_up}
    assert of_these == {server.id: FindingKind.LEFT_BEHIND for server in servers if server.id in given_up}
    others = [finding for finding in findings if not (finding.server and finding.cloud_id in given_up)]
    assert others == compare(desktops, [server for server in servers if server.id not in given_up])


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


KNOWN = KnownDesktop("1", "Chemistry", "s1", Observed.RUNNING, None, None, None, False, False, "chem", "h1")
SEEN = SeenServer("s1", "1", Observed.RUNNING, None, None, "chem", "h1")


@pytest.mark.parametrize(
    ("known", "seen", "kind"),
    [
        (KNOWN, SEEN, None),
        (KNOWN, replace(SEEN, status=Observed.STOPPED), FindingKind.CHANGED),
        (KNOWN, replace(SEEN, fault="broke"), FindingKind.CHANGED),
        (KNOWN, replace(SEEN, fault_code="memory_lost"), FindingKind.CHANGED),
        (replace(KNOWN, missing_since=NOW), SEEN, FindingKind.CHANGED),
        (KNOWN, replace(SEEN, name="physics", host="h2"), FindingKind.RENAMED),
        (KNOWN, replace(SEEN, host="h2"), FindingKind.MOVED),
        (KNOWN, replace(SEEN, id="s2"), FindingKind.DOUBLE),
        (replace(KNOWN, server_id=None), SEEN, FindingKind.ADOPTED),
        (replace(KNOWN, is_changing=True), replace(SEEN, status=Observed.STOPPED), None),
        (replace(KNOWN, is_changing=True, is_deleted=True), SEEN, FindingKind.LEFT_BEHIND),
    ],
)
def test_what_a_server_tells(known: KnownDesktop, seen: SeenServer, kind: FindingKind | None) -> None:
    expected = [Finding(kind, "1", seen.id, "Chemistry", seen)] if kind else []
    assert compare({"1": known}, [seen]) == expected


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        (KNOWN, FindingKind.MISSING_FIRST),
        (replace(KNOWN, missing_since=NOW), FindingKind.MISSING_AGAIN),
        (replace(KNOWN, missing_since=NOW, observed=Observed.MISSING), None),
        (replace(KNOWN, server_id=None), FindingKind.NO_SERVER),
        (replace(KNOWN, is_deleted=True), None),
        (replace(KNOWN, is_changing=True), None),
    ],
)
def test_what_is_missing(known: KnownDesktop, kind: FindingKind | None) -> None:
    found = compare({"1": known, "2": replace(KNOWN, id="2", missing_since=None)}, [])
    first = [Finding(kind, "1", known.server_id, "Chemistry")] if kind else []
    assert found == [*first, Finding(FindingKind.MISSING_FIRST, "2", "s1", "Chemistry")], "and the next one is looked at, too"
    assert [each.is_only_told for each in found[:-1]] == ([kind is FindingKind.NO_SERVER] if kind else [])


def test_a_stranger_is_told_by_its_own_name() -> None:
    assert compare({}, [replace(SEEN, desktop_id="9", name="web")]) == [
        Finding(FindingKind.STRANGER, "9", "s1", "web", replace(SEEN, desktop_id="9", name="web"))
    ]
