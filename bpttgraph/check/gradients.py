"""Check gradients of an unrolled recurrence, and derivations, against the oracles: whole gradients and every (t, k) of
the triangle.

Errors are measured in u·S, and compared with what rounding may do to the reverse pass and to the oracle's forward pass
together, which also counts the digits that a saturated unit loses (`rounding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..core.rounding import U, bounded, swamped
from ..equations.admission import real
from ..errors import BPTTError
from ..unrolled.instance import outside
from ..unrolled.nodes import no_collection
from ..unrolled.numbers import Numbers
from .comparing import COMPLEX, DIFFERENCES, UNDERFLOW, Array, entries, wide
from .oracle import FINER, Probe
from .printed import check_code
from .readings import Reading, Use, measured, radii_of_uses, read_uses, rounding, settled, whole_radii
from .report import Finding, Report
from .series import LONG, Series, measure, series_of

if TYPE_CHECKING:
    from ..derive import Derivation
    from ..unrolled import Run, Unrolled
    from ..unrolled.graph import UnrolledGraph

__all__ = ["check_derivation", "check_derivations", "check_gradients"]

ESTIMATE = 10.0  # how far central differences may lie beyond their own estimate of their error


def check_gradients(
    u: Unrolled, names: Iterable[str] | None = None, data: Mapping[str, Any] | None = None, triangle: bool = True
) -> Report:
    """Compare the reverse pass of an unrolled recurrence with the complex step and with central differences.

    Args:
        u: what to check. names: parameters, initial states or other variables; by default all parameters and initial
            states.
        data: an instance (`u.instance()` by default). triangle: also check each dE_t/dW through the use at step k.

    Returns:
        A `Report`; `report.right` is the verdict.

    Raises:
        BPTTError: on the data given the loss or a gradient is not a number.

    Example:
        >>> import bpttgraph as bg
        >>> check_gradients(bg.cell("rnn").unroll(3), ["W_hh"]).right
        True
    """
    with no_collection():
        return _checked(u, names, data, triangle)


def _checked(u: Unrolled, names: Iterable[str] | None, data: Mapping[str, Any] | None, triangle: bool) -> Report:
    given = "a generic random instance, seed 0" if data is None else "the data given"
    data = u.instance(seed=0) if data is None else real(data)
    run = u.tried(data)
    exact = u.numbers.run({k: wide(v) for k, v in data.items()})
    defined(u, data, exact.loss)
    names = list(names if names is not None else run.gradients)
    for scale in FINER:
        report = _measured(u, names, run, exact, triangle, given, scale)
        if report.right or not all(f.estimated for f in report.findings if not f.right):
            break
    return report


def _measured(u: Unrolled, names: list[str], run: Run, exact: Run, triangle: bool, given: str, scale: float) -> Report:
    """The comparisons with both oracles, the steps of the differences times `scale`."""
    series: list[Series] = []
    with np.errstate(all="ignore"):
        for heads, cut in u.numbers.groups():
            probe = Probe(u, names, heads, cut, exact.leaves)
            probe.scale = scale
            series = series or [
                s for n in names for s in series_of(u, n, probe.analytic, triangle and n in u.parameters)
            ]
            measure(probe, series)
    oracles = [COMPLEX] if series[0].analytic else []
    given_of: dict[Use, Array] = {}  # of long triangles; others are taken from `contributions`
    asked = {losses: [(s.name, k) for s in series if s.losses == losses for k in s.steps or ()]
             for losses in {s.losses: None for s in series if s.steps is not None}}  # fmt: skip
    if u.columns > LONG:
        for losses, uses in asked.items():
            given_of |= read_uses(run, uses, losses)
    unit = float(np.finfo(_real(run)).eps) / 2

    def compared(errors: Reading) -> Report:
        report = Report(
            f"{u.recurrence.title}: gradients", conventions=u.conventions, instance=given,
            oracle=" and ".join([*(f"{o} (step 1e-30)" for o in oracles), DIFFERENCES]), note=u.schedule.fault,
        )  # fmt: skip
        radii = whole_radii(exact, names, errors)
        radii_of: dict[Use, tuple[Array, Array]] = {}
        for losses, uses in asked.items():
            radii_of |= radii_of_uses(exact, uses, losses, errors)
        for name in names:
            scale, radius = radii[name]
            bounded(name, exact.gradient(name), scale, radius)
            if why := swamped(scale, radius * U):
                raise BPTTError(
                    f"on these numbers dE/d{name} is undecidable: {why}",
                    "choose smaller numbers: the units are saturated",
                )
            own = [s for s in series if s.name == name]
            _compare_whole(report, [s for s in own if s.steps is None], run, *radii[name], unit)
            _compare_uses(report, [s for s in own if s.steps is not None], run, given_of, radii_of, *radii[name], unit)
        return report

    report = compared(rounding())
    return compared(measured) if report.doubtful else report


def defined(u: UnrolledGraph, data: Mapping[str, Any], value: Any) -> None:
    """Refuse an instance on which something that should be a number is none."""
    if np.all(np.isfinite(value)):
        return
    places = outside(Numbers(u), data)
    if places:
        raise BPTTError(
            f"on these numbers {places[0]} is not defined, or its derivative is not", "choose numbers inside its domain"
        )
    Numbers(u).run(data, schedule=False).finite()
    raise BPTTError(
        "on these numbers the loss or its gradient is not a finite number", "choose smaller weights or fewer steps"
    )


def check_derivation(derivation: Derivation, data: Mapping[str, Any] | None = None) -> Report:
    """Check a derivation: its gradient and triangle as `check_gradients`, the sum of its terms and the statements of
    level matrix, evaluated as formulas, and the printed NumPy code, run."""
    report = _check_formulas(derivation, data)
    _check_code(report, derivation, derivation.wrt, data)
    return report


def _check_code(report: Report, derivation: Derivation, wrt: str, data: Mapping[str, Any] | None) -> None:
    u = cast("Unrolled", derivation.unrolled)
    check_code(report, u, wrt, u.instance(seed=0) if data is None else data, derivation.onehot)


def _check_formulas(derivation: Derivation, data: Mapping[str, Any] | None) -> Report:
    u, name = cast("Unrolled", derivation.unrolled), derivation.wrt
    data = u.instance(seed=0) if data is None else real(data)
    report = check_gradients(u, [name], data)
    report.title = f"{u.recurrence.title}: derivation of dE/d{name}"
    readings = {}
    if derivation.count <= derivation.cap:
        readings[f"the sum of the {derivation.count} terms at level local"] = derivation.value
    if derivation.adjoints.closed:  # linear in the steps, so also where there are too many terms
        readings[f"the {len(derivation.adjoints.parts)} statements at level matrix"] = lambda run: derivation.value_at(
            "matrix", run
        )
    if readings:
        run = u.numbers.run({k: wide(v) for k, v in data.items()})
        truth = run.gradient(name)
    for what, value_of in readings.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.asarray(value_of(run))
        # 0/0 and 0·∞ are no numbers for a formula, where the reverse pass has one: then the formula is not decided
        lost = np.isnan(value)
        if np.any(lost):
            note = f"not decidable on these numbers: {what}, where a formula is 0/0 or 0·∞"
            report.note = "; ".join(filter(None, (report.note, note)))

        def compared(errors: Reading, what: str = what, value: Array = value) -> list[Finding]:
            scale, radius = whole_radii(run, [name], errors)[name]
            # a formula may be a sum over the batch where each example has a gradient of its own, and the other way
            # round
            rank = min(value.ndim, truth.ndim)
            found, true, ones, allowed = (
                a.sum(axis=0) if a.ndim > rank else a for a in (value, truth, scale, radius * U)
            )
            index = [tuple(int(i) for i in place) for place in np.ndindex(found.shape)]
            gone = np.isnan(found) & np.isfinite(true)
            keep = None if not np.any(gone) else ~gone.reshape(-1)
            found = np.where(gone, true, found)
            note = "" if keep is None else "0/0 or 0·∞ in the formula"
            return [entries(what, "the reverse pass", found, true, ones, index, U, allowed, keep, note)]

        report.findings += settled(compared)
    return report


def check_derivations(
    derivations: Iterable[Derivation], data: Mapping[str, Any] | None = None, whole: bool = False
) -> Report:
    """The checks of several derivations of one unrolled recurrence as one report (see `check_derivation`).

    `whole`: they are those of all parameters and initial states, whose gradients one printed function computes.
    """
    derivations = list(derivations)
    first, *others = [(_check_formulas if whole else check_derivation)(d, data) for d in derivations]
    for report in others:
        first.findings += report.findings
        first.broken = first.broken or report.broken
    if whole:
        _check_code(first, derivations[0], "all", data)
    if others:
        first.title = first.title.partition(":")[0] + f": {len(others) + 1} derivations"
    return first


def _real(run: Run) -> Any:
    kinds = [a.dtype for a in run.leaves.values() if a.dtype.kind in "fc"]
    return np.zeros(1, np.result_type(*kinds) if kinds else float).real.dtype


def _compare_whole(report: Report, series: list[Series], run: Run, scale: Array, radius: Array, unit: float) -> None:
    """The gradient by a variable: entries one by one, and along random directions."""
    name = series[0].name
    node, batch = run.u.node(name), run.batch or 1
    found = np.asarray(run.gradient(name))
    each = node.batched and found.ndim == len(node.shape) + 1  # every example has a gradient of its own
    size = series[0].along.size
    flat, scale, radius = (np.reshape(a, (batch if each else 1, size)) for a in (found, scale, radius * unit))
    measured: dict[bool, Array] = {}
    for s in series:
        along, what = s.along, f"dE/d{name}"
        count = len(along.directions)
        if along.entries is None:
            what += f" along {count} random directions (seed 1)"
        elif count < size:
            what += f" ({count:,} of {size:,} entries, sampled)"
        true, estimate = (
            np.broadcast_to(a if each else a.sum(axis=1, keepdims=True), (count, len(flat)))
            for a in (s.value, s.estimate)
        )
        given = along.of(flat).T
        if not np.all(np.isfinite(given)):
            defined(run.u, run.data, true)
        bound, one = along.bound(radius).T, along.bound(scale).T
        index = [
            (*along.index(p, node.shape), *((b,) if len(flat) > 1 else ()))
            for p in range(count)
            for b in range(len(flat))
        ]
        if s.analytic:
            measured[along.entries is None] = true
        elif measured:
            _agree(report, measured[along.entries is None][:count], true, ESTIMATE * estimate + 2 * bound, s.kept, what)
        allowed = bound + ESTIMATE * estimate
        kept = np.repeat(s.kept, len(flat))
        report.findings.append(entries(what, _oracle(s), given, true, one, index, unit, allowed, kept, s.unit))


def _compare_uses(
    report: Report,
    series: list[Series],
    run: Run,
    values: Mapping[Use, Array],
    radii: Mapping[Use, tuple[Array, Array]],
    scale: Array,
    radius: Array,
    unit: float,
) -> None:
    """The triangle of a parameter: dE_t/dW through the use at step k."""
    if not series:
        return
    name, steps, losses = series[0].name, series[0].steps or (), series[0].losses
    shape, size = run.u.node(name).shape, series[0].along.size
    uses = [(name, k) for k in steps]
    whole = None
    if run.u.columns <= LONG:
        whole = run.contributions(name)
        values = {use: whole[:, use[1] - 1] for use in uses}
    given, ones, bounds = (
        np.stack([a[use].reshape(len(losses), size) for use in uses], axis=1)
        for a in (values, {use: radii[use][0] for use in uses}, {use: radii[use][1] * unit for use in uses})
    )
    for s in series:
        along, what = s.along, f"each dE_t/d{name} through the use at step k"
        if along.entries is None:
            what += f" (k = {', '.join(map(str, steps))}), along {len(along.directions)} random directions"
        bound, count = along.bound(bounds), len(along.directions)
        places = [() if along.entries is None else along.index(p, shape) for p in range(count)]
        index = [(t, k, *p) for t in losses for k in steps for p in places]
        allowed = bound + ESTIMATE * s.estimate
        kept = np.broadcast_to(s.kept, s.value.shape).reshape(-1)
        report.findings.append(
            entries(what, _oracle(s), along.of(given), s.value, along.bound(ones), index, unit, allowed, kept, s.unit)
        )
    if whole is None:
        return
    summed, what = whole.sum(axis=(0, 1)), f"the sum of the triangle of {name}"
    index = [tuple(int(i) for i in place) for place in np.ndindex(shape)]
    report.findings.append(
        entries(what, "the gradient", summed, run.gradient(name), scale, index, unit, radius * unit, None, "")
    )


def _oracle(s: Series) -> str:
    return COMPLEX if s.analytic else DIFFERENCES


def _agree(report: Report, a: Array, b: Array, radius: Array, keep: Array, what: str) -> None:
    """The two oracles must agree; if they do not, the fault is ours."""
    off = (np.abs(a - b) > radius + UNDERFLOW) & keep[:, None]
    if np.any(off):
        report.broken = f"{COMPLEX} and {DIFFERENCES} disagree on {what}"
