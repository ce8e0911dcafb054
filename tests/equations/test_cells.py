"""Every cell of the library: gradients against the complex step, hand-written equations, path sums, PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_cells as ref
from truth import CELLS, assert_gradients, bound

import bpttgraph as bg
from bpttgraph.equations.library import describe, suggestion

NAMES = {
    "rnn",
    "rnn-output-state",
    "rnn-traditional",
    "rnn-abstract",
    "char-lm",
    "elman",
    "elman-linear",
    "jordan",
    "exp-trace",
    "deep-rnn",
    "bidirectional",
    "relu-rnn",
    "lstm-1997",
    "lstm",
    "lstm-fused",
    "lstm-peephole",
    "lstm-coupled",
    "gru",
    "gru-reset-after",
    "mgu",
    "seq2seq",
}


# -- the files ---------------------------------------------------------------------------------------------------------


def test_every_cell_is_there_with_its_citation() -> None:
    assert set(bg.cells()) >= NAMES
    for name in bg.cells():
        about = describe(name)
        assert about["title"] != name
        assert any(c.isdigit() for c in about["source"]), f"{name}: a citation has a year"


@pytest.mark.parametrize("name", CELLS)
def test_the_source_of_a_cell_is_its_file_and_can_be_read_again(name: str) -> None:
    rec = bg.cell(name)
    assert "# source: " in rec.source and "{" not in rec.source and "# variant" not in rec.source
    again = bg.recurrence(rec.source)
    assert (again.equations, again.states, again.inputs, again.parameters) == (
        rec.equations,
        rec.states,
        rec.inputs,
        rec.parameters,
    )
    assert rec.notes == again.notes == ()  # nothing was assumed or left out


@pytest.mark.parametrize("order", ["ifgo", "ifog", "fico", "ifco", "fgio"])
def test_gate_orders_of_the_fused_lstm_differ_by_a_permutation_of_rows(order: str) -> None:
    plain, fused = bg.cell("lstm").unroll(3), bg.cell(f"lstm-fused:{order}").unroll(3)
    data = plain.instance(3)
    letters = [{"c": "g"}.get(k, k) if order in ("fico", "ifco") else k for k in order]
    stacked = {k: data[k] for k in ("x", "h[0]", "c[0]", "dE_dh")}
    stacked |= {p: np.concatenate([data[f"{p}_{k}"] for k in letters]) for p in "WUb"}
    one, other = plain.run(data), fused.run(stacked)
    assert one.loss == pytest.approx(other.loss, rel=1e-13)
    for p in "WUb":
        expected = np.concatenate([one.gradients[f"{p}_{k}"] for k in letters])
        np.testing.assert_allclose(other.gradients[p], expected, rtol=1e-11, atol=1e-14)
    words = (
        "f, i, c (the candidate g), o"
        if order == "fico"
        else "i, f, c (the candidate g), o"
        if order == "ifco"
        else ", ".join(order)
    )
    assert f"gate order {words} in the rows of W, U and b" in fused.conventions


def test_adding_a_cell_needs_no_python(tmp_path: Path) -> None:
    path = tmp_path / "damped.txt"
    path.write_text(
        "# title: Damped network\n# source: nobody, 2026\n# convention: damped by {what}\n# suggest: φ = tanh\n#"
        " variant fixed: {d} = 0.5\n# variant fixed: {what} = a half\n# variant learned: {d} = γ\n# variant learned:"
        " {what} = γ\nh[t] = {d} * h[t-1] + φ(U @ x[t])\n",
        encoding="utf-8",
    )
    fixed, learned = bg.cell(str(path)), bg.cell(f"{path}:learned")
    assert fixed.parameters == ("U",) and learned.parameters == ("γ", "U")
    assert fixed.title == "damped" and learned.conventions == ("damped by γ",)
    assert suggestion(str(path)) == {"φ": "tanh"}
    u = bg.cell(f"{path}:learned", let={"φ": "tanh"}).unroll(3)
    assert_gradients(u, u.instance())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lstmm", "there is no cell 'lstmm'"),
        ("lstm-fused:iofg", "has no variant 'iofg'"),
        ("no/such.txt", "cannot read"),
    ],
)
def test_a_cell_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(bg.BPTTError, match=message) as caught:
        bg.cell(name)
    assert "hint: " in str(caught.value)


def test_a_binding_of_ones_own_goes_before_that_of_the_file() -> None:
    assert "sigmoid" in {n.op.name for n in bg.cell("elman").unroll(2).graph.nodes if n.op}
    kinds = {n.op.name for n in bg.cell("elman", let={"rho": "tanh"}).unroll(2).graph.nodes if n.op}
    assert "tanh" in kinds


# -- the complex step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_gradients(name: str) -> None:
    for steps, loss, batch in [(1, "every", None), (3, "every", 3), (4, "last", None)]:
        u = bound(name).unroll(steps, loss=loss)
        assert_gradients(u, u.instance(steps, batch))


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("steps", range(1, 7))
def test_gradients_of_every_combination(name: str, batch: int | None, loss: str, steps: int) -> None:
    u = bound(name).unroll(steps, loss=loss)
    assert_gradients(u, u.instance(17 * steps, batch))


# -- the equations of the literature -----------------------------------------------------------------------------------

REFERENCES: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("rnn-output-state", "y", ref.output_state, {}),
    ("rnn-pre-activation", "s", ref.pre_activation, {}),
    ("jordan:last", "y", ref.jordan, {}),
    ("jordan:leaky", "y", ref.jordan, {}),
    ("exp-trace", "h", ref.exp_trace, {}),
    ("deep-rnn:2", "h2", ref.deep, {"layers": 2}),
    ("deep-rnn:3", "h3", ref.deep, {"layers": 3}),
    ("bidirectional", "y", ref.bidirectional, {}),
    ("leaky", "h", ref.leaky, {}),
    ("lstm", "h", ref.lstm, {}),
    ("lstm-peephole", "h", ref.lstm, {}),
    ("lstm-coupled", "h", ref.lstm, {"forget": "coupled"}),
    ("lstm-1997:tanh", "h", ref.lstm, {"forget": "none"}),
    ("lstm-1997:sigmoid", "h", ref.lstm, {"forget": "none", "squash": "sigmoid"}),
    ("gru", "h", ref.gru, {}),
    ("gru-reset-after", "h", ref.gru, {"after": True}),
    ("mgu", "h", ref.mgu, {}),
]


@pytest.mark.parametrize(("name", "output", "equations", "options"), REFERENCES, ids=[r[0] for r in REFERENCES])
@pytest.mark.parametrize("loss", ["every", "last"])
def test_the_equations_of_the_literature(
    name: str, output: str, equations: Any, options: dict[str, Any], loss: str
) -> None:
    steps = 5
    u = bound(name).unroll(steps, loss=loss)
    data = u.instance(11)
    upstream = data[f"dE_d{output}"] * (1 if loss == "every" else (np.arange(steps) == steps - 1)[:, None])
    values, gradients = equations(data, upstream, **options)
    run = u.run(data)
    np.testing.assert_allclose([run.values[f"{output}[{t + 1}]"] for t in range(steps)], values, rtol=1e-13, atol=1e-14)
    assert run.loss == pytest.approx(float(np.sum(values * upstream)), rel=1e-12)
    assert set(gradients) == set(run.gradients)
    for key, expected in gradients.items():
        np.testing.assert_allclose(run.gradients[key], expected, rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("name", ["rnn", "relu-rnn"])
def test_the_canonical_network_by_hand(name: str, loss: str) -> None:
    u = bg.cell(name).unroll(6, loss=loss)
    data = u.instance(5)
    relu: tuple[Any, ...] = (lambda a: np.maximum(a, 0), lambda h: (h > 0) * 1.0)
    expected, outputs, gradients = ref.rnn(data, data["target"], loss == "last", *(relu if name == "relu-rnn" else ()))
    run = u.run(data)
    assert run.loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose([run.values[f"y[{t + 1}]"] for t in range(6)], outputs, rtol=1e-12)
    for key, value in gradients.items():
        np.testing.assert_allclose(run.gradients[key], value, rtol=1e-10, atol=1e-13, err_msg=key)


# -- derivations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_the_terms_of_a_derivation_sum_to_the_gradient(name: str) -> None:
    u = bound(name).unroll(2)
    run = u.run(u.instance(2))
    for wrt in list(u.parameters)[:4]:
        d = u.derive(wrt)
        assert d.count == len(d.terms)
        np.testing.assert_allclose(d.value(run), run.gradients[wrt], rtol=1e-10, atol=1e-13)


# symbolic-tools, section 3.3: number of paths for the loss of the last step and of every step, T = 3, 5, 8, 12
PATHS = {
    ("rnn", "W_hh"): "3/6 5/15 8/36 12/78",
    ("deep-rnn:2", "U1"): "6/10 15/35 36/120 78/364",
    ("deep-rnn:3", "U1"): "10/15 35/70 120/330 364/1365",
    ("leaky", "W"): "7/11 31/57 255/502 4095/8178",
    ("jordan:leaky", "W_m"): "4/7 16/31 128/255 2048/4095",
    ("lstm-1997", "W_i"): "20/26 285/387 14840/20268 2878980/3932754",
    ("lstm", "W_f"): "30/37 696/878 76590/96789 40362960/51009196",
    ("lstm-peephole", "W_f"): "216/240 20314/22650 18485440/20612544 163004443056/181761249120",
    ("gru", "W_z"): "21/27 341/453 21845/29124 5592405/7456536",
    ("mgu", "W_f"): "42/54 682/906 43690/58248 11184810/14913072",
}


@pytest.mark.parametrize(("name", "wrt"), PATHS)
def test_path_counts(name: str, wrt: str) -> None:
    rec = bg.cell(name)
    found = [f"{rec.unroll(t, loss='last').derive(wrt).count}/{rec.unroll(t).derive(wrt).count}" for t in (3, 5, 8, 12)]
    assert " ".join(found) == PATHS[name, wrt]


# -- PyTorch -----------------------------------------------------------------------------------------------------------


def torch_agrees(cell: str, module: str, rows: dict[str, list[str]], states: list[str]) -> None:
    """A module of PyTorch with the same weights; `rows` says which of our parameters stand in the rows of its own."""
    torch = pytest.importorskip("torch")
    u = bg.cell(cell).unroll(5, sizes={"x": 2, "h": 3})
    data = u.instance(4, batch=4)
    if "target" in data:  # the network's own output layer is not part of the module: give it a linear loss instead
        u = bg.recurrence("h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t] + b_h)").unroll(5, sizes={"x": 2, "h": 3})
        data = u.instance(4, batch=4)
    run = u.run(data)
    net = getattr(torch.nn, module)(2, 3).double()
    for name, ours in rows.items():
        value = np.concatenate([data[k] if k else np.zeros(3) for k in ours])
        getattr(net, name).data = torch.tensor(value)
    begin = [torch.tensor(data[s][None], requires_grad=True) for s in states]
    out, _ = net(torch.tensor(data["x"]), tuple(begin) if len(begin) > 1 else begin[0])
    np.testing.assert_allclose(
        np.stack([run.values[f"h[{t}]"] for t in range(1, 6)]), out.detach().numpy(), rtol=1e-12, atol=1e-14
    )
    loss = (out * torch.tensor(data["dE_dh"])).sum()
    loss.backward()
    assert run.loss == pytest.approx(float(loss.detach()), rel=1e-12)
    for name, ours in rows.items():
        if all(ours):
            expected = np.concatenate([run.gradients[k] for k in ours])
            np.testing.assert_allclose(getattr(net, name).grad.numpy(), expected, rtol=1e-10, atol=1e-13, err_msg=name)
    for s, b in zip(states, begin):
        np.testing.assert_allclose(b.grad.numpy()[0], run.gradients[s], rtol=1e-10, atol=1e-13)


def test_pytorch_rnn() -> None:
    torch_agrees(
        "rnn",
        "RNN",
        {"weight_ih_l0": ["W_xh"], "weight_hh_l0": ["W_hh"], "bias_ih_l0": ["b_h"], "bias_hh_l0": [""]},
        ["h[0]"],
    )


def test_pytorch_lstm() -> None:
    gates = {
        n: [f"{p}_{k}" for k in "ifgo"] for n, p in [("weight_ih_l0", "W"), ("weight_hh_l0", "U"), ("bias_ih_l0", "b")]
    }
    torch_agrees("lstm", "LSTM", {**gates, "bias_hh_l0": [""] * 4}, ["h[0]", "c[0]"])


def test_pytorch_gru() -> None:
    rows = {
        "weight_ih_l0": ["W_r", "W_z", "W"],
        "weight_hh_l0": ["U_r", "U_z", "U"],
        "bias_ih_l0": ["b_r", "b_z", "b_in"],
        "bias_hh_l0": ["", "", "b_hn"],
    }
    torch_agrees("gru-reset-after", "GRU", rows, ["h[0]"])
