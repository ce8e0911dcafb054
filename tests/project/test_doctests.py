"""The examples in the docstrings of every module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import bpttgraph

ROOT = Path(bpttgraph.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "bpttgraph.") if not m.name.endswith("__main__"))


@pytest.mark.parametrize("name", ["bpttgraph", *MODULES])
def test_docstring_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
