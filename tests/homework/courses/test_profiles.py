"""Profiles of courses: homework in the course's own style and layout is right as it is; wrong homework is named in its
names."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.errors import BPTTError
from bpttgraph.homework.courses import drivers as courses
from bpttgraph.homework.courses.layout import layout
from bpttgraph.homework.courses.profile import parse, profile, profiles
from bpttgraph.homework.courses.profiled import verify
from bpttgraph.homework.programs.functions import call

COURSES = Path(__file__).parents[2] / "data" / "courses"
NAMES = [
    "cmu-gru",
    "cmu-rnn",
    "cs231n-lstm",
    "cs231n-rnn",
    "dlai-lstm",
    "dlai-rnn",
    "edinburgh-rnn",
    "keras-gru",
    "keras-lstm",
    "kth-rnn",
    "mit-rnn",
    "torch-gru",
    "torch-lstm",
    "torch-rnn",
]
# profile, file, function: everything that a course hands in, and its wrong variants with what must be said of them
RIGHT = [
    ("cs231n-rnn", "cs231n", "rnn_backward"), ("cs231n-rnn", "cs231n", "rnn_step_backward"),
    ("cs231n-lstm", "cs231n", "lstm_backward"), ("cs231n-lstm", "cs231n", "lstm_step_backward"),
    ("dlai-rnn", "dlai", "rnn_backward"), ("dlai-rnn", "dlai", "rnn_cell_backward"),
    ("dlai-lstm", "dlai", "lstm_backward"), ("dlai-lstm", "dlai", "lstm_cell_backward"),
    ("cmu-rnn", "cmu", "RNNCell.backward"), ("cmu-gru", "cmu", "GRUCell.backward"),
    ("mit-rnn", "mit", "RNN.bptt"), ("edinburgh-rnn", "edinburgh", "RNN.acc_deltas_bptt"),
    ("kth-rnn", "kth", "compute_gradients"), ("keras-lstm", "keras", "lstm"), ("keras-gru", "keras", "gru"),
]  # fmt: skip
WRONG = [
    (
        "cs231n-rnn",
        "cs231n",
        "rnn_backward",
        "derivative omitted",
        "Wx",
        "the derivative of tanh in the equation of hₜ is left out",
    ),
    (
        "cs231n-rnn",
        "cs231n",
        "rnn_step_backward",
        "derivative omitted",
        "Wh",
        "the derivative of tanh in the equation of hₜ is left out",
    ),
    ("cs231n-rnn", "cs231n", "rnn_backward", "not transposed", "Wx", "Wh is not transposed"),
    ("cs231n-rnn", "cs231n", "rnn_backward", "no carry", "Wh", "never carried to the step before"),
    ("cs231n-rnn", "cs231n", "rnn_backward", "overwritten", "b", "overwritten at every step"),
    ("cs231n-lstm", "cs231n", "lstm_backward", "h path into c", "Wx", "nothing is sent from hₜ back to cₜ"),
    ("cs231n-lstm", "cs231n", "lstm_step_backward", "h path into c", "Wx", "nothing is sent from hₜ back to cₜ"),
    ("cs231n-lstm", "cs231n", "lstm_backward", "carried without f", "Wx", "without the factor fₜ"),
    ("cs231n-lstm", "cs231n", "lstm_backward", "no cell carry", "Wx", "nothing is carried from cₜ₊₁ back to cₜ"),
    ("dlai-rnn", "dlai", "rnn_backward", "derivative of another step", "Wax", "is taken from the step before"),
    ("dlai-lstm", "dlai", "lstm_backward", "carries left at zero", "Wf", "through neither c nor a"),
    (
        "dlai-lstm",
        "dlai",
        "lstm_cell_backward",
        "forget gate missing in da_prev",
        "Wi",
        "nothing is carried from ftₜ₊₁ back to aₜ",
    ),
    ("cmu-rnn", "cmu", "RNNCell.backward", "h_t for h_prev", "W_hh", "uses hₜ in place of hₜ₋₁"),
    ("cmu-gru", "cmu", "GRUCell.backward", "carry dropped", "Wrx", "nothing is carried from hₜ₊₁ back to hₜ"),
    ("mit-rnn", "mit", "RNN.bptt", "tanh twice", "Wss", "the function is applied twice"),
    ("edinburgh-rnn", "edinburgh", "RNN.acc_deltas_bptt", "two steps", "U", "sliding:2"),
    ("kth-rnn", "kth", "compute_gradients", "target not subtracted", "V", "the one-hot target is not subtracted"),
]


def student(file, wrong=""):
    """The module of a course, with one of its mistakes switched on."""
    spec = importlib.util.spec_from_file_location("answer", COURSES / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WRONG = wrong
    return module


def homework(p, module, function, seed=0, batch=None, steps=5, number=float):
    """An instance in the course's layout and the gradients that the student's function computes on it."""
    u = p.unroll(steps)
    data = {k: v.astype(number) if v.dtype.kind == "f" else v for k, v in p.outward(p.instance(u, seed, batch)).items()}
    drivers = courses.DRIVERS.get(p.calls, {})
    drive = drivers.get(function) or drivers.get(function.rpartition(".")[2])
    module.__dict__.setdefault("__name__", "answer")
    made = [*drive(module, data)][1] if drive else call(getattr(module, function), data, [f"d{a}" for a in p.arrays])
    return data, made


def test_there_is_one_for_each_course():
    assert set(NAMES) <= set(profiles())
    assert {p for p, *_ in RIGHT} | {"torch-rnn", "torch-lstm", "torch-gru"} == set(NAMES)


@pytest.mark.parametrize("name", profiles())
def test_layouts_go_there_and_back(name):
    p = profile(name)
    data = p.instance(p.unroll(7), seed=2)
    back, sizes = p.inward(p.outward(data), "test")
    assert back.keys() == data.keys() and sizes
    for key, value in data.items():
        np.testing.assert_array_equal(back[key], value)
    assert len({*sizes.values()}) == len(sizes)  # no two axes are alike


CHARACTERS = """
# array inputs: T, V
# array targets: T, V
# array hprev: H = h[0]
# array Wxh: H, V
# array Whh: H, H
# array Why: V, H
# array bh: H
# array by: V
h[t] = tanh(Wxh @ inputs[t] + Whh @ h[t-1] + bh)
p[t] = softmax(Why @ h[t] + by)
E[t] = cross_entropy(p[t], targets[t])
"""


def characters(inputs, targets, hprev, Wxh, Whh, Why, bh, by):
    """A model of characters that takes the number of characters from one matrix for all."""
    H, V = Wxh.shape
    made = {"dWxh": np.zeros((H, V)), "dWhh": np.zeros((H, H)), "dWhy": np.zeros((V, H)), "dby": np.zeros(V)}
    h, back = [hprev], np.zeros(H)
    for x in inputs:
        h.append(np.tanh(Wxh @ x + Whh @ h[-1] + bh))
    for t in reversed(range(len(inputs))):
        scores = np.exp(Why @ h[t + 1] + by)
        dy = scores / scores.sum() - targets[t].reshape(V)
        da = (Why.T @ dy + back) * (1 - h[t + 1] ** 2)
        back = Whh.T @ da
        made["dWhy"] += np.outer(dy, h[t + 1])
        made["dby"] += dy
        made["dWhh"] += np.outer(da, h[t])
        made["dWxh"] += np.outer(da, inputs[t])
    return made


def test_a_letter_is_one_size_in_an_instance_of_our_own():
    p = parse("characters", CHARACTERS)
    u = p.unroll()
    assert u.shapes["inputs"] == u.shapes["targets"] == u.shapes["by"] != u.shapes["bh"]
    data = p.outward(p.instance(u, seed=1))
    assert verify(p, characters(**data), data).right
    spoilt = characters(**data)
    spoilt["dWxh"] = spoilt["dWxh"] * 1.01
    assert not verify(p, spoilt, data).right
    assert p.unroll(sizes={"inputs": 7}).shapes["by"] == (7,)  # what is given goes before


@pytest.mark.parametrize("name", profiles())
def test_no_letter_stands_for_two_sizes(name):
    p = profile(name)
    arrays, sizes = p.outward(p.instance(p.unroll(3), seed=1)), {}
    for array, a in p.arrays.items():
        for axis, size in zip(a.axes_of(arrays[array].ndim), arrays[array].shape):
            factor, letter = re.fullmatch(r"(\d*)(.*)", axis).groups()
            assert size == int(factor or 1) * (sizes.setdefault(letter, size // int(factor or 1)) if letter else 1)


def test_a_letter_that_cannot_be_one_size_is_refused():
    text = "# array x: T, H\n# array W: H, H\n# array h0: H = h[0]\n# array dh: T, H = dE_dh\n"
    with pytest.raises(BPTTError, match="the letter H stands for one size, and the equations do not allow it") as error:
        parse("stacked", text + "h[t] = tanh(W @ [x[t]; h[t-1]])")
    assert "letters of their own" in error.value.hint
    parse("stacked", text.replace("W: H, H", "W: H, S") + "h[t] = tanh(W @ [x[t]; h[t-1]])")


@pytest.mark.parametrize(("name", "file", "function"), RIGHT)
def test_right_homework(name, file, function):
    p, module = profile(name), student(file)
    for seed in range(3):
        batch = 2 + 4 * seed if p.batched else None
        data, made = homework(p, module, function, seed, batch, steps=3 + seed)
        verdict = verify(p, made, data)
        assert verdict.right and {v.status for v in verdict.parameters.values()} == {"right"}, str(verdict)
        # in the course's names and layout
        for key, value in made.items():
            array = p.array_of(key)
            if len(p.arrays[array].parts) == 1:
                assert verdict.parameters[array].true.shape == value.shape
                np.testing.assert_allclose(
                    verdict.parameters[array].given,
                    value
                    * np.sign(1 if file != "edinburgh" else -1)
                    * (1 if file != "cmu" or key in ("dx", "dh0") or "gru" in name else batch),
                )


@pytest.mark.parametrize(("name", "file", "function", "mistake", "array", "words"), WRONG)
def test_wrong_homework(name, file, function, mistake, array, words):
    p = profile(name)
    data, made = homework(p, student(file, mistake), function, seed=1)
    verdict = verify(p, made, data)
    assert not verdict.right and verdict.parameters[array].status == "wrong"
    assert words in verdict.parameters[array].cause, verdict


def test_the_sum_where_the_course_has_the_mean_is_a_convention():
    p = profile("cmu-rnn")
    data, made = homework(p, student("cmu", "summed"), "RNNCell.backward")
    verdict = verify(p, made, data)
    assert verdict.right and verdict.parameters["W_hh"].convention == "without the course's factor 1/N"
    assert verdict.parameters["x"].status == "right"
    made["dW_hh"] = made["dW_hh"] * 1.5
    assert not verify(p, made, data).right


def test_another_gate_order_is_a_convention():
    p = profile("cs231n-lstm")
    data, made = homework(p, student("cs231n"), "lstm_backward")
    for key in ("dWx", "dWh", "db"):
        i, f, o, g = np.split(made[key], 4, axis=-1)
        made[key] = np.concatenate([i, f, g, o], axis=-1)
    verdict = verify(p, made, data)
    assert verdict.right and "gate order" in verdict.parameters["Wx"].convention
    made["dWh"] = made["dWh"] * (1 + 1e-9)
    assert not verify(p, made, data).right


def test_digits_typed_and_single_precision(tmp_path):
    p = profile("dlai-lstm")
    data, made = homework(p, student("dlai"), "lstm_backward")
    body = {
        "data": {k: v.tolist() for k, v in data.items()},
        "gradients": {k: [[f"{x:.4f}" for x in row] for row in v] for k, v in made.items() if v.ndim == 2},
    }
    (tmp_path / "typed.json").write_text(json.dumps(body))
    verdict = verify(p, tmp_path / "typed.json")
    assert verdict.right and verdict.parameters["Wf"].status == "right to the digits given"
    data, made = homework(p, student("dlai"), "lstm_backward", number=np.float32)
    assert made["dWf"].dtype == np.float32 and verify(p, made, data).right
    made["dWf"] = made["dWf"] * np.float32(1.001)
    assert not verify(p, made, data).right
    for name, file, function in (RIGHT[9], RIGHT[12]):  # arrays of zeros make some of these double
        data, made = homework(profile(name), student(file), function, number=np.float32)
        assert verify(name, made, data).right


def test_places_are_those_of_the_course():
    p = profile("cs231n-lstm")
    data, made = homework(p, student("cs231n"), "lstm_backward")
    made = {k: made[k] for k in ("dx", "dWx")}
    made["dWx"][1, 7] += 0.1
    made["dx"][2, 3, 1] += 0.1
    text = str(verify(p, made, data))
    assert "farthest off at [1, 7]" in text and "only the entry [1, 7]" in text and "only the entry [2, 3, 1]" in text
    data, made = homework(p, student("cs231n"), "lstm_backward")
    made = {"dWx": made["dWx"]}
    made["dWx"][:, 3:6] += [[1, 2, 3], [4, 5, 6]]
    assert "only the columns of a_f[t] (3 to 5) are wrong" in " ".join(str(verify(p, made, data)).split())


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batched", [True, False])
def test_pytorch(kind, batched):
    torch = pytest.importorskip("torch")
    p = profile(f"torch-{kind.lower()}")
    for seed, dtype in ((0, torch.float64), (1, torch.float32)):
        torch.manual_seed(seed)
        net = getattr(torch.nn, kind)(2, 4).to(dtype)
        lead = (3,) if batched else ()
        x = torch.randn(5, *lead, 2, dtype=dtype, requires_grad=True)
        states = [torch.randn(1, *lead, 4, dtype=dtype, requires_grad=True) for _ in range(1 + (kind == "LSTM"))]
        out, _ = net(x, tuple(states) if kind == "LSTM" else states[0])
        up = torch.randn_like(out)
        out.backward(up)
        weights = {k: v.detach().numpy() for k, v in net.named_parameters()}
        data = {"input": x.detach().numpy(), "grad_output": up.numpy(), **weights}
        data |= {k: s.detach().numpy() for k, s in zip(("h0", "c0"), states)}
        made = {f"{k}.grad": v.grad.numpy() for k, v in net.named_parameters()} | {"input.grad": x.grad.numpy()}
        made |= {f"{k}.grad": s.grad.numpy() for k, s in zip(("h0", "c0"), states)}
        verdict = verify(p, made, data)
        assert {v.status for v in verdict.parameters.values()} == {"right"}, str(verdict)
        if kind == "GRU":  # the biases of the candidate have gradients that differ
            made["bias_hh_l0.grad"] = made["bias_ih_l0.grad"]
            assert not verify(p, made, data).right


# -- functions in a process of their own -------------------------------------------------------------------------------


def test_functions_from_a_file(tmp_path):
    for name, file, function in [RIGHT[3], RIGHT[9], *RIGHT[10:13]]:
        assert verify(name, f"{COURSES / file}.py:{function}", seed=3).right
    source = (COURSES / "cs231n.py").read_text()
    mine = tmp_path / "mine.py"
    mine.write_text(source.replace('WRONG = ""', 'WRONG = "forward"'))
    verdict = verify("cs231n-lstm", f"{mine}:lstm_backward", steps=3)
    assert not verdict.right and "that of the equations: h is another, from step 1 on" in verdict.notes[0]
    assert all(v.cause is None for v in verdict.parameters.values())
    mine.write_text(source.replace("return dx, dprev, dWx, dWh, db", "return dx, dprev, dWx"))
    with pytest.raises(BPTTError, match=r"rnn_backward returns 3 values .the course's returns dx, dh0, dWx, dWh, db"):
        verify("cs231n-rnn", f"{mine}:rnn_backward")
    mine.write_text(source.replace("dh.shape[1])):", "dh.shape[7])):"))
    with pytest.raises(BPTTError, match="IndexError"):
        verify("cs231n-rnn", f"{mine}:rnn_backward")
    with pytest.raises(BPTTError, match="there is no function lstm_backwards"):
        verify("cs231n-lstm", f"{mine}:lstm_backwards")
    with pytest.raises(BPTTError, match="none of the functions of this course"):
        verify("cs231n-lstm", f"{mine}:LSTM.backward")


# -- formulas, and profiles of one's own -------------------------------------------------------------------------------


def test_formulas_in_the_names_of_the_course():
    right = "delta[t] = (1 - h[t]^2) * (dE_dh[t] + Wh.T @ delta[t+1])\ndWh = sum_t outer(delta[t], h[t-1])"
    assert verify("cs231n-rnn", right).right
    verdict = verify("cs231n-rnn", right.replace("Wh.T @ delta", "Wh @ delta"))
    assert "Wh is not transposed" in verdict.parameters["Wh"].cause


OWN = """# title: mine
# factor: -1
# clip: 0.5
# array x: D, T, N
# array s: 1, N, H = h[0]
# array up: T, H, N = dE_dh
# array U: D, H = U.T
# array W: H, H
h[t] = tanh(U @ x[t] + W @ h[t-1])
"""


def test_a_profile_of_ones_own(tmp_path):
    (tmp_path / "mine.txt").write_text(OWN)
    p = profile(str(tmp_path / "mine.txt"))
    u = p.unroll(4)
    data = p.instance(u, 5)
    run = u.run(data)
    made = {"dU": -run.gradients["U"].T, "deltaW": -run.gradients["W"], "s.grad": -run.gradients["h[0]"][None]}
    course = p.outward(data)
    assert verify(p, made, course).right
    assert verify(str(tmp_path / "mine.txt"), {"dx": -run.gradient("x").transpose(2, 0, 1)}, course).right
    cut = {k: np.clip(v, -0.5, 0.5) for k, v in made.items()}
    verdict = verify(p, cut, course)
    assert verdict.right and any("clipped at 0.5" in n for n in verdict.notes)
    cut["dU"] = np.where(np.abs(cut["dU"]) == 0.5, -cut["dU"], cut["dU"])
    assert not verify(p, cut, course).right
    assert verify(p, {"dW": run.gradients["W"]}, course).parameters["W"].status == "convention"
    without = {k: v for k, v in course.items() if k != "s"}  # an initial state that is not there is zero
    zero = u.run({**data, "h[0]": 0 * data["h[0]"]})
    assert verify(p, {"dW": -zero.gradients["W"]}, without).right


RENAMED = (
    OWN.replace("# factor: -1\n# clip: 0.5\n", "")
    .replace("array W: H, H", "array Wh: H, H = W")
    .replace("array U: D, H = U.T", "array Wx: D, H = U.T")
)


def test_notes_and_causes_speak_of_the_courses_arrays():
    p = parse("mine", RENAMED)
    u = p.unroll(4)
    data = p.instance(u, 5)
    g = u.run(data).gradients
    verdict = verify(p, {"dWh": g["W"].T, "dWx": g["U"].T}, p.outward(data))
    assert verdict.right and verdict.notes == [
        "dWh is transposed, other matrices are not: handed in with their parameter, the update would be wrong"
    ]
    verdict = verify(p, {"dWh": 1.7 * g["W"], "ds": 0 * g["h[0]"][None]}, p.outward(data))
    assert verdict.parameters["Wh"].cause.startswith("∂E/∂Wh is exactly what")
    assert verdict.parameters["s"].cause == "∂E/∂s is exactly what you get if ∂E/∂s is left at zero."
    assert verdict.notes == [] and set(verdict.parameters) == {"Wh", "s"}


LEAKY = (
    "# array x: {}T, D\n# array h0: {}D = h[0]\n# array up: {}T, D = dE_dh\n# array a: {}\nh[t] = a * h[t-1] + (1 - a)"
    " * x[t]"
)


@pytest.mark.parametrize("lead", ["", "N, "])
@pytest.mark.parametrize(("form", "shape"), [("1 = a", (1,)), ("1, 1", (1, 1)), ("D", (2,)), ("D, 1", (2, 1))])
def test_an_array_of_one_number_is_a_number(lead, form, shape):
    p = parse("leaky", LEAKY.format(lead, lead, lead, form))
    u = p.unroll(5)
    data = p.instance(u, 3)
    course = p.outward(data)
    assert course["a"].shape == shape and (u.shapes["a"] == ()) is ("D" not in form)
    x, up, a = (np.asarray(course[k], float) for k in ("x", "up", "a"))
    h, step = [np.asarray(course["h0"], float)], a.reshape(-1)
    for t in range(5):
        h.append(step * h[-1] + (1 - step) * x[..., t, :])
    da, carry = 0.0, 0.0
    for t in range(4, -1, -1):
        carry = up[..., t, :] + step * carry
        da = da + (carry * (h[t] - x[..., t, :])).reshape(-1, 2).sum(0)
    da = da if "D" in form else da.sum()
    assert verify(p, {"da": np.reshape(da, shape)}, course).right
    assert not verify(p, {"da": np.reshape(da, shape) * 1.01}, course).right


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a: 1", "a: D, D", "array a is (D, D), but in the equations a is"),
        ("a: 1", "a: T", "array a is (T), but"),
        ("a: 1", "a: N", "array a is (N), but"),
        ("x: N, T, D", "x: N, D", "x has a value at each step, so T is missing"),
        ("h0: N, D", "h0: D", "other arrays have a batch, so N is missing in h[0]"),
        ("h0: N, D", "h0: T, N, D", "h[0] is the same at every step, so T is too much"),
        ("up: N, T, D", "up: N, T", ""),
    ],
)
def test_axes_are_those_of_the_equations(old, new, words):
    text = LEAKY.format("N, ", "N, ", "N, ", "1")
    assert old in text
    with pytest.raises(BPTTError) as caught:
        parse("leaky", text.replace(old, new))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# title", "# titel", "line 1: unknown field 'titel'"),
        ("D, T, N", "D, T, T", "line 4: array x: N or T stands there twice"),
        ("D, T, N", "D, T, 7.5", "'7.5' is no axis"),
        ("# array W: H, H\n", "", "no line says how W is laid out"),
        ("array W", "array Q", "no line says how W is laid out"),
        ("-1", "2", "'2' is no factor"),
        ("0.5", "5e3", "'5e3' is no threshold"),
        ("= U.T", "= U T", "names nothing of the recurrence"),
        ("array W: H, H", "array W: 2, H = A; B; C", "holds 3 parameters"),
    ],
)
def test_broken_profiles(old, new, message):
    with pytest.raises(BPTTError, match=r"(?s).*") as caught:
        parse("mine", OWN.replace(old, new, 1))
    assert message in str(caught.value)


def test_broken_answers():
    p = profile("cs231n-rnn")
    data, made = homework(p, student("cs231n"), "rnn_backward")
    cases = [
        ({"dWq": made["dWx"]}, data, "knows no dWq"),
        ({"dWx": made["dWx"][:, :2]}, data, r"the gradient by Wx has shape (2, 2), but Wx has shape (2, 3)"),
        (made, {**data, "Wh": data["Wh"][:, :2]}, "Wh has shape (3, 2), but the profile says (H, H); H = 3 from h0"),
        (made, {k: v for k, v in data.items() if k != "x"}, "the instance lacks x"),
        (made, {**data, "W": data["Wx"]}, "has no array W"),
        (made, {**data, "x": data["x"][None, None]}, "x has 5 axes"),
        ({"dWx": made["dWx"], "Wx.grad": made["dWx"]}, data, "given twice"),
        ({"dWx": made["dWx"] * np.nan}, data, "holds nan"),
        ({}, data, "empty"),
    ]
    for answer, instance, message in cases:
        with pytest.raises(BPTTError) as caught:
            verify(p, answer, instance)
        assert message in str(caught.value)
    with pytest.raises(BPTTError, match="did you mean cs231n-rnn"):
        profile("cs231-rnn")
    with pytest.raises(BPTTError, match="holds no indices of 2 classes"):
        q = profile("edinburgh-rnn")
        data, made = homework(q, student("edinburgh"), "RNN.acc_deltas_bptt")
        verify(q, made, {**data, "x": data["x"] + 2})


def test_the_layout_keeps_what_it_cannot_know():
    assert layout("b: n_a, 1").inward(np.zeros((4, 1)))["b"].shape == (4,)
    assert layout("x: N, T, D").inward(np.zeros((5, 2)))["x"].shape == (5, 2)  # a single example
    with pytest.raises(BPTTError, match="describes no array"):
        layout("what ever: this")


# -- as somebody would type it -----------------------------------------------------------------------------------------


def run(*words):
    result = CliRunner().invoke(main, [str(w) for w in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_line(tmp_path):
    assert [line.split()[0] for line in run("profiles").stdout.splitlines()] == list(profiles())
    assert run("profiles", "mit-rnn").stdout.rstrip() == profile("mit-rnn").text.rstrip()
    assert {p["name"] for p in json.loads(run("profiles", "--json").stdout)} == set(profiles())
    made = tmp_path / "instance.npz"
    assert (
        run("check", "--profile", "cs231n-rnn", "--make-instance", made, "--steps", "4", "--batch", "6").exit_code == 0
    )
    data = {k.removeprefix("data/"): v for k, v in np.load(made).items()}
    assert data["x"].shape[:2] == (6, 4)
    p = profile("cs231n-rnn")
    code = student("cs231n")
    names = ("dx", "dh0", "dWx", "dWh", "db")
    _, cache = code.rnn_forward(data["x"], data["h0"], data["Wx"], data["Wh"], data["b"])
    answer = dict(zip(names, code.rnn_backward(data["dh"], cache)))
    np.savez(tmp_path / "mine.npz", **data, **answer)
    result = run("check", "rnn", "--profile", "cs231n-rnn", "--answer", tmp_path / "mine.npz")
    assert result.exit_code == 0 and "right   dWx  (2×3)" in result.stdout and p.title in result.stdout
    np.savez(tmp_path / "mine.npz", **data, **{**answer, "dWh": answer["dWh"] * 2})
    result = run("check", "--profile", "cs231n-rnn", "--answer", tmp_path / "mine.npz")
    assert result.exit_code == 1 and "is doubled" in result.stdout
    spec = f"{COURSES / 'cs231n.py'}:rnn_backward"
    assert run("check", "--profile", "cs231n-rnn", "--answer", spec, "--json").exit_code == 0
    for words, message in [
        (["lstm", "--profile", "cs231n-rnn", "--answer", spec], "is not one of lstm"),
        (["--profile", "cs231n-gru", "--answer", spec], "there is no profile 'cs231n-gru'"),
        (["--profile", "nowhere.txt", "--answer", spec], "cannot read"),
        (["--profile", "cs231n-rnn"], "there is no answer"),
        (["--profile", "cs231n-rnn", "--answer", spec, "--size", "h=3"], "do not go with --profile"),
        (["--profile", "cs231n-rnn", "--answer", spec, "--steps", "x"], "is not a whole number"),
        ([], "no recurrence is named"),
    ]:
        result = run("check", *words)
        assert result.exit_code == 2 and message in result.stderr and not result.stdout


def test_verify_with_a_profile():
    p = profile("torch-lstm")
    u = p.unroll(4, loss="last")
    data = p.instance(u)
    made = {"weight_ih_l0": u.run(data).gradients["weight_ih_l0"]}
    course = p.outward(data)
    assert bg.verify(bg.cell("lstm").unroll(4, loss="last"), made, course, profile="torch-lstm").right
    verdict = bg.verify(bg.cell("lstm"), made, course, profile="torch-lstm")
    assert not verdict.right and "only the loss of the last step" in verdict.parameters["weight_ih_l0"].cause


def test_a_number_with_an_axis_of_one():
    from bpttgraph.homework.courses.profile import parse
    from bpttgraph.homework.courses.profiled import verify

    lines = ["# array a: 1 = a", "# array x: T, D = x", "# array h0: D = h[0]", "# array up: T, D = dE_dh"]
    mine = parse("mine", "\n".join([*lines, "h[t] = a * h[t-1] + (1 - a) * x[t]"]))
    u = mine.unroll(4)
    data = mine.instance(u)
    h, slope, total = data["h[0]"], 0.0 * data["h[0]"], 0.0
    for x, up in zip(data["x"], data["dE_dh"]):  # dh/da by hand, beside h
        h, slope = data["a"] * h + (1 - data["a"]) * x, h + data["a"] * slope - x
        total += np.sum(up * slope)
    given = mine.outward(data)
    assert np.shape(given["a"]) == (1,)
    assert verify(mine, {"da": np.array([total])}, given).right
    assert not verify(mine, {"da": np.array([total + 1e-6])}, given).right
