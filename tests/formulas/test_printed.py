"""What is printed is what is checked: the text of every language, read back by `readers` and evaluated, is the
gradient."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from differential.compare import Subject, acceptable
from differential.generate import random_recurrence
from differential.printed import compare_printed
from differential.readers import READERS, Item, evaluate, key, latex, placed, sides
from differential.test_oracle import rnn
from formula_trees import ANY, VALUES, lifted
from hypothesis import given, settings
from truth import bound, complex_step

import bpttgraph as bg
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.expr import Expr
from bpttgraph.formulas.latex import LatexPrinter
from bpttgraph.formulas.mathml import MathMLPrinter
from bpttgraph.formulas.printers import UnicodePrinter
from bpttgraph.formulas.typst import TypstPrinter

PRINTERS: dict[str, Any] = {
    "latex": LatexPrinter,
    "mathml": MathMLPrinter,
    "typst": TypstPrinter,
    "unicode": UnicodePrinter,
}
FORMS = list(PRINTERS)


def column(value: Any) -> Any:
    """A number, or a matrix; a vector is one of one column."""
    value = np.asarray(value, float)
    return value[:, None] if value.ndim == 1 else value


def looked_up(values: dict[Item, Any]) -> Callable[[Item], Any]:
    def value(item: Item) -> Any:
        if item not in values:
            raise LookupError(f"{item} is printed, but nothing is called so")
        return values[item]

    return value


TREE = looked_up(
    {key(name): column(value) for name, value in VALUES.items()}
    | {("unit", "I"): np.eye(2), ("unit", "ones"): np.ones((2, 1))}
)


@pytest.mark.parametrize("form", FORMS)
@given(ANY)
@settings(max_examples=200, deadline=None)
def test_a_formula_reads_back_as_itself(form: str, e: Expr) -> None:
    for width in (None, 8):
        text = PRINTERS[form](width).show(e)
        found = evaluate(READERS[form](text), TREE)
        want = lifted(e)
        assert np.allclose(np.broadcast_to(found, want.shape), want, rtol=1e-9, atol=1e-9), text


# -- derivations of random recurrences, by an oracle that shares no code with the package


@pytest.mark.parametrize("seed", range(60))
def test_levels_of_random_recurrences(seed: int) -> None:
    s = Subject(random_recurrence(seed, acceptable))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert compare_printed(s) is None, s.case
    except BPTTError:
        pytest.skip("a recurrence that is refused")


SPOILT = [
    (r"^{\top}", ""),
    (" - ", " + "),
    ("t-1", "t"),
    (r"\left(1", r"\left(2"),
    (r"_{1}", r"_{2}"),
    (r"W_{hh}", "W_{hh}^{\\top}"),
]


@pytest.mark.parametrize(("old", "new"), SPOILT)
def test_the_reader_sees_what_is_wrong(old: str, new: str) -> None:
    """A transpose, a sign, an index, a number: whatever is changed in the text is another value, or no formula."""
    system = "h[t] = tanh(W_hh h[t-1] + b); E[t] = squared_error(h[t], target[t])"
    u = bg.recurrence(system).unroll(2, sizes={"h": 3})
    run = u.run(u.instance(seed=3))
    text = u.derive("b").statement("local", "latex")
    names = printed_names(run)
    right = evaluate(sides(latex(text))[1], looked_up(names))
    assert np.allclose(right[:, 0], run.gradients["b"])
    if old not in text:
        pytest.skip("not in this formula")
    try:
        wrong = evaluate(sides(latex(text.replace(old, new, 1)))[1], looked_up(names))
    except (ValueError, LookupError):
        return
    assert np.shape(wrong) != np.shape(right) or not np.allclose(wrong, right)


# -- symbolic T: what is printed, with numbers in the places of T, t, k and j


def printed_names(run: Any) -> dict[Item, Any]:
    """The forward values of a run, by what is printed for them."""
    names = {key(n): column(run.values[n]) for n in run.values}
    for n in run.u.parameters:
        names[key(n)] = column(run.data[n])
    for n, value in run.data.items():
        if n not in run.u.parameters:
            value = np.eye(run.u.shapes[n][0])[value] if np.asarray(value).dtype.kind == "i" else value
            rows = {n: value} if "[" in n else {f"{n}[{t}]": v for t, v in enumerate(value, 1)}
            names |= {key(m): column(v) for m, v in rows.items()}
    return names


RANGE = re.compile(r"(.*), \\qquad t = (\S+), \\dots, (\S+)", re.DOTALL)


def run_recursions(lines: list[str], names: dict[Item, Any], steps: int) -> dict[Item, Any]:
    """Do what printed recursions say: terminal conditions, one loop over their steps, sums."""
    last_ones = [n for n in names if n[0] == "name" and n[2].rpartition(",")[2] == str(steps)]
    # what meets an adjoint that is 0
    beyond = {("name", n[1], n[2].removesuffix(str(steps)) + str(steps + 1), n[3]) for n in last_ones}
    names = dict.fromkeys(beyond, 0.0) | names

    def number(text: str) -> int:
        return steps + int(text[1:] or 0) if text.startswith("T") else int(text)

    def value(t: int | None) -> Callable[[Item], Any]:
        at = {"T": steps} | ({} if t is None else {"t": t})
        return lambda item: steps if item == ("name", "T", "", "") else looked_up(names)(placed(item, at))

    def define(line: str, t: int | None) -> None:
        (left,), right = sides(latex(line))
        names[placed(left, {"T": steps} | ({} if t is None else {"t": t}))] = evaluate(right, value(t))

    loops: dict[tuple[str, str], list[str]] = {}
    last: list[str] = []
    for line in lines:
        found = RANGE.fullmatch(line)
        if found:
            loops.setdefault((found[2], found[3]), []).append(found[1])
        elif r"\sum" in line or r"\partial" in line.partition("=")[0]:
            last.append(line)
        else:
            define(line, None)
    for (first, stop), body in loops.items():
        down = number(first) >= number(stop)
        for t in range(number(first), number(stop) - 1, -1) if down else range(number(first), number(stop) + 1):
            for line in body:
                define(line, t)
    for line in last:
        define(line, None)
    return names


@pytest.mark.parametrize("name", ["rnn", "gru", "gru-reset-after", "lstm", "lstm-peephole", "leaky", "mgu"])
def test_printed_recursions_give_the_gradient(name: str) -> None:
    rec = bound(name)
    u = rec.unroll(4)
    data = u.instance(seed=5)
    names = run_recursions([r.latex() for r in rec.derive("all").recursions], printed_names(u.run(data)), 4)
    total = key(u.total)
    for w in u.parameters:
        got = np.asarray(names["d", "∂", total, key(w)])
        want = column(complex_step(u, data, w))
        assert np.allclose(np.broadcast_to(got, want.shape), want, rtol=1e-9, atol=1e-12), w


class Rnn:
    """h[t] = tanh(W h[t-1] + U x[t] + b), E[t] = ½|h[t] − target[t]|², with the Jacobians that a closed form names, by
    hand."""

    def __init__(self, steps: int):
        self.s = Subject(rnn(steps=steps))
        data, self.steps = self.s.world.data, steps
        self.W, self.d = data["W"], data
        self.h = [data["h[0]"], *[self.s.values[f"h[{t}]"][0, 0] for t in range(1, steps + 1)]]
        self.sensitivity: dict[int, Any] = {0: np.zeros((3, 9))}

    def step(self, j: int) -> Any:
        return np.diag(1 - self.h[j] ** 2) @ self.W

    def use(self, k: int) -> Any:
        """∂⁺h_k/∂W, rows of W one after the other."""
        return np.kron(np.diag(1 - self.h[k] ** 2), self.h[k - 1])

    def loss(self, t: int) -> Any:
        return (self.h[t] - self.d["target"][t - 1])[None]

    def __call__(self, item: Item) -> Any:
        if item == ("name", "T", "", ""):
            return float(self.steps)
        if item[0] == "d":
            _, mark, (_, top, t, _), (_, below, k, _) = item
            place = int(t)
            if (mark, top, below) == ("∂", "h", "h") and int(k) == place - 1:
                return self.step(place)
            if (top, below) == ("h", "W"):
                return self.use(place) if mark == "∂+" else self.sensitivity[place] if mark == "d" else np.nan
            if (mark, top, below) == ("∂", "E", "h") and t == k:
                return self.loss(place)
        raise LookupError(f"{item} is printed, but nothing is called so")

    def triangle(self, window: int) -> Any:
        total = 0.0
        for t in range(1, self.steps + 1):
            row = self.loss(t)
            for k in range(t, max(0, t - window), -1):
                total = total + row @ self.use(k)
                row = row @ self.step(k)
        return total


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [None, 2])
def test_printed_closed_forms(form: str, window: int | None) -> None:
    """Σ over losses, Σ over uses, Π of Jacobians: the bounds, and the order of the factors, as they are printed."""
    model = Rnn(5)
    g = model.s.rec.derive("W", truncate=None if window is None else f"sliding:{window}")
    text = getattr(g.closed_form.statements[0], form)()
    got = evaluate(sides(READERS[form](text))[1], model)
    assert np.allclose(got, model.triangle(window or 5), rtol=1e-12)
    full = column(model.s.gradients["W"].reshape(-1)).T
    assert np.allclose(got, full, rtol=1e-9) == (window is None)


@pytest.mark.parametrize("form", FORMS)
def test_printed_forward_mode(form: str) -> None:
    """Real-time recurrent learning as it is printed: the sensitivities of the steps, then the gradient."""
    model = Rnn(4)
    recursion, total = model.s.rec.derive("W").closed_form.forward
    (left,), right = sides(READERS[form](getattr(recursion, form)()))
    for t in range(1, model.steps + 1):
        name = placed(left, {"t": t})
        assert name[:2] == ("d", "d") and name[2][1:3] == ("h", str(t))
        model.sensitivity[t] = evaluate(right, lambda item, t=t: model(placed(item, {"t": t})))
    got = evaluate(sides(READERS[form](getattr(total, form)()))[1], model)
    assert np.allclose(got, column(model.s.gradients["W"].reshape(-1)).T, rtol=1e-9)
