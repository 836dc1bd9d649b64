"""How an agent finds the config drive of its desktop."""

from pathlib import Path
from threading import Timer

from yunzhuo_agent.door import find_drive


def test_a_drive_that_comes_up_late_is_waited_for(tmp_path: Path) -> None:
    drives = [tmp_path / "config-2", tmp_path / "CONFIG-2"]
    assert find_drive(drives, 0) is None
    late = Timer(0.1, drives[1].touch)
    late.start()
    assert find_drive(drives, 30) == drives[1]
    late.join()
    drives[0].touch()
    assert find_drive(drives, 0) == drives[0], "there at once, it is not waited for"
