"""Mistakes in what is added up: steps, losses, examples, windows; and in what is handed in at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ...recurrence.truncation import parse_truncation
from .base import Mutant, Site, entry, factor, listed, rewrite
from .links import activation
from .places import Edge
from .reverse import Change, Pull

MANY = 24  # steps; beyond, only customary windows and the steps near the ends are tried
WINDOWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16, 20, 25, 30, 32, 35, 40, 50, 64, 100, 128, 256)
ENDS = 3

Array = np.ndarray[Any, Any]
Results = Mapping[str, Array]


# -- the sum over the uses of a parameter ---------------------------------------------------------------------------------------------


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
    "overwritten", "the gradient is overwritten at each step instead of added to",
    "The same parameter is used at every step, so its gradient is a sum over the steps: +=, not =.", "one step", rank=1.0,
)  # fmt: skip
def overwritten(s: Site) -> Iterator[Mutant]:
    yield from _one_or_all(s, lambda k, steps: float(k == steps[0]), "first",
                           "{} is overwritten at every step, so that only the use at the first step is left")  # fmt: skip


@entry(
    "only-last-use", "only the last use of a parameter is counted",
    "The loss depends on a parameter through its use at every step, not only the last.", "one step", rank=1.0,
)  # fmt: skip
def only_last(s: Site) -> Iterator[Mutant]:
    yield from _one_or_all(s, lambda k, steps: float(k == steps[-1]), "last", "{} counts only the use at the last step")


@entry(
    "use-forgotten",
    "the use at one step is forgotten",
    "Check the ends of the loop: range(T) in reverse ends at the first step.",
    "one step",
    rank=1.5,
)
def use_forgotten(s: Site) -> Iterator[Mutant]:
    columns = sorted({e.column: e for edges in s.places.uses.values() for e in edges if e.column is not None}.items())
    for k, e in columns if len(columns) <= MANY else columns[:ENDS] + columns[-ENDS:]:
        block = s.u._places[e.owner].block
        step = f"step {k - s.u.offset.get(block, 0)}" + (f" of the {block}" if block else "")
        yield from _one_or_all(s, lambda c, steps, k=k: float(c != k), f"{k}", f"{{}} lacks the use at {step}")  # type: ignore[misc]


@entry(
    "running-sum", "a running sum is added again at every step",
    "Add each step's term to the accumulator once; adding the accumulator itself counts early terms again and again.", "one step", rank=2.0,
)  # fmt: skip
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
    "double-counting", "pairs of steps are counted several times",
    "Either the adjoint is total and the last derivative immediate, or the other way round; both total counts pairs again and again.",
    "one step", rank=1.0, alone=True,
)  # fmt: skip
def double_counting(s: Site) -> Iterator[Mutant]:
    if s.steps > 1 and len(s.u.steps) == 1:
        t = np.arange(s.steps)
        yield Mutant("", "", "total adjoints are multiplied with total derivatives, so that the pair (t, k) is counted t − k + 1 times",
                     weights=np.maximum(t[:, None] - t[None, :] + 1.0, 0.0))  # fmt: skip


# -- truncation ------------------------------------------------------------------------------------------------------------------------


@entry(
    "truncated", "backpropagation through time is truncated",
    "Truncated BPTT is another, cheaper gradient: the pairs of steps beyond the window are missing.", "windows of T steps or more",
    rank=1.2, alone=True,
)  # fmt: skip
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


# -- losses and examples ---------------------------------------------------------------------------------------------------------------


@entry(
    "scale",
    "a constant factor",
    "Sum or mean, over steps and over examples, is a convention: say which, and use it in loss and gradient alike.",
    rank=1.0,
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
            rank=0.0 if value not in (2.0, 0.5) else 1.0,
        )
        for name in s.targets:
            after = _only(name, lambda a, v=value: v * a)  # type: ignore[misc]
            text = clause.replace("everything", f"∂E/∂{name}").replace("every sign", f"the sign of ∂E/∂{name}")
            yield Mutant(f"{value:.6g}:{name}", "", text, after=after, rank=1.0, alone=True, line=("parameter", name))  # fmt: skip


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
        )
        yield Mutant(
            "times",
            "",
            f"it is multiplied by the number of examples ({size})",
            losses=np.full((n, 1), s.u.weight * size),
            rank=1.0,
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


# -- initial states --------------------------------------------------------------------------------------------------------------------


@entry(
    "initial-state", "the gradient of the initial state",
    "h[0] is read by the first step: its adjoint comes back through that step's equation, like any other.", "if ∂E/∂h[0] is not asked for",
    rank=1.0,
)  # fmt: skip
def initial_state(s: Site) -> Iterator[Mutant]:
    readers: dict[str, list[Edge]] = {}
    for e in s.places.edges:
        if e.arg.role == "initial" and e.arg.op is None:
            readers.setdefault(e.arg.name or "", []).append(e)
    for name, edges in readers.items():
        yield Mutant(f"{name}:dropped", "", f"∂E/∂{name} is left at zero", factor(0.0, edges), rank=0.1)
        first = s.u._nodes.get(f"{edges[0].source}[{(edges[0].arg.step or 0) + (1 if edges[0].delay > 0 else -1)}]")
        if first is None or first.shape != edges[0].arg.shape:
            continue

        def copied(p: Pull, first: Any = first) -> None:
            p.result = p.bar(first)

        changes = factor(0.0, edges[1:]) | rewrite(("initial",), edges[:1], copied)
        yield Mutant(
            f"{name}:next",
            "",
            f"∂E/∂{name} is given as ∂E/∂{first.name}: the first step's equation is not gone through",
            changes,
        )
        inner = activation(s, first.base or "", first.step or 0)
        if inner is not None:

            def pre(p: Pull, inner: Any = inner) -> None:
                p.result = p.bar(inner)

            changes = factor(0.0, edges[1:]) | rewrite(("initial-pre",), edges[:1], pre)
            yield Mutant(
                f"{name}:delta",
                "",
                f"∂E/∂{name} is given as the δ of {first.name}, without the matrix between them",
                changes,
            )


# -- what is handed in -------------------------------------------------------------------------------------------------------------------


def _only(name: str, change: Callable[[Array], Array]) -> Callable[[Results], Results]:
    return lambda found: {**found, name: change(found[name])} if name in found else found


@entry(
    "transposed",
    "the gradient is transposed",
    "∂E/∂W has the shape of W: δ h[t−1]ᵀ, not h[t−1] δᵀ.",
    "scalar cells",
    rank=1.0,
)
def transposed(s: Site) -> Iterator[Mutant]:
    for name in s.square:
        yield Mutant(
            name,
            "",
            f"∂E/∂{name} is handed in transposed (h δᵀ in place of δ hᵀ)",
            after=_only(name, _turned),
            line=("parameter", name),
            rank=0.1,
        )
    if len(s.square) > 1:
        names = tuple(s.square)

        def every(found: Results) -> Results:
            return {n: _turned(a) if n in names else a for n, a in found.items()}

        yield Mutant("all", "", f"the gradients of {listed(names)} are handed in transposed", after=every)


def _turned(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


@entry(
    "copied",
    "the gradient of another parameter",
    "Copy and paste: each gate's gradient is built with that gate's δ.",
    rank=1.5,
    alone=True,
)
def copied(s: Site) -> Iterator[Mutant]:
    for group in s.alike:
        for name in group:
            for other in group:
                if other != name:

                    def take(found: Results, name: str = name, other: str = other) -> Results:
                        return {**found, name: found[other]} if name in found and other in found else found

                    yield Mutant(
                        f"{name}:{other}",
                        "",
                        f"the gradient of {other} is handed in as that of {name}",
                        after=take,
                        line=("parameter", name),
                        rank=0.1,
                    )
        for i, a in enumerate(group):
            for b in group[i + 1 :]:

                def swap(found: Results, a: str = a, b: str = b) -> Results:
                    return {**found, a: found[b], b: found[a]} if a in found and b in found else found

                yield Mutant(f"{a}|{b}", "", f"the gradients of {a} and {b} are exchanged", after=swap)
    for name, blocks in s.blocks.items():
        for a, mine in blocks.items():
            for b, theirs in blocks.items():
                if a != b and mine.stop - mine.start == theirs.stop - theirs.start:

                    def paste(value: Array, mine: slice = mine, theirs: slice = theirs) -> Array:
                        made = value.copy()
                        made[mine] = value[theirs]
                        return made

                    clause = f"the rows of {s.name(a)} in ∂E/∂{name} are those of {s.name(b)}"
                    yield Mutant(
                        f"{name}:{a}:{b}", "", clause, after=_only(name, paste), line=("parameter", name), rank=0.1
                    )
    gates = _by_gate(s)
    for i, (a, own) in enumerate(gates.items()):
        for b, others in list(gates.items())[i + 1 :]:
            if [s.u.parameters[n].shape for n in own] == [s.u.parameters[n].shape for n in others] and len(own) > 1:
                pairs = dict(zip([*own, *others], [*others, *own]))

                def exchange(found: Results, pairs: dict[str, str] = pairs) -> Results:
                    return {n: found[pairs.get(n, n)] for n in found if pairs.get(n, n) in found}

                yield Mutant(
                    f"gate:{a}|{b}",
                    "",
                    f"all gradients of the gates {s.name(a)} and {s.name(b)} are exchanged",
                    after=exchange,
                    rank=-0.2,
                )


def _by_gate(s: Site) -> dict[str, list[str]]:
    """variable -> its parameters, in the order of its equation."""
    found: dict[str, list[str]] = {}
    for name, edges in s.places.uses.items():
        bases = {e.base for e in edges}
        if len(bases) == 1:
            found.setdefault(bases.pop(), []).append(name)
    return found


@entry(
    "zero", "left at zero", "An array that is made with zeros and never written to stays zero.", rank=0.5, alone=True
)
def zero(s: Site) -> Iterator[Mutant]:
    for name in s.targets:
        yield Mutant(
            name, "", f"∂E/∂{name} is left at zero", after=_only(name, np.zeros_like), line=("parameter", name)
        )


@entry(
    "clipped", "clipped before it was handed in",
    "Clipping belongs to training, not to the gradient: switch it off before comparing.", "when nothing exceeds the threshold",
    rank=3.0, alone=True,
)  # fmt: skip
def clipping(s: Site) -> Iterator[Mutant]:
    """None here: the threshold is read off the answer (see `clipped`)."""
    yield from ()


def clipped(name: str, threshold: float) -> Mutant:
    """Every entry of a gradient clipped at ±threshold."""
    clause = f"∂E/∂{name} is clipped at ±{threshold:.6g}"
    after = _only(name, lambda a: np.clip(a, -threshold, threshold))
    return Mutant(f"clipped:{name}", "clipped", clause, after=after, rank=3.0, alone=True)
