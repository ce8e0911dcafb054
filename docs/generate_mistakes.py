"""Writes docs/reference/mistakes.md from the catalogue of mistakes itself: each entry with an instance in a cell that
has one.

Run `python docs/generate_mistakes.py` after a change of the catalogue; a test compares.
"""

from __future__ import annotations

from pathlib import Path

import bpttgraph as bg
from bpttgraph.homework.mistakes import CATALOGUE, Mutant, Site, clipped, mutants

PLACE = Path(__file__).parent / "reference" / "mistakes.md"
SHOWN_IN = ("rnn", "lstm", "gru", "lstm-fused", "lstm-peephole")
HEAD = """# The catalogue of mistakes

Every way in which a hand-derived gradient is known to go wrong, printed by `docs/generate_mistakes.py` from the
catalogue itself. An entry is a rewrite of the backward graph and is looked for in any recurrence;
{doc}`../explanation/wrong-gradients` says how. The table counts the places where it can be made in each cell,
unrolled over 5 steps with a loss at every step; the example completes "… is exactly what you get if …".

Pairs of mistakes are tried as well. Weightings of the pairs (t, k) that no entry lists are found by the coefficient
triangle, constant factors by comparison with the truth. Not here: an upstream array changed in place (the gradient is
right then, the number that it is compared with is wrong).

"""


def page() -> str:
    """The whole page as Markdown."""
    found: dict[str, dict[str, list[Mutant]]] = {}
    for cell in SHOWN_IN:
        site = Site(bg.cell(cell).unroll(5))
        for m in mutants(site, batch=3):
            found.setdefault(m.entry, {}).setdefault(cell, []).append(m)
    lines = [HEAD, "| mistake | key | places in " + ", ".join(SHOWN_IN) + " |", "|---|---|---|"]
    keys = sorted(CATALOGUE, key=lambda k: (CATALOGUE[k].rank, k))
    for key in keys:
        counts = ", ".join(str(len(found.get(key, {}).get(cell, ()))) for cell in SHOWN_IN)
        lines.append(f"| {CATALOGUE[key].title} | `{key}` | {counts} |")
    lines.append("")
    for key in keys:
        e = CATALOGUE[key]
        cell, instances = next(iter(found.get(key, {}).items()), ("", []))
        example = clipped(["W_hh"], 5.0, 0) if key == "clipped" else min(instances, key=lambda m: m.rank, default=None)
        lines += [f"## {e.title[0].upper()}{e.title[1:]}", "", e.lesson, "", f"- hidden: {e.blind}"]
        if example is not None:
            lines.append(f"- for example{f' in `{cell}`' if cell else ''}: {example.clause} (`{example.key}`)")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PLACE.write_text(page(), encoding="utf-8")
    print(f"{len(CATALOGUE)} mistakes")
