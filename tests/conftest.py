"""Settings for all tests. Hypothesis profiles: `BPTTGRAPH_HYPOTHESIS=ci` (default), `dev` or `intense`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", max_examples=25, derandomize=True, database=None, **_COMMON)
settings.register_profile("dev", max_examples=200, **_COMMON)
settings.register_profile("intense", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("BPTTGRAPH_HYPOTHESIS", "ci"))
