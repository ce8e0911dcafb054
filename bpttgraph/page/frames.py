"""What the page's script is told: for each number of steps the terms, factors and numbers; what they share stands once.

A frame is one unrolling. The shorter ones read the first steps of the same data, so that most factors and terms of a
frame are those of a longer one; `Book` keeps each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..check.readings import measured as rounding_as_measured
from ..core.names import to_mathml, to_unicode
from ..errors import BPTTError
from .measured import Measured, by_use, local, within

if TYPE_CHECKING:
    from ..core.variables import Link
    from ..derive import Derivation
    from ..unrolled import Run
    from ..unrolled.unroll import Unrolled

__all__ = ["MOST_ENTRIES", "MOST_TERMS", "Book", "lengths"]

MOST_TERMS = 300
_MOST_LENGTHS = 8  # on the slider, besides the whole
MOST_ENTRIES = 400  # of the parameter: more are no page to read
_SHOWN = 64  # entries of a Jacobian that are printed; of a larger one its norm is
_EXACT = 1e-9  # by how much of its largest entry a Jacobian may differ from the complex step
_SMALL = 1e-14  # and the rounding of numbers of order one


def lengths(u: Unrolled, name: str) -> list[Unrolled]:
    """The recurrence over 1, 2, … steps up to its own number, with the losses that are left; the last is `u` itself.

    Of more than eight lengths every second, third, … is kept: a page holds a picture of each.
    """
    rec, last, found = u.recurrence, max(u.steps.values()), []
    truncate = u.truncation.name if u.truncation else None
    final = u.steps[u.loss_block]
    kind = "last" if u.loss_steps == (final,) else None
    for n in range(max(1, rec.steps_hint or 1), last, -(-last // _MOST_LENGTHS)):
        steps: Any = {b: min(n, s) for b, s in u.steps.items()}
        loss: Any = kind or [t for t in u.loss_steps if t <= steps[u.loss_block]]
        if not loss:
            continue
        v = rec.unroll(steps if rec.blocks else n, loss, u.given_sizes, truncate, u.inputs, u.reduce)
        if name in v.vgraph.variables and v.derive(name).count:
            found.append(v)
    return [*found, u]


def first_steps(v: Unrolled, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data for a shorter unrolling: the first steps of every sequence; what only it reads is random."""
    out = {}
    for key, fresh in v.instance().items():
        sequence = v.leaves[key][0][0] is not None
        out[key] = fresh if key not in data else np.asarray(data[key])[: len(fresh)] if sequence else data[key]
    return out


def _digits(values: Any, digits: int = 5) -> list[float]:
    return [float(f"{v:.{digits}g}") for v in np.ravel(values)]


class Book:
    """Frames one after the other; `factors`, `variables` and `terms` are what they share."""

    def __init__(self, name: str, data: Mapping[str, Any] | None):
        self.name, self.data = name, data
        self.factors: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, dict[str, Any]] = {}
        self.terms: list[dict[str, Any]] = []
        self._place: dict[str, int] = {}
        self._number: dict[str, int] = {}

    def frame(self, u: Unrolled) -> dict[str, Any]:
        """One length. Without numbers (abstract functions) there are only symbols."""
        d = u.derive(self.name)
        run = None
        if not u.recurrence.abstract:
            run = u.numbers.run(u.instance() if self.data is None else first_steps(u, self.data))
            if run.batch is not None:
                raise BPTTError(
                    "the page shows the numbers of one example", "give data without a batch (leave --batch out)"
                )
        terms = d.first_terms(MOST_TERMS)
        links = {x.id: x for x in u.links}
        used = dict.fromkeys(i for x in terms for i in x.links)
        own: dict[str, dict[str, Any]] = {}
        for i in used:
            self._number.setdefault(i, len(self._number))
            fact = self._factor(d, links[i], run)
            if self.factors.setdefault(i, fact) != fact:
                own[i] = fact
        values = _Values(d, run) if run is not None else None
        rows = [self._term(x, values) for x in terms]
        frame: dict[str, Any] = {
            "T": max(u.steps.values()),
            "weight": float(u.weight),
            "own": own,
            "terms": rows,
            "shape": list(u.node(self.name).shape),
            "uses": self._uses(u, terms),
            "cells": {},
            "notes": "; ".join(u.conventions),
        }
        self._describe(u, run, frame)
        if run is not None:
            self._check(u, d, run, rows, frame)
        return frame

    def _factor(self, d: Derivation, link: Link, run: Run | None) -> dict[str, Any]:
        """Symbol, formula and numbers of one local Jacobian, the numbers beside those of the complex step."""
        from ..derive import to_latex, to_mathml as formula_mathml, to_text
        from ..derive.numeric import Numbers
        from ..draw.backward import fraction_of

        symbol, said = fraction_of(link.target, link.source, d.paths.immediate(link))
        formula = d.local(link)
        out: dict[str, Any] = {
            "m": symbol,
            "s": said,
            "j": to_text(formula),
            "x": to_latex(d.local_factors.partial(link)),
        }
        if out["j"] != said:
            out["f"] = formula_mathml(formula)
        if run is not None:
            value = np.asarray(Numbers(d.local_factors, run).jacobian(link))
            value = value.reshape(-1, *value.shape[-2:])[0]
            out["n"] = _digits(np.linalg.norm(value, 2))[0]
            if value.size <= _SHOWN:
                out["r"], out["v"] = len(value), _digits(value, 4)
            other = local(d.unrolled, link, run)  # type: ignore[arg-type]
            scale = float(np.max(np.abs(other), initial=0.0))
            out["ok"] = other.shape == value.shape and within(value, other, _EXACT * scale + _SMALL)
        return out

    def _term(self, x: Any, values: _Values | None) -> int:
        """The place of a term among all."""
        made: dict[str, Any] = {"t": x.loss_step, "k": x.use_step, "l": [self._number[i] for i in x.links]}
        parts = [self.factors[i]["x"] for i in x.links]
        if r" \, ".join(parts) != x.latex():
            made["tex"] = x.latex()
        if values is not None:
            made |= values.of(x)
        key = repr(made)
        if key not in self._place:
            self._place[key] = len(self.terms)
            self.terms.append(made)
        return self._place[key]

    def _uses(self, u: Unrolled, terms: Any) -> dict[int, str]:
        """What a step of use is called: with blocks the derivation counts in global time."""
        found = {}
        for x in terms:
            v = u.vgraph.variables[x.path[-2] if len(x.path) > 1 else x.path[-1]]
            found[x.use_step] = f"{v.block} {v.step}" if v.block else str(x.use_step)
        return found

    def _describe(self, u: Unrolled, run: Run | None, frame: dict[str, Any]) -> None:
        """Every variable of a step: its equation in words and its value; a value that depends on T stands in the
        frame."""
        from ..derive import equation, to_text

        frame["values"] = own = {}
        for name, v in u.vgraph.variables.items():
            if v.role in ("parameter", "total", "upstream"):
                continue
            made: dict[str, Any] = {"s": to_unicode(name), "m": to_mathml(name), "step": v.column or 0}
            if v.role in ("state", "value", "output", "loss"):
                made["e"] = to_text(equation(u.node(name)))
            if run is not None and int(np.prod(v.shape)) <= _SHOWN:
                made["v"] = _digits(run.array(name), 4)
            if self.variables.setdefault(name, made) != made:
                own[name] = made

    def _check(self, u: Unrolled, d: Derivation, run: Run, rows: list[int], frame: dict[str, Any]) -> None:
        """Each (t, k), and the whole, beside what the complex step measures."""
        measured = by_use(u, self.name, run)
        if not measured.agrees(run.gradient(self.name)):
            measured = by_use(u, self.name, run, rounding_as_measured)
        sums: dict[tuple[int, int], Any] = {}
        for i in rows:
            t = self.terms[i]
            sums[t["t"], t["k"]] = sums.get((t["t"], t["k"]), 0.0) + np.array(t["v"])
        for (step, use), value in sums.items():
            frame["cells"][f"{step},{use}"] = self._cell(u, d, measured, step, use, value)
        reverse = np.asarray(run.gradient(self.name)).reshape(-1, measured.gradient.size).sum(axis=0)
        total = sum(sums.values(), np.zeros(measured.gradient.size))
        frame |= {
            "gradient": [float(v) for v in reverse],
            "measured": [float(v) for v in measured.gradient],
            "allowed": _digits(measured.radius, 3),
            "ok": measured.agrees(reverse) and measured.agrees(total),
        }

    def _cell(self, u: Unrolled, d: Derivation, measured: Measured, t: int, k: int, value: Any) -> dict[str, Any]:
        out: dict[str, Any] = {"v": _digits(value), "n": _digits(np.linalg.norm(value))[0]}
        blocks = {u.vgraph.variables[x.target].block for x in d.paths.readers.get(self.name, ())}
        offset = u.offset.get(next(iter(blocks)), 0) if len(blocks) == 1 else 0
        if (t, k - offset) in measured.cells and (len(blocks) == 1 or not u.recurrence.blocks):
            other, radius = measured.cells[t, k - offset]
            out |= {
                "c": _digits(other),
                "d": _digits(np.max(np.abs(value - other)), 2)[0],
                "ok": within(value, other, radius),
            }
        return out


class _Values:
    """The numbers of terms on one run: the value, and what the product has grown to after each factor."""

    def __init__(self, d: Derivation, run: Run):
        from ..derive.numeric import Numbers

        self.numbers, self.weight = Numbers(d.local_factors, run), d.unrolled.weight
        self.links = {x.id: x for x in d.paths.unrolled.vgraph.links}

    def of(self, x: Any) -> dict[str, Any]:
        row: Any = np.full((1, 1), self.weight)
        grown = []
        for i in x.links[:-1]:
            row = row @ self.numbers.jacobian(self.links[i])
            grown.append(_digits(row, 3) if row.size <= 8 else [_digits(np.linalg.norm(row), 3)[0]])
        value = np.ravel(np.asarray(self.numbers.term(x.way), dtype=float))
        return {"v": [float(v) for v in value], "n": _digits(np.linalg.norm(value))[0], "q": grown}
