"""Check gradients of an unrolled recurrence, and derivations, against the oracles: whole gradients and every (t, k) of the triangle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..autodiff import evaluate_absolute
from ..errors import BPTTError
from ..rounding import rounding_error
from .oracle import Kinks, Probe
from .report import Finding, Report

if TYPE_CHECKING:
    from ..derive import Derivation
    from ..recurrence import Run, Unrolled

__all__ = ["check_derivation", "check_derivations", "check_gradients"]

Array = np.ndarray[Any, Any]
COMPLEX = "the complex step"
DIFFERENCES = "central differences"
MOST_ENTRIES = 400  # of one parameter; larger ones are sampled, and the report says so
SAFETY = 16.0  # in standard deviations; the largest seen on some 10⁶ entries of right gradients is 2.3
ARRANGEMENT = 100.0  # standard deviations, as in homework.truth
MOST_STEPS = 24  # steps k of the triangle that are measured; longer ones are sampled


def check_gradients(
    u: Unrolled, names: Iterable[str] | None = None, data: Mapping[str, Any] | None = None, triangle: bool = True
) -> Report:
    """Compare the reverse pass of an unrolled recurrence with the complex step and with central differences.

    Args:
        u: what to check. names: parameters, initial states or other variables; by default all parameters and initial states.
        data: an instance (`u.instance()` by default). triangle: also check each dE_t/dW through the use at step k.

    Returns:
        A `Report`; `report.right` is the verdict.

    Example:
        >>> import bpttgraph as bg
        >>> check_gradients(bg.cell("rnn").unroll(3), ["W_hh"]).right
        True
    """
    given = "a generic random instance, seed 0" if data is None else "the data given"
    data = u.instance(seed=0) if data is None else data
    run = u.run(data)
    exact = u.run({k: _wide(v) for k, v in data.items()})
    report = Report(
        f"{u.recurrence.title}: gradients",
        conventions=u.conventions,
        instance=given,
        oracle=f"{COMPLEX} (step 1e-30) and {DIFFERENCES}",
    )
    unit = float(np.finfo(_real(run)).eps) / 2
    for name in names if names is not None else run.gradients:
        _check_one(report, u, run, exact, name, unit, triangle and name in u.parameters)
    return report


def check_derivation(derivation: Derivation, data: Mapping[str, Any] | None = None) -> Report:
    """Check a derivation: its gradient and triangle as `check_gradients`, and the sum of its terms, evaluated as formulas."""
    u = cast("Unrolled", derivation.unrolled)
    report = check_gradients(u, [derivation.wrt], data)
    report.title = f"{u.recurrence.title}: derivation of dE/d{derivation.wrt}"
    if derivation.count <= derivation.cap:
        run = u.run({k: _wide(v) for k, v in (u.instance(seed=0) if data is None else data).items()})
        value, truth = np.asarray(derivation.value(run)), run.gradient(derivation.wrt)
        if truth.ndim > value.ndim:
            truth = truth.sum(axis=0)
        # the readings are sums over the batch: bounds for each example of an initial state
        sizes, radii = (
            np.broadcast_to(_readings(run, derivation.wrt)[i].sum(axis=(0, 1)), value.shape) for i in (0, 1)
        )
        what = f"the sum of the {derivation.count} terms at level local"
        report.findings.append(_finding(what, "the reverse pass", value, truth, sizes, radii, 2.0**-53))
    if derivation.adjoints.closed:  # linear in the steps, so also where there are too many terms
        run = u.run({k: _wide(v) for k, v in (u.instance(seed=0) if data is None else data).items()})
        value, truth = np.asarray(derivation.value_at("matrix", run)), run.gradient(derivation.wrt)
        truth = truth.sum(axis=0) if truth.ndim > value.ndim else truth
        sizes, radii = (
            np.broadcast_to(_readings(run, derivation.wrt)[i].sum(axis=(0, 1)), value.shape) for i in (0, 1)
        )
        what = f"the {len(derivation.adjoints.parts)} statements at level matrix"
        report.findings.append(_finding(what, "the reverse pass", value, truth, sizes, radii, 2.0**-53))
    return report


def check_derivations(derivations: Iterable[Derivation], data: Mapping[str, Any] | None = None) -> Report:
    """The checks of several derivations of one unrolled recurrence as one report (see `check_derivation`)."""
    first, *others = [check_derivation(d, data) for d in derivations]
    for report in others:
        first.findings += report.findings
        first.broken = first.broken or report.broken
    if others:
        first.title = first.title.partition(":")[0] + f": {len(others) + 1} derivations"
    return first


def _wide(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _real(run: Run) -> Any:
    kinds = [a.dtype for a in run.leaves.values() if a.dtype.kind in "fc"]
    return np.zeros(1, np.result_type(*kinds) if kinds else float).real.dtype


def _readings(run: Run, name: str) -> tuple[Array, Array]:
    """S and the radius in units of u, both (losses, uses or 1, *shape).

    S is the unit in which errors are shown. The radius is what rounding may do to this reverse pass and to the oracle's forward
    pass together, which also counts the digits that a saturated unit loses.
    """
    return run.absolute_contributions(name), SAFETY * run.triangle(name, rounding_error)


def _check_one(report: Report, u: Unrolled, run: Run, exact: Run, name: str, unit: float, triangle: bool) -> None:
    target = u.node(name)
    size = int(np.prod(target.shape))
    entries = np.arange(size)
    if size > MOST_ENTRIES:
        entries = np.sort(np.random.default_rng(0).choice(size, MOST_ENTRIES, replace=False))
    batch = run.batch or 1
    # rows of the triangle, also those of steps without a loss that counts
    losses = max(u.steps.get(u._loss_block, u.columns), max(h.step for h in u.heads))
    gradient = np.zeros((len(entries), batch))
    differences, estimate = np.zeros_like(gradient), np.zeros_like(gradient)
    steps: list[int] = sorted({use.step for use in target.uses if use.step is not None}) if triangle else []
    if len(steps) > MOST_STEPS:
        steps = sorted(np.random.default_rng(0).choice(steps, MOST_STEPS, replace=False).tolist())
    measured = {k: np.zeros((losses, len(entries))) for k in steps}
    rough = {k: (np.zeros((losses, len(entries))), np.zeros((losses, len(entries)))) for k in steps}
    kinks, kinks_of = Kinks(), {k: Kinks() for k in steps}
    with np.errstate(all="ignore"):
        for heads, cut in u._numbers.groups():
            probe = Probe(u, name, heads, cut, exact.leaves)
            value, error = probe.differences(None, entries, kinks)
            gradient = gradient + probe.complex_step(None, entries).sum(axis=0) * u.weight
            differences, estimate = differences + value.sum(axis=0) * u.weight, estimate + error.sum(axis=0) * u.weight
            for k in steps:
                if k not in probe.copies:
                    continue
                rows = [h.step - 1 for h in heads]
                np.add.at(measured[k], rows, probe.complex_step(k, entries).sum(axis=-1) * u.weight)
                value, error = probe.differences(k, entries, kinks_of[k])
                np.add.at(rough[k][0], rows, value.sum(axis=-1) * u.weight)
                np.add.at(rough[k][1], rows, error.sum(axis=-1) * u.weight)
    found = np.asarray(run.gradient(name))
    per_example = target.batched and found.ndim == len(target.shape) + 1
    flat = found.reshape(batch, size)[:, entries].T if per_example else found.reshape(size)[entries][:, None]
    if not per_example:
        gradient, differences, estimate = (a.sum(axis=1, keepdims=True) for a in (gradient, differences, estimate))
    contributions, roundings = _readings(exact, name)
    scale = contributions.reshape(-1, size).sum(axis=0)[entries][:, None]
    keep = kinks.kept(len(entries))
    names = [np.unravel_index(int(e), target.shape) if target.shape else () for e in entries]
    index = [
        (*(int(i) for i in names[p]), *((b,) if flat.shape[1] > 1 else ()))
        for p in range(len(entries))
        for b in range(flat.shape[1])
    ]
    what = f"dE/d{name}" + (f" ({len(entries):,} of {size:,} entries, sampled)" if len(entries) < size else "")
    kept = np.repeat(keep, flat.shape[1])
    radius = unit * np.broadcast_to(roundings.reshape(-1, size).sum(axis=0)[entries][:, None], flat.shape)
    _agree(report, gradient, differences, 10 * estimate + 2 * radius, keep, what)
    report.findings.append(
        _entries(what, COMPLEX, flat, gradient, np.broadcast_to(scale, flat.shape), index, unit, radius, None, "")
    )
    report.findings.append(
        _entries(
            what,
            DIFFERENCES,
            flat,
            differences,
            np.broadcast_to(scale, flat.shape),
            index,
            unit,
            radius + 10 * estimate,
            kept,
            kinks.unit,
        )
    )
    if len(entries) < size and not target.batched:
        report.findings.append(_random_directions(u, name, exact, found, unit))
    if not steps:
        return
    whole = run.contributions(name).reshape(losses, -1, size)[:, [k - 1 for k in steps]][:, :, entries]
    true = np.stack([measured[k] for k in steps], axis=1)
    size_of, radius_of = (
        a.reshape(losses, -1, size)[:, [k - 1 for k in steps]][:, :, entries] for a in (contributions, unit * roundings)
    )
    tk = [(t + 1, k, *(int(i) for i in names[p])) for t in range(losses) for k in steps for p in range(len(entries))]
    label = f"each dE_t/d{name} through the use at step k"
    report.findings.append(_entries(label, COMPLEX, whole, true, size_of, tk, unit, radius_of, None, ""))
    value, error = (np.stack([rough[k][i] for k in steps], axis=1) for i in (0, 1))
    kept_of = np.stack([kinks_of[k].kept(len(entries)) for k in steps])
    unit_of = next((found.unit for found in kinks_of.values() if found.unit), "")
    report.findings.append(
        _entries(
            label,
            DIFFERENCES,
            whole,
            value,
            size_of,
            tk,
            unit,
            radius_of + 10 * error,
            np.broadcast_to(kept_of, whole.shape).reshape(-1),
            unit_of,
        )
    )
    summed = run.contributions(name).reshape(-1, size).sum(axis=0)[entries][:, None]
    report.findings.append(
        _entries(
            f"the sum of the triangle of {name}", "the gradient", summed, flat, scale, index, unit, radius, None, ""
        )
    )


def _random_directions(u: Unrolled, name: str, exact: Run, found: Array, unit: float) -> Finding:
    """Every entry of a large parameter at once: the gradient along a few random directions, whatever its size.

    A wrong gradient is orthogonal to a random direction with probability zero; fresh Gaussian directions, seed in the name.
    """
    size = int(np.prod(found.shape))
    directions = np.random.default_rng(1).normal(size=(8, size))
    true = np.zeros(8)
    with np.errstate(all="ignore"):
        for heads, cut in u._numbers.groups():
            along = Probe(u, name, heads, cut, exact.leaves).complex_step(None, directions)
            true = true + along.sum(axis=(0, 2)) * u.weight
    given = directions @ found.reshape(-1)
    # The running error of the whole gradient, not the sum over its triangle: u·S of a long sequence is larger than the gradient.
    nodes, seeds = exact._gradient_nodes[name], set(exact.numbers.seeds.values())
    sigma, scale = (
        np.abs(np.asarray(exact._shaped(u.node(name), exact._evaluate(nodes, None, read)), float)).reshape(-1)
        for read in (rounding_error, lambda nodes, given: evaluate_absolute(nodes, given, seeds))
    )
    radius = SAFETY * sigma + np.minimum(scale, ARRANGEMENT * sigma) + 2 * np.abs(found.reshape(-1))
    what = f"dE/d{name} along 8 random directions (seed 1)"
    scale, radius = np.abs(directions) @ scale, np.abs(directions) @ radius
    return _finding(what, COMPLEX, given, true, scale, radius, unit)


def _agree(report: Report, a: Array, b: Array, radius: Array, keep: Array, what: str) -> None:
    """The two oracles must agree; if they do not, the fault is ours."""
    off = (np.abs(a - b) > radius) & keep[:, None]
    if np.any(off):
        report.broken = f"{COMPLEX} and {DIFFERENCES} disagree on {what}"


def _finding(what: str, oracle: str, value: Array, truth: Array, size: Array, radius: Array, unit: float) -> Finding:
    value, truth, size, radius = (np.atleast_1d(a) for a in (value, truth, size, radius))
    index = [tuple(int(i) for i in place) for place in np.ndindex(value.shape)]
    return _entries(what, oracle, value, truth, size, index, unit, unit * radius, None, "")


def _entries(
    what: str,
    oracle: str,
    value: Array,
    truth: Array,
    size: Array,
    index: list[tuple[int, ...]],
    unit: float,
    radius: Array,
    keep: Array | None,
    note: str,
) -> Finding:
    """Compare entry by entry; the worst is the one farthest out in its own radius."""
    value, truth, size, radius = (
        np.asarray(a, float).reshape(-1)
        for a in (value, truth, np.broadcast_to(size, value.shape), np.broadcast_to(radius, value.shape))
    )
    tiny = np.finfo(float).tiny
    error = np.abs(value - truth)
    error = np.where(np.isfinite(error), error, np.inf)
    ratio = error / (radius + tiny)
    if keep is not None:
        ratio = np.where(keep, ratio, 0.0)
    worst = int(np.argmax(ratio))
    one = unit * float(size[worst]) + tiny
    if not len(index):
        raise BPTTError(f"{what}: there is nothing to compare", "choose a parameter that the loss depends on")
    return Finding(
        what,
        oracle,
        bool(np.all(ratio <= 1.0)),
        index[worst],
        float(value[worst]),
        float(truth[worst]),
        float(error[worst]),
        one,
        float(error[worst] / one),
        float(radius[worst] / one),
        int(value.size),
        0 if keep is None else int(np.sum(~keep)),
        note,
        oracle == DIFFERENCES,
    )
