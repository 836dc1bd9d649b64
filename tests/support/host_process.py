"""``yunzhuo host`` as a process of its own: ``python -m tests.support.host_process SETTINGS.json``."""

import sys
from pathlib import Path

from yunzhuo.host import server
from yunzhuo.phoenix.common import logging
from yunzhuo.phoenix.config.settings import Settings

if __name__ == "__main__":
    logging.configure("host", style="json", level="debug")
    sys.exit(server.run(Settings.model_validate_json(Path(sys.argv[1]).read_text()), supervised="--supervised" in sys.argv))
