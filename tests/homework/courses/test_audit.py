"""Answer keys against the truth: published ones, and keys that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.errors import BPTTError
from bpttgraph.homework.courses.audit import audit

KEYS = Path(__file__).parents[3] / "examples" / "keys"
LSTM, SCALAR = KEYS / "dlai-lstm-backward.txt", KEYS / "scalar-two-steps.txt"


def run(*words):
    result = CliRunner().invoke(main, ["audit", *[str(w) for w in words]])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_published_lstm_backward():
    """The truth to all digits printed, independently of the carries that the key left at zero."""
    found = audit(LSTM)
    x, a0 = found.lines
    np.testing.assert_array_equal(np.round(x.true, 8), [0.00218254, 0.28205375, -0.48292508, -0.43281115])
    assert round(float(a0.true), 8) == 0.31277031 and (x.wrong, a0.wrong) == (3, 1)
    assert not found.right and found.verdict.instance.endswith("T = 4, batch of 10")
    for p in found.verdict.parameters.values():
        assert p.status == "wrong" and p.because.certainty == "exact"
        assert (
            "exactly what you get if the gradient is never carried to the step before, through neither c nor a"
            in p.cause
        )
    assert "WRONG: 3 of 4 numbers" in str(found) and str(found).endswith("The key is WRONG in 2 of 2 lines.")
    assert run(LSTM).exit_code == 1
    body = json.loads(run(LSTM, "--json").stdout)
    assert body["right"] is False and body["lines"][0]["wrong"] == 3
    assert body["verdict"]["parameters"]["a0"]["because"]["mistakes"][0] == ["no-carry:between"]


def test_the_same_by_hand():
    """Another backward pass, written out here, has the same truth, and the same key if both carries stay at zero."""
    rng = np.random.RandomState(1)
    x, a0 = rng.randn(3, 10, 7), rng.randn(5, 10)
    w = {}
    for gate in "fioc":
        w[gate], w["b" + gate] = rng.randn(5, 8), rng.randn(5, 1)
    da = rng.randn(5, 10, 4)

    def backward(carried):
        a, c, kept = a0, np.zeros((5, 10)), []
        for t in range(4):
            s = np.concatenate([a, x[:, :, t]])
            f, i, o = (1 / (1 + np.exp(-(w[k] @ s + w["b" + k]))) for k in "fio")
            g = np.tanh(w["c"] @ s + w["bc"])
            new = f * c + i * g
            kept.append((c, f, i, o, g, new))
            a, c = o * np.tanh(new), new
        dx, ds, dc = np.zeros((3, 10, 4)), np.zeros((8, 10)), 0.0
        for t in reversed(range(4)):
            old, f, i, o, g, new = kept[t]
            da_t = da[:, :, t] + (ds[:5] if carried else 0)
            dc = (dc if carried else 0) + da_t * o * (1 - np.tanh(new) ** 2)
            d = {
                "o": da_t * np.tanh(new) * o * (1 - o),
                "c": dc * i * (1 - g**2),
                "i": dc * g * i * (1 - i),
                "f": dc * old * f * (1 - f),
            }
            ds = sum(w[k].T @ v for k, v in d.items())
            dx[:, :, t], dc = ds[5:], dc * f
        return dx[1, 2], ds[2, 3]

    found = audit(LSTM)
    for carried, read in ((True, "true"), (False, "given")):
        dx, da0 = backward(carried)
        np.testing.assert_allclose(getattr(found.lines[0], read), dx, atol=6e-9)
        np.testing.assert_allclose(getattr(found.lines[1], read), da0, atol=6e-9)


def test_the_corrected_key_is_right():
    result = run(KEYS / "dlai-lstm-backward-corrected.txt")
    assert result.exit_code == 0 and result.stdout.endswith("The key is right to the digits given.\n")


def test_the_scalar_network():
    found = audit(SCALAR)
    assert round(float(found.lines[0].true), 4) == 8.1888
    assert "evaluated at the argument of the function, not at its value" in found.verdict.parameters["w"].cause
    assert run(SCALAR).exit_code == 1
    h1 = np.tanh(2 * 0.5)
    h2 = np.tanh(2 * h1)
    assert abs(40 * (1 - h2**2) * (h1 + 2 * (1 - h1**2) * 0.5) - 8.1888) < 5e-5
    assert abs(40 * (1 - (2 * h1) ** 2) * (h1 + 2 * (1 - 1.0**2) * 0.5) + 40.2153) < 5e-5


@pytest.mark.parametrize("mistake", ["one digit", "sign", "few digits", "a slice", "negative index"])
def test_other_keys(tmp_path, mistake):
    text = (KEYS / "dlai-lstm-backward-corrected.txt").read_text()
    key = tmp_path / "key.txt"
    if mistake == "one digit":
        key.write_text(text.replace("0.28205375", "0.28205377"))
        found = audit(key)
        assert (
            not found.right and found.lines[0].wrong == 1 and "only the entry [1, 2, 1]" in " ".join(str(found).split())
        )
    elif mistake == "sign":
        key.write_text(
            text.replace("= 0.0", "= -0.0")
            .replace("0.2820", "-0.2820")
            .replace("-0.4", "0.4")
            .replace("= 0.3", "= -0.3")
        )
        found = audit(key)
        assert found.right and "in another convention" in str(found) and run(key).exit_code == 0
    elif mistake == "few digits":
        key.write_text(text.replace("0.31277031", "0.313"))
        assert audit(key).right
        key.write_text(text.replace("0.31277031", "0.314"))
        assert not audit(key).right
    elif mistake == "a slice":
        key.write_text(
            text.replace("dx[1][2] = 0.00218254, 0.28205375, -0.48292508, -0.43281115", "dx[1, 2, 1:] = 0.28")
        )
        with pytest.raises(BPTTError, match="is no index"):
            audit(key)
        key.write_text(text.replace("dx[1][2] =", "dx[1, 2, :] ="))
        assert audit(key).right
    else:
        key.write_text(text.replace("dx[1][2] =", "dx[-2][2] ="))
        assert audit(key).right


def test_arrays_beside_the_key(tmp_path):
    """A key of whole arrays in a file, on an instance in another file; a cell of the library; equations of one's
    own."""
    u = bg.cell("rnn").unroll(4)
    data = u.instance(3)
    g = u.run(data).gradients
    np.savez(tmp_path / "data.npz", **data)
    np.savez(tmp_path / "key.npz", **{f"d{k}": v for k, v in g.items() if k != "h[0]"})
    key = tmp_path / "key.txt"
    key.write_text("cell: rnn\n[instance]\nfile: data.npz\n[key]\nfile: key.npz\n")
    found = audit(key)
    assert found.right and len(found.lines) == 5 and found.title == "rnn"
    assert not found.lines[0].wrong
    wrong = {f"d{k}": v for k, v in g.items() if k != "h[0]"} | {"dW_hh": g["W_hh"].T}
    np.savez(tmp_path / "key.npz", **wrong, db_h2=g["b_h"])
    with pytest.raises(BPTTError, match="nothing here is called db_h2"):
        audit(key)
    rows = "\n".join(f"dW_hh[{i}] = {', '.join(f'{2 * v:.5f}' for v in row)}" for i, row in enumerate(g["W_hh"]))
    key.write_text(f"cell: rnn\n[instance]\nfile: data.npz\n[key]\n{rows}\n")
    assert "doubled" in audit(key).verdict.parameters["W_hh"].cause


def test_draws_are_those_of_numpy(tmp_path):
    """seed, then randn, rand, randint, linspace, zeros and ones in their order."""
    key = tmp_path / "key.txt"
    text = """profile: cs231n-rnn
[instance]
seed: 231
x = randn(2, 4, 3)
h0 = 0.5 * rand(2, 5)
dh = linspace(-0.2, 0.4, 2, 4, 5)
Wx = randn(3, 5)
Wh = -0.5 * randn(5, 5)
b = zeros(5)
[key]
db[0] = KEY
"""
    rng = np.random.RandomState(231)
    x, h, wx = rng.randn(2, 4, 3), 0.5 * rng.rand(2, 5), None
    wx, wh = rng.randn(3, 5), -0.5 * rng.randn(5, 5)
    hs = [h]
    for t in range(4):
        hs.append(np.tanh(x[:, t] @ wx + hs[-1] @ wh))
    later, db = 0.0, 0.0
    dh = np.linspace(-0.2, 0.4, 40).reshape(2, 4, 5)
    for t in reversed(range(4)):
        later = (dh[:, t] + later) * (1 - hs[t + 1] ** 2)
        db = db + later.sum(0)
        later = later @ wh.T
    key.write_text(text.replace("KEY", f"{db[0]:.7f}"))
    assert audit(key).right


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("randn(3, 10, 7)", "randn(9999, 9999, 9999)", "line 11: randn(9999, 9999, 9999) is too large"),
        ("randn(3, 10, 7)", "randn(3.5)", "line 11: randn(3.5) has a shape that is not whole numbers"),
        ("randn(3, 10, 7)", "randn(0)", "cannot be drawn"),
        ("randn(3, 10, 7)", '__import__("os").system("touch hacked")', "line 11: x holds"),
        ("randn(3, 10, 7)", "9**9**9", "line 11: x holds '9**9**9'"),
        ("randn(3, 10, 7)", "[[1, 2], [3]]", "rows of different lengths"),
        ("randn(3, 10, 7)", "[" * 5000, "is no list of numbers"),
        ("x = randn", "x: randn", "is no array"),
        ("a0 = randn", "x = randn", "line 12: x is there twice"),
        ("Wi = randn(5, 8)\n", "", "the instance lacks Wi"),
        ("seed: 1\n", "", "randn needs a seed"),
        ("bf = randn(5, 1)", "bf = randn(4, 1)", "bf has shape (4, 1), but the profile says (n_a, 1); n_a = 5 from a0"),
        ("dx[1][2]", "dx[1][20]", "is outside of the shape (3, 10, 4)"),
        ("dx[1][2]", "dz[1][2]", "nothing here is called dz"),
        ("-0.00173313, ", "", "has 3 numbers, but the shape there is (4,)"),
        ("0.08287442", "NaN", "holds 'NaN'"),
        ("steps: 4", "steps: many", "'many' is not a whole number"),
        ("steps: 4", "stps: 4", "unknown field 'stps'"),
        ("profile: dlai-lstm", "profile: dlai-lstn", "there is no profile 'dlai-lstn'"),
        ("profile: dlai-lstm", "profile: dlai-lstm\ncell: lstm", "names profile and cell"),
        ("profile: dlai-lstm\n", "", "names no recurrence"),
        ("[key]", "[keys]", "there is no section [keys]"),
        ("[key]", "[key]\nfile: ../../x.pkl", "is no .npz, .json or .csv file"),
        ("[key]\ndx", "# dx", "has no numbers to audit"),
    ],
)
def test_bad_keys(tmp_path, monkeypatch, old, new, message):
    monkeypatch.chdir(tmp_path)
    text = LSTM.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    Path("key.txt").write_text(text if "[key]" in text or "keys" in text else text.partition("# dx")[0])
    result = run("key.txt")
    assert result.exit_code == 2 and message in result.stderr and not result.stdout, result.stderr
    assert "Traceback" not in result.stderr and not Path("hacked").exists()


def test_files_that_are_no_keys(tmp_path):
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    for path, message in [("nowhere.txt", "cannot read"), (".", "is not a file"), ("binary.txt", "is not UTF-8 text")]:
        result = run(tmp_path / path)
        assert result.exit_code == 2 and message in result.stderr
    text = SCALAR.read_text()
    for old, new, message in [
        ("steps: 2", "steps: 0", "at least 1 step"),
        ("loss: last", "loss: 7", "loss step 7"),
        ("w_y = 40\n", "", "w_y is missing"),
        ("dw =", "dw[0] =", "is outside of the shape ()"),
        ("h[0] = 0.5", "h[0] = 1e999", "too large"),
        ("tanh(", "tanh((", "line"),
    ]:
        (tmp_path / "key.txt").write_text(text.replace(old, new))
        result = run(tmp_path / "key.txt")
        assert result.exit_code == 2 and message in result.stderr, result.stderr
