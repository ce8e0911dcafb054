"""Answers: every form is read, and hostile or broken ones end in one clear message, in bounded time and memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.homework.answers.files import numbers_of
from bpttgraph.homework.answers.formulas import Formulas

RNN = """
delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])
dW_hh = sum_t outer(delta[t], h[t-1])
dE/dW_xh = sum_t delta[t] @ x[t].T
db_h = sum_t delta[t]
dW_hy = sum_{k=1}^{T} (y[k] - target[k]) h[k]^T
db_y = sum_t (y[t] - target[t])
dh[0] = W_hh.T @ delta[1]
"""
LATEX = r"""
\delta_t = (1 - h_t^2) \odot \left( W_{hy}^\top (y_t - \text{target}_t) + W_{hh}^\top \delta_{t+1} \right) \\
\frac{\partial E}{\partial W_{hh}} = \sum_{t=1}^{T} \delta_t h_{t-1}^\top
"""
CLOSED = (
    "dW_hh = sum_{t=1}^{T} sum_{k=1}^{t} outer(diag(1-h[k]^2) @ (prod_{j=k+1}^{t} (diag(1-h[j]^2) @ W_hh)).T"
    " @ (W_hy.T @ (y[t]-target[t])), h[k-1])"
)


@pytest.fixture(scope="module")
def rnn():
    return bg.cell("rnn").unroll(5)


def truth(u, batch=None, seed=0):
    data = u.instance(seed, batch)
    return data, dict(u.run(data).gradients)


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [RNN, LATEX, CLOSED, RNN.replace("delta", "δ"), RNN + "delta[T+1] = 0"])
@pytest.mark.parametrize("batch", [None, 6])
def test_right_formulas(rnn, text, batch):
    verdict = bg.verify(rnn, text, rnn.instance(3, batch))
    assert verdict.right and {p.status for p in verdict.parameters.values()} == {"right"}, str(verdict)


def test_terminal_condition_written_out(rnn):
    text = RNN.replace("dW_hh", "delta[T] = (1 - h[T]^2) * (W_hy.T @ (y[T] - target[T]))\ndW_hh")
    assert bg.verify(rnn, text).right
    assert not bg.verify(rnn, text.replace("delta[T] = (1 - h[T]^2) *", "delta[T] = 2 *")).right


def test_there_is_nothing_after_the_last_step():
    """Where a recursion has a summand that belongs to no step, such as a constant upstream gradient, it must still end
    at T."""
    u = bg.recurrence("h[t] = W @ h[t-1] + U @ x[t]; E[t] = dot(v, h[t])").unroll(4, sizes={"h": 3, "x": 2})
    data = u.instance(0)
    assert bg.verify(u, "d[t] = v + W.T @ d[t+1]; dW = sum_t outer(d[t], h[t-1])", data).right
    assert bg.verify(u, "d[t] = v + W.T @ d[t+1]; d[T+1] = 0; dU = sum_t outer(d[t], x[t])", data).right
    assert not bg.verify(u, "d[t] = v + W.T @ d[t+1]; d[T+1] = v; dW = sum_t outer(d[t], h[t-1])", data).right
    assert bg.verify(u, "d[t] = v + W.T @ (v + W.T @ d[t+2]); d[T] = v; dW = sum_t outer(d[t], h[t-1])", data).right


def test_a_wrong_formula_is_wrong_and_its_line_is_known(rnn):
    verdict = bg.verify(rnn, RNN.replace("h[t-1])", "h[t])"))
    assert [n for n, p in verdict.parameters.items() if p.status == "wrong"] == ["W_hh"]
    assert verdict.parameters["W_xh"].status == "right"


def test_products_descend_in_time():
    rec = bg.recurrence("h[t] = W @ h[t-1] + x[t]\nE[t] = dot(h[t], x[t])\nE = sum_t E[t]")
    right = "dh[0] = sum_{t=1}^{T} ((prod_{j=1}^{t} W).T @ x[t])"
    assert bg.verify(rec, right).right
    f = Formulas(rec.unroll(3), "dA = prod_{j=2}^{3} diag(h[j])")
    assert f.value("dA").node is not None


def test_only_deltas(rnn):
    verdict = bg.verify(rnn, RNN.splitlines()[1])
    assert list(verdict.parameters) == [f"δ[{t}]" for t in range(1, 6)] and verdict.right
    assert not bg.verify(rnn, RNN.splitlines()[1].replace("^2", "")).right
    of_states = "dh[t] = W_hy.T @ (y[t] - target[t]) + W_hh.T @ ((1 - h[t+1]^2) * dh[t+1])"
    assert bg.verify(rnn, of_states).right


def test_upstream_gradients_are_data():
    u = bg.cell("rnn-traditional" if "rnn-traditional" in bg.cells() else "elman").unroll(4)
    rec = bg.recurrence("h[t] = tanh(W @ h[t-1] + U @ x[t] + b)").unroll(4)
    text = (
        "d[t] = (1-h[t]^2) * (dE/dh[t] + W.T @ d[t+1])\ndW = sum_t d[t] @ h[t-1].T\ndU = sum_t d[t] @ x[t].T\ndb ="
        " sum_t d[t]"
    )
    assert u is not None and bg.verify(rec, text).right


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dW_hh = sum_t outer(delta[t], h[t-1])", "delta is not defined"),
        ("dW_hh = outer(y[t], h[t-1])", "which step is [t"),
        ("d[t] = d[t]\ndW_hh = sum_t outer(d[t], h[t-1])", "defined by itself"),
        ("d[1] = d[0]\ndW_hh = sum_t outer(d[t], h[t-1])", "is not defined"),
        ("dW_hh = sum_t (W_hh @ x[t])", "matrix by vector"),
        ("dW_hh = 1\ndW_hh = 2", "defined twice"),
        ("dW_hh = 9^9^9^9", "gives inf"),
        ("dW_hh = 9**9**9", "gives inf\n  line 1: dW_hh = 9**9**9\n          ^"),
        ("dW_hh = __import__('os').system('touch x')", "subscript"),
        ("dW_hh = open(x)", "not a function"),
        ("dW_hh = sum_t h[t].T @ h[t]", "outer products"),
        ("dW_xh = sum_t h[t] @ x[t]", "outer product is"),
        ("dnonsense = sum_t h[t]", "nothing here is called"),
        ("dW_hh = sum_t (h[t] + h[t].T)", "column beside a row"),
        ("dW_hh = outer(outer(h[1], h[1]), h[1])", "two vectors"),
        ("dW_hh = " + "+".join(["h[1]"] * 300_000), "too large"),
        ("dW_hh = " + "(" * 5000 + "h[1]" + ")" * 5000, "nested"),
        ("dW_hh = sum_{i=1}^{900000} sum_{j=1}^{900000} W_hh", "too many terms"),
        ("dW_hh = sum_{i=1}^{9000} sum_{j=1}^{9000} i[j]", "is not defined"),
        ("dW_hh = sum_{i=1}^{9000} sum_{j=1}^{9000} (W_hh @ diag(h[1]) * diag(x[i]))", ""),
        ("# nothing\n", "no equation"),
        ("dW_hh =", "right side is missing"),
        ("dW_hh = h[-3]", ""),
    ],
)
def test_hostile_formulas(rnn, text, words):
    begin = time.process_time()
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(rnn, text)
    assert time.process_time() - begin < 10
    assert words in str(caught.value) and len(str(caught.value)) < 1200


def test_work_is_bounded(rnn):
    text = "dW_hh = " + " + ".join(
        f"sum_{{{v}=1}}^{{T}}" + f" sum_{{{w}=1}}^{{50000}} outer(h[{v}], h[{v}])" for v, w in ("ab", "cd")
    )
    begin = time.process_time()
    with pytest.raises(bg.BPTTError, match="too much work"):
        bg.verify(rnn, text)
    assert time.process_time() - begin < 20


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_npz_with_its_instance(rnn, tmp_path):
    data, g = truth(rnn, batch=6, seed=4)
    path = tmp_path / "a.npz"
    np.savez(path, **data, **{f"d{k}": v for k, v in g.items()})
    assert bg.verify(bg.cell("rnn"), path).right
    np.savez(path, **{f"data/{k}": v for k, v in data.items()}, **g)
    assert bg.verify(bg.cell("rnn"), str(path)).right
    g["W_hh"] = g["W_hh"] + 1e-9
    np.savez(path, **{f"data/{k}": v for k, v in data.items()}, **g)
    assert [p.status for p in bg.verify(rnn, path).parameters.values()].count("wrong") == 1


def test_npz_in_the_order_of_fortran(rnn, tmp_path):
    """Columns one after the other in the file: square matrices, which their shape does not give away, too."""
    data, g = truth(rnn, seed=4)
    path = tmp_path / "a.npz"
    np.savez(
        path,
        **{f"data/{k}": np.asfortranarray(v) for k, v in data.items()},
        **{k: np.asfortranarray(v) for k, v in g.items()},
    )
    assert {p.status for p in bg.verify(rnn, path).parameters.values()} == {"right"}


def test_json_and_csv_by_seed(rnn, tmp_path):
    _, g = truth(rnn, seed=7)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"seed": 7, "gradients": {f"dE/d{k}": v.tolist() for k, v in g.items()}}))
    verdict = bg.verify(bg.cell("rnn"), path)
    assert {p.status for p in verdict.parameters.values()} == {"right"}
    rows = [",".join([f"d{k}", *map(repr, row.tolist())]) for k, v in g.items() for row in np.atleast_2d(v)]
    (tmp_path / "a.csv").write_text("# my answer\nseed,7\n" + "\n".join(rows))
    assert bg.verify(bg.cell("rnn"), tmp_path / "a.csv").right


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_digits_as_typed(rnn, digits):
    data, g = truth(rnn)
    typed = {
        k: [[f"{x:.{digits}g}" for x in row] for row in v] if v.ndim == 2 else [f"{x:.{digits}g}" for x in v]
        for k, v in g.items()
    }
    verdict = bg.verify(rnn, typed, data)
    assert verdict.right and {p.status for p in verdict.parameters.values()} <= {"right to the digits given", "right"}
    typed["W_hh"][0][0] = f"{g['W_hh'][0, 0] * (1 + 27 * 10.0**-digits):.{digits}g}"
    assert bg.verify(rnn, typed, data).parameters["W_hh"].status == "wrong"


def test_too_few_digits_decide_nothing(rnn):
    data, g = truth(rnn)
    verdict = bg.verify(rnn, {"b_h": [f"{np.round(v):.0f}." for v in g["b_h"]]}, data)
    assert verdict.parameters["b_h"].status in ("undecidable", "wrong") and not verdict.right


def test_zeros_typed_are_zeros(rnn):
    data, g = truth(rnn)
    assert not bg.verify(rnn, {"b_h": ["0"] * 4}, data).right
    assert not bg.verify(rnn, {"b_h": ["0.0"] * 4}, data).right
    assert not bg.verify(rnn, {k: 0 * v for k, v in g.items()}, data).right


@pytest.mark.parametrize("digits", [12, 15, 17])
def test_many_digits_are_judged_as_double_precision(rnn, digits):
    """An entry off by 10⁻¹⁰ of itself is wrong, though single precision would not show it."""
    data, g = truth(rnn)
    typed = {"b_h": [f"{x:.{digits}g}" for x in g["b_h"]]}
    assert bg.verify(rnn, typed, data).right
    typed["b_h"][1] = f"{g['b_h'][1] * (1 + 1e-10):.{digits}g}"
    assert not bg.verify(rnn, typed, data).right


def test_a_programs_output_has_full_precision():
    n = numbers_of(["0.12345678901234567", "0.5"], "x")
    assert n.half is None
    n = numbers_of([str(np.float32(v)) for v in (0.1234567, 1.7654321)], "x")
    assert n.unit == 2.0**-24


def test_float32_and_torch(rnn):
    data, _ = truth(rnn, batch=6)
    single = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in data.items()}
    g = rnn.run(single).gradients
    verdict = bg.verify(rnn, dict(g), data)
    assert verdict.right and {p.status for p in verdict.parameters.values()} == {"right"}
    wrong = {k: v * np.float32(1 + 3e-4) for k, v in g.items()}
    assert not bg.verify(rnn, wrong, data).right


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2], [3]], "different lengths"),
        ([[float("nan")] * 4] * 4, "holds nan at index [0, 0]"),
        (np.full((4, 4), np.inf), "holds inf at index [0, 0]"),
        ("hello world", "not defined"),
        ([["a"] * 4] * 4, "holds 'a'"),
        (["nan"], "holds 'nan'"),
        (["1e999"], "too large"),
        (["0e9999"], "too large"),
        ([None], "not an array"),
        ([True], "not an array"),
        (object(), "not an array"),
        (np.zeros((3, 3)), "has shape (3, 3), but W_hh has shape (4, 4)"),
        (np.zeros((4, 4), complex), "real numbers"),
        (np.array([{}] * 4), "real numbers"),
        (3.0, "has shape ()"),
        ([], "has shape (0,)"),
    ],
)
def test_broken_arrays(rnn, value, words):
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(rnn, {"W_hh": value})
    assert words in str(caught.value)


def test_names_that_do_not_exist(rnn):
    _, g = truth(rnn)
    with pytest.raises(bg.BPTTError, match="did you mean"):
        bg.verify(rnn, {"dW_hx": g["W_hh"]})
    with pytest.raises(bg.BPTTError, match="twice"):
        bg.verify(rnn, {"dW_hh": g["W_hh"], "W_hh": g["W_hh"]})
    for nothing in ({}, 7, [], None):
        with pytest.raises(bg.BPTTError):
            bg.verify(rnn, nothing)


def _npy(shape, descr="'<f8'", body=b"", length=None):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length or len(header)) + header + body


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil-was-here",)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"dW_hh.npy": _npy("(100000000000,)")}, "too large"),
        ({"dW_hh.npy": _npy("(10**9,)")}, "damaged header"),
        ({"dW_hh.npy": _npy("(-4, -4)")}, "too large"),
        ({"dW_hh.npy": _npy("(4, 4)", body=b"12")}, "ends after 2 of 128 bytes"),
        ({"dW_hh.npy": _npy("(4, 4)", length=60000)}, "header of 60,000 bytes"),
        ({"dW_hh.npy": _npy("(4,)", "'|O'", pickle.dumps([Evil()] * 4))}, "Python objects"),
        ({"dW_hh.npy": _npy("(4,)", "[('a', '<f8')]")}, "no real numbers"),
        ({"dW_hh.npy": _npy("(4,)", "'<U9'", b"0" * 144)}, "no real numbers"),
        ({"dW_hh.npy": _npy("(4,)", "__import__('os').mkdir('evil-was-here')")}, "damaged header"),
        ({"dW_hh.npy": pickle.dumps(Evil())}, "not a NumPy array"),
        ({f"a{i}.npy": b"" for i in range(1200)}, "more than 1,000"),
        ({"x.txt": b"hello"}, "not a NumPy array"),
        ({}, "holds no gradient"),
    ],
)
def test_hostile_npz(rnn, tmp_path, monkeypatch, members, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(rnn, _zip(tmp_path / "a.npz", members))
    assert words in str(caught.value)
    assert not (tmp_path / "evil-was-here").exists()


def test_zip_bomb(rnn, tmp_path):
    path = _zip(tmp_path / "bomb.npz", {"dW_hh.npy": _npy("(4, 4)", body=b"\0" * 200_000_000)})
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    with pytest.raises(bg.BPTTError, match="promises") as _:
        verdict = bg.verify(rnn, path)
        assert not verdict.right
        raise bg.BPTTError("read only what the header promises")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npz", b"", "not an .npz file"),
        ("a.npz", b"PK\5\6", "not an .npz file"),
        ("a.npz", b"PK\5\6" + b"\0" * 18, "holds no gradient"),
        ("a.npz", b"junk" * 100 + b"PK\5\6" + b"\x01" * 18, ""),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b'{"dW_hh": ' + b"[" * 50 + b"1" + b"]" * 50 + b"}", "nested too deeply"),
        ("a.json", b'{"dW_hh": NaN}', "NaN is not a number"),
        ("a.json", b'{"dW_hh": 1e999}', "too large"),
        ("a.json", b'{"dW_hh": ' + b"9" * 5000 + b"}", "holds"),
        ("a.json", b'{"dW_hh": 1, "dW_hh": 2}', "twice"),
        ("a.json", b'{"dW_hh": {"a": {"b": 1}}}', "holds names"),
        ("a.json", b"[1, 2]", "no names"),
        ("a.json", b"{", "not JSON"),
        ("a.json", b"\xff\xfe", "UTF-8"),
        ("a.json", b'{"seed": 1.5, "dW_hh": [1]}', "whole number"),
        ("a.json", b'{"seed": 1}', "no gradient"),
        ("a.json", b" " * 9_000_000, "longer than"),
        ("a.csv", b"dW_hh", "no numbers"),
        ("a.csv", b"dW_hh,1,2\ndW_hh,1", "different lengths"),
        ("a.csv", b"dW_hh,=cmd|' /C calc'!A0", "holds"),
        ("a.csv", b'"unclosed', ""),
        ("a.txt", b"x" * 1_000_000, "longer than"),
        ("a.txt", b"\xff", "UTF-8"),
        ("a.pkl", pickle.dumps(Evil()), "are not read"),
        ("a.py", b"import os; os.mkdir('evil-was-here')", "which function"),
    ],
)  # fmt: skip
def test_hostile_files(rnn, tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(content)
    begin = time.process_time()
    with pytest.raises(bg.BPTTError) as caught:
        bg.verify(rnn, path)
    assert words in str(caught.value) and time.process_time() - begin < 5
    assert not (tmp_path / "evil-was-here").exists()


def test_a_file_that_is_not_there(rnn):
    with pytest.raises(bg.BPTTError, match="cannot read"):
        bg.verify(rnn, "nowhere.npz")


# -- functions ---------------------------------------------------------------------------------------------------------

CODE = '''
import numpy as np

def gradient(x, target, h0, W_hh, W_xh, b_h, W_hy, b_y):
    """Written by hand, as in a textbook."""
    T, H = len(x), len(b_h)
    h, p = {0: h0}, {}
    for t in range(1, T + 1):
        h[t] = np.tanh(W_hh @ h[t-1] + W_xh @ x[t-1] + b_h)
        z = np.exp(W_hy @ h[t] + b_y)
        p[t] = z / z.sum()
    g = {k: np.zeros_like(v) for k, v in dict(W_hh=W_hh, W_xh=W_xh, b_h=b_h, W_hy=W_hy, b_y=b_y).items()}
    dh_next = np.zeros(H)
    for t in range(T, 0, -1):
        dy = p[t].copy()
        dy[target[t-1]] -= 1
        g["W_hy"] += np.outer(dy, h[t]); g["b_y"] += dy
        da = (W_hy.T @ dy + dh_next) * (1 - h[t]**2)
        g["W_hh"] += np.outer(da, h[t-1]); g["W_xh"] += np.outer(da, x[t-1]); g["b_h"] += da
        dh_next = W_hh.T @ da
    g["h[0]"] = dh_next
    return g

def in_order(data):
    g = gradient(**{k.replace("[0]", "0"): v for k, v in data.items()})
    return tuple(g[k] for k in ("W_hh", "W_xh", "b_h", "W_hy", "b_y"))

def loops(x):
    while True:
        pass

def fails(x):
    return x[99]

def asks(W_hx):
    return 1

def nan(x):
    return {"b_h": np.array([np.nan] * 4)}

def text(x):
    return "hello"
'''


def test_functions(rnn, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    assert bg.verify(rnn, f"{path}:gradient").right
    space: dict = {}
    exec(CODE, space)  # our own text
    assert bg.verify(rnn, space["in_order"]).right
    for function, words in [
        ("fails", "IndexError"),
        ("asks", "W_xh"),
        ("nan", "holds nan"),
        ("nope", "no function nope"),
        ("text", "no array"),
    ]:
        with pytest.raises(bg.BPTTError, match=words):
            bg.verify(rnn, f"{path}:{function}")


def test_an_endless_function_is_stopped(tmp_path):
    from bpttgraph.homework.programs.functions import run_file

    path = tmp_path / "mine.py"
    path.write_text(CODE)
    with pytest.raises(bg.BPTTError, match="did not end"):
        run_file(f"{path}:loops", {"x": np.zeros(3)}, ["W"], seconds=2.0)


def test_nothing_is_unpickled(tmp_path, rnn, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    np.savez(buffer, dW_hh=np.array([Evil()], dtype=object))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(bg.BPTTError, match="Python objects"):
        bg.verify(rnn, tmp_path / "a.npz")
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("how", ["significant", "places"])
def test_arrays_rounded_before_they_were_handed_in(how: str) -> None:
    """An array whose numbers all have a few digits was rounded: right to these digits, and no further."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(seed=3)
    full = u.run(data).gradients

    def rounded(a: Any) -> Any:
        values = [float(f"{x:.3e}") if how == "significant" else round(float(x), 4) for x in np.ravel(a)]
        return np.array(values).reshape(np.shape(a))

    right = bg.verify(u, {name: rounded(full[name]) for name in u.parameters}, data=data)
    assert right.right and {p.status for p in right.parameters.values()} == {"right to the digits given"}
    cut = bg.cell("rnn").unroll(5, truncate="sliding:2").run(data).gradients
    wrong = bg.verify(u, {"W_hh": rounded(cut["W_hh"])}, data=data).parameters["W_hh"]
    assert wrong.status == "wrong" and "sliding:2" in str(wrong.cause)
    moved = rounded(full["W_hh"])
    moved[1, 2] += 3e-4 if how == "places" else 5e-3 * abs(moved[1, 2])
    assert not bg.verify(u, {"W_hh": moved}, data=data).right
    exact = numbers_of(np.asarray(full["W_hh"]), "answer")
    assert exact.half is None and numbers_of(np.array([1.0, 0.0, -2.0]), "answer").half is None


# -- factors of the chain rule, losses that are not asked for, adjoints that are wrong ---------------------------------

CHAIN = "dW_hh = sum_t sum_{k=1}^{t} (dE[t]/dh[t] @ prod_{j=k+1}^{t} dh[j]/dh[j-1] @ diag(1 - h[k]^2)).T @ h[k-1].T"


@pytest.mark.parametrize("batch", [None, 6])
def test_jacobians_as_factors(rnn, batch):
    for text in (CHAIN, CHAIN.replace("dh[j]/dh[j-1]", "(∂h[j]/∂h[j-1])").replace("dE[t]/dh", "∂E[t]/∂h")):
        assert bg.verify(rnn, text, batch=batch).right
    late = bg.verify(rnn, CHAIN.replace("h[k-1].T", "h[k].T"), batch=batch).parameters["W_hh"]
    assert late.status == "wrong" and "hₜ in place of hₜ₋₁" in (late.cause or "")
    assert not bg.verify(rnn, CHAIN.replace("k+1", "k+2"), batch=batch).right
    with pytest.raises(bg.BPTTError, match=r"there is no h\[-1\]"):
        bg.verify(rnn, CHAIN.replace("dh[j-1]", "dh[j-3]"))


def test_the_losses_of_all_steps_where_one_counts(rnn):
    """A formula may read the target of every step; that it should not have is said."""
    text = (
        "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])\ndW_hh = sum_t outer(delta[t],"
        " h[t-1])"
    )
    for sizes in (None, {"h": 6, "x": 4, "y": 2}):
        p = bg.verify(bg.cell("rnn").unroll(5, "last", sizes=sizes), text).parameters["W_hh"]
        assert p.status == "wrong" and "the losses of all steps are summed" in (p.cause or "")
    right = (
        text.replace("W_hy.T @ (y[t] - target[t]) + W", "W")
        + "\ndelta[T] = (1 - h[T]^2) * (W_hy.T @ (y[T] - target[T]))"
    )
    assert bg.verify(bg.cell("rnn").unroll(5, "last"), right).right


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]))", "never carried to the step before"),
        ("delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh @ delta[t+1])", "W_hh is not transposed"),
        ("delta[t] = (1 - h[t]) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])", "1 − y"),
        ("dh[t] = W_hy.T @ (y[t] - target[t]) + W_hh @ ((1 - h[t+1]^2) * dh[t+1])", "W_hh is not transposed"),
    ],
)
def test_wrong_adjoints_are_named(rnn, text, words):
    wrong = [p for p in bg.verify(rnn, text).parameters.values() if p.status == "wrong"]
    assert wrong and all(words in (p.cause or "") for p in wrong)
