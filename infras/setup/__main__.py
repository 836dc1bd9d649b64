"""Refuses a Python that is too old in words, before anything is imported that such a Python could not even read."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this file alone is written for older ones)
    sys.stderr.write(
        f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}; install one (Debian 12 and"
        " Ubuntu 24.04: apt-get install python3) and name it: make PYTHON=/path/to/python3.11 run\n"
    )
    sys.exit(1)

from infras.setup.main import main

sys.exit(main(sys.argv[1:]))
