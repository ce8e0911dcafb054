"""What a page of given size gets if its names would be too small to read: fewer terms, then fewer steps.

Nothing is dropped unless that makes the rest legible; how much is not drawn stands in the title and in the ellipsis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from .columns import Fold
from .data import Data
from .figure import Figure
from .scene import Scene

__all__ = ["legible"]

_TERMS = (9, 6, 4, 2, 1)
_FOLDS = ((2, 2), (1, 2), (1, 1), (0, 1))


def legible(scene: Callable[[Fold, Data], Scene], fold: Fold, data: Data, steps: Mapping[str | None, int]) -> Figure:
    """The first arrangement that can be read on its page; the whole picture, with its note, if none can.

    Args:
        scene: makes the scene for a way to fold and what is shown.
        steps: how many there are in each block.
    """
    whole = Figure(scene(fold, data))
    if not whole.scene.fit or not whole.note:
        return whole
    for f, d in _smaller(fold, data, max(steps.values(), default=0)):
        figure = Figure(scene(f, d))
        if not figure.note:
            return figure
    return whole


def _smaller(fold: Fold, data: Data, length: int) -> Iterator[tuple[Fold, Data]]:
    for n in _TERMS:
        if n < len(data.terms):
            data = _longest(data, n)
            yield fold, data
    if fold == "auto" and data.terms:  # the end folds away, and no part of a term if there is one sequence
        head = max(t.t for t in data.terms)
        if head < length:
            yield (head, 0), data
    elif fold == "auto":
        yield from ((f, data) for f in _FOLDS if sum(f) < length)


def _longest(data: Data, n: int) -> Data:
    """The n terms that reach back furthest: they show most of the picture."""
    order = sorted(range(len(data.terms)), key=lambda i: data.terms[i].k - data.terms[i].t)
    kept = tuple(data.terms[i] for i in sorted(order[:n]))
    return replace(data, terms=kept, left_out=data.left_out + len(data.terms) - n)
