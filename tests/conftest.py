"""For all tests."""

import hypothesis

# How long an example takes says how busy the computer is, not whether the code is right.
hypothesis.settings.register_profile("yunzhuo", deadline=None)
hypothesis.settings.load_profile("yunzhuo")
