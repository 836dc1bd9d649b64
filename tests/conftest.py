"""For all tests."""

import hypothesis
import structlog

# How long an example takes says how busy the computer is, not whether the code is right.
hypothesis.settings.register_profile("yunzhuo", deadline=None)
hypothesis.settings.load_profile("yunzhuo")

# structlog's own choice, rich's tracebacks with every local variable, takes seconds for each.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
