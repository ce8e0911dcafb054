"""Places for larger free-form graphs from Graphviz' `dot`, in a child process with a time limit.

Only places and curves are taken over; shapes, labels and formats stay ours. If no engine is there, takes too long or
loses something, the layout of our own (`layers.py`) stands in.
"""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict

from .engines import EngineFailure, program_on_path, run_engine
from .geometry import Path, Point
from .svg import number

__all__ = ["FreePlaces", "place_by_dot"]

_CODE = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(sys.stdin.buffer.read().decode('utf-8'))\n"
    "sys.stdout.buffer.write(graph.draw(format='plain', prog='dot'))\n"
)
TIME_LIMIT = 8.0
FreePlaces = tuple[dict[str, Point], list[Path]]


def _text(names: list[str], size: dict[str, tuple[float, float]], wires: list[tuple[str, str]]) -> str:
    index = {n: k for k, n in enumerate(names)}
    # Limits for its search: without them a chain of 180 nodes with shared leaves takes half a minute.
    limits = "nslimit=1; nslimit1=1; mclimit=0.2;"
    lines = [
        "digraph {",
        "rankdir=LR; nodesep=0.25; ranksep=0.55;",
        limits,
        'node [shape=box, fixedsize=true, label=""];',
    ]
    lines.append("edge [arrowhead=none];")
    lines += [f"n{index[n]} [width={size[n][0] / 72:.4f}, height={size[n][1] / 72:.4f}];" for n in names]
    lines += [f"n{index[a]} -> n{index[b]};" for a, b in wires]
    return "\n".join([*lines, "}"])


def place_by_dot(
    names: list[str], size: dict[str, tuple[float, float]], wires: list[tuple[str, str]]
) -> tuple[FreePlaces | None, str]:
    """Middles of the nodes and one curve a wire, in points with y downwards; or None and why not, in one line."""
    text = _text(names, size, wires)
    program = program_on_path()
    commands = [("pygraphviz", [sys.executable or "", "-P", "-c", _CODE])]
    commands += [("Graphviz", [program, "-Kdot", "-Tplain"])] if program else []
    notes: list[str] = []
    for engine, command in commands:
        try:
            return _read(run_engine(command, text, engine, TIME_LIMIT), names, wires, engine), "; ".join(notes)
        except EngineFailure as failure:
            notes.append(" ".join(str(failure).split()))
            if "took longer" in notes[-1]:  # the next would be the same program
                break
    return None, "; ".join(notes)


def _read(said: str, names: list[str], wires: list[tuple[str, str]], engine: str) -> FreePlaces:
    places: dict[str, Point] = {}
    curves: dict[tuple[str, str], list[Path]] = defaultdict(list)
    height = 0.0
    for line in said.replace("\\\n", "").splitlines():
        word = shlex.split(line)
        if word[:1] == ["graph"]:
            height = float(word[3]) * 72
        elif word[:1] == ["node"]:
            places[names[int(word[1][1:])]] = (float(word[2]) * 72, height - float(word[3]) * 72)
        elif word[:1] == ["edge"]:
            count = int(word[3])
            v = [float(x) * 72 for x in word[4 : 4 + 2 * count]]
            path = tuple((x, height - y) for x, y in zip(v[::2], v[1::2]))
            if count < 4 or count % 3 != 1:
                raise EngineFailure(f"{engine} drew a curve of {number(count)} points")
            curves[names[int(word[1][1:])], names[int(word[2][1:])]].append(path)
    if set(places) != set(names) or any(len(curves[w]) != wires.count(w) for w in set(wires)):
        raise EngineFailure(f"{engine} lost a node or a wire")
    return places, [curves[w].pop(0) for w in wires]
