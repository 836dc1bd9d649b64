"""What a look at all floating IPs says: nothing is done to what is not ours, and nothing to what an operation is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.addresses import LATE, Deed, KnownAddress, SeenAddress, Task, compare
from yunzhuo.services.rules.reconcile import Finding, FindingKind, Thing, is_removable

NOW = datetime(2026, 3, 2, tzinfo=UTC)
KEEP = timedelta(minutes=10)
moments = st.sampled_from([None, NOW - timedelta(hours=2), NOW - timedelta(seconds=1)])
servers = st.sampled_from([None, "server-1", "server-2"])


@st.composite
def rows(draw: st.DrawFn) -> KnownAddress:
    desktop_id = draw(st.sampled_from([None, "desktop"]))
    given_up_at = draw(moments) if desktop_id is None else None
    return KnownAddress(
        id="ours",
        cloud_id=draw(st.sampled_from([None, "ip-1"])),
        address=None,
        desktop_id=desktop_id,
        server_id=draw(servers) if desktop_id else None,
        is_settled=draw(st.booleans()) if desktop_id else True,
        may_be_led=draw(st.booleans()) if desktop_id else False,
        attached_at=draw(moments) if desktop_id else None,
        leaving_server_id=draw(servers) if desktop_id is None else None,
        free_since=draw(moments) if desktop_id is None else None,
        missing_since=draw(moments),
        given_up_at=given_up_at,
    )


ips = st.builds(
    SeenAddress,
    id=st.sampled_from(["ip-1", "ip-2"]),
    tag=st.sampled_from(["ours", "somebody-elses"]),
    address=st.just("203.0.0.1"),
    server_id=servers,
)


@given(rows(), st.lists(ips, max_size=3, unique_by=lambda ip: ip.id))
def test_what_is_done_about_any_row_and_any_list(row: KnownAddress, seen: list[SeenAddress]) -> None:
    tasks, findings = compare({row.id: row}, seen, now=NOW, keep=KEEP)
    for finding in findings:
        ip = next(ip for ip in seen if ip.id == finding.cloud_id)
        assert (finding.kind is FindingKind.STRANGER) is (ip.tag != row.id)
        if is_removable(finding):
            assert ip.server_id is None, "what leads somewhere is not removed"
            assert row.given_up_at is not None or row.cloud_id != ip.id
    for task in tasks:
        assert task.known is row
        assert row.given_up_at is None or task.deed is Deed.FORGET
        assert row.is_settled or task.deed is Deed.FOUND, "an operation knows better"
        match task.deed:
            case Deed.TAKE_AWAY | Deed.OCCUPIED | Deed.FREE | Deed.GIVE_UP:
                assert row.desktop_id is None
            case Deed.LEAD | Deed.ATTACHED | Deed.DETACHED | Deed.TELL:
                assert row.desktop_id is not None
            case Deed.LOSE:
                assert row.cloud_id is None or row.missing_since is not None, "not at first sight"
            case _:
                pass
        if task.deed is Deed.GIVE_UP:
            assert task.seen is not None
            assert (task.seen.server_id, row.leaving_server_id) == (None, None)


def test_agreement_asks_for_nothing() -> None:
    row = KnownAddress("ours", "ip-1", "203.0.0.1", "desktop", "server-1", True, True, NOW, None, None, None, None)
    assert compare({"ours": row}, [SeenAddress("ip-1", "ours", "203.0.0.1", "server-1")], now=NOW, keep=KEEP) == ([], [])


FREE = KnownAddress("ours", "ip-1", "203.0.0.1", None, None, True, False, None, None, NOW, None, None)
GIVEN = KnownAddress("ours", "ip-1", "203.0.0.1", "desktop", "server-1", True, True, NOW, None, None, None, None)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("row", "server_id", "deed"),
    [
        (replace(GIVEN, attached_at=None), "server-1", Deed.ATTACHED),
        (GIVEN, "server-1", None),
        (GIVEN, "server-2", Deed.DETACHED),
        (GIVEN, None, Deed.DETACHED),
        (replace(GIVEN, attached_at=None), "server-2", Deed.TELL),
        (replace(GIVEN, attached_at=None), None, Deed.LEAD),
        (replace(GIVEN, attached_at=None, may_be_led=False), None, None),
        (replace(GIVEN, attached_at=None, server_id=None), None, Deed.LEAD),
        (replace(GIVEN, is_settled=False), None, None),
        (replace(GIVEN, missing_since=NOW, is_settled=False), None, Deed.FOUND),
        (replace(GIVEN, cloud_id=None), "server-1", Deed.ADOPT),
        (FREE, "server-1", Deed.OCCUPIED),
        (replace(FREE, leaving_server_id="server-1"), "server-1", Deed.TAKE_AWAY),
        (replace(FREE, leaving_server_id="server-2"), "server-1", Deed.OCCUPIED),
        (replace(FREE, leaving_server_id="server-1"), None, Deed.FREE),
        (replace(FREE, free_since=None), None, Deed.FREE),
        (replace(FREE, free_since=NOW - KEEP + MOMENT), None, None),
        (replace(FREE, free_since=NOW - KEEP), None, Deed.GIVE_UP),
    ],
)
def test_what_is_done_about_one_that_is_there(row: KnownAddress, server_id: str | None, deed: Deed | None) -> None:
    seen = SeenAddress("ip-1", "ours", "203.0.0.1", server_id)
    tasks, findings = compare({"ours": row}, [seen], now=NOW, keep=KEEP)
    assert findings == []
    assert tasks == ([Task(deed, row, seen)] if deed else [])


@pytest.mark.parametrize(
    ("row", "deed"),
    [
        (GIVEN, Deed.MISS),
        (replace(GIVEN, missing_since=NOW), Deed.LOSE),
        (replace(GIVEN, cloud_id=None), Deed.LOSE),
        (replace(GIVEN, is_settled=False, missing_since=NOW), None),
        (replace(FREE, given_up_at=NOW - LATE), Deed.FORGET),
        (replace(FREE, given_up_at=NOW - LATE + MOMENT), None),
    ],
)
def test_what_is_done_about_one_that_is_not(row: KnownAddress, deed: Deed | None) -> None:
    assert compare({"ours": row}, [], now=NOW, keep=KEEP) == ([Task(deed, row)] if deed else [], [])


@pytest.mark.parametrize(
    ("row", "ip", "finding"),
    [
        (None, "ip-1", Finding(FindingKind.STRANGER, "ours", "ip-1", "203.0.0.1", thing=Thing.ADDRESS)),
        (GIVEN, "ip-2", Finding(FindingKind.DOUBLE, "desktop", "ip-2", "203.0.0.1", thing=Thing.ADDRESS, is_in_use=True)),
        (FREE, "ip-2", Finding(FindingKind.DOUBLE, "", "ip-2", "203.0.0.1", thing=Thing.ADDRESS, is_in_use=True)),
        (
            replace(FREE, given_up_at=NOW - LATE),
            "ip-1",
            Finding(FindingKind.LEFT_BEHIND, "", "ip-1", "203.0.0.1", thing=Thing.ADDRESS, is_in_use=True),
        ),
    ],
)
def test_what_nobody_owns(row: KnownAddress | None, ip: str, finding: Finding) -> None:
    seen = SeenAddress(ip, "ours", "203.0.0.1", "server-1")
    tasks, findings = compare({"ours": row} if row else {}, [seen], now=NOW, keep=KEEP)
    assert findings == [finding]
    # A second one is no sight of the first, but one that was given up is, as long as the cloud has it.
    assert [task.deed for task in tasks] == ([Deed.MISS] if finding.kind is FindingKind.DOUBLE else [])
    unused = compare({"ours": row} if row else {}, [replace(seen, server_id=None)], now=NOW, keep=KEEP)[1]
    assert [each.is_in_use for each in unused] == [False]


def test_all_rows_are_looked_at() -> None:
    rows_ = {name: replace(GIVEN, id=name, cloud_id=f"ip-{name}") for name in ("a", "b", "c")}
    seen = [
        SeenAddress("ip-x", "x", "203.0.0.9", None),
        SeenAddress("ip-b", "b", "203.0.0.2", "server-1"),
        SeenAddress("ip-c", "c", "203.0.0.3", None),
    ]
    tasks, findings = compare(rows_, seen, now=NOW, keep=KEEP)
    assert [(task.known.id, task.deed) for task in tasks] == [("c", Deed.DETACHED), ("a", Deed.MISS)]
    assert [each.cloud_id for each in findings] == ["ip-x"]
