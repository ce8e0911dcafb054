"""Checking the derivative of any function of Tensors: `gradcheck`, `check_grads`.

The reverse pass (with a random cotangent) is compared, entry by entry, with an oracle that uses no derivative rule: the
complex step through the recorded graph where every operation is analytic, otherwise central differences with
Richardson's extrapolation and error estimate. Errors are measured in u·S: unit roundoff times the sum of the absolute
values of all path products.

At a kink (ReLU at 0, a tie in a maximum) a difference quotient means nothing: such entries are counted as undecidable,
with the operation named. Arguments with more than `MOST_ENTRIES` entries are checked along random directions, at a cost
that does not depend on their size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.autodiff import Plan, backward
from ..core.graph import Node, needed
from ..core.primitives import TABLE
from ..eager.calls import Call
from ..eager.recording import recorded
from ..eager.tensor import Tensor
from ..eager.transforms import jvp, vjp
from ..eager.trees import leaves, numeric, rebuild
from ..errors import BPTTError, expect, whole
from .report import Finding, Report

__all__ = ["check_grads", "gradcheck"]

Array = np.ndarray[Any, Any]
MOST_ENTRIES = 200
DIRECTIONS = 8
STEP = 1e-30
COMPLEX, DIFFERENCES = "the complex step", "central differences"


class _Probe:
    """The function at a point: its graph, and how its output, seen through random cotangents, changes with the
    arguments."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], rng: np.random.Generator):
        self.f, self.args, self.kwargs = f, args, kwargs
        self.chosen = [i for i, a in enumerate(args) if leaves(a) and all(numeric(x) for x in leaves(a))]
        if not self.chosen:
            raise BPTTError(
                "gradcheck: no argument has numbers to differentiate by",
                "pass the arguments as a tuple: bg.gradcheck(f, (x, w))",
            )
        self.call = Call(f, self.chosen, args, kwargs)
        self.inputs, self.outputs = self.call.inputs, self.call.outputs
        self.cotangents = [self.drawn(rng, o.value) for o in self.outputs]
        self.plan = Plan(self.outputs)
        self.base = self.plan({})
        self.real = all(not np.iscomplexobj(t.value) for t in self.inputs)
        self.analytic = self.real and all(
            n.op is None or (n.op.analytic and TABLE.get(n.op.name) is n.op and n.op.name != "stop_gradient")
            for n in self.plan.nodes
        )

    @staticmethod
    def drawn(rng: np.random.Generator, like: Any) -> Any:
        shape = np.shape(like)
        return (
            rng.normal(size=shape) + 1j * rng.normal(size=shape)
            if np.iscomplexobj(like)
            else np.asarray(rng.normal(size=shape))
        )

    def size(self) -> Array:
        """S for each entry of each argument, flattened together."""
        with recorded(), np.errstate(all="ignore"):
            seeds: dict[Node, Node] = {}
            for o, g in zip(self.outputs, self.cotangents):
                seed = Tensor(g)
                seeds[o] = seeds[o] + seed if o in seeds else seed
            found = backward(seeds, self.inputs).adjoints
            live = [found.get(t) for t in self.inputs]
            sizes = _magnitudes([n for n in live if n is not None])
        return np.concatenate(
            [
                (
                    np.zeros(t.size)
                    if n is None
                    else np.broadcast_to(np.abs(sizes[n.serial]), t.shape).reshape(-1).astype(float)
                )
                for t, n in zip(self.inputs, live)
            ]
        )

    def _moved(self, change: Array) -> list[Any]:
        """The values of the inputs, moved by a flat change."""
        out, start = [], 0
        for t in self.inputs:
            part = change[start : start + t.size].reshape(t.shape)
            out.append(np.asarray(t.value, np.result_type(np.asarray(t.value), float)) + part)
            start += t.size
        return out

    def _objective(self, values: Sequence[Any], pick: Callable[[Any], Any]) -> float:
        return float(sum(np.sum(pick(v) * np.real(g)) for v, g in zip(values, self.cotangents)))

    def complex_step(self, direction: Array) -> tuple[float, str]:
        """The derivative along a direction, and the name of an operation that stands exactly on its kink."""
        moved = self._moved(1j * STEP * direction)
        with np.errstate(all="ignore"):
            slots = self.plan(dict(zip(self.inputs, moved)))
        return self._objective([slots[i] for i in self.plan.outputs], np.imag) / STEP, self._on_kink(slots)

    def _on_kink(self, slots: Sequence[Any]) -> str:
        for node in self.plan.nodes:
            if node.op is not None and node.op.kink is not None and node.op.kind != "own":
                args = [slots[self.plan.place[a.serial]] for a in node.args]
                with np.errstate(all="ignore"):
                    at = np.asarray(node.op.kink(*args, **node.attrs))
                if np.any((np.real(at) == 0) & (np.imag(at) != 0)):
                    return node.op.name
        return ""

    def _value(self, direction: Array, step: float) -> tuple[float, list[Any]]:
        moved = [v.item() if not v.shape else v for v in self._moved(step * direction)]
        args, start = list(self.args), 0
        for i in self.chosen:
            count = len(leaves(args[i]))
            args[i] = rebuild(args[i], moved[start : start + count])
            start += count
        call = Call(self.f, self.chosen, args, self.kwargs)
        plan = Plan(call.outputs)
        total = sum(float(np.sum(np.real(np.asarray(o.value) * g))) for o, g in zip(call.outputs, self.cotangents))
        sides = []
        for node in plan.nodes:
            if node.op is not None and node.op.kink is not None:
                args_ = [a.value for a in node.args]  # type: ignore[attr-defined]
                with np.errstate(all="ignore"):
                    sides.append((node.op.name, np.sign(np.real(node.op.kink(*args_, **node.attrs)))))
        return total, sides

    def differences(self, direction: Array) -> tuple[float, float, str]:
        """Derivative, error estimate, and the name of an operation that changes side within the stencil."""
        biggest = max([float(np.max(np.abs(t.value), initial=1.0)) for t in self.inputs] + [1.0])
        h = 1e-2 * biggest / max(1.0, float(np.max(np.abs(direction))))
        # Two ladders of steps: a wide one for smooth functions, a narrow one for a point near a singularity.
        return min(
            (self._ladder(direction, h), self._ladder(direction, h / 20)), key=lambda found: (bool(found[2]), found[1])
        )

    def _ladder(self, direction: Array, h: float) -> tuple[float, float, str]:
        crossed, noise = "", 0.0
        table: list[float] = []
        for step in (h, h / 2, h / 4, h / 8, h / 16):
            up, sides_up = self._value(direction, step)
            down, sides_down = self._value(direction, -step)
            for (name, a), (_, b) in zip(sides_up, sides_down):
                if np.shape(a) == np.shape(b) and np.any(a != b):
                    crossed = name
            table.append((up - down) / (2 * step))
            noise = max(noise, (abs(up) + abs(down)) * 2e-16 / step)
        power, last = 4.0, table
        while len(table) > 1:
            last, table = table, [(power * b - a) / (power - 1) for a, b in pairwise(table)]
            power *= 4
        return table[0], abs(table[0] - last[-1]) + 8 * noise, crossed


def _magnitudes(outputs: Sequence[Node]) -> dict[int, Any]:
    """The size of what is added up in each node: sums and products of absolute values, plus for minus.

    Unlike `evaluate_absolute` it also sees the cancellation inside a local derivative, such as 1 − y² of a saturated
    tanh.
    """
    size: dict[int, Any] = {}
    for node in needed(outputs):
        value = np.abs(node.value)  # type: ignore[attr-defined]
        op, m = node.op, [size[a.serial] for a in node.args]
        if op is None or (op.kind not in ("linear", "bilinear") and op.name not in ("mul", "square", "div", "ratio")):
            size[node.serial] = value
        elif op.name in ("add", "sub"):
            size[node.serial] = m[0] + m[1]
        elif op.name == "neg":
            size[node.serial] = m[0]
        elif op.name in ("div", "ratio"):
            below = np.abs(node.args[1].value)  # type: ignore[attr-defined]
            size[node.serial] = np.where(
                np.asarray(m[0]) == 0, 0.0, m[0] * m[1] / np.where(below == 0, np.inf, below) ** 2
            )
        else:
            size[node.serial] = np.maximum(value, np.abs(op.value(*m, **node.attrs)))
    return size


def gradcheck(
    f: Callable[..., Any],
    args: Any,
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    oracle: str = "auto",
    raises: bool = False,
) -> Report:
    """Check the reverse pass of a function at a point.

    Args:
        f: a function of numbers and arrays (or dicts and lists of these), to one or several of these.
        args: its arguments, a tuple (or the one argument).
        seed: of the random cotangents. oracle: "complex", "differences", or "auto" for the complex step where it
            applies.
        raises: raise the report as an error if it is not right.

    Returns:
        A report: `.right`, `.worst` (with the index of the entry), `str()` for people, `.to_json()`.

    Example:
        >>> import numpy as np, bpttgraph as bg
        >>> bg.gradcheck(lambda x: np.tanh(x) * x, np.array([0.3, -1.0])).right
        True
    """
    args = args if isinstance(args, tuple) else (args,)
    kwargs, rng = _settings(kwargs, seed)
    report = Report(
        f"gradcheck of {getattr(f, '__name__', 'a function')}, random cotangent, seed {seed}",
        instance="the point given",
    )
    _check_reverse(report, f, args, kwargs, rng, "reverse mode", oracle)
    return _done(report, raises)


def _settings(kwargs: Mapping[str, Any] | None, seed: int) -> tuple[Mapping[str, Any], np.random.Generator]:
    """The keyword arguments of the function, and where random cotangents come from."""
    expect({} if kwargs is None else kwargs, Mapping, "kwargs", 'give the keyword arguments by name: {"slope": 0.1}')
    whole(seed, 0, "a seed", "write seed=0")
    return kwargs or {}, np.random.default_rng(seed)


def _done(report: Report, raises: bool) -> Report:
    report.oracle = " and ".join(dict.fromkeys(finding.oracle for finding in report.findings))
    if raises and not report.right:
        raise BPTTError(str(report), "look at the worst entry first")
    return report


def _rounding(probe: _Probe) -> float:
    longest = max([max(n.shape, default=1) for n in probe.plan.nodes] + [1])
    return 16.0 * (min(len(probe.plan.nodes), 2000) + longest)


def _check_reverse(report: Report, f: Any, args: Any, kwargs: Any, rng: Any, what: str, oracle: str) -> None:
    probe = _Probe(f, args, kwargs, rng)
    given = np.concatenate([np.asarray(g).reshape(-1) for g in probe.call.pull(probe.cotangents)])
    sizes = probe.size()
    total = int(given.size)
    use_complex = oracle == "complex" or (oracle == "auto" and probe.analytic)
    single = all(np.asarray(t.value).dtype in (np.float32, np.complex64) for t in probe.inputs)
    unit = float(np.finfo(np.float32 if single else np.float64).eps) / 2
    if total > MOST_ENTRIES:
        directions = [rng.normal(size=total) for _ in range(DIRECTIONS)]
        found = [float(np.real(given @ v)) for v in directions]
        scale = [float(sizes @ np.abs(v)) for v in directions]
        places: list[tuple[int, ...]] = [(i,) for i in range(DIRECTIONS)]
        _compare(
            report,
            probe,
            directions,
            found,
            scale,
            places,
            unit,
            use_complex,
            f"{what}: {DIRECTIONS} random directions over {total} entries",
        )
        return
    start = 0
    for number, t in enumerate(probe.inputs):
        directions, found, scale, places = [], [], [], []
        for i in range(t.size):
            for factor in (1.0,) if not np.iscomplexobj(t.value) else (1.0, 1j):
                v = np.zeros(total, type(factor))
                v[start + i] = factor
                directions.append(v)
                found.append(float(np.real(given[start + i] * factor)))
                scale.append(float(sizes[start + i]))
                places.append(tuple(int(k) for k in np.unravel_index(i, t.shape)) if t.shape else ())
        start += t.size
        if directions:
            _compare(
                report,
                probe,
                directions,
                found,
                scale,
                places,
                unit,
                use_complex,
                f"{what}: argument {t.name or number}",
            )
    if not report.findings:
        raise BPTTError("gradcheck: the arguments have no entries", "give arrays that are not empty")


def _compare(
    report: Report,
    probe: _Probe,
    directions: Any,
    given: Any,
    scale: Any,
    places: Any,
    unit: float,
    use_complex: bool,
    what: str,
) -> None:
    kappa = _rounding(probe)
    floor = max([*scale, 0.0]) * 1e-3 + float(np.finfo(float).tiny) / unit
    ratios, truths, undecided, notes, radii = [], [], 0, [], []
    for v, g, s in zip(directions, given, scale):
        if use_complex:
            truth, kink = probe.complex_step(v)
            radius = kappa * unit * (s + floor)
        else:
            truth, estimate, kink = probe.differences(v)
            radius = kappa * unit * (s + floor) + 4 * estimate + 1e-11 * abs(truth)
        error = abs(truth - g)
        bad = not np.isfinite(error) and not (np.isnan(truth) and np.isnan(g))
        if kink and (bad or error > radius):
            undecided += 1
            notes.append(f"{kink} at its kink")
            error, bad, truth = 0.0, False, g
        ratios.append(np.inf if bad else 0.0 if np.isnan(error) else error / radius)
        truths.append(truth)
        radii.append(radius)
    worst = int(np.argmax(ratios))
    one = unit * (scale[worst] + floor)
    error = abs(truths[worst] - given[worst])
    oracle = COMPLEX if use_complex else DIFFERENCES
    report.findings.append(
        Finding(
            what,
            oracle,
            bool(max(ratios) <= 1),
            places[worst],
            given[worst],
            truths[worst],
            error,
            one,
            error / one,
            radii[worst] / one,
            len(given),
            undecided,
            ", ".join(dict.fromkeys(notes)),
            not use_complex,
        )
    )


def _check_forward(report: Report, f: Any, args: Any, kwargs: Any, rng: Any, what: str, oracle: str) -> None:
    """Forward mode against the oracle, in a random direction."""
    probe = _Probe(f, args, kwargs, rng)
    direction = np.concatenate([probe.drawn(rng, t.value).reshape(-1) for t in probe.inputs])
    start, tangents = 0, []
    for t in probe.inputs:
        tangents.append(direction[start : start + t.size].reshape(t.shape))
        start += t.size
    fixed = list(args)

    def only(*chosen: Any) -> Any:
        for i, value in zip(probe.chosen, chosen):
            fixed[i] = value
        return f(*fixed, **kwargs)

    _, change = jvp(only, tuple(args[i] for i in probe.chosen), tuple(probe.call.shaped(tangents)))
    given = float(sum(np.sum(np.real(np.asarray(c) * g)) for c, g in zip(leaves(change), probe.cotangents)))
    scale = float(probe.size() @ np.abs(direction))
    use_complex = oracle == "complex" or (oracle == "auto" and probe.analytic)
    single = all(np.asarray(t.value).dtype == np.float32 for t in probe.inputs)
    unit = float(np.finfo(np.float32 if single else np.float64).eps) / 2
    _compare(report, probe, [direction], [given], [scale], [()], unit, use_complex, what)


def check_grads(
    f: Callable[..., Any],
    args: Any,
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    oracle: str = "auto",
    raises: bool = False,
) -> Report:
    """Check derivatives up to an order, in forward and reverse mode and every nesting of the two. See `gradcheck`.

    >>> import numpy as np, bpttgraph as bg
    >>> bg.check_grads(lambda x: x * np.sin(x), 0.7, order=2).right
    True
    """
    args = args if isinstance(args, tuple) else (args,)
    for value, kind in ((order, int), (modes, list | tuple)):
        expect(value, kind, "order and modes of check_grads", 'write order=2, modes=("fwd", "rev")')
    if order < 1 or not modes or any(m not in ("fwd", "rev") for m in modes):
        raise BPTTError(f"check_grads: order={order!r}, modes={modes!r}", 'write order=2, modes=("fwd", "rev")')
    report = Report(
        f"check_grads of {getattr(f, '__name__', 'a function')}, order {order}, random cotangents, seed {seed}",
        instance="the point given",
    )
    kwargs, rng = _settings(kwargs, seed)
    _check_orders(report, f, args, kwargs, order, tuple(modes), rng, "", oracle)
    return _done(report, raises)


def _pulled(f: Any, kwargs: Any, probe: _Probe, cotangents: Sequence[Any]) -> Callable[..., Any]:
    """The gradients of `f` for fixed cotangents, as a function."""

    def pulled(*xs: Any) -> Any:
        _, pull = vjp(f, *xs, **kwargs)
        return [g for i in probe.chosen for g in leaves(pull(rebuild(probe.call.result, cotangents))[i])]

    return pulled


def _pushed(f: Any, kwargs: Any, probe: _Probe, tangents: Sequence[Any]) -> Callable[..., Any]:
    """The change of `f` along fixed tangents, as a function."""

    def pushed(*xs: Any) -> Any:
        fixed = list(xs)

        def only(*chosen: Any) -> Any:
            for i, value in zip(probe.chosen, chosen):
                fixed[i] = value
            return f(*fixed, **kwargs)

        return leaves(jvp(only, tuple(xs[i] for i in probe.chosen), tuple(tangents))[1])

    return pushed


def _check_orders(
    report: Report, f: Any, args: Any, kwargs: Any, order: int, modes: tuple[str, ...], rng: Any, path: str, oracle: str
) -> None:
    if "rev" in modes:
        _check_reverse(report, f, args, kwargs, rng, f"{path}reverse mode", oracle)
    if "fwd" in modes:
        _check_forward(report, f, args, kwargs, rng, f"{path}forward mode", oracle)
    if order == 1:
        return
    probe = _Probe(f, args, kwargs, rng)
    cotangents = [np.real(g) if not np.iscomplexobj(o.value) else g for g, o in zip(probe.cotangents, probe.outputs)]
    for mode in modes:
        if mode == "rev":
            derived = _pulled(f, kwargs, probe, cotangents)
        else:
            derived = _pushed(f, kwargs, probe, probe.call.shaped([probe.drawn(rng, t.value) for t in probe.inputs]))
        _check_orders(
            report,
            derived,
            args,
            {},
            order - 1,
            modes,
            rng,
            f"{path}{'reverse' if mode == 'rev' else 'forward'}, then ",
            oracle,
        )
