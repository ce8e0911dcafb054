"""Truncation as a choice: what each rule loses, costs and keeps in memory, beside the full gradient and beside forward
mode.

* A *fixed* rule is biased: it loses the contributions that cross its borders.
* *Randomised* truncation (C. Tallec, Y. Ollivier, Unbiasing truncated backpropagation through time, 2017) cuts each
  border with probability c and multiplies what passes by 1/(1−c). Its expectation is the full gradient; its variance is
  computed here exactly.
* *Real-time recurrent learning* (R. Williams, D. Zipser 1989) carries ∂state/∂W forward: the full gradient without a
  backward pass, at the price of a matrix as wide as the number of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.autodiff import evaluate, forward
from ..core.graph import Node, leaf
from ..errors import BPTTError, nearest

if TYPE_CHECKING:
    from ..unrolled import Unrolled

__all__ = ["Choice", "Truncations", "compare", "randomised", "rtrl", "variance"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Choice:
    """One rule, measured.

    Attributes:
        rule: as given to `truncate`, or "full", "randomised:c", "rtrl". text: the rule in words.
        cosine, norm: the gradient's direction against the full one, and its length relative to it; for "randomised", of
            its expectation, which is exact.
        spread: for "randomised", the standard deviation of one draw relative to the norm of the full gradient;
            otherwise 0.
        backward_steps: how many times a step is passed backwards (for "rtrl", forwards with tangents).
        memory: numbers kept from the forward pass for the backward pass, or as tangents.

    Example:
        >>> import bpttgraph as bg
        >>> full, window = compare(bg.cell("rnn").unroll(8), rules=["sliding:2"]).choices
        >>> window.text, full.cosine == 1.0 > window.cosine, full.memory > window.memory
        ('sliding window: each loss is sent back over 2 steps', True, True)
    """

    rule: str
    text: str
    cosine: float
    norm: float
    spread: float
    backward_steps: int
    memory: int


@dataclass(frozen=True)
class Truncations:
    """A table of choices for one recurrence and instance.

    Example:
        >>> import bpttgraph as bg
        >>> table = compare(bg.cell("rnn").unroll(8), rules=["sliding:2"])
        >>> [choice.rule for choice in table.choices], table.wrt[0]
        (['full', 'sliding:2'], 'W_hh')
    """

    title: str
    wrt: tuple[str, ...]
    choices: tuple[Choice, ...]

    def to_json(self) -> str:
        """The table as JSON text; what is not finite as null."""
        import json
        from dataclasses import asdict

        rows = [
            {k: v if not isinstance(v, float) or np.isfinite(v) else None for k, v in asdict(c).items()}
            for c in self.choices
        ]
        return (
            json.dumps({"title": self.title, "wrt": list(self.wrt), "choices": rows}, ensure_ascii=False, indent=2)
            + "\n"
        )

    def __str__(self) -> str:
        width = max(len(c.rule) for c in self.choices)
        lines = [
            self.title,
            f"{'rule':<{width}}  {'cosine':>8} {'norm':>8} {'spread':>8} {'steps back':>10} {'numbers kept':>12}",
        ]
        for c in self.choices:
            spread = f"{c.spread:8.3f}" if c.spread else f"{'–':>8}"
            lines.append(
                f"{c.rule:<{width}}  {c.cosine:8.5f} {c.norm:8.4f} {spread} {c.backward_steps:>10,} {c.memory:>12,}"
            )
        return "\n".join(lines)


def compare(
    u: Unrolled,
    data: Mapping[str, Any] | None = None,
    rules: Sequence[str] | None = None,
    wrt: Sequence[str] | None = None,
) -> Truncations:
    """Compare truncation rules with the full gradient on one instance.

    Args:
        u: unrolled without truncation. data: a generic random instance by default.
        rules: what `truncate` takes, "randomised:0.2" (the probability of a cut), "rtrl"; by default one of each, with
            windows of a quarter of the steps. wrt: parameters that the direction is measured over; all by default.

    >>> import bpttgraph as bg
    >>> table = compare(bg.cell("rnn").unroll(8), rules=["sliding:2", "rtrl"])
    >>> [c.rule for c in table.choices], round(table.choices[2].cosine, 12)
    (['full', 'sliding:2', 'rtrl'], 1.0)
    """
    if u.truncation is not None:
        raise BPTTError(
            "the recurrence is unrolled with a truncation already",
            "unroll without truncate=; the rules are compared here",
        )
    data = u.instance(seed=0) if data is None else data
    names = tuple(wrt or u.parameters)
    for name in names:
        if name not in u.parameters:
            raise BPTTError(f"there is no parameter {name}", nearest(name, list(u.parameters)))
    T = u.columns
    quarter = max(1, T // 4)
    if rules is None:
        carry = ["carousel"] if any(v.carry for v in u.vgraph.variables.values()) else []
        rules = [
            f"sliding:{quarter}",
            f"chunk:{quarter}",
            f"{2 * quarter};{quarter}",
            "one-step",
            *carry,
            "randomised:0.2",
            "rtrl",
        ]
    full = _flat(u.numbers.run(data).gradients, names)
    state = _state_size(u)
    choices = [Choice("full", "every step is sent back to the first", 1.0, 1.0, 0.0, T, T * state)]
    for rule in rules:
        choices.append(_choice(u, data, rule, names, full, state))
    return Truncations(f"Truncation of {u.recurrence.title}, {T} steps", names, tuple(choices))


def _choice(u: Unrolled, data: Mapping[str, Any], rule: str, names: Sequence[str], full: Array, state: int) -> Choice:
    T = u.columns
    size = float(np.linalg.norm(full))
    if rule == "rtrl":
        found = np.concatenate([rtrl(u, data, name).ravel() for name in names])
        text = "real-time recurrent learning: tangents of the state by every parameter, carried forward"
        return Choice(rule, text, *_against(found, full), 0.0, T * len(full), state * len(full))
    if rule.startswith("randomised"):
        c = _probability(rule)
        spread = float(np.sqrt(sum(variance(u, data, name, c) for name in names))) / size if size else 0.0
        text = f"each border is cut with probability {c:g}, what passes is multiplied by {1 / (1 - c):.4g}"
        kept = min(T, round(1 / c)) if c else T
        return Choice(rule, text, 1.0, 1.0, spread, T, kept * state)
    from ..equations.truncation import parse_truncation

    parsed = parse_truncation(rule)
    if parsed is None:
        raise BPTTError(
            f"{rule!r} is not a truncation",
            "choose sliding:4, chunk:4, '8;4', one-step, carousel, randomised:0.2 or rtrl",
        )
    cut = _again(u, rule)
    found = _flat(cut.numbers.run(data).gradients, names)
    if parsed.carousel:
        return Choice(rule, parsed.text, *_against(found, full), 0.0, T, T * state)
    groups = range(0, T, parsed.stride)
    steps = sum(min(parsed.window, min(g + parsed.stride, T)) for g in groups)
    return Choice(rule, parsed.text, *_against(found, full), 0.0, steps, min(parsed.window, T) * state)


def _again(u: Unrolled, rule: str) -> Unrolled:
    """The same recurrence, unrolled as before but with a truncation."""
    shaped = {name: shape for name, shape in u.sizes.items() if shape}
    steps: Any = u.steps.get(None, u.steps)
    return u.recurrence.unroll(steps, sorted({h.step for h in u.heads}), shaped or 1, rule, u.inputs, u.reduce)


def _probability(rule: str) -> float:
    try:
        c = float(rule.partition(":")[2] or "0.2")
    except ValueError:
        c = -1.0
    if not 0.0 <= c < 1.0:
        raise BPTTError(
            f"{rule!r} names no probability of a cut", "write randomised:0.2, a number of at least 0 and below 1"
        )
    return c


def _flat(gradients: Mapping[str, Any], names: Sequence[str]) -> Array:
    return np.concatenate([np.asarray(gradients[name], float).ravel() for name in names])


def _against(found: Array, full: Array) -> tuple[float, float]:
    """Cosine and relative length."""
    a, b = float(np.linalg.norm(found)), float(np.linalg.norm(full))
    return (float(found @ full / (a * b)) if a and b else 0.0), (a / b if b else 0.0)


def _state_size(u: Unrolled) -> int:
    """Numbers that one step keeps for the backward pass: every named value of the step."""
    steps = [
        v
        for v in u.vgraph.variables.values()
        if v.column == u.columns and v.role not in ("input", "target", "upstream")
    ]
    return sum(int(np.prod(v.shape)) for v in steps)


# -- randomised --------------------------------------------------------------------------------------------------------


def randomised(
    u: Unrolled, data: Mapping[str, Any], name: str, cut: float, rng: np.random.Generator, draws: int = 1
) -> Array:
    """Draws of the randomised truncated gradient, (draws, *shape): unbiased, whatever the probability `cut` of a cut.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(4)
    >>> draws = randomised(u, u.instance(), "W_hh", 0.2, np.random.default_rng(0), draws=3)
    >>> draws.shape
    (3, 4, 4)
    """
    triangle = u.numbers.run(data).contributions(name)
    T = len(triangle)
    passed = (rng.random((draws, T - 1)) >= cut) / (1.0 - cut)  # border j lies between the steps j + 1 and j + 2
    weight = np.zeros((draws, T, T))
    for k in range(T):
        weight[:, k:, k] = np.concatenate([np.ones((draws, 1)), np.cumprod(passed[:, k:], axis=1)], axis=1)
    return np.tensordot(weight, triangle, axes=([1, 2], [0, 1]))


def variance(u: Unrolled, data: Mapping[str, Any], name: str, cut: float) -> float:
    """The variance of one draw, summed over all entries: exact, from the triangle of contributions.

    Two contributions share the borders between the later of their uses and the earlier of their losses; each shared
    border raises the expectation of their product by 1/(1−c).
    """
    triangle = u.numbers.run(data).contributions(name)
    T = len(triangle)
    pairs = [(t, k) for t in range(T) for k in range(t + 1)]
    parts = np.array([triangle[t, k].ravel() for t, k in pairs])
    t, k = np.array(pairs).T
    shared = np.maximum(np.minimum(t[:, None], t) - np.maximum(k[:, None], k), 0)
    return float(np.sum(((1.0 - cut) ** -shared - 1.0) * (parts @ parts.T)))


# -- forward mode ------------------------------------------------------------------------------------------------------


def rtrl(u: Unrolled, data: Mapping[str, Any], name: str) -> Array:
    """dE/dW by real-time recurrent learning: every tangent of the parameter carried forward through all steps, no
    backward pass.

    >>> import bpttgraph as bg
    >>> u = bg.cell("rnn").unroll(4)
    >>> data = u.instance()
    >>> bool(np.allclose(rtrl(u, data, "W_hh"), u.run(data).gradients["W_hh"], rtol=1e-12))
    True
    """
    target = u.node(name)
    run = u.numbers.run(data, schedule=False)
    size = int(np.prod(target.shape))
    tangent = leaf("tangent", target.shape)
    total = u.node(u.total)
    changed = forward({target: tangent}, [total])
    if total not in changed:
        return np.zeros(target.shape)
    known: dict[Node, Any] = {u.node(v): run.array(v) for v in u.vgraph.variables}
    known[tangent] = np.eye(size).reshape(size, 1, *target.shape)
    value = np.asarray(evaluate([changed[total]], known)[0])
    value = value.reshape(size, -1).sum(axis=1)
    found: Array = value.reshape(target.shape)
    return found
