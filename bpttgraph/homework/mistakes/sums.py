"""Mistakes in what is added up: steps, losses, examples, windows; and constant factors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...equations.truncation import parse_truncation
from .base import Mutant, Site, entry, factor
from .places import Edge
from .reverse import Change

MANY = 24  # steps; beyond, only customary windows and the steps near the ends are tried
WINDOWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16, 20, 25, 30, 32, 35, 40, 50, 64, 100, 128, 256)
ENDS = 3

Array = np.ndarray[Any, Any]
Results = Mapping[str, Array]


# -- the sum over the uses of a parameter ------------------------------------------------------------------------------


def _steps(edges: list[Edge]) -> list[int]:
    return sorted({e.column for e in edges if e.column is not None})


def _one_or_all(s: Site, keep: Callable[[int, list[int]], float], tag: str, clause: str) -> Iterator[Mutant]:
    """The mistake in every parameter at once, and in one alone. `keep` gives the factor of the use at a step."""
    every: dict[int, Change] = {}
    several = 0
    for name, edges in s.places.uses.items():
        steps = _steps(edges)
        factors = {e.index: keep(e.column, steps) for e in edges if e.column is not None}
        changes: dict[int, Change] = {i: value for i, value in factors.items() if value != 1.0}
        if len(steps) < 2 or not changes:
            continue
        every |= changes
        several += 1
        yield Mutant(f"{tag}:{name}", "", clause.format(f"∂E/∂{name}"), changes, line=("parameter", name), rank=0.2)
    if several > 1:
        yield Mutant(f"{tag}:all", "", clause.format("every parameter's gradient"), every)


@entry(
    "overwritten",
    "the gradient is overwritten at each step instead of added to",
    "The same parameter is used at every step, so its gradient is a sum over the steps: +=, not =.",
    "one step",
    rank=1.0,
)
def overwritten(s: Site) -> Iterator[Mutant]:
    yield from _one_or_all(
        s,
        lambda k, steps: float(k == steps[0]),
        "first",
        "{} is overwritten at every step, so that only the use at the first step is left",
    )


@entry(
    "only-last-use", "only the last use of a parameter is counted",
    "The loss depends on a parameter through its use at every step, not only the last.", "one step", rank=1.0,
)  # fmt: skip
def only_last(s: Site) -> Iterator[Mutant]:
    yield from _one_or_all(s, lambda k, steps: float(k == steps[-1]), "last", "{} counts only the use at the last step")


@entry(
    "use-forgotten",
    "the uses at some steps are forgotten",
    "Check the ends of the loop: range(T) in reverse ends at the first step.",
    "one step",
    rank=1.5,
)
def use_forgotten(s: Site) -> Iterator[Mutant]:
    columns = sorted({e.column: e for edges in s.places.uses.values() for e in edges if e.column is not None}.items())
    for k, e in columns if len(columns) <= MANY else columns[:ENDS] + columns[-ENDS:]:
        block = s.u.places[e.owner].block
        step = f"step {k - s.u.offset.get(block, 0)}" + (f" of the {block}" if block else "")
        yield from _one_or_all(s, lambda c, steps, k=k: float(c != k), f"{k}", f"{{}} lacks the use at {step}")  # type: ignore[misc]
    yield from _at_one_end(s)


def _at_one_end(s: Site) -> Iterator[Mutant]:
    """Only the uses in the last, or first, few steps are counted."""
    for k in range(2, s.steps - 1) if s.steps <= MANY else ():
        for word, at_end in (("last", True), ("first", False)):

            def keep(column: int, steps: list[int], k: int = k, at_end: bool = at_end) -> float:
                return float(column in (steps[-k:] if at_end else steps[:k]))

            for m in _one_or_all(s, keep, f"{word}:{k}", f"{{}} counts only the uses at the {word} {k} steps"):
                yield replace(m, alone=True, rank=m.rank + 0.1)


@entry(
    "running-sum",
    "a running sum is added again at every step",
    "Add each step's term to the accumulator once; adding the accumulator itself counts early terms again and again.",
    "one step",
    rank=2.0,
)
def running_sum(s: Site) -> Iterator[Mutant]:
    yield from _one_or_all(
        s,
        lambda k, steps: float(k - steps[0] + 1),
        "up",
        "{} counts the use at step k not once but k times (a running sum added at every step)",
    )
    yield from _one_or_all(
        s, lambda k, steps: float(steps[-1] - k + 1), "down", "{} counts the use at step k not once but T − k + 1 times"
    )


@entry(
    "double-counting",
    "pairs of steps are counted several times",
    "Either the adjoint is total and the last derivative immediate, or the other way round; both total counts pairs"
    " again and again.",
    "one step",
    rank=1.0,
    alone=True,
)
def double_counting(s: Site) -> Iterator[Mutant]:
    if s.steps > 1 and len(s.u.steps) == 1:
        t = np.arange(s.steps)
        yield Mutant(
            "",
            "",
            "total adjoints are multiplied with total derivatives, so that the pair (t, k) is counted t − k + 1 times",
            weights=np.maximum(t[:, None] - t[None, :] + 1.0, 0.0),
        )


# -- truncation --------------------------------------------------------------------------------------------------------


@entry(
    "truncated",
    "backpropagation through time is truncated",
    "Truncated BPTT is another, cheaper gradient: the pairs of steps beyond the window are missing.",
    "windows of T steps or more",
    rank=1.2,
    alone=True,
)
def truncated(s: Site) -> Iterator[Mutant]:
    if not s.places.carried:
        return
    own = s.u.truncation.name if s.u.truncation is not None else ""
    windows = [k for k in range(1, s.steps) if s.steps <= MANY or k in WINDOWS or 2 * k == s.steps or k == s.steps - 1]
    for k in windows:
        for kind in ("sliding", "chunk"):
            name = f"{kind}:{k}"
            if name != own:
                window = (
                    "each loss is sent back over a window of"
                    if kind == "sliding"
                    else "the sequence is cut into chunks, detached at their borders, of"
                )
                clause = f"BPTT is truncated: {window} {k} step{'s' if k > 1 else ''} ({name})"
                yield Mutant(
                    name, "", clause, truncation=parse_truncation(name), rank=0.0 if kind == "sliding" else 0.1
                )
    for name in ("one-step", "carousel"):
        if name != own and (name == "one-step" or any(v.carry for v in s.u.vgraph.variables.values())):
            rule = parse_truncation(name)
            assert rule is not None
            yield Mutant(name, "", f"BPTT is truncated: {rule.text}", truncation=rule, rank=0.2)
    for k in (
        windows if s.steps <= MANY else ()
    ):  # chunks counted from the end: the border that a loop going back meets first
        edges = [e for found in s.places.carried.values() for e in found]
        cut = [e for e in edges if e.column is not None and _border(e, s.steps - k)]
        if cut and 2 * k != s.steps:
            yield Mutant(
                f"from-step:{s.steps - k + 1}",
                "",
                f"nothing is carried from step {s.steps - k + 1} to step {s.steps - k}",
                factor(0.0, cut),
                rank=0.5,
            )
    if own:
        yield Mutant("none", "", "the gradient is the full one, not truncated", truncation=FULL)


FULL = parse_truncation("999999")


def _border(e: Edge, low: int) -> bool:
    other = (e.column or 0) - e.delay
    return min(e.column or 0, other) <= low < max(e.column or 0, other)


# -- losses and examples -----------------------------------------------------------------------------------------------


@entry(
    "scale",
    "a constant factor",
    "Sum or mean, over steps and over examples, is a convention: say which, and use it in loss and gradient alike.",
    rank=1.0,
    plain=True,
)
def scale(s: Site) -> Iterator[Mutant]:
    factors: dict[float, str] = {-1.0: "every sign is reversed (−∂E/∂·, the direction of descent)"}
    n = len(s.u.heads)
    if n > 1:
        asked = "sum" if s.u.weight == 1.0 else "mean"
        done = {
            1.0 / n: f"the mean over the {n} loss steps is taken instead of the sum",
            float(n): f"the sum over the {n} loss steps is taken instead of the mean",
        }
        factors |= (
            done
            if asked == "sum"
            else {float(n): done[float(n)], 1.0 / n: f"it is divided by the number of loss steps ({n}) twice"}
        )
        if asked == "sum":
            factors[float(n)] = f"it is multiplied by the number of loss steps ({n})"
    factors.setdefault(2.0, "everything is doubled")
    factors.setdefault(0.5, "everything is halved")
    for value, clause in factors.items():
        yield Mutant(
            f"{value:.6g}",
            "",
            clause,
            losses=np.full((n, 1), value * s.u.weight),
            every=True,
            rank=0.0 if value not in (2.0, 0.5) else 1.0,
        )
        for name in s.leaves:
            after = only(name, lambda a, v=value: v * a)  # type: ignore[misc]
            text = clause.replace("everything", f"∂E/∂{name}").replace("every sign", f"the sign of ∂E/∂{name}")
            yield Mutant(f"{value:.6g}:{name}", "", text, after=after, rank=1.0, alone=True, line=("parameter", name))


@entry(
    "batch",
    "the examples of a batch are not summed",
    "A shared parameter's gradient is the sum over the examples.",
    "one example",
    rank=1.0,
)
def batch(s: Site) -> Iterator[Mutant]:
    size = s.batch or 1
    if size > 1:
        n = len(s.u.heads)
        yield Mutant(
            "mean",
            "",
            f"the mean over the {size} examples is taken instead of the sum",
            losses=np.full((n, 1), s.u.weight / size),
            plain=True,
        )
        yield Mutant(
            "times",
            "",
            f"it is multiplied by the number of examples ({size})",
            losses=np.full((n, 1), s.u.weight * size),
            rank=1.0,
            plain=True,
        )
        for i, word in ((0, "first"), (size - 1, "last")):
            only = np.zeros((n, size))
            only[:, i] = s.u.weight
            yield Mutant(word, "", f"only the {word} example of the batch is counted", losses=only)


@entry(
    "loss-forgotten",
    "the loss of a step is not counted",
    "Every step that has a loss starts a gradient of its own.",
    "a loss at one step only",
    rank=1.3,
)
def loss_forgotten(s: Site) -> Iterator[Mutant]:
    n = len(s.u.heads)
    if n < 2:
        return
    for j, head in enumerate(s.u.heads):
        only, without = np.zeros((n, 1)), np.full((n, 1), s.u.weight)
        only[j], without[j] = s.u.weight, 0.0
        last = j == n - 1
        if last or j == 0:
            yield Mutant(
                f"only:{head.step}",
                "",
                f"only the loss of the {'last' if last else 'first'} step is counted",
                losses=only,
                rank=0.0 if last else 0.3,
            )
        if n > 2:
            yield Mutant(
                f"without:{head.step}", "", f"the loss of step {head.step} is not counted", losses=without, rank=0.2
            )


def only(name: str, change: Callable[[Array], Array]) -> Callable[[Results], Results]:
    return lambda found: {**found, name: change(found[name])} if name in found else found
