"""What a look at all floating IPs says: nothing is done to what is not ours, and nothing to what an operation is about."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.addresses import Deed, KnownAddress, SeenAddress, compare
from yunzhuo.services.rules.reconcile import FindingKind, is_removable

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
