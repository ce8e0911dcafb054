"""The verdict on Jacobians that an answer gives: as matrices, in either layout, with what was said about which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.rounding import SAFETY, U, rounding_error
from ...errors import BPTTError
from ..diagnosis.cause import Cause
from .findings import ParameterVerdict

if TYPE_CHECKING:
    from ...errors import Span
    from ..answers.claims import Claim
    from ..truth.truth import Truth

__all__ = ["Jacobian", "measured", "verdict_on_jacobian"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Jacobian:
    """What an answer says of a derivative at some pairs of steps, and what it is, as numbers.

    Args:
        given, true: one array for each pair. radius: how far each may be off for rounding.
        held: what it is while all other values of the earlier step are held constant. span: where it says so.
    """

    name: str
    steps: list[tuple[int | None, int | None]]
    given: list[Array]
    true: list[Array]
    radius: list[Array]
    held: list[Array] = field(default_factory=list)
    span: Span | None = None


def measured(truth: Truth, claims: Sequence[Claim], text: str, unread: Any) -> list[Jacobian]:
    """The claims of an answer on the instance of `truth`."""
    found = []
    for claim in claims:
        with np.errstate(all="ignore"):
            numbers = [truth.run.read_nodes(nodes, unread) for nodes in (claim.given, claim.true, claim.held)]
            errors = [truth.run.read_nodes(nodes, unread, rounding_error) for nodes in (claim.given, claim.true)]
        given, true, held = ([_alone(truth, n, v) for n, v in zip(ns, vs)]
                             for ns, vs in zip((claim.given, claim.true, claim.held), numbers))  # fmt: skip
        if not all(np.all(np.isfinite(g)) for g in given):
            raise BPTTError(
                f"the formula for {claim.name} gives no finite number",
                "look for a division by zero or a power",
                text=text,
                span=claim.equation.span,
            )
        radius = []
        for t, e, f in zip(true, *errors):
            largest = max(float(np.max(np.abs(x), initial=0.0)) for x in (e, f))
            radius.append(np.full(t.shape, 4 * SAFETY * U * (largest + float(np.max(np.abs(t), initial=0.0)))))
        found.append(Jacobian(claim.name, claim.steps, given, true, radius, held, claim.equation.span))
    return found


def _alone(truth: Truth, node: Any, value: Any) -> Array:
    """One array for one example, a stack of them for a batch."""
    array = np.asarray(value, float)
    return array[0] if node.batched and truth.run.batch is None and array.ndim > len(node.shape) else array


def verdict_on_jacobian(j: Jacobian) -> tuple[ParameterVerdict, str]:
    """The verdict on one Jacobian, and a note on how it was laid out.

    Example:
        >>> a = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> j = Jacobian("dh[t]/dh[t-1]", [(1, 0)], [a.T], [a], [np.full((2, 2), 1e-15)])
        >>> p, note = verdict_on_jacobian(j)
        >>> p.status, "denominator" in note
        ('right', True)
    """
    off, layout, laid = _laid(j, j.true)
    if off and j.held:
        other = _laid(j, j.held)
        if not other[0]:
            note = f"{j.name} is right with the other values of the earlier step held constant"
            return ParameterVerdict(j.name, "right", np.stack(other[2]), np.stack(j.held), np.stack(j.radius)), note
    true, radius = np.stack(j.true), np.stack(j.radius)
    if any(g.shape != t.shape for g, t in zip(laid, j.true)):
        shapes = [_shape(a) for a in (j.given[0], j.true[0])]
        cause = Cause("unexplained", f"It is {shapes[0]}, and the Jacobian is {shapes[1]}.")
        return ParameterVerdict(j.name, "wrong", np.asarray(j.given[0]), true, radius, because=cause), ""
    given = np.stack(laid)
    if off:
        where = [s for s, g, t, r in zip(j.steps, laid, j.true, j.radius) if not _agrees(g, t, r)]
        if len(where) < len(j.steps) and all((below or 0) < 1 for _, below in where):
            note = f"{j.name} is not judged by the initial state, to which the earlier step's equations do not apply"
            kept = [i for i, s in enumerate(j.steps) if s not in where]
            given, true, radius = (np.stack([a[i] for i in kept]) for a in (laid, j.true, j.radius))
            return ParameterVerdict(j.name, "right", given, true, radius), note
        right = len(j.steps) - len(where)
        pairs = ", ".join(_place(s) for s in where[:4]) + (", …" if len(where) > 4 else "")
        text = f"It is wrong at {pairs}" + (f", and right at {right} of {len(j.steps)}." if right else ".")
        return ParameterVerdict(j.name, "wrong", given, true, radius, because=Cause("unexplained", text)), ""
    same = all(t.ndim < 2 or _agrees(np.swapaxes(t, -1, -2), t, r) for t, r in zip(j.true, j.radius))
    note = {
        "numerator": f"{j.name} is in numerator layout: a row for each entry of what is differentiated",
        "denominator": f"{j.name} is in denominator layout: a row for each entry of what it is differentiated by",
        "diagonal": f"{j.name} is given as the vector on the diagonal: the matrix is diag(…) of it",
    }[layout]
    return ParameterVerdict(j.name, "right", given, true, radius), "" if same and layout != "diagonal" else note


def _laid(j: Jacobian, true: list[Array]) -> tuple[int, str, list[Array]]:
    """The layout in which most is right: how many pairs are not, its name, and the arrays in numerator layout."""
    found = []
    for layout in ("numerator", "denominator", "diagonal"):
        laid = [_in_numerator(layout, g, t) for g, t in zip(j.given, true)]
        off = sum(not _agrees(g, t, r) for g, t, r in zip(laid, true, j.radius))
        fits = all(g.shape == t.shape for g, t in zip(laid, true))
        found.append((off, not fits, layout, laid))
    off, _, layout, laid = min(found, key=lambda f: f[:2])
    return off, layout, laid


def _in_numerator(layout: str, given: Array, true: Array) -> Array:
    if layout == "denominator" and given.ndim == true.ndim > 1:
        return np.swapaxes(given, -1, -2)
    if layout == "diagonal" and given.ndim == true.ndim - 1:
        return given[..., None] * np.eye(true.shape[-1])[: given.shape[-1]]
    return given


def _shape(a: Array) -> str:
    return f"{'×'.join(map(str, a.shape))}" if a.shape else "a number"


def _place(steps: tuple[int | None, int | None]) -> str:
    return "(" + ", ".join(str(s) for s in steps if s is not None) + ")"


def _agrees(given: Array, true: Array, radius: Array) -> bool:
    return given.shape == true.shape and bool(np.all(np.abs(given - true) <= radius))
