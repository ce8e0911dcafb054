"""The gradient of another network: a right backward pass of a forward pass in which one thing differs.

>>> import bpttgraph as bg
>>> for key, clause, _ in networks(bg.cell("rnn")): print(clause)
the forward pass is computed without tanh in h[t]
the forward pass reads h[0] at every step in place of h[t-1]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...equations import recurrence
from ...equations.functions import canonical
from ...equations.syntax import Binary, Call, Expr, Index, Name
from ...equations.text import brief, show
from ...equations.trees import calls, rebuild, walk
from ...errors import BPTTError
from ..answers.bound import is_elementwise
from .base import Mutant, Site, entry

if TYPE_CHECKING:
    from ...equations import Recurrence
    from ...equations.definitions import Definition

__all__ = ["networks"]

Change = tuple[str, str, dict[int, Expr]]  # key, clause, and what stands in the place of which part


@entry(
    "other-network",
    "the gradient of another forward pass",
    "A gradient belongs to its forward pass: compare the losses of the two programs before their gradients.",
    rank=4.0,
    alone=True,
)
def other_network(s: Site) -> Iterator[Mutant]:
    """None here: other forward passes are run only once nothing else explains an answer (see `networks`)."""
    yield from ()


def networks(rec: Recurrence) -> Iterator[tuple[str, str, Recurrence]]:
    """Forward passes without one factor, without one function, or with a state that is never moved on."""
    definitions = rec.definitions
    if rec.blocks or any(len(d.equation.left) != 1 or any(c.own for c in calls(d.right)) for d in definitions):
        return
    for key, clause, changed in (*_without(definitions), *_never_moved(rec, definitions)):
        lines = []
        for d in definitions:
            right = _put(d.right, changed)
            lines.append(f"{show(d.equation.left[0])} = {brief(right)}")
        try:
            yield key, clause, recurrence("\n".join(lines))
        except BPTTError:  # what is left is no recurrence
            continue


def _put(e: Expr, changed: dict[int, Expr]) -> Expr:
    """An expression with some of its parts replaced, which are known by their place in the text."""
    places = {(part.span, type(part)): changed[id(part)] for part, _ in walk(e) if id(part) in changed}
    return rebuild(e, lambda part: places.get((part.span, type(part)), part)) if places else e


def _without(definitions: list[Definition]) -> Iterator[Change]:
    for d in definitions:
        name = show(d.equation.left[0])
        for e, _ in walk(d.right) if d.kind == "every" else ():
            if isinstance(e, Binary) and e.operator == "*":
                for out, kept in ((e.left, e.right), (e.right, e.left)):
                    words = brief(out)
                    yield (
                        f"factor:{name}:{words}",
                        f"the forward pass is computed without {words} in {name}",
                        {id(e): kept},
                    )
            if isinstance(e, Call) and len(e.args) == 1 and is_elementwise(canonical(e.function)):
                words = f"the forward pass is computed without {e.function} in {name}"
                yield f"function:{name}:{e.function}", words, {id(e): e.args[0]}


def _never_moved(rec: Recurrence, definitions: list[Definition]) -> Iterator[Change]:
    for state in rec.states:
        changed: dict[int, Expr] = {}
        for d in definitions:
            for e, _ in walk(d.right) if d.kind == "every" else ():
                if isinstance(e, Name) and e.name == state and e.index is not None and e.index.offset < 0:
                    changed[id(e)] = replace(e, index=Index(None, 0))
        if changed:
            yield f"start:{state}", f"the forward pass reads {state}[0] at every step in place of {state}[t-1]", changed
