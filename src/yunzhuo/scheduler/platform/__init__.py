"""What the supervisor needs of the operating system: the same for Linux and for Windows.

* ``NOT_HERE``: processes of Yunzhuo that do not run on this system.
* ``ENDING_SIGNALS``: what tells the supervisor to drain and exit.
* ``popen_options()``: how a child gets away from our terminal, so that Ctrl-C reaches the supervisor alone.
* ``ask_to_stop(child)``: tell a child to drain and exit.
* ``adopt_orphans()``: become the parent of our children's children when those die.
* ``reap_orphans(own)``: forget orphans that have ended; never one of ``own``, whose exit codes are still wanted.
"""

import sys

if sys.platform == "win32":
    from yunzhuo.scheduler.platform.windows import (
        ENDING_SIGNALS,
        NOT_HERE,
        adopt_orphans,
        ask_to_stop,
        popen_options,
        reap_orphans,
    )
else:
    from yunzhuo.scheduler.platform.linux import (
        ENDING_SIGNALS,
        NOT_HERE,
        adopt_orphans,
        ask_to_stop,
        popen_options,
        reap_orphans,
    )

__all__ = ["ENDING_SIGNALS", "NOT_HERE", "adopt_orphans", "ask_to_stop", "popen_options", "reap_orphans"]
