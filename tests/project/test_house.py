"""The house keeps its order: layers, cheap import, no evaluation of user text, clean lint and types."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bpttgraph"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_import_is_cheap() -> None:
    heavy = {"numpy", "sympy", "networkx", "graphviz", "pygraphviz", "ziamath", "rich"}
    code = f"import sys, bpttgraph; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_face_is_whole() -> None:
    import bpttgraph

    for name in bpttgraph.__all__:
        assert getattr(bpttgraph, name) is not None
    with pytest.raises(AttributeError):
        bpttgraph.nothing_of_this_name  # noqa: B018


RUNS_OUR_CODE = ("derive/running.py", "exec")
"""The one place that runs text: code that the package has printed itself, after `admit` has looked at every node of it.
"""


def test_no_user_text_is_evaluated() -> None:
    ours = 0
    banned = {"eval", "exec", "sympify", "parse_expr", "parse_latex", "compile", "__import__"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = (
                    node.func.id
                    if isinstance(node.func, ast.Name)
                    else node.func.attr
                    if isinstance(node.func, ast.Attribute)
                    else ""
                )
                plain = isinstance(node.func, ast.Name) or name not in ("compile", "eval")
                if (path.relative_to(PACKAGE).as_posix(), name) == RUNS_OUR_CODE:
                    ours += 1
                    continue
                assert not (name in banned and plain), f"{path.name}:{node.lineno} calls {name}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "pickle" not in ast.unparse(node)
    assert ours == 1


@pytest.mark.parametrize("tool", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_lint_and_types(tool: list[str]) -> None:
    pytest.importorskip(tool[0])
    done = subprocess.run([sys.executable, "-m", *tool], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
