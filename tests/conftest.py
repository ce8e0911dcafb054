"""Settings for all tests. Hypothesis profiles: `BPTTGRAPH_HYPOTHESIS=ci` (default), `dev` or `intense`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", max_examples=25, derandomize=True, database=None, **_COMMON)
settings.register_profile("dev", max_examples=200, **_COMMON)
settings.register_profile("intense", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("BPTTGRAPH_HYPOTHESIS", "ci"))

# The subset for while you work, `pytest -m quick`: a test of each idea, under a minute in all.
QUICK = {
    "test_rooms",
    "test_names",
    "test_graph",
    "test_autodiff_machine",
    "test_primitives_rules",
    "test_special",
    "test_language",
    "test_shapes",
    "test_unroll",
    "test_numbers",
    "test_truncation",
    "test_folded",
    "test_totals",
    "test_derive",
    "test_mathml",
    "test_draw_layout",
    "test_quotients",
    "test_tiny_engine",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in QUICK and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.quick)
