"""What may be done on a screen: as much as everybody allows who has a say in it, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.session_policy import VIEW_ONLY, Bound, Permission, stricter, strictest

POLICIES = st.fixed_dictionaries(
    {},
    optional={
        **{str(each): st.booleans() for each in (*Permission, VIEW_ONLY)},
        **{str(each): st.integers(0, 9) for each in Bound},
    },
)
_TOUCHING = {Permission.CLIPBOARD_TO_DESKTOP, Permission.FILE_TRANSFER, Permission.USB}


@given(st.lists(POLICIES, max_size=4))
def test_nobody_allows_what_another_forbids(policies: list[dict[str, object]]) -> None:
    found = strictest(policies)
    assert found.keys() - _TOUCHING <= {name for policy in policies for name in policy}
    is_view_only = any(policy.get(VIEW_ONLY) for policy in policies)
    assert bool(found.get(VIEW_ONLY)) is is_view_only
    for permission in Permission:
        said = [policy[permission] for policy in policies if permission in policy]
        if is_view_only and permission in _TOUCHING:
            assert found[permission] is False
        else:
            assert found.get(permission) == (all(said) if said else None)
    for bound in Bound:
        limits = [policy[bound] for policy in policies if bound in policy]
        assert found.get(bound) == (min((each for each in limits if each), default=0) if limits else None)  # type: ignore[type-var]


@given(POLICIES, POLICIES)
def test_it_does_not_matter_who_speaks_first(one: dict[str, object], other: dict[str, object]) -> None:
    assert stricter(one, other) == stricter(other, one)
    assert stricter(one, one) == one
    assert stricter(one, {}) == stricter({}, one) == one


def test_what_is_of_two_kinds_is_as_the_first_says() -> None:
    assert stricter({"usb": "no"}, {"usb": True}) == {"usb": "no"}
    assert stricter({"session_seconds": "x"}, {"session_seconds": 5}) == {"session_seconds": "x"}
