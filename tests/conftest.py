"""How many examples Hypothesis draws.

``fast``, for `make test`, draws few and the same ones every time; ``search``, for `make check`, draws new ones;
``HYPOTHESIS_PROFILE=intense`` looks the longest.
"""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}

settings.register_profile("fast", max_examples=5, derandomize=True, **COMMON)
settings.register_profile("search", max_examples=15, **COMMON)
settings.register_profile("intense", max_examples=500, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
