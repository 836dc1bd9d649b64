"""Whether a wish fits: never over what is allowed, and never refused for what is not wanted."""

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.quota import Allowance, Resource, Subject, first_exceeded, tightest

NUMBER = st.integers(0, 9)
ALLOWANCES = st.builds(
    Allowance, st.sampled_from(Subject), st.sampled_from(["a", "b"]), st.sampled_from(Resource), NUMBER, st.none() | NUMBER
)
WISHES = st.dictionaries(st.sampled_from(Resource), st.integers(-3, 9))


def is_over(allowance: Allowance, wish: dict[Resource, int]) -> bool:
    more = wish.get(allowance.resource, 0)
    return allowance.most is not None and more > 0 and allowance.used + more > allowance.most


@given(st.lists(ALLOWANCES, max_size=8), WISHES)
def test_the_first_that_a_wish_goes_over_is_told(allowances: list[Allowance], wish: dict[Resource, int]) -> None:
    over = [each for each in allowances if is_over(each, wish)]
    assert first_exceeded(allowances, wish) == (over[0] if over else None)


def test_the_last_one_that_fits_fits() -> None:
    nearly_full = Allowance(Subject.USER, "lin", Resource.DESKTOPS, 2, 3)
    assert first_exceeded([nearly_full], {Resource.DESKTOPS: 1}) is None
    assert first_exceeded([nearly_full], {Resource.DESKTOPS: 2}) == nearly_full
    over = Allowance(Subject.USER, "lin", Resource.DESKTOPS, 9, 3)
    assert first_exceeded([over], {Resource.DESKTOPS: 0, Resource.VCPUS: 99}) is None
    assert (nearly_full.left, over.left) == (1, 0)
    assert Allowance(Subject.GROUP, "class", Resource.VCPUS, 5, None).left is None


@given(st.lists(ALLOWANCES, max_size=8))
def test_of_each_resource_the_one_with_the_least_left(allowances: list[Allowance]) -> None:
    found = tightest(allowances)
    assert set(found) == {each.resource for each in allowances}
    for resource, chosen in found.items():
        lefts = [float("inf") if each.left is None else each.left for each in allowances if each.resource is resource]
        assert chosen.resource is resource
        assert (float("inf") if chosen.left is None else chosen.left) == min(lefts)
        # Between equals the first: it is the one that a refusal would name, too.
        assert chosen == next(each for each in allowances if each.resource is resource and each.left == chosen.left)
