"""Results travel between processes: what comes back reads the same, and no number of steps is too many."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.core.primitives import TABLE, abstract_function

ROOT = Path(__file__).parents[2]


def there_and_back(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


BOTH = pytest.mark.parametrize("way", [there_and_back, copy.deepcopy])
Way = Callable[[Any], Any]


def same_run(a: Any, b: Any) -> None:
    assert (
        a.loss == b.loss
        and a.batch == b.batch
        and list(a.values) == list(b.values)
        and list(a.gradients) == list(b.gradients)
    )
    for name in a.gradients:
        assert np.array_equal(a.gradients[name], b.gradients[name]), name
    for name in a.values:
        assert np.array_equal(a.values[name], b.values[name]), name
    name = next(iter(a.u.parameters))
    assert np.array_equal(a.contributions(name), b.contributions(name))


def same_graph(a: Any, b: Any) -> None:
    assert [a.name(n) for n in a] == [b.name(n) for n in b] and a.edges == b.edges and len(a.outputs) == len(b.outputs)
    for m, n in zip(a, b):
        assert (m.op and m.op.name) == (n.op and n.op.name)
        assert (m.shape, m.batched, m.role, m.step, m.base) == (n.shape, n.batched, n.role, n.step, n.base)
        assert [
            (u.number, u.step, u.variable, u.slot, a.name(u.node)) for u in m.uses if u.node.serial in a._names
        ] == [(u.number, u.step, u.variable, u.slot, b.name(u.node)) for u in n.uses if u.node.serial in b._names]


OPTIONS: dict[str, dict[str, Any]] = {
    "rnn": {"steps": 4, "loss": [2, 4], "truncate": "sliding:2", "reduce": "mean"},
    "lstm": {"steps": 3, "loss": "last", "sizes": {"h": 2}, "truncate": "carousel"},
    "seq2seq": {"steps": {"encoder": 3, "decoder": 2}, "inputs": "feedback"},
    "jordan": {"steps": 3, "inputs": "first"},
    "bidirectional": {"steps": 3, "sizes": 1},
    "lstm-fused:fico": {"steps": 3, "truncate": "8;4"},
}


@BOTH
@pytest.mark.parametrize("cell", OPTIONS)
def test_an_unrolled_recurrence(cell: str, way: Way) -> None:
    u = bg.cell(cell).unroll(**OPTIONS[cell])
    v = way(u)
    assert repr(v) == repr(u) and v.conventions == u.conventions and v.shapes == u.shapes and v.cuts == u.cuts
    assert v.recurrence.source == u.recurrence.source and v.recurrence.notes == u.recurrence.notes
    same_graph(u.graph, v.graph)
    assert u.draw().svg == v.draw().svg
    data = u.instance(batch=2)
    same_run(u.run(data), v.run(data))
    run = u.run(data)
    same_run(run, way(run))


@BOTH
def test_runs_of_every_kind(way: Way) -> None:
    u = bg.cell("char-lm").unroll(5)
    data = u.instance()
    runs = [u.run(data), u.run(data, schedule=False), u.run(data, memory="sqrt"), u.run(u.instance(batch=3))]
    runs.append(u.run({k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in data.items()}))
    runs.append(u.run({k: v * (1 + 0j) if v.dtype.kind == "f" else v for k, v in data.items()}))
    runs.append(u.run({**data, "h[0]": u.instance(batch=3)["h[0]"]}))  # a batch in one of the inputs only
    for run in runs:
        same_run(run, way(run))


@BOTH
def test_a_run_is_that_of_its_data_also_if_they_have_changed_since(way: Way) -> None:
    u = bg.cell("rnn").unroll(4)
    data = u.instance()
    run = u.run(data)
    loss = run.loss
    data["W_hh"] *= 2
    data["x"] += 1
    assert way(run).loss == loss and way(run).loss != u.run(data).loss


@BOTH
def test_derivations(way: Way) -> None:
    u = bg.cell("lstm").unroll(3)
    data = u.instance()
    for d in (u.derive("U_f"), u.derive("h[0]", cap=150, notation="werbos"), bg.cell("lstm").derive("U_f").at(4)):
        e = way(d)
        assert (e.wrt, e.cap, e.notation, e.count, e.conventions) == (d.wrt, d.cap, d.notation, d.count, d.conventions)
        for level in ("local", "matrix", "elements"):
            assert e.latex(level) == d.latex(level)
        assert str(e.check(data)) == str(d.check(data)) if d.unrolled.columns == 3 else e.unrolled.columns == 4
        assert [t.latex() for t in e.first_terms(5)] == [t.latex() for t in d.first_terms(5)]
    d = u.derive("c[0]")
    term = way(d.terms[1])
    assert term.latex("local") == d.terms[1].latex("local") and np.array_equal(
        term.value(u.run(data)), d.terms[1].value(u.run(data))
    )
    onehot = bg.cell("char-lm").unroll(2).derive("W_xh", onehot=("x", "target"))
    assert way(onehot).latex("matrix") == onehot.latex("matrix")
    report = d.check(data)
    assert str(way(report)) == str(report) and way(report).right
    g = bg.cell("gru").derive("U_z", loss="last", truncate="one-step", notation="goodfellow")
    h = way(g)
    assert (
        h.latex() == g.latex() and list(map(str, h.recursions)) == list(map(str, g.recursions)) and h.code() == g.code()
    )


@BOTH
def test_verdicts_flows_pictures_documents_and_models(way: Way) -> None:
    verdict = bg.verify(
        bg.cell("rnn"), "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]))\ndW_hh = sum_t outer(delta[t], h[t-1])"
    )
    back = way(verdict)
    assert back.report("full") == verdict.report("full") and back.to_json() == verdict.to_json() and not back.right
    u = bg.cell("rnn").unroll(5)
    flow = way(u.flow())
    assert str(flow) == str(u.flow()) and flow.to_json() == u.flow().to_json()
    figure = u.draw("backward")
    assert way(figure).svg == figure.svg and way(figure).png == figure.png
    model = bg.train("abc" * 40, "gru", iterations=7, hidden=4, steps=5, optimizer="adam")
    twin = way(model)
    model.learn(5)
    twin.learn(5)
    assert twin.losses == model.losses and twin.sample(20) == model.sample(20)


@BOTH
def test_a_node_brings_along_who_uses_its_parameters(way: Way) -> None:
    node = way(bg.cell("rnn").unroll(4).node("h[2]"))
    (W,) = [a for a in bg.Graph([node]) if a.name == "W_hh"]
    assert [(use.number, use.step, use.variable) for use in W.uses] == [(t, t, f"h[{t}]") for t in (1, 2, 3, 4)]
    assert all(use.node.args[use.slot] is W for use in W.uses)


def test_abstract_functions_and_blocks_of_equations() -> None:
    rec = bg.recurrence("h[t] = f(x[t], h[t-1]; w)\ny[t] = g(h[t])\nE[t] = squared_error(y[t], target[t])")
    u = rec.unroll(3)
    assert there_and_back(u).derive("w").latex() == u.derive("w").latex()
    same_graph(u.graph, there_and_back(u.graph))
    bound = bg.recurrence("h[t] = phi(W h[t-1] + x[t])", let={"phi": "tanh"})
    assert there_and_back(bound).reads[0].delay == 1 and there_and_back(bound).equations == bound.equations
    traced = bg.recurrence(lambda h, x, *, W, U: np.tanh(W @ h + U @ x))
    assert there_and_back(traced).equations == traced.equations


def test_operations_are_those_of_the_table() -> None:
    for op in TABLE.values():
        assert there_and_back(op) is op and copy.deepcopy(op) is op
    assert there_and_back(abstract_function("phi", None, 2)) is abstract_function("phi", None, 2)


def double(x: Any) -> Any:
    return 2.0 * x


def test_an_operation_of_ones_own() -> None:
    for mine in (
        bg.primitive(double, name="double_of_mine", derivative=_two),
        bg.defvjp(bg.primitive(double, name="double_of_mine"), _twice),
    ):
        back = there_and_back(mine)
        assert bg.grad(lambda x, op=back: op(x) * x)(3.0) == 12.0 and repr(back) == "Primitive(double_of_mine)"
        graph = there_and_back(bg.trace(lambda x, op=mine: op(x) * x, 3.0))
        assert [n.op.name for n in graph if n.op] == ["double_of_mine", "mul"]
    local = bg.primitive(lambda x: x, name="local_one", derivative=lambda y, x: 1.0)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(local)


def _two(y: Any, x: Any) -> float:
    return 2.0


def _twice(g: Any, y: Any, x: Any) -> Any:
    return 2.0 * g


@BOTH
def test_tensors(way: Way) -> None:
    x = bg.tensor([1.0, 2.0], name="x")
    y = (bg.stack([x, x * x]) @ x).sum()
    y.backward()
    graph = bg.trace(lambda a: (a * a).sum(), np.ones(3))
    same_graph(graph, way(graph))
    assert [n.data.tolist() for n in way(graph)] == [n.data.tolist() for n in graph]
    if way is copy.deepcopy:  # of a Tensor, a copy of its value
        assert copy.deepcopy(y).item() == y.item() and copy.deepcopy(y).op is None
        return
    z = way(y)
    assert z.item() == y.item() and repr(z) == repr(y)
    z.backward()
    leaf = next(n for n in bg.Graph([z]) if n.name == "x")
    assert np.array_equal(leaf.grad, x.grad) and np.array_equal(way(x).grad, x.grad) and way(x).name == "x"


def test_ten_thousand_steps() -> None:
    """By recipe: neither the graph nor the recursion limit is in the way, and few bytes travel."""
    u = bg.cell("rnn").unroll(10_000)
    _ = u.graph
    sent = pickle.dumps(u)
    assert len(sent) < 60_000
    v = pickle.loads(sent)
    data = u.instance()
    assert v.run(data).loss == u.run(data).loss and repr(copy.deepcopy(u)) == repr(u)
    assert there_and_back(u.node("h[10000]")).name == "h[10000]"
    x = bg.tensor(1.0, name="x")
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    assert there_and_back(y).item() == y.item()


CHILD = """
import pickle, sys
import bpttgraph as bg
u = bg.cell("lstm").unroll(4, truncate="chunk:2")
run = u.run(u.instance(seed=3, batch=2))
answer = "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]))\\ndW_hh = sum_t outer(delta[t], h[t-1])"
found = [u, run, u.derive("W_o"), bg.verify(bg.cell("rnn"), answer), u.graph, run.loss, u.derive("W_o").latex("matrix")]
sys.stdout.buffer.write(pickle.dumps(found))
"""


def test_from_another_process() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    sent = subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, check=True, cwd=ROOT).stdout
    u, run, d, verdict, graph, loss, latex = pickle.loads(sent)
    assert run.u is u and d.unrolled is u
    mine = bg.cell("lstm").unroll(4, truncate="chunk:2")
    same_run(run, mine.run(mine.instance(seed=3, batch=2)))
    assert run.loss == loss and d.latex("matrix") == latex
    assert "never carried" in verdict.report() and verdict.parameters["W_hh"].status == "wrong"
    same_graph(graph, mine.graph)


def test_a_closed_form_and_a_schedule() -> None:
    for wrt in ("U_f", "h[0]"):
        closed = bg.cell("lstm").derive(wrt).closed_form
        assert str(pickle.loads(pickle.dumps(closed))) == str(closed)
    u = bg.cell("lstm").unroll(3)
    u.run(u.instance())  # a used schedule holds memory
    found = pickle.loads(pickle.dumps(u.schedule))
    assert found.applies and found.explain() == u.schedule.explain()
