"""How gradients vanish or explode: norms of ∂h_t/∂h_k and of each contribution, growth rates, bounds, saturated units.

Products of many Jacobians leave the range of floating point long before T = 1,000. Here every product is kept as a
matrix of norm one and the logarithm of what was divided out, so nothing under- or overflows unnoticed.

Sources: Y. Bengio, P. Simard, P. Frasconi, Learning long-term dependencies with gradient descent is difficult (1994);
R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks (2013), for the bound;
G. Benettin et al., Lyapunov characteristic exponents (1980), for the growth rates by repeated QR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BPTTError, nearest
from ..machine.bounds import MOST_NUMBERS, within
from .bound import Bound, bound_of
from .columns import Columns
from .pictures import draw_flow
from .saturation import saturation

if TYPE_CHECKING:
    from ..draw.chart import Chart
    from ..unrolled import Run, Unrolled
    from ..unrolled.graph import UnrolledGraph

__all__ = ["Flow", "measure"]

Array = np.ndarray[Any, Any]
MOST_STEPS = 5_000  # the tables are T by T
MOST_CONTRIBUTIONS = 2e8  # numbers: T² times the size of the parameter


@dataclass
class Flow:
    """What was measured. Norms are natural logarithms; −∞ is an exact zero, NaN is where k comes after t.

    Attributes:
        states: names of the states carried. columns: state → the steps along its chain, the initial state first (a
            chain that runs against time begins at T+1).
        norms: state → (T+1, T+1), [i, j] = log ‖∂state_t/∂state_k‖₂ for t = columns[i], k = columns[j], the total
            derivative.
        contributions: parameter → (T, T), [t−1, k−1] = log ‖∂E_t/∂W through the use at step k‖ (Frobenius).
        step_values: (T, n) singular values of each step Jacobian ∂I_t/∂I_{t−1} of all states together; step_radius:
            (T,) their spectral radii. lag_values: (T+1, n) logarithms of the singular values of ∂I_T/∂I_k; lag_radius:
            (T+1,) the logarithms of the spectral radii of these products.
        growth: Lyapunov exponents, the largest first: the rates (a step) at which directions grow or shrink.
        bound: of Pascanu et al., if it applies. saturated: variable → (T,) share of its units with |φ'| below a tenth
            of its maximum.

    Example:
        >>> import bpttgraph as bg
        >>> flow = bg.cell("rnn").unroll(5).flow()
        >>> flow.norms["h"].shape, flow.contributions["W_hh"].shape
        ((6, 6), (5, 5))
        >>> 0.5 < flow.rate("h") < 0.6
        True
    """

    title: str
    columns: dict[str, list[int]]
    states: tuple[str, ...]
    norms: dict[str, Array]
    contributions: dict[str, Array]
    step_values: Array
    step_radius: Array
    lag_values: Array
    lag_radius: Array
    growth: Array
    bound: Bound
    saturated: dict[str, Array]
    notes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """T."""
        return max(map(len, self.columns.values())) - 1

    def by_lag(self, state: str) -> Array:
        """(T+1,) the mean over t of log ‖∂state_t/∂state_{t−lag}‖, for each lag."""
        norms = self.norms_of(state)
        return np.array([np.mean(np.diagonal(norms, -lag)) for lag in range(len(norms))])

    def norms_of(self, state: str) -> Array:
        """The logarithms of the norms ‖∂h_t/∂h_k‖ of a state, (T+1, T+1).

        Raises:
            BPTTError: there is no such state.
        """
        if state not in self.norms:
            raise BPTTError(f"there is no state {state} here", nearest(state, list(self.norms)))
        return self.norms[state]

    def rate(self, state: str) -> float:
        """The factor a step by which the norm changes on the way from the last step back to the first."""
        norms = self.norms_of(state)
        if len(norms) < 2:
            return 1.0
        with np.errstate(invalid="ignore"):
            return float(np.exp((norms[-1, 0] - norms[-1, -1]) / (len(norms) - 1)))

    def verdict(self, state: str) -> str:
        """One sentence."""
        norms, rate, columns = self.norms_of(state), self.rate(state), self.columns[state]
        if np.isneginf(norms[-1, 0]):
            return f"{state}: the gradient is exactly zero after {int(np.sum(np.isfinite(norms[-1]))) - 1} steps back"
        decades = (norms[-1, 0] - norms[-1, -1]) / np.log(10)
        word = "shrinks" if rate < 0.95 else "grows" if rate > 1.05 else "keeps its size"
        word = "vanishes" if decades < -2 else "explodes" if decades > 2 else word
        return (
            f"{state}: the gradient {word}: ‖∂{state}[{columns[-1]}]/∂{state}[{columns[0]}]‖ = {power(norms[-1, 0])}, "
            f"a factor of {rate:.3g} a step over {len(columns) - 1} steps"
        )

    def draw(self, view: str = "page", of: str | None = None, theme: str = "light") -> Chart:
        """A picture: "decay", "jacobian", "contributions", "values", or "page" for all (see
        `flow.pictures.draw_flow`)."""
        return draw_flow(self, view, of, theme)

    def _repr_svg_(self) -> str:
        return self.draw().svg

    def to_json(self) -> str:
        """Everything as JSON; −∞ and NaN as null."""
        import json

        def plain(a: Any) -> Any:
            if isinstance(a, np.ndarray):
                return [plain(x) for x in a] if a.ndim else plain(a.item())
            return None if isinstance(a, float) and not np.isfinite(a) else a

        found = {
            "title": self.title,
            "columns": self.columns,
            "states": list(self.states),
            "unit": "natural logarithm",
            "norms": {k: plain(v) for k, v in self.norms.items()},
            "contributions": {k: plain(v) for k, v in self.contributions.items()},
            "step_singular_values": plain(self.step_values),
            "step_spectral_radius": plain(self.step_radius),
            "lag_log_singular_values": plain(self.lag_values),
            "lag_log_spectral_radius": plain(self.lag_radius),
            "growth": plain(self.growth),
            "bound": {"factor": self.bound.factor, "why": self.bound.why},
            "saturated": {k: plain(v) for k, v in self.saturated.items()},
            "notes": self.notes,
        }
        return json.dumps(found, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """One line for each quantity and pair of steps: `quantity,of,t,k,log10_norm`."""
        lines = ["quantity,of,t,k,log10_norm"]
        for state, values in self.norms.items():
            lines += [f"jacobian,{_field(state)},{line}" for line in _pairs(values, self.columns[state])]
        for name, values in self.contributions.items():
            lines += [f"contribution,{_field(name)},{line}" for line in _pairs(values, range(1, len(values) + 1))]
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        lines = [self.title, *(self.verdict(s) for s in self.states)]
        rates = ", ".join(f"{g:+.3f}" for g in self.growth[:4])
        lines.append(f"growth rates a step (Lyapunov): {rates}{', …' if len(self.growth) > 4 else ''}")
        lines.append(self.bound.sentence())
        lines += [
            f"{name}: {100 * np.mean(share):.0f} % of the units saturated" for name, share in self.saturated.items()
        ]
        return "\n".join([*lines, *self.notes])


def _field(name: str) -> str:
    """A name as a field of CSV."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name


def _pairs(values: Array, labels: Sequence[int]) -> Iterator[str]:
    for i, j in np.argwhere(~np.isnan(values)):
        yield f"{labels[i]},{labels[j]},{values[i, j] / np.log(10):.6g}"


def power(log: float) -> str:
    """A number from its natural logarithm, also where it is too small or too large for a float."""
    if not np.isfinite(log):
        return "0" if log < 0 else "∞"
    exponent = int(np.floor(log / np.log(10)))
    mantissa = float(np.exp(log - exponent * np.log(10)))
    return f"{mantissa * 10.0**exponent:.3g}" if -4 <= exponent <= 4 else f"{mantissa:.2f}e{exponent:+d}"


def measure(u: Unrolled, data: Mapping[str, Any] | None = None, wrt: Sequence[str] | None = None) -> Flow:
    """Measure the flow of gradients through an unrolled recurrence.

    Args:
        data: an instance without a batch (a generic random one by default). wrt: parameters whose contributions are
            measured; by default those that stand in the recurrent step, as long as their triangle fits into memory.

    Raises:
        BPTTError: no state; a batch; a name that is no parameter.

    >>> import bpttgraph as bg
    >>> flow = measure(bg.cell("rnn").unroll(steps=4))
    >>> flow.norms["h"].shape, flow.contributions["W_hh"].shape
    ((5, 5), (4, 4))
    """
    if u.columns > MOST_STEPS:
        raise BPTTError(
            f"{u.columns:,} steps are too many: every pair of steps is measured",
            f"measure {MOST_STEPS:,} steps or fewer",
        )
    if wrt is not None:
        named = isinstance(wrt, list | tuple) and all(isinstance(name, str) for name in wrt)
        if not named:
            raise BPTTError(f"wrt={repr(wrt)[:60]} is no list of parameters", 'write names, such as wrt=["W_hh"]')
    n = sum(prod(u.shapes[name]) for name in u.recurrence.states)
    what = f"the Jacobians of {u.columns:,} steps, {n:,}×{n:,} each, and their products are {{}} numbers"
    within(4 * u.columns * n**2, MOST_NUMBERS, what, "measure fewer steps or smaller states")
    run = u.numbers.run(u.instance(seed=0) if data is None else data)
    if u.truncation is not None:
        note = ["the full gradient is measured; truncation does not apply to ∂h_t/∂h_k"]
    else:
        note = []
    flows = [_measure(run, d, wrt, list(note)) for d in directions(u)]
    return flows[0] if len(flows) == 1 else _beside(flows[0], flows[1])


def directions(u: UnrolledGraph) -> list[int]:
    """Whether chains run with time (+1), against it (−1), or both."""
    return [d for d in (1, -1) if any(link.delay * d > 0 for link in u.links)] or [1]


def _measure(run: Run, direction: int, wrt: Sequence[str] | None, notes: list[str]) -> Flow:
    columns = Columns(run, direction)
    order = columns.order
    interfaces = [columns.interface(c) for c in order]
    sizes = [columns.size(i) for i in interfaces]
    n, count = max(sizes), len(order)
    steps = np.zeros((count - 1, n, n))
    for i in range(1, count):
        steps[i - 1, : sizes[i], : sizes[i - 1]] = columns.jacobian(interfaces[i], interfaces[i - 1], interfaces[i - 1])
    if not np.all(np.isfinite(steps)):
        run.finite()
        raise BPTTError(
            "a Jacobian of a step is not a finite number", "choose numbers on which every function is defined"
        )
    names = _parameters(columns, wrt, count, notes)
    norms, rows, row_logs, (product, logs) = _walk(columns, interfaces, steps)
    contributions = _contributions(columns, interfaces, rows, row_logs, names)
    with np.errstate(divide="ignore"):
        lag_values = np.log(np.linalg.svd(product, compute_uv=False)) + logs[:, None]
        lag_radius = np.log(np.max(np.abs(np.linalg.eigvals(product)), axis=1)) + logs
    return Flow(
        title=f"Gradient flow of {columns.u.recurrence.title}, {count - 1} steps",
        columns=dict.fromkeys(columns.bases, order),
        states=columns.bases,
        norms=norms,
        contributions=contributions,
        step_values=np.linalg.svd(steps, compute_uv=False),
        step_radius=np.max(np.abs(np.linalg.eigvals(steps)), axis=1),
        lag_values=lag_values,
        lag_radius=lag_radius,
        growth=_lyapunov(steps),
        bound=bound_of(columns),
        saturated=saturation(run),
        notes=notes,
    )


def _walk(
    columns: Columns, interfaces: list[list[str]], steps: Array
) -> tuple[dict[str, Array], list[Array], Array, tuple[Array, Array]]:
    """Along the columns with every product ∂I_t/∂I_k at once, each of norm one with its logarithm beside it.

    Returns:
        The logarithms of ‖∂state_t/∂state_k‖; for each column t the rows ∂E_t/∂I_k, k < t, of norm one, (t, n), and the
        logarithms (T+1, T+1) of what was divided out of them; and the products of the last column.
    """
    count, n = len(columns.order), steps.shape[-1]
    sizes = [columns.size(names) for names in interfaces]
    product, logs = np.zeros((count, n, n)), np.full(count, -np.inf)
    norms = {base: np.full((count, count), np.nan) for base in columns.bases}
    row_logs = np.full((count, count), -np.inf)
    rows: list[Array] = []
    entry = _entries(columns, interfaces, n)
    for t in range(count):
        before, old = product[:t].copy(), logs[:t].copy()
        if t:
            product[:t], logs[:t] = _scaled(steps[t - 1] @ before, logs[:t])
        product[t, : sizes[t], : sizes[t]] = np.eye(sizes[t])
        logs[t] = 0.0
        for base, found in norms.items():
            here = columns.rows(interfaces[t], base, columns.order[t])
            reached = product[: t + 1, here] @ entry[base][: t + 1]
            with np.errstate(divide="ignore"):
                found[t, : t + 1] = np.log(np.linalg.norm(reached, 2, axis=(1, 2))) + logs[: t + 1]
        heads = columns.heads(columns.order[t])
        row = np.zeros((t, n))
        if heads and t:
            immediate = columns.jacobian(heads, interfaces[t - 1], interfaces[t - 1]).sum(axis=0) * columns.u.weight
            row, row_logs[t, :t] = _scaled(immediate @ before[:, : len(immediate)], old)
        rows.append(row)
    return norms, rows, row_logs, (product, logs)


def _scaled(values: Array, logs: Array) -> tuple[Array, Array]:
    """Divide each product by its norm and keep the logarithm."""
    size = np.sqrt(np.sum(values**2, axis=tuple(range(1, values.ndim))))
    with np.errstate(divide="ignore"):
        shape = (-1, *[1] * (values.ndim - 1))
        return values / np.where(size > 0, size, 1.0).reshape(shape), logs + np.log(size)


def _entries(columns: Columns, interfaces: list[list[str]], n: int) -> dict[str, Array]:
    """How each state enters its own interface: ∂I_k/∂state_k, the total derivative within the column, for all k: (T+1,
    n, size)."""
    found = {}
    for base in columns.bases:
        parts = []
        for k, column in enumerate(columns.order):
            own = [name for name in interfaces[k] if columns.rows([name], base, column) != slice(0, 0)]
            before = interfaces[k - 1] if k else []
            part = columns.jacobian(interfaces[k], own, before)
            parts.append(np.pad(part, ((0, n - len(part)), (0, 0))))
        width = max(p.shape[1] for p in parts)
        found[base] = np.array([np.pad(p, ((0, 0), (0, width - p.shape[1]))) for p in parts])
    return found


def _parameters(columns: Columns, wrt: Sequence[str] | None, count: int, notes: list[str]) -> list[str]:
    """The parameters to measure along this chain: those asked for, or those of the recurrent step, without what is too
    large."""
    u = columns.u
    for name in wrt or ():
        if name not in u.parameters:
            raise BPTTError(f"there is no parameter {name}", nearest(name, list(u.parameters)))

    chains = {
        d: columns.feeding() if d == columns.direction else Columns(columns.run, d).feeding() for d in directions(u)
    }

    def stands(name: str, direction: int) -> bool:
        return any(use.variable in chains.get(direction, ()) for use in u.parameters[name].uses)

    if wrt is None:
        names = [n for n in u.parameters if stands(n, columns.direction)]
    else:  # what stands in no chain, such as output weights, is measured along with the first
        names = [n for n in wrt if stands(n, columns.direction) or (columns.direction > 0 and not stands(n, -1))]
    kept = [n for n in names if count**2 * prod(u.node(n).shape) <= MOST_CONTRIBUTIONS]
    if len(kept) < len(names):
        notes.append(
            f"contributions of {', '.join(n for n in names if n not in kept)} are not measured: too large for "
            f"{count - 1} steps"
        )
    return kept


def _contributions(
    columns: Columns, interfaces: list[list[str]], rows: list[Array], row_logs: Array, names: list[str]
) -> dict[str, Array]:
    """Log ‖dE_t/dW through the use at step k‖ for each parameter: local VJPs of the rows ∂E_t/∂I_k. NaN where no path
    leads."""
    u, count = columns.u, len(rows)
    variables = u.vgraph.variables
    steps_of = {n: {variables[use.variable].column: use.step or 0 for use in u.parameters[n].uses} for n in names}
    loss_step = {variables[head.name].column: head.step for head in u.heads}
    found = {name: np.full((max(loss_step.values()), max(steps_of[name].values())), np.nan) for name in names}
    later_columns = [(t, loss_step[c]) for t, c in enumerate(columns.order) if c in loss_step]
    for k in range(1, count):
        column, barrier = columns.order[k], interfaces[k - 1]
        used = [name for name in names if steps_of[name].get(column)]
        reached = [(t, step) for t, step in later_columns if t > k]
        heads = columns.heads(column)
        with np.errstate(divide="ignore"):
            if reached and used:
                stack = np.array([rows[t][k, : columns.size(interfaces[k])] for t, _ in reached])
                for name, part in columns.derivative(interfaces[k], used, barrier, stack).items():
                    at = steps_of[name][column]
                    found[name][[step - 1 for _, step in reached], at - 1] = (
                        np.log(_norm(part)) + row_logs[[t for t, _ in reached], k]
                    )
            if heads and used:
                own = columns.derivative(heads, used, barrier, np.full((1, len(heads)), u.weight))
                for name, part in own.items():
                    found[name][loss_step[column] - 1, steps_of[name][column] - 1] = np.log(_norm(part))[0]
    return found


def _norm(values: Array) -> Array:
    found: Array = np.sqrt(np.sum(values.reshape(len(values), -1) ** 2, axis=1))
    return found


def _lyapunov(steps: Array) -> Array:
    """Growth rates by repeated QR: directions are kept apart, so the small ones are not lost under the largest."""
    if not len(steps):
        return np.zeros(0)
    q, total = np.eye(steps.shape[-1]), np.zeros(steps.shape[-1])
    for a in steps:
        q, r = np.linalg.qr(a @ q)
        with np.errstate(divide="ignore"):
            total += np.log(np.abs(np.diag(r)))
    return np.sort(total / len(steps))[::-1]


def _beside(a: Flow, b: Flow) -> Flow:
    """Two chains that run against each other, as one measurement: each state belongs to one of them."""
    a.states += b.states
    a.columns |= b.columns
    a.norms |= b.norms
    a.contributions |= {
        name: values for name, values in b.contributions.items() if not np.all(np.isneginf(values) | np.isnan(values))
    }
    a.bound = Bound(None, f"{', '.join(b.states)} runs against time")
    a.notes.append(f"singular values and growth rates are those of {', '.join(a.states[: -len(b.states)])}")
    return a
