"""How long the tests look: ``HYPOTHESIS_PROFILE=intense`` the longest; ``ci`` draws the same examples every time."""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}

settings.register_profile("dev", max_examples=15, **COMMON)
settings.register_profile("ci", max_examples=15, derandomize=True, **COMMON)
settings.register_profile("intense", max_examples=500, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
