"""Where the personal disk comes and goes in a desktop's changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunzhuo.services.rules import lifecycle, personal_disks
from yunzhuo.services.rules.lifecycle import Action, Step, Wanted
from yunzhuo.services.rules.personal_disks import with_disk

ENDS = st.sampled_from([None, Wanted.RUNNING, Wanted.STOPPED])
MACHINE_STEPS = {Step.SUSPEND, Step.SNAPSHOT, Step.ROLL_BACK, Step.REBUILD, Step.RESIZE, Step.REMOVE}


@given(st.sampled_from(Action), ENDS, st.booleans(), st.booleans())
def test_the_disk_is_gone_before_what_must_not_meet_it_and_comes_last(
    action: Action, ends: Wanted | None, has_disk: bool, is_here: bool
) -> None:
    steps = lifecycle.plan(action, ends)
    plan = with_disk(action, steps, has_disk=has_disk, is_here=is_here, ends=ends)
    assert len(set(plan)) == len(plan)
    assert [step for step in plan if step in steps] == list(steps)
    if is_here:
        for step in MACHINE_STEPS & set(plan):
            assert plan.index(Step.DISCONNECT_DISK) < plan.index(step)
    if not has_disk and not is_here:
        assert plan == steps
    if Step.CONNECT_DISK in plan:
        assert plan[-1] is Step.CONNECT_DISK
        assert ends is not Wanted.STOPPED or action in (Action.CREATE, Action.START, Action.RESUME, Action.CONNECT_DISK)


def test_a_change_that_gives_the_disk_back_keeps_its_place() -> None:
    for action in Action:
        plan = with_disk(action, lifecycle.plan(action), has_disk=True, is_here=True, ends=Wanted.RUNNING)
        both = {Step.DISCONNECT_DISK, Step.CONNECT_DISK} <= set(plan)
        assert both is (action in personal_disks.KEEP_PLACE), action


OUT, BACK = Step.DISCONNECT_DISK, Step.CONNECT_DISK


@pytest.mark.parametrize(
    ("action", "ends", "has_disk", "is_here", "expected"),
    [
        (Action.CREATE, None, True, False, (Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY, BACK)),
        (Action.CREATE, None, False, False, (Step.RESERVE, Step.SERVER, Step.RUNNING, Step.READY)),
        (Action.STOP, None, True, True, (Step.STOP, Step.STOPPED, OUT)),
        (Action.STOP, None, True, False, (Step.STOP, Step.STOPPED)),
        (Action.SUSPEND, None, True, True, (OUT, Step.SUSPEND, Step.SUSPENDED)),
        (Action.SUSPEND, None, True, False, (Step.SUSPEND, Step.SUSPENDED)),
        (Action.REBUILD, Wanted.RUNNING, True, True, (OUT, Step.REBUILD, Step.REBUILT, Step.READY, BACK)),
        (Action.REBUILD, Wanted.STOPPED, True, True, (OUT, Step.REBUILD, Step.REBUILT)),
        (Action.REBUILD, Wanted.RUNNING, False, True, (OUT, Step.REBUILD, Step.REBUILT, Step.READY)),
        (Action.DELETE, None, True, False, (Step.SETTLE, OUT, Step.REMOVE, Step.GONE)),
        (Action.DELETE, None, False, True, (Step.SETTLE, OUT, Step.REMOVE, Step.GONE)),
        (Action.DELETE, None, False, False, (Step.SETTLE, Step.REMOVE, Step.GONE)),
        (Action.RESTORE_DISK, Wanted.RUNNING, True, True, (OUT, Step.RESTORE_DISK, BACK)),
        (Action.REBOOT, None, True, True, (Step.REBOOT, Step.RUNNING, Step.READY)),
    ],
)
def test_where_it_comes_and_goes(
    action: Action, ends: Wanted | None, has_disk: bool, is_here: bool, expected: tuple[Step, ...]
) -> None:
    assert with_disk(action, lifecycle.plan(action, ends), has_disk=has_disk, is_here=is_here, ends=ends) == expected
