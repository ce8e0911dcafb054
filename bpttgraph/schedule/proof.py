"""What is proved of a plan before it is run. What cannot be proved is left to the unrolled graph (`Unsuited`, with the
reason).

Rewriting a recurrence for speed is where numbers go wrong without a word, so nothing here trusts the passes that made
the plan:

* `_operation`: every operation gets arrays that it is made for. Steps and examples stand in front of what a primitive
  works on, so values that meet must have the same rows, or none; a sum over rows wants rows; every shape is that of the
  rule table.
* `_read`: a read of another step looks at rows in the memory of its source that are there, or has a value for every row
  that is not.
* `_order`: every value is computed once and before it is read: in a loop, rows that the loop has passed.
* `_memory`: what lies side by side does not overlap, and one row of memory is enough only for what its own step reads.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .layout import Layout
from .system import ONCE, Unsuited
from .values import VIEWS, Stage, Value

__all__ = ["prove"]

Shape = tuple[int, ...]


def prove(layout: Layout) -> None:
    """Check the stages and the memory of a plan.

    Raises:
        Unsuited: naming the value for which one of the statements above does not hold.
    """
    for stage in layout.stages:
        for value in stage.values:
            if not (_read(value, layout) if value.op == "read" else _operation(value)):
                raise Unsuited(f"{value} is not known to be right for all steps at once")
    _order(layout.stages)
    _memory(layout)


def _operation(value: Value) -> bool:
    """Whether an operation may be applied to its arguments as they are stacked."""
    op, args, shape = value.op, value.args, value.shape
    shapes = [a.shape for a in args]
    rows = {a.rows for a in args} - {None}
    if op in ("given", "full"):
        return not args
    if op in ("batch_sum", "batch_outer"):  # the sum over steps and examples
        each = len(rows) == 1 and all(a.rows is not None for a in args)
        return (
            each and value.rows is None and shape == (shapes[0] if op == "batch_sum" else tuple(s[0] for s in shapes))
        )
    if op == "copy":
        return shapes == [shape] and rows <= {value.rows}
    if rows != ({value.rows} - {None}):
        return False
    if op in ("Σ", "Π"):
        return np.broadcast_shapes(*shapes) == shape and all(_aligned(a, shape) for a in args)
    if op in ("concat", "stack"):
        along = (len(shape) == 1) if op == "concat" else value.rows is None
        return along and all(s[1:] == shape[1:] for s in shapes) and sum(s[0] for s in shapes) == shape[0]
    if op in ("take", "rows"):
        start, stop = value.attrs["start"], value.attrs["stop"]
        along = len(shape) == 1 if op == "take" else value.rows is None
        return along and 0 <= start < stop <= shapes[0][0] and shape == (stop - start, *shapes[0][1:])
    if value.primitive is None:
        return _looked_up(op, shapes, shape)
    if value.primitive.kind == "elementwise" and not all(_aligned(a, shape) for a in args):
        return False
    return value.primitive.shape_of(*shapes, **value.attrs) == shape


def _aligned(arg: Value, shape: Shape) -> bool:
    """Whether entries stand under those of the result when arrays are aligned at their last axes; rows stand in front
    of all."""
    return len(arg.shape) == len(shape) or arg.rows is None


def _looked_up(op: str, shapes: list[Shape], shape: Shape) -> bool:
    """The operations of `lookups`, on class numbers instead of vectors."""
    first = shapes[0]
    return {
        "one_hot": lambda: first == () and len(shape) == 1,
        "table": lambda: shape == first[::-1] and len(shape) == 2,
        "columns": lambda: len(first) == 2 and shape[0] in first and shapes[1] == (),
        "add_at": lambda: shape == first and len(shape) == 1 and shapes[1] == (),
        "cross_entropy_at": lambda: shape == () and len(first) == 1 and shapes[1] == (),
    }.get(op, lambda: False)()


def _read(read: Value, layout: Layout) -> bool:
    """Whether every row of a read is a row of its source, an initial value, or zero."""
    source, *outer = read.args
    kind, delay, cut = read.attrs["kind"], read.attrs["delay"], read.attrs["cut"]
    if source.op in (*VIEWS, "read", "full"):  # has no memory of its own
        return False
    if source.rows is None or read.rows is None or source.shape != read.shape or layout.home(source) in layout.single:
        return False
    rows, own = source.rows.length, read.rows.length
    if kind == "shift":
        given = all(a.rows == ONCE and a.shape == read.shape for a in outer)
        return read.rows == source.rows and given and len(outer) in (0, len(layout.outer_rows(read)))
    if kind == "at":
        return not outer and read.rows == ONCE and 0 <= delay < rows
    if kind == "place":
        return not outer and source.rows == ONCE and 0 <= delay < own
    inner, wide = (own, rows) if kind == "pick" else (rows, own)
    return not outer and len(set(cut)) == len(cut) == inner and all(0 <= row < wide for row in cut)


def _order(stages: list[Stage]) -> None:
    """Every value once, arguments first; a loop reads itself only at steps that it has passed. No two initial values in
    one place."""
    done: set[Value] = set()
    initial: dict[tuple[Value, int], Value] = {}
    for stage in stages:
        inside = set(stage.values) if stage.loop else set()
        for value in stage.values:
            passed = (
                value.op == "read" and value.attrs["kind"] == "shift" and value.attrs["delay"] * stage.direction > 0
            )
            missing = [a for a in value.args if a not in done]
            if value in done or any(not passed or a is not value.args[0] or a not in inside for a in missing):
                raise Unsuited(f"{value} would be computed before what it reads")
            done.add(value)
            if value.op == "read" and value.attrs["kind"] == "shift":
                for row, start in zip(Layout.outer_rows(value), value.args[1:]):
                    if initial.setdefault((value.args[0], row), start) is not start:
                        raise Unsuited(f"{value.args[0]} has two values before its first step")


def _memory(layout: Layout) -> None:
    """The parts of what lies side by side are disjoint; a single row belongs to one loop."""
    stage_of = {v: stage for stage in layout.stages for v in stage.values}
    beside: dict[Value, list[tuple[int, int]]] = {}
    for value, (home, start, stop) in layout.parts.items():
        if value.op not in ("concat", "stack"):
            beside.setdefault(home, []).append((start, stop))
        alone = (value in layout.single) == (home in layout.single)
        fits = value.rows == home.rows and stop - start == value.shape[0] and stop <= home.shape[0]
        if not (alone and fits) or (value in layout.single and stage_of[value] is not stage_of[home]):
            raise Unsuited(f"{value} does not fit into the memory of {home}")
    for whole in (v for v in stage_of if v.op in ("concat", "stack") and layout.home(v) is v):
        start = 0
        for part in whole.args:  # what does not lie in its place is copied there
            place = (whole, start, start + part.shape[0])
            if layout.parts.get(part) != place:
                beside.setdefault(whole, []).append(place[1:])
            start = place[2]
    for home, places in beside.items():
        places.sort()
        if any(a[1] > b[0] for a, b in pairwise(places)):
            raise Unsuited(f"parts of {home} overlap")
