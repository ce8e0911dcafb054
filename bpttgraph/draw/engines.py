"""Who draws the SVG: pygraphviz in a child process, else a Graphviz on the PATH, else our own writer.

A child process because Graphviz can take its host down (an abort and a segmentation fault were measured) and writes
to stderr. What comes back is checked edge by edge: every engine measured so far has reported success with edges
missing. A failed check moves on to the next engine and is remembered in one line.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from xml.sax.saxutils import escape

from ..machine.children import TooMuchOutput, run_child
from .dot import write_dot
from .marks import Layout
from .svg import mark_id, write_svg

__all__ = ["EngineFailure", "engine_report", "program_on_path", "render_svg", "run_engine"]

TIME_LIMIT = 20.0
_CODE = (
    "import sys, pygraphviz\n"
    "graph = pygraphviz.AGraph(sys.stdin.buffer.read().decode('utf-8'))\n"
    "sys.stdout.buffer.write(graph.draw(format='svg', prog='nop2'))\n"
)
# -P: a file called pygraphviz.py in the working directory must not be what gets imported.
WORKER: list[str] = [sys.executable or "", "-P", "-c", _CODE]


class EngineFailure(Exception):
    """An engine could not draw; the message is one line."""


def run_engine(command: list[str], dot: str, engine: str, limit: float | None = None) -> str:
    limit = TIME_LIMIT if limit is None else limit
    try:
        done = run_child(command, dot.encode(), limit)
    except subprocess.TimeoutExpired:
        raise EngineFailure(f"{engine} took longer than {limit:g} s") from None
    except TooMuchOutput as error:
        raise EngineFailure(str(error)) from None
    except OSError as error:
        raise EngineFailure(f"{engine} could not be started: {error.strerror or error}") from None
    said = done.stderr.decode("utf-8", "replace").strip()
    lines = said.splitlines()
    last = next((line for line in lines if "rror" in line), lines[-1] if lines else "no message")[:200]
    if done.returncode:
        raise EngineFailure(f"{engine} ended with status {done.returncode}: {last}")
    if re.search(r"^\s*error\b", said, re.IGNORECASE | re.MULTILINE):
        raise EngineFailure(f"{engine} reported an error: {last}")
    if not done.stdout.strip():
        raise EngineFailure(f"{engine} wrote nothing")
    return done.stdout.decode("utf-8", "replace")


def _pygraphviz(dot: str) -> str:
    if not WORKER[0]:
        raise EngineFailure("pygraphviz needs a Python program to run in, and there is none here")
    if importlib.util.find_spec("pygraphviz") is None:
        raise EngineFailure("pygraphviz is not installed")
    return run_engine(WORKER, dot, "pygraphviz")


def _program() -> str | None:
    return shutil.which("neato") or shutil.which("dot")


def _on_path(dot: str) -> str:
    program = _program()
    if program is None:
        raise EngineFailure("no Graphviz program on the PATH")
    return run_engine([program, "-Knop2", "-Tsvg"], dot, "Graphviz")


def program_on_path() -> str | None:
    """Graphviz' `dot`, where there is one."""
    return shutil.which("dot")


_ENGINES: dict[str, Callable[[str], str]] = {"pygraphviz": _pygraphviz, "graphviz": _on_path}
_SHAPES = {"path", "ellipse", "polygon", "polyline"}


def _shape(e: ET.Element) -> str:
    pairs = "".join(f' {k}="{escape(v, {chr(34): "&quot;"})}"' for k, v in e.attrib.items())
    return f"<{e.tag.rsplit('}', 1)[-1]}{pairs}/>"


def _drawn(svg: str, engine: str) -> dict[str, list[ET.Element]]:
    """The shapes in each group of Graphviz' SVG, by the ids we gave."""
    try:
        root = ET.fromstring(svg)
    except ET.ParseError:
        raise EngineFailure(f"{engine} wrote something that is not SVG") from None
    found: dict[str, list[ET.Element]] = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") in ("node", "edge", "cluster"):
            # A tooltip becomes a link around the shapes; look through it.
            found[group.get("id", "")] = [e for e in group.iter() if e.tag.rsplit("}", 1)[-1] in _SHAPES]
    return found


def _start(shapes: list[ET.Element]) -> tuple[float, float]:
    path = next(e for e in shapes if e.tag.endswith("path"))
    x, y = re.findall(r"-?\d+(?:\.\d+)?", path.get("d", ""))[:2]
    return float(x), float(y)


def _check(
    layout: Layout, found: dict[str, list[ET.Element]], engine: str
) -> tuple[dict[str, str], tuple[float, float]]:
    """Every mark must be there, every line with exactly one path, and all of them where we put them."""
    shapes: dict[str, str] = {}
    shift: tuple[float, float] | None = None
    for m in layout.marks:
        name = mark_id(m)
        if m.kind == "text" or not (m.box or m.path):
            continue
        mine = found.get(name, [])
        if m.path:
            if sum(e.tag.endswith("path") for e in mine) != 1:
                raise EngineFailure(f"{engine} lost the line {m.id}")
            x, y = _start(mine)
            here = (m.path[0][0] - x, m.path[0][1] - y)
            shift = shift or here
            if abs(here[0] - shift[0]) > 0.5 or abs(here[1] - shift[1]) > 0.5:
                raise EngineFailure(f"{engine} moved the line {m.id}")
            mine = [e for e in mine if e.tag.endswith("path")]
        elif not mine:
            raise EngineFailure(f"{engine} lost the node {m.id}")
        shapes[name] = "".join(map(_shape, mine))
    return shapes, (round(shift[0], 2), round(shift[1], 2)) if shift else (0.0, 0.0)


def render_svg(layout: Layout, labels: str = "math") -> tuple[str, str, str]:
    """The SVG, the engine that drew it, and (if an engine before it failed) why, in one line."""
    notes: list[str] = []
    dot = write_dot(layout, text=False)
    for name, engine in _ENGINES.items():
        try:
            shapes, offset = _check(layout, _drawn(engine(dot), name), name)
            return write_svg(layout, labels, shapes, offset), name, "; ".join(notes)
        except EngineFailure as failure:
            notes.append(" ".join(str(failure).split()))
    return write_svg(layout, labels), "built-in", "; ".join(notes)


def engine_report() -> list[dict[str, object]]:
    """For `bpttgraph doctor`: each engine with name, available, used, reason and version. Imports none of them."""
    report: list[dict[str, object]] = []

    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return ""

    probe = 'digraph { a [pos="0,0!"]; }'
    for name, engine in _ENGINES.items():
        try:
            engine(probe)
            reason = ""
        except EngineFailure as failure:
            reason = str(failure)
        report.append(
            {
                "name": name,
                "available": not reason,
                "used": False,
                "reason": reason,
                "version": version("pygraphviz") if name == "pygraphviz" else _program_version(),
            }
        )
    report.append({"name": "built-in", "available": True, "used": False, "reason": "", "version": version("bpttgraph")})
    first = next(r for r in report if r["available"])
    first["used"] = True
    first["reason"] = "the first engine that works draws the SVG; PDF and PNG are always written by bpttgraph itself"
    return report


def _program_version() -> str:
    program = _program()
    if program is None:
        return ""
    try:
        said = run_child([program, "-V"], seconds=TIME_LIMIT).stderr.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError, TooMuchOutput):
        return ""
    found = re.search(r"version (\S+)", said)
    return found[1] if found else ""
