"""Writes docs/reference/primitives.md from the rule table itself: each rule is applied to symbols, and what comes out
is printed.

Run `python docs/generate_primitives.py` after a change of the table; a test compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bpttgraph.core.arrays import EveryArgument
from bpttgraph.core.graph import Node, leaf
from bpttgraph.core.primitives import TABLE, Primitive
from bpttgraph.derive.read import formula
from bpttgraph.formulas.printers import to_text

PLACE = Path(__file__).parent / "reference" / "primitives.md"
KINDS = {
    "elementwise": "partial derivatives, multiplied entry by entry; y is the result",
    "linear": "the transpose: what a cotangent g of the result becomes",
    "bilinear": "the transpose in each argument, with the other held fixed",
    "own": "the tangent: the change of the result for a change t of one argument; transposed mechanically",
}
HEAD = """# Primitives

The rule table, `bpttgraph.core.primitives.TABLE`, printed by `docs/generate_primitives.py` from the table itself.
Every derivative stands there once; reverse mode, forward mode, second derivatives and the formulas of a derivation
are made from that one statement.
"""
SETTINGS: dict[str, dict[str, Any]] = {
    "clip": {"low": -1.0, "high": 1.0},
    "power": {"exponent": 3.0},
    "nan_to_num": {"nan": 0.0, "posinf": None, "neginf": None},
}


def _print(node: Any) -> str:
    try:
        return "`" + (to_text(formula(node)) if isinstance(node, Node) else str(node)) + "`"
    except Exception:  # an operation that has no reading as a formula: its structure is named instead
        return (
            f"`{node.op.name}({', '.join(map(repr, node.args))})`"
            if isinstance(node, Node) and node.op
            else f"`{node!r}`"
        )


def _row(op: Primitive) -> str:
    names = ["a", "b", "c"]
    rules: list[str] = []
    if op.kind == "elementwise":
        count = len(op.rule)
        args = [leaf(n, (2,)) for n in (names[:count] if count > 1 else ["x"])]
        y = leaf("y", (2,))
        for rule, arg in zip(op.rule, args):
            rules.append(
                f"∂y/∂{arg.name} = " + ("none" if rule is None else _print(rule(y, *args, **SETTINGS.get(op.name, {}))))
            )
    elif op.kind == "bilinear" and not isinstance(op.rule, EveryArgument):
        shapes = {
            "matvec": ((2, 3), (3,), (2,)),
            "vecmat": ((2,), (2, 3), (3,)),
            "matmat": ((2, 3), (3, 4), (2, 4)),
            "dot": ((3,), (3,), ()),
        }
        a, b, g = (leaf(n, s) for n, s in zip(("A", "B", "g"), shapes.get(op.name, ((2,), (3,), (2, 3)))))
        rules = [f"{n} ← {_print(rule(g, a, b))}" for n, rule in zip("AB", op.rule)]
    elif op.kind == "own":
        pair = op.readings.get("result") == "pair"
        args = [leaf(n, (3,)) for n in (("y", "target") if pair else ("x",))]
        result = leaf("e" if pair else "y", op.shape_of(*[a.shape for a in args]))
        tangents = [op.rule(leaf("t", (3,)), i, result, *args) for i in range(len(args))]
        rules = [f"{a.name}: " + ("none" if t is None else _print(t)) for a, t in zip(args, tangents)]
    else:
        rules = ["linear in every argument" if isinstance(op.rule, EveryArgument) else "the operation transposed"]
    kink = "kink" if op.kink is not None else ""
    return f"| `{op.name}` | {op.symbol} | {'; '.join(rules)} | {kink} |".replace("||", "‖")


def page() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    for kind, meaning in KINDS.items():
        lines += [f"## {kind.capitalize()}: {meaning}\n", "| name | prints as | derivative | |", "|---|---|---|---|"]
        lines += [_row(op) for op in sorted(TABLE.values(), key=lambda op: op.name) if op.kind == kind]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PLACE.write_text(page(), encoding="utf-8")
    print(f"{len(TABLE)} primitives, {np.unique([op.kind for op in TABLE.values()]).size} kinds")
