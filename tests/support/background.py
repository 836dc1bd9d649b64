"""A process of the background side: ``python -m tests.support.background worker|scheduler SETTINGS.json``."""

import sys
from pathlib import Path

from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.scheduler import timers, worker

RUN = {"worker": worker.run, "scheduler": timers.run}

if __name__ == "__main__":
    settings = Settings.model_validate_json(Path(sys.argv[2]).read_text())
    sys.exit(RUN[sys.argv[1]](settings, supervised=True))
