"""``python -m yunzhuo``: the same as ``yunzhuo``."""

import sys

from yunzhuo.cli import main

sys.exit(main())
