"""The documented table of primitives is the rule table."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bpttgraph.core.primitives import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_generated_from_the_table() -> None:
    spec = importlib.util.spec_from_file_location("generate_primitives", DOCS / "generate_primitives.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.page()
    assert all(f"| `{name}` |" in text for name in TABLE)
    assert "1 − y²" in text
    assert text == (DOCS / "reference" / "primitives.md").read_text(encoding="utf-8"), (
        "run python docs/generate_primitives.py"
    )
