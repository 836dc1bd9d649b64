"""How long systems took to be ready, as far as it is remembered."""

from yunzhuo.services.boot_times import Boot, BootTimes
from yunzhuo.services.rules.lifecycle import Action

SMALL = Boot("debian", "small", Action.CREATE)


def test_the_shortest_of_the_last_eight_counts() -> None:
    times = BootTimes()
    assert times.least(SMALL) is None
    for seconds in (5.0, 9.0, 30.0):
        times.note(SMALL, seconds)
    assert times.least(SMALL) == 5.0
    for _ in range(6):
        times.note(SMALL, 12.0)
    assert times.least(SMALL) == 9.0


def test_images_sizes_and_actions_are_kept_apart() -> None:
    times = BootTimes()
    times.note(SMALL, 5.0)
    others = (
        SMALL._replace(image_cloud_id="windows"),
        SMALL._replace(flavor_cloud_id="big"),
        SMALL._replace(action=Action.RESUME),
    )
    assert [times.least(other) for other in others] == [None, None, None]


def test_what_was_not_seen_for_longest_is_forgotten_first() -> None:
    times = BootTimes()
    times.note(SMALL, 5.0)
    for number in range(499):
        times.note(SMALL._replace(image_cloud_id=str(number)), 1.0)
    times.note(SMALL, 6.0)
    times.note(SMALL._replace(image_cloud_id="one more"), 1.0)
    assert times.least(SMALL) == 5.0
    assert times.least(SMALL._replace(image_cloud_id="0")) is None
