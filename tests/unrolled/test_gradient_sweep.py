"""Every cell × every parameter and initial state × T × loss: all levels are the gradient, within what rounding may do.

The truth is the complex step, which shares no derivative rule with anything here. The allowance is the error that
rounding may make (`rounding_error`, entry by entry), never a relative tolerance: it is far below any term of the
triangle, so that truncated backpropagation could not pass.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy
from code_arguments import arguments
from truth import CELLS, bound, complex_step

from bpttgraph.check.readings import radii_of_uses, whole_radii
from bpttgraph.derive import adjoints
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.expr import Expr, product

UNIT = 2.0**-53


class Truth:
    """The gradients of one unrolling on one instance, and how far rounding may carry a right value from them."""

    def __init__(self, name: str, steps: int, loss: Any, **options: Any):
        self.rec = bound(name)
        self.u = self.rec.unroll(steps, loss=loss, **options)
        self.data = self.u.instance(seed=steps + 7)
        self.run = self.u.run(self.data)
        self.gradients = {w: complex_step(self.u, self.data, w) for w in self.run.gradients}

    def radius(self, w: str) -> Any:
        return UNIT * whole_radii(self.run, [w])[w][1] + np.finfo(float).tiny

    def agrees(self, w: str, value: Any) -> bool:
        value, want = np.asarray(value), self.gradients[w]
        return value.shape == want.shape and bool(np.all(np.abs(value - want) <= self.radius(w)))


@cache
def code_of(name: str, wrt: str, loss: str) -> Any:
    """The printed NumPy code, as a function, and the names of its arguments."""
    space: dict[str, Any] = {}
    exec(bound(name).derive(wrt, loss=loss).code(), space)
    return space["gradients"], tuple(inspect.signature(space["gradients"]).parameters)


def check_levels(t: Truth, w: str, levels: tuple[str, ...]) -> None:
    d = t.u.derive(w)
    for level in levels:
        assert t.agrees(w, d.value_at(level, t.run)), (w, level)


def general(t: Truth, w: str) -> str:
    """The name for any number of steps: r[4], the state before the first of a layer that runs backwards, is r[T+1] for
    T = 3."""
    v = t.u.vgraph.variables[w]
    late = (v.step or 0) - t.u.steps[v.block]
    return f"{v.base}[T+{late}]" if late > 0 else w


def check_symbolic(t: Truth, name: str, wrt: str, loss: str, steps: int) -> None:
    """Instantiated term for term (`at` compares all summands of all statements with the unrolled ones), and as code."""
    g = bound(name).derive(wrt, loss=loss)
    g.at(steps)
    function, names = code_of(name, wrt, loss)
    if steps < g.least:  # the last step reads an initial state: the code says that it needs more steps
        with pytest.raises(AssertionError, match="steps or more"):
            function(*arguments(t.u, t.run, names))
        return
    for w, value in function(*arguments(t.u, t.run, names)).items():
        w = w.replace("[T+1]", f"[{steps + 1}]")
        assert t.agrees(w, value), (w, "code")


def in_sympy(t: Truth, w: str, level: str) -> Any:
    """The value of the SymPy object, with numbers for its symbols."""
    e = t.u.derive(w).sympy(level)
    values: dict[str, float] = {}
    for name in t.u.vgraph.variables:
        value = t.run.array(name)[0] if t.u.node(name).batched else t.run.array(name)
        for index, x in np.ndenumerate(value):
            values[name + ("_" + ",".join(str(i + 1) for i in index) if index else "")] = float(x)
    e = e.subs({s: sympy.Float(values[s.name], 17) for s in e.free_symbols}).doit()
    if getattr(e, "is_Matrix", False):
        e = e.as_explicit().tolist()
    return np.array(e, dtype=float).reshape(t.gradients[w].shape)


@pytest.mark.parametrize("name", CELLS)
def test_a_cross_section(name: str):
    place = CELLS.index(name)
    steps, loss = 1 + place % 4, ("every", "last")[place % 2]
    t = Truth(name, steps, loss)
    for i, w in enumerate(t.gradients):
        assert t.agrees(w, t.run.gradients[w]), w
        check_levels(t, w, (("chain", "matrix"), ("elements",))[(i + place) % 2])
    check_symbolic(t, name, "all", loss, steps)
    initial = [w for w in t.gradients if "[" in w]
    for w in initial[:1]:
        check_symbolic(t, name, general(t, w), loss, steps)
    w = list(t.gradients)[place % len(t.gradients)]
    assert "✓" in t.u.derive(w).unicode("numbers", data=t.data)


@pytest.mark.parametrize("level", ["local", "matrix", "elements"])
@pytest.mark.parametrize(("name", "w"), [("rnn", "W_hh"), ("lstm", "c[0]"), ("gru", "U_r"), ("leaky", "b")])
def test_sympy_objects_are_the_gradient(name: str, w: str, level: str):
    t = Truth(name, 2, "every", sizes={"x": 2, "h": 2, "y": 2} if name == "rnn" else {"x": 1, "h": 2})
    w = w if w in t.gradients else next(iter(t.gradients))
    assert t.agrees(w, in_sympy(t, w, level))


def test_the_bound_rejects_a_truncated_gradient():
    """The smallest of all omissions, the farthest term of the triangle, is seen at the bound that is used here."""
    for name in ("rnn", "lstm", "gru"):
        t = Truth(name, 5, "every")
        for w in t.u.parameters:
            triangle = t.run.contributions(w)
            farthest = triangle[-1, 0]
            if np.any(farthest):
                assert not t.agrees(w, t.run.gradients[w] - farthest), (name, w)
        short = bound(name).unroll(5, truncate="sliding:4").run(t.data)
        assert any(not t.agrees(w, short.gradients[w]) for w in t.u.parameters)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("name", CELLS)
def test_everywhere(name: str, loss: str):
    for steps in range(1, 6):
        t = Truth(name, steps, loss)
        check_symbolic(t, name, "all", loss, steps)
        for w in t.gradients:
            assert t.agrees(w, t.run.gradients[w]), w
            check_levels(t, w, ("local", "matrix", "elements"))
            check_symbolic(t, name, general(t, w), loss, steps)
            assert "✓" in t.u.derive(w).unicode("numbers", data=t.data), (w, "numbers")
            try:
                form = bound(name).derive(general(t, w), loss=loss).closed_form
            except BPTTError:
                continue
            got = form.contributions(t.u, t.run)
            assert t.agrees(w, got.sum((0, 1))), (w, "closed form")
            want = t.run.contributions(w)
            uses = [(w, k) for k in range(1, want.shape[1] + 1)]
            found = radii_of_uses(t.run, uses, range(1, want.shape[0] + 1))
            sizes = UNIT * np.stack([found[use][1] for use in uses], axis=1) + np.finfo(float).tiny
            assert np.all(np.abs(got[:, : want.shape[1]] - want) <= 2 * sizes), (w, "closed form (t, k)")


def test_a_spoilt_derivation_is_seen(monkeypatch: pytest.MonkeyPatch):
    """A rule that forgets one reader, or one transpose, is outside the bound at every level that uses it."""
    t = Truth("lstm", 3, "every")
    whole, turned = adjoints.Adjoints._read_by, adjoints.turned_times
    monkeypatch.setattr(adjoints.Adjoints, "_read_by", lambda self, links, *rest: whole(self, links[-1:], *rest))
    assert all(not t.agrees("U_f", t.u.derive("U_f").value_at(level, t.run)) for level in ("matrix", "elements"))
    monkeypatch.setattr(adjoints.Adjoints, "_read_by", whole)
    assert t.agrees("U_f", t.u.derive("U_f").value_at("matrix", t.run))

    def straight(j: Expr, v: Expr) -> Expr:
        return product(j, v) if j.shape and j.shape[0] == j.shape[1] == v.shape[0] else turned(j, v)

    monkeypatch.setattr(adjoints, "turned_times", straight)
    assert not t.agrees("U_f", t.u.derive("U_f").value_at("matrix", t.run))
