"""Pictures of a measured gradient flow: decay over the distance, heat maps over (t, k), singular values of the
products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ..core.names import to_unicode
from ..draw.chart import Chart, Series, heat_chart, line_chart, panel_chart
from ..errors import BPTTError, nearest
from .bound import Bound

__all__ = ["VIEWS", "compared", "draw_flow"]

Array = np.ndarray[Any, Any]
VIEWS = ("page", "decay", "jacobian", "contributions", "values")
LOG10 = float(np.log(10))


class Measured(Protocol):
    """What a picture reads of a `Flow`."""

    title: str
    columns: dict[str, list[int]]
    states: tuple[str, ...]
    norms: dict[str, Array]
    contributions: dict[str, Array]
    lag_values: Array
    lag_radius: Array
    bound: Bound
    notes: list[str]

    def norms_of(self, state: str) -> Array: ...


def draw_flow(flow: Measured, view: str = "page", of: str | None = None, theme: str = "light") -> Chart:
    """Draw a flow.

    Args:
        view: "decay", the norm of ∂state_T/∂state_k over the distance T − k; "jacobian", a heat map of
            ‖∂state_t/∂state_k‖; "contributions", one of ‖dE_t/dW through the use at step k‖; "values", singular values
            and spectral radius of the products; "page", all of them.
        of: the state, or the parameter for contributions; the first by default.
    """
    if view not in VIEWS:
        raise BPTTError(f"there is no view {view!r} of a flow", nearest(view, VIEWS))
    if view == "decay":
        return _decay(flow, theme)
    if view == "jacobian":
        return _jacobian(flow, of or flow.states[0], theme)
    if view == "contributions":
        return _contributions(flow, of, theme)
    if view == "values":
        return _values(flow, theme)
    charts = [_decay(flow, theme), *(_jacobian(flow, s, theme) for s in flow.states[:2]), _values(flow, theme)]
    if flow.contributions:
        charts.append(_contributions(flow, of, theme))
    return panel_chart(flow.title, charts, theme=theme, note="; ".join([flow.bound.sentence(), *flow.notes]))


def _decay(flow: Measured, theme: str) -> Chart:
    lines = [_decay_line(flow, state) for state in flow.states]
    T = len(flow.norms[flow.states[0]]) - 1
    if flow.bound.factor:
        slope = float(np.log10(flow.bound.factor))
        seen = [v for line in lines for v in line.y if np.isfinite(v)]
        reach = max(max(seen) - min(seen), 2.0)  # a loose bound leaves the chart instead of pressing everything flat
        last = min(T, (max(seen) + reach / 2) / slope if slope > 0 else T)
        lines.append(Series("bound", [0, last], [0.0, last * slope]))
    return line_chart(
        "How much of the past is left",
        "distance T − k",
        "norm of the Jacobian ∂state[T]/∂state[k]",
        lines,
        power=True,
        theme=theme,
    )


def _decay_line(flow: Measured, state: str, name: str = "") -> Series:
    row = flow.norms[state][-1][::-1] / LOG10
    return Series(name or to_unicode(state), list(range(len(row))), [float(v) for v in row])


def _jacobian(flow: Measured, state: str, theme: str) -> Chart:
    columns, shown = flow.columns[state], to_unicode(state)
    return heat_chart(
        f"Norm of ∂{shown}[t]/∂{shown}[k]",
        "t",
        "k",
        (flow.norms_of(state) / LOG10).tolist(),
        t=columns,
        k=columns,
        theme=theme,
    )


def _contributions(flow: Measured, of: str | None, theme: str) -> Chart:
    if not flow.contributions:
        raise BPTTError("no contributions were measured", "ask for a parameter: u.flow(data, wrt=[…])")
    name = of if of is not None and of not in flow.states else _largest(flow)
    if name not in flow.contributions:
        raise BPTTError(f"the contributions of {name} were not measured", nearest(name, list(flow.contributions)))
    table = flow.contributions[name] / LOG10
    return heat_chart(
        f"Norm of dE[t]/d{to_unicode(name)} through step k",
        "t",
        "k",
        table.tolist(),
        t=range(1, len(table) + 1),
        k=range(1, table.shape[1] + 1),
        theme=theme,
    )


def _largest(flow: Measured) -> str:
    """The parameter whose triangle reaches farthest: one that stands beside a state, if there is one."""
    return max(flow.contributions, key=lambda name: int(np.sum(np.isfinite(flow.contributions[name]))))


def _values(flow: Measured, theme: str) -> Chart:
    T = len(flow.lag_values) - 1
    lags = list(range(T + 1))
    shown = sorted({0, 1, flow.lag_values.shape[1] - 1} & set(range(flow.lag_values.shape[1])))
    # The product is kept to 16 digits: singular values that far below the largest are its rounding, and are left out.
    kept = np.where(flow.lag_values < flow.lag_values[:, :1] - 33, np.nan, flow.lag_values) / LOG10
    lines = [Series(f"singular value {i + 1}", lags, [float(v) for v in kept[::-1, i]]) for i in shown]
    lines.append(Series("spectral radius", lags, [float(v) for v in flow.lag_radius[::-1] / LOG10]))
    return line_chart(
        "The product of the step Jacobians", "number of factors", "singular values", lines, power=True, theme=theme
    )


def compared(flows: Sequence[tuple[str, Measured]], title: str, theme: str = "light") -> Chart:
    """The decay of several recurrences in one chart: each its first state, or the one carried linearly if it has one
    (`c`)."""
    lines = [_decay_line(flow, "c" if "c" in flow.states else flow.states[0], name) for name, flow in flows]
    return line_chart(
        title, "distance T − k", "norm of the Jacobian ∂state[T]/∂state[k]", lines, power=True, theme=theme
    )
