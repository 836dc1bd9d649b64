"""What the cloud is told of an organization's limits: what differs, and nothing that was never ours to say."""

from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules.project_quota import LIMITED, changes, wanted
from yunzhuo.services.rules.quota import Resource

_AMOUNTS = st.dictionaries(st.sampled_from(LIMITED), st.integers(0, 1000))


def test_what_is_in_the_bin_is_there_still() -> None:
    limits = {Resource.DESKTOPS: 10, Resource.VCPUS: 20, Resource.HOURS: 5, Resource.DISK_MIB: 1}
    binned = {Resource.DESKTOPS: 2, Resource.VCPUS: 4, Resource.MEMORY_MIB: 512}
    assert wanted(limits, binned, dict.fromkeys(LIMITED, 0)) == {Resource.DESKTOPS: 12, Resource.VCPUS: 24}


def test_of_volumes_no_less_is_said_than_is_used_and_in_whole_gib() -> None:
    limits = {Resource.DESKTOPS: 1, Resource.PERSONAL_DISKS: 2, Resource.PERSONAL_DISK_MIB: 1500}
    used = {Resource.DESKTOPS: 5, Resource.PERSONAL_DISKS: 3, Resource.PERSONAL_DISK_MIB: 1024}
    assert wanted(limits, {}, used) == {
        Resource.DESKTOPS: 1,
        Resource.PERSONAL_DISKS: 3,
        Resource.PERSONAL_DISK_MIB: 2048,
    }


def test_what_the_cloud_does_not_count_is_not_said() -> None:
    assert wanted({Resource.PERSONAL_DISKS: 2, Resource.VCPUS: 4}, {}, {Resource.VCPUS: 0}) == {Resource.VCPUS: 4}


def test_only_what_differs_is_said() -> None:
    told = {Resource.DESKTOPS: 12, Resource.VCPUS: 24}
    assert changes(told, {Resource.DESKTOPS: 12, Resource.VCPUS: 24, Resource.ADDRESSES: 7}, told) == {}
    assert changes(told, {Resource.DESKTOPS: None, Resource.VCPUS: 24}, {}) == {Resource.DESKTOPS: 12}


def test_a_limit_that_was_taken_away_goes_back_to_the_clouds_once() -> None:
    assert changes({}, {Resource.DESKTOPS: 12}, {Resource.DESKTOPS: 12}) == {Resource.DESKTOPS: None}
    assert changes({}, {Resource.DESKTOPS: 50}, {}) == {}


@given(limits=_AMOUNTS, present=_AMOUNTS, before=_AMOUNTS)
def test_after_the_changes_nothing_differs(
    limits: dict[Resource, int], present: dict[Resource, int], before: dict[Resource, int]
) -> None:
    said = changes(limits, present, before)
    after = {**present, **said}
    assert all(after[each] == most for each, most in limits.items())
    assert changes(limits, after, limits) == {}
    assert said.keys() <= limits.keys() | before.keys()
