"""A forward pass that is not that of the equations: it is said first, in digits, and the gradient is judged against
it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.homework.courses.profiled import verify
from bpttgraph.homework.programs.differences import differences

COURSES = Path(__file__).parents[2] / "data" / "courses"
SINGLE = "np.float32({}).astype(float)"


def changed(tmp_path, file, *replacements, wrong=""):
    text = (COURSES / f"{file}.py").read_text().replace('WRONG = ""', f"WRONG = {wrong!r}")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


TANH = "np.tanh(x @ Wx + prev_h @ Wh + b)"
NEARLY = [
    # profile, file, function, what is different, digits to which the output agrees
    ("cs231n-rnn", "cs231n", "rnn_backward", (TANH, TANH[:-1] + " + 1e-12)"), (11, 13)),
    ("cs231n-rnn", "cs231n", "rnn_backward", (TANH, SINGLE.format(TANH)), (6, 8)),
    ("cs231n-rnn", "cs231n", "rnn_step_backward", (TANH, TANH[:-1] + " - 1e-9)"), (8, 10)),
    ("cmu-rnn", "cmu", "RNNCell.backward", ("+ self.b_hh)", "+ self.b_hh + 1e-12)"), (11, 13)),
    ("cmu-gru", "cmu", "GRUCell.backward", ("+ self.z * h_prev_t", "+ self.z * h_prev_t + 1e-11"), (10, 12)),
    ("dlai-rnn", "dlai", "rnn_backward", None, (11, 13)),
]  # fmt: skip


def forward_line(file):
    text = (COURSES / f"{file}.py").read_text()
    return re.search(r"np\.tanh\(([^\n]*)\)\n", text)[0].rstrip("\n")


@pytest.mark.parametrize(("name", "file", "function", "change", "digits"), NEARLY)
def test_a_right_gradient_of_nearly_the_same_forward_pass_is_right(tmp_path, name, file, function, change, digits):
    change = change or (forward_line(file), forward_line(file)[:-1] + " + 1e-12)")
    for seed in (0, 1):
        verdict = verify(name, f"{changed(tmp_path, file, change)}:{function}", seed=seed)
        assert verdict.right, str(verdict)
        said = re.search(r"[ha] agrees to (\d+) digits, from step 1 on", verdict.notes[0])
        assert said and digits[0] <= int(said[1]) <= digits[1], verdict.notes
        assert "judged against the forward pass that was run" in verdict.notes[0]
        lines = str(verdict).splitlines()
        assert min(i for i, x in enumerate(lines) if "forward pass: " in x) < min(
            i for i, x in enumerate(lines) if x.startswith("  right")
        )


@pytest.mark.parametrize("digits", ["+ 1e-12", "single"])
def test_a_wrong_gradient_of_nearly_the_same_forward_pass_has_its_cause(tmp_path, digits):
    change = (TANH, SINGLE.format(TANH) if digits == "single" else TANH[:-1] + " + 1e-12)")
    for wrong, words in (("no carry", "never carried to the step before"), ("not transposed", "Wh is not transposed"),
                         ("derivative omitted", "the derivative of tanh")):  # fmt: skip
        verdict = verify("cs231n-rnn", f"{changed(tmp_path, 'cs231n', change, wrong=wrong)}:rnn_backward", seed=1)
        assert not verdict.right
        assert any(words in (p.cause or "") for p in verdict.parameters.values()), str(verdict)


SIGMOID = (TANH, "1/(1 + np.exp(-(x @ Wx + prev_h @ Wh + b)))")


def test_another_function_is_judged_by_itself(tmp_path):
    text = (COURSES / "cs231n.py").read_text()
    back = re.search(r"\(1 - [a-z_]+\s?\*\*\s?2\)", text)[0]
    name = re.search(r"1 - ([a-z_]+)", back)[1]
    change = [SIGMOID, (back, f"({name} * (1 - {name}))")]
    verdict = verify("cs231n-rnn", f"{changed(tmp_path, 'cs231n', *change)}:rnn_backward", seed=2)
    assert verdict.right and {p.status for p in verdict.parameters.values()} == {"right"}, str(verdict)
    assert "h is another, from step 1 on" in verdict.notes[0]
    verdict = verify("cs231n-rnn", f"{changed(tmp_path, 'cs231n', SIGMOID)}:rnn_backward", seed=2)
    assert not verdict.right and all(p.cause is None for p in verdict.parameters.values())
    assert "no cause is looked for" in str(verdict).replace("\n          ", " ")
    body = json.loads(verdict.to_json())
    assert body["forward pass"] == body["notes"][0] and all(
        p["cause"] is None for p in body["parameters"].values() if p["status"] == "wrong"
    )


def test_conventions_hold_for_another_function_as_well(tmp_path):
    change = ("+ self.b_hh)", "+ self.b_hh + 0.25)")
    verdict = verify("cmu-rnn", f"{changed(tmp_path, 'cmu', change, wrong='summed')}:RNNCell.backward")
    assert verdict.right and verdict.parameters["W_hh"].convention == "without the course's factor 1/N"


OTHER_YEAR = """
import numpy as np
def sigmoid(a): return 1 / (1 + np.exp(-a))
class GRUCell:
    def __init__(self, d, h):
        for g in "rzn":
            setattr(self, f"W{g}x", np.ones((h, d))); setattr(self, f"W{g}h", np.ones((h, h)))
            setattr(self, f"bi{g}", np.zeros(h)); setattr(self, f"bh{g}", np.zeros(h))
            for n in (f"W{g}x", f"W{g}h", f"bi{g}", f"bh{g}"): setattr(self, f"d{n}", np.zeros_like(getattr(self, n)))
    def forward(self, x, h):
        self.r = sigmoid(self.Wrx @ x + self.bir + self.Wrh @ h + self.bhr)
        self.z = sigmoid(self.Wzx @ x + self.biz + self.Wzh @ h + self.bhz)
        self.n = np.tanh(self.Wnx @ x + self.bin + self.r * (self.Wnh @ h + self.bhn))
        return (1 - self.z) * self.n + self.z * h
    def backward(self, delta): raise RuntimeError("is not reached")
"""
SILENT = OTHER_YEAR.replace("        for g in", "        return\n        for g in").replace(
    "    def forward", "    bir = biz = bin = bhr = bhz = bhn = 0.0\n    def forward"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            OTHER_YEAR,
            (
                "GRUCell has no brx, bzx, bnx, brh, bzh, bnh, which the profile gives it; it has bhn, bhr, bhz, bin,"
                " bir, biz"
            ),
        ),
        (SILENT, "GRUCell never reads bnh, bnx, brh, brx, bzh, bzx, which the profile gives it"),
        (
            OTHER_YEAR.replace("bi{g}", "b{g}x")
            .replace("bh{g}", "b{g}h")
            .replace("np.ones((h, d))", "np.ones((d, h))"),
            "GRUCell.Wrx has shape (2, 3), but the profile gives it (3, 2)",
        ),
    ],
)
def test_attributes_that_a_class_does_not_have_are_refused(tmp_path, text, words):
    (tmp_path / "mine.py").write_text(text)
    done = CliRunner().invoke(
        main, ["check", "--profile", "cmu-gru", "--answer", f"{tmp_path / 'mine.py'}:GRUCell.backward"]
    )
    assert done.exit_code == 2 and not done.stdout
    assert words in " ".join(done.stderr.split()), done.stderr


def test_gradients_that_a_class_does_not_leave_are_missed(tmp_path):
    path = changed(tmp_path, "cmu", ('f"db{gate}x"', 'f"gb{gate}x"'))
    with pytest.raises(bg.BPTTError, match="backward leaves no dbrx"):
        verify("cmu-gru", f"{path}:GRUCell.backward")


def test_a_forward_pass_that_cannot_be_run_again(tmp_path):
    path = changed(tmp_path, "cs231n", (TANH, f"{TANH} * np.random.rand()"))
    with pytest.raises(bg.BPTTError, match="another result each time"):
        verify("cs231n-rnn", f"{path}:rnn_backward")
    path = changed(tmp_path, "cs231n", (TANH, TANH + "[:, :2]"))
    with pytest.raises(bg.BPTTError):
        verify("cs231n-rnn", f"{path}:rnn_backward")


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_differences_tell_their_error(noise):
    """Against the derivative on paper; with noise as of single precision, steps and error grow."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=5), rng.normal(size=5)

    def loss(d):
        value = np.sin(d["x"] @ w) * np.exp(-d["x"][0])
        return float(value) if not noise else float(np.round(value / noise) * noise)

    value, error = differences(loss, {"x": x}, ["x"])["x"]
    true = np.cos(x @ w) * w * np.exp(-x[0])
    true[0] -= np.sin(x @ w) * np.exp(-x[0])
    assert np.all(np.abs(value - true) <= error) and np.all(error <= max(1e-9, 3e3 * noise))


FUNCTION = """
import numpy as np

def gradient(x, target, h0, W_hh, W_xh, b_h, W_hy, b_y, scale=1.0):
    T, h, p, loss = len(x), {0: h0}, {}, 0.0
    for t in range(1, T + 1):
        h[t] = np.tanh(W_hh @ h[t-1] + W_xh @ x[t-1] + b_h + OFF)
        z = np.exp(W_hy @ h[t] + b_y)
        p[t] = z / z.sum()
        loss -= np.log(p[t][target[t-1]])
    g = {k: np.zeros_like(v) for k, v in dict(W_hh=W_hh, W_xh=W_xh, b_h=b_h, W_hy=W_hy, b_y=b_y).items()}
    dh_next = np.zeros(len(b_h))
    for t in range(T, 0, -1):
        dy = p[t].copy()
        dy[target[t-1]] -= 1
        g["W_hy"] += np.outer(dy, h[t]); g["b_y"] += dy
        da = (W_hy.T @ dy + dh_next) * (1 - h[t]**2)
        g["W_hh"] += np.outer(da, h[t-1]); g["W_xh"] += np.outer(da, x[t-1]); g["b_h"] += da
        dh_next = CARRY * W_hh.T @ da
    return {**g, "loss": loss}
"""


@pytest.mark.parametrize("off", ["0", "1e-12", "1e-7", "0.5"])
@pytest.mark.parametrize("file", [True, False])
def test_a_function_may_return_its_loss(tmp_path, off, file):
    space: dict = {}
    results = []
    for carry in ("1", "0"):
        text = FUNCTION.replace("OFF", off).replace("CARRY", carry)
        (tmp_path / "mine.py").write_text(text)
        exec(text, space)  # our own text
        results.append(
            bg.verify(bg.cell("rnn").unroll(4), f"{tmp_path / 'mine.py'}:gradient" if file else space["gradient"])
        )
    right, wrong = results
    assert right.right and not wrong.right and wrong.wrong == ("W_hh", "W_xh", "b_h")
    if off == "0":
        assert right.forward == ""
    else:
        assert right.notes[0] == right.forward and "the loss " in right.forward
        assert ("is another" in right.forward) is (off == "0.5")
    found = {wrong.parameters[n].cause for n in wrong.wrong}
    assert found == {None} if off == "0.5" else all("never carried" in c for c in found)


def test_an_answer_that_only_looks_right_says_to_how_many_digits():
    """Without a forward pass to look at, a gradient that is off in the twelfth digit is wrong, and that much is
    said."""
    u = bg.cell("rnn").unroll(4)
    data = u.instance(0)
    g = u.run({**data, "b_h": data["b_h"] + 1e-11}).gradients
    verdict = bg.verify(u, {"W_hh": g["W_hh"]}, data)
    assert not verdict.right and "it agrees with the truth to 1" in verdict.parameters["W_hh"].because.text


@pytest.mark.parametrize("off", ["0.0", "1e-12", "0.5"])
@pytest.mark.parametrize("wrong", ["", "target not subtracted"])
def test_a_function_under_a_profile_may_return_its_loss(tmp_path, off, wrong):
    changes = [
        ("@ X[:, t : t + 1] + b)", f"@ X[:, t : t + 1] + b + {off})"),
        ('return {"dU"', 'return {"loss": -np.log((p * Y).sum(0)).sum(), "dU"'),
    ]
    verdict = verify("kth-rnn", f"{changed(tmp_path, 'kth', *changes, wrong=wrong)}:compute_gradients")
    assert verdict.right is not bool(wrong), str(verdict)
    assert ("the loss" in verdict.forward) is (off != "0.0")
    if wrong:
        cause = verdict.parameters["V"].cause
        assert cause is None if off == "0.5" else "the one-hot target is not subtracted" in cause


@pytest.mark.parametrize("off", ["1e-12", "1e-9", "single"])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_gradients_that_are_off_in_their_last_digits_only(off, cell):
    """No known mistake comes as close, so the forward pass that is not seen is off; a mistake beside it is still
    named."""
    u = bg.cell(cell).unroll(5)
    bias = next(n for n in u.parameters if n.startswith("b"))

    def gradients(data, carry=True):
        moved = {k: np.float32(v).astype(float) if v.dtype.kind == "f" else v for k, v in data.items()}
        run = (u if carry else bg.cell(cell).unroll(5, truncate="one-step")).run(
            moved if off == "single" else {**data, bias: data[bias] + float(off)}
        )
        return {n: run.gradients[n] for n in u.parameters}

    right = bg.verify(u, lambda data: gradients(data))
    assert right.right and "right to the digits given" in {p.status for p in right.parameters.values()}, str(right)
    assert re.search(r"agree to \d+ digits and no more, closer than any known mistake", right.notes[0])
    for bad in (1e-4, 1e-6):  # of the size of no rounding: in one gradient only
        wrong = bg.verify(
            u, lambda data, bad=bad: {**u.run(data).gradients, bias: u.run(data).gradients[bias] * (1 + bad)}
        )
        assert (wrong.right is False) or bad == 1e-6
    if cell == "rnn":
        wrong = bg.verify(u, lambda data: gradients(data, carry=False))
        assert wrong.wrong and all("never carried" in (wrong.parameters[n].cause or "") for n in wrong.wrong), str(
            wrong
        )


def test_arrays_and_long_sequences_are_judged_to_rounding():
    """Arrays may come from any instance and truncations of long sequences from any window: there the last digits
    decide."""
    u = bg.cell("rnn").unroll(5)
    data = u.instance(0)
    close = {n: v * (1 + 1e-12) for n, v in u.run(data).gradients.items()}
    assert not bg.verify(u, close, data).right
    long = bg.cell("rnn").unroll(40, sizes={"h": 2, "x": 2, "y": 2})

    def cut(data, k):
        return dict(
            bg.cell("rnn").unroll(40, sizes={"h": 2, "x": 2, "y": 2}, truncate=f"sliding:{k}").run(data).gradients
        )

    for k in (20, 29, 35):
        verdict = bg.verify(long, lambda data, k=k: {"W_hh": cut(data, k)["W_hh"]})
        true = bg.verify(long, lambda data: {"W_hh": long.run(data).gradients["W_hh"]}).parameters["W_hh"]
        off = np.abs(verdict.parameters["W_hh"].given - true.true)
        assert verdict.right is bool(np.all(off <= true.radius)), k
