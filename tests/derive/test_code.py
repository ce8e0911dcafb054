"""Printed NumPy code: it runs with nothing but NumPy, it is the gradient, and what is printed is what was run.

The truth is the complex step of a forward pass; the arguments are built here, not by the package.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from printed_code import arguments
from truth import CELLS, bound, complex_step

import bpttgraph as bg
from bpttgraph.check.gradients import check_derivation, check_derivations
from bpttgraph.check.printed import check_code
from bpttgraph.cli import main
from bpttgraph.core import primitives as P
from bpttgraph.derive import running, symbolic
from bpttgraph.derive.code import Code
from bpttgraph.derive.symbolic import symbolic_of
from bpttgraph.document.choice import Choice
from bpttgraph.document.text import symbolic_text
from bpttgraph.document.whole import everything
from bpttgraph.equations.functions import FUNCTIONS, own_function
from bpttgraph.errors import BPTTError, Fault
from bpttgraph.formulas.code_helpers import definition, definitions
from bpttgraph.formulas.code_names import NameTable


def executed(code: Code, u: bg.Unrolled, run: bg.Run) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(code.text, space)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return space[code.function](**arguments(code, u, run))


def assert_gradients(code: Code, u: bg.Unrolled, data: dict[str, Any], names: list[str]) -> None:
    run = u.numbers.run(data, schedule=False)
    got = executed(code, u, run)
    assert set(code.gradients) == set(got)
    for name in names:
        v = u.vgraph.variables[name]
        late = (v.step or 0) - u.steps.get(v.block, u.columns)
        value, truth = got[f"{v.base}[T+{late}]" if late > 0 else name], complex_step(u, data, name)
        assert np.shape(value) == truth.shape, name
        assert np.allclose(value, truth, rtol=1e-9, atol=1e-12), (name, code.text)


def assert_printed(text: str, steps: int = 3, sizes: Any = None, loss: Any = "every", **options: Any) -> Code:
    """The code of all gradients, and of each alone, is right; and so says the check, which has run it."""
    rec = bg.recurrence(text)
    u = rec.unroll(steps, loss=loss, sizes=sizes, **options)
    data = u.instance(seed=3)
    code = symbolic_of(u, "all").printed()
    assert_gradients(code, u, data, everything(u))
    for name in everything(u):
        assert_gradients(symbolic_of(u, name).printed(), u, data, [name])
        report = check_derivation(u.derive(name), data)
        assert report.right, (name, str(report))
        assert any("printed NumPy code" in f.what for f in report.findings)
    return code


# -- the library and the language --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_prints_code_that_is_the_gradient(name: str) -> None:
    """All gradients together, as `derive --wrt all --detail full` prints them, under "Right"."""
    place = CELLS.index(name)
    u = bound(name).unroll(2 + place % 3, loss=("every", "last")[place % 2])
    names = everything(u)
    data = u.instance(seed=place)
    report = check_derivations([u.derive(w) for w in names], data, whole=True)
    assert report.right, str(report)
    assert {f.what.partition(" ")[0] for f in report.findings if "printed NumPy code" in f.what} == {
        f"dE/d{w}" for w in names
    }
    shown = symbolic_text(Choice(u, report, detail="full", data=data, symbolic=True), names, whole=True)
    printed = "\n".join(line[2:] for line in shown.partition("NumPy code:\n")[2].splitlines())
    code = symbolic_of(u, "all").printed("backward")
    assert printed.strip("\n") == code.text.strip("\n")
    assert_gradients(code, u, data, names)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last"])
def test_every_cell_and_every_gradient_alone(name: str, loss: str) -> None:
    rec = bound(name)
    for steps in (1, 2, 3, 5):
        u = rec.unroll(steps, loss=loss)
        data = u.instance(seed=steps)
        for w in everything(u):
            code = symbolic_of(u, w).printed()
            if min(u.steps.values()) >= code.least:
                assert_gradients(code, u, data, [w])


CALLS = {"leaky_relu": "leaky_relu({}, 0.2)", "elu": "elu({}, 0.7)", "clip": "clip({}, -0.3, 0.4)"}
OTHERS = {
    "max": [
        "h[t] = tanh(W h[t-1] + U x[t]); E[t] = max(h[t]) * max(b, sum(x[t]))",
        "h[t] = max(0, W h[t-1] + U x[t])",
        "h[t] = max(W h[t-1], tanh(U x[t]))",
    ],
    "min": [
        "h[t] = tanh(W h[t-1] + U x[t]); E[t] = min(h[t]) + min(b, sum(h[t]))",
        "h[t] = min(0.3, W h[t-1] + U x[t])",
    ],
    "dot": ["h[t] = tanh(dot(b, h[t-1]) * (W h[t-1]) + U x[t]); E[t] = dot(h[t], h[t])"],
    "cross_entropy": [
        "h[t] = tanh(W h[t-1] + x[t]); y[t] = softmax(V h[t] + b); E[t] = cross_entropy(y[t], target[t])",
        "h[t] = tanh(W h[t-1] + x[t]); E[t] = cross_entropy(softmax(V h[t]), softmax(b + h[t]))",
    ],
    "squared_error": [
        "h[t] = tanh(W h[t-1] + x[t]); E[t] = squared_error(V h[t], target[t]) + squared_error(a, sum(h[t]))"
    ],
    "mean_squared_error": ["h[t] = tanh(W h[t-1] + x[t]); E[t] = mean_squared_error(V h[t], target[t])"],
    "binary_cross_entropy": [
        "h[t] = tanh(W h[t-1] + x[t]); E[t] = binary_cross_entropy(sigmoid(V h[t]), sigmoid(b + h[t]))"
    ],
    "outer": ["h[t] = tanh(outer(h[t-1], u) @ w + U x[t]); E[t] = dot(v, h[t])"],
    "diag": ["h[t] = tanh(diag(d) @ h[t-1] + diag(x[t]) @ w); E[t] = dot(v, diag(h[t]) @ d)"],
    "concat": ["h[t] = tanh(W concat(h[t-1], x[t], a)); E[t] = dot(v, concat(h[t], b))"],
}


def texts_of(function: str) -> list[str]:
    if function in OTHERS:
        return OTHERS[function]
    call = CALLS.get(function, function + "({})")
    inside = "1 + sigmoid({})" if function in ("log", "sqrt") else "{}"
    f = call.format(inside)
    if FUNCTIONS[function].shape == "each":
        return [
            f"h[t] = tanh({function}(W h[t-1], U x[t])); E[t] = dot(v, {function}(h[t], b))",
            f"h[t] = {function}(1.5 + tanh(W h[t-1]), a) + U x[t]; E[t] = {function}(a, sum(h[t]))",
        ]
    if FUNCTIONS[function].shape == "reduce":
        return [
            f"h[t] = tanh({f.format('h[t-1]')} * (W h[t-1]) + U x[t]); E[t] = {f.format('h[t]')} * {f.format('V h[t]')}"
        ]
    return [f"h[t] = tanh({f.format('W h[t-1] + U x[t]')}); E[t] = dot(v, {f.format('h[t]')})",
            f"h[t] = {f.format('0.5 * (W h[t-1]) + U x[t]')}; E[t] = sigmoid(dot(b, h[t]))"]  # fmt: skip


@pytest.mark.parametrize("function", list(FUNCTIONS))
def test_every_function_of_the_language(function: str) -> None:
    for text in texts_of(function):
        assert_printed(text)


def test_an_operation_of_two_arguments_needs_no_text_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FUNCTIONS, "hypot", own_function(P.TABLE["hypot"]))
    assert len(texts_of("hypot")) == 2
    for text in texts_of("hypot"):
        assert_printed(text)


@pytest.mark.parametrize(
    "inner",
    [
        "2^(W h[t-1])",
        "(W h[t-1])^2",
        "(W h[t-1])^3",
        "(1 + sigmoid(W h[t-1]))^a",
        "h[t-1] / (2 + sigmoid(b))",
        "a / (2 + norm(h[t-1]))",
        "-(W.T @ h[t-1])",
        "W.T @ (W h[t-1])",
        "a * b - h[t-1] * (W h[t-1])",
        "[tanh(p); W_2 h[t-1]]",
    ],
)
def test_operators(inner: str) -> None:
    assert_printed(f"h[t] = tanh({inner} + U x[t]); E[t] = dot(v, h[t])")


@pytest.mark.parametrize(
    "text", ["rnn", "h[t] = max(0, W h[t-1] + U x[t]); E[t] = gelu(dot(v, h[t]))", "h[t] = elu(2^(W h[t-1]) + w')"]
)
def test_the_command_prints_what_it_has_run(text: str, tmp_path: Path) -> None:
    source = text
    if "=" in text:
        source = str(tmp_path / "cell.txt")
        Path(source).write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["derive", source, "--wrt", "all", "--detail", "full", "--seed", "4"])
    assert done.exit_code == 0 and "\nRight: " in done.output, done.output[-500:]
    shown = done.output.partition("NumPy code:\n")[2].partition("\n\n∂E/∂")[0]
    u = bg.cell(text).unroll(3) if text == "rnn" else bg.recurrence(text).unroll(3)
    code = symbolic_of(u, "all").printed("backward")
    assert textwrap.dedent(shown).strip("\n") == code.text.strip("\n")
    assert_gradients(code, u, u.instance(seed=4), everything(u))


# -- what was wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "sizes"), [
    ("h[t] = max(0, W h[t-1] + U x[t])", None),
    ("h[t] = tanh(W h[t-1]); y[t] = V (U h[t]); E[t] = squared_error(y[t], target[t])", None),
    ("h[t] = tanh(W h[t-1]); y[t] = V (U h[t]); E[t] = squared_error(y[t], target[t])", {"h": 3, "y": 3, "U": (3, 3)}),
    ("h[t] = diag(d) @ h[t-1] + U x[t]", None),
    ("h[t] = tanh(W h[t-1]); y[t] = (V U) h[t]; E[t] = squared_error(y[t], target[t])", None),
    ("h[t] = tanh((V @ U) * h[t-1]); E[t] = sum(h[t] @ c)", {"h": (2, 2), "V": (2, 3)}),
    ("H[t] = tanh(A @ H[t-1] + outer(x[t], u)); y[t] = H[t] @ u; E[t] = squared_error(y[t], target[t])", {"H": (2, 3)}),
    ("h[t] = tanh(m[t] * h[t-1]); E[t] = sigmoid(m[t] * h[t])", 1),
    ("h[t] = tanh(W h[t-1]); E[t] = softplus(dot(b, h[t] * m[t])) + log(1 + dot(h[t], h[t]))", None),
    ("k = exp(a); h[t] = tanh(k*h[t-1]); E[t] = dot(b, h[t])", None),
    ("k = exp(W a); h[t] = tanh(k * h[t-1] + V (U h[t-1])); E[t] = dot(k, h[t])", None),
    ("h[t] = tanh(w*h[t-1]); E[t] = 0.5*dot(b, h[t])", 1),
    ("h[t] = tanh(W h[t-1] + U h[t-2] + V h[t-3] + x[t]); E[t] = squared_error(h[t], target[t])", None),
    ("h[t] = tanh(W h[t-1] + x[t]); h[0] = tanh(p); E[t] = dot(b, h[t])", None),
    ("h[t] = tanh(W h[t-1] + x[t]); E[t] = dot(b, h[t]) + dot(v, h[t-1])", {"h": 1, "x": 1}),
    ("h[t] = tanh(W h[t-1] + x[t]); m = mean(h[T]); y[t] = V h[t] * m; E[t] = norm(y[t])", None),
    ("a[t] = W h[t-1] + U x[t] + b; h[t] = tanh(a[t]) * sigmoid(a[t]); E[t] = norm(h[t]) * mean(h[t])", None),
])  # fmt: skip
@pytest.mark.parametrize("loss", ["every", "last"])
def test_small_inputs_that_showed_faults(text: str, sizes: Any, loss: str) -> None:
    assert_printed(text, sizes=sizes, loss=loss)


@pytest.mark.parametrize("text", [
    "h[t] = tanh(w*h[t-1]); E[t] = dot(b, h[t]); J = sum_t E[t] + dot(v, h[T])",
    "h[t] = tanh(W h[t-1] + U x[t]); E[t] = squared_error(h[t], target[t]); J = (1/a) * sum_t E[t]",
    "h[t] = tanh(W h[t-1] + U x[t]); s = h[T]; E = norm(V s)",
    "h[t] = tanh(W h[t-1]); E[t] = dot(k, h[t]); J = tanh(k_2 * sum_t E[t])",
    "h[t] = tanh(W h[t-1]); m = sum_t h[t]; E = dot(b, m) * dot(m, h[T])",
])  # fmt: skip
def test_totals_of_ones_own(text: str) -> None:
    assert_printed(text)


def test_what_no_loss_reads_is_zero() -> None:
    code = assert_printed("h[t] = tanh(w*h[t-1] + a*c[t-1]); c[t] = tanh(u*c[t-1]); E[t] = 2 + b", sizes=1)
    assert "dh_0 = np.zeros_like(h[0])" in code.text


def test_the_mean_and_chosen_steps() -> None:
    text = "h[t] = tanh(W h[t-1] + U x[t]); E[t] = squared_error(h[t], target[t])"
    assert_printed(text, reduce="mean")
    assert_printed(text, steps=4, loss=[2, 3])
    # every statement is one for a single step, and is computed after what it reads in that step
    assert_printed("g[t] = min(c[t-1], d); c[t] = A g[t]; E[t] = dot(d, g[t])", steps=3, loss=[1, 2, 3])
    assert_printed(
        "u[t] = U h[t-1] + b; h[t] = tanh(d * h[t-1] + V u[t]); E[t] = norm(U h[t-1] + u[t])", steps=3, loss=[3]
    )


@pytest.mark.parametrize("truncate", ["one-step", "carousel"])
def test_truncation_that_has_a_recursion(truncate: str) -> None:
    u = bg.cell("lstm").unroll(4, truncate=truncate)
    data = u.instance(seed=1)
    run = u.run(data)
    got = executed(symbolic_of(u, "all").printed(), u, run)
    for name in everything(u):
        assert np.allclose(got[name], run.gradients[name], rtol=1e-10, atol=1e-13)
    assert check_derivation(u.derive("U_f"), data).right


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("np", "range", "math"),
        ("dh", "delta_h", "dW"),
        ("δ", "delta", "δ_h"),
        ("w_prime", "w'", "W"),
        ("lambda", "λ", "def"),
        ("x_max", "above", "steps"),
        ("dot_prod", "len", "int"),
        ("gradients", "backward", "T_x"),
        ("φ", "phi", "φ'"),
        ("ж", "é", "e"),
    ],
)
def test_names_never_collide(names: tuple[str, ...]) -> None:
    a, b, c = names
    text = f"h[t] = max(0, {a} * h[t-1] + {b} * x[t]) + tanh({c} * h[t-1]); E[t] = sigmoid({c} * h[t])"
    code = assert_printed(text, sizes=1)
    assert {a, b, c} <= set(code.gradients)
    used = list(code.arguments)
    assert len(set(used)) == len(used) and all(n.isidentifier() and n.isascii() for n in used)
    assert assert_printed(text, sizes=1).text == code.text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("h[t] = tanh(t * h[t-1] + T * x[t]); E[t] = v*h[t]", ["t", "T"]),
        ("dh[t] = tanh(w * dh[t-1] + h[t-1]); h[t] = sigmoid(dh[t] + v); E[t] = dh[t] * h[t]", ["w", "v"]),
        (
            "delta_h[t] = tanh(w * delta_h[t-1] + delta_h[t-1] * h[t-1]); h[t] = tanh(v * delta_h[t]); E[t] = h[t]",
            ["w", "v"],
        ),
    ],
)
def test_variables_called_like_adjoints_and_steps(text: str, names: list[str]) -> None:
    try:
        rec = bg.recurrence(text)
    except BPTTError:
        pytest.skip("the language refuses the name")
    assert set(names) <= set(rec.unroll(2, sizes=1).parameters)
    assert_printed(text, sizes=1)


def test_the_table_gives_each_name_its_own_identifier() -> None:
    names = ["a", "α", "alpha", "alpha_2", "np", "np_", "for", "for_", "h\u0304", "dh", "x₁", "x1", "x'", "x_prime"]
    names += ["encoder.h", "encoder_h"]
    table = NameTable(names)
    made = [table(n) for n in names]
    assert len(set(made)) == len(names) and all(m.isidentifier() for m in made)
    assert made[:3] == ["a", "alpha", "alpha_2"] and [NameTable(names)(n) for n in names] == made


# -- helpers -----------------------------------------------------------------------------------------------------------

WHOLE = ("softmax", "log_softmax", "logsumexp", "top_mask", "norm", "cross_entropy", "squared_error", "max", "sum")
EXTREME = np.array([-700.0, -40.0, -3.0, -0.5, 1e-9, 0.4, 2.0, 30.0, 700.0])


def helper(name: str) -> Any:
    space: dict[str, Any] = {}
    exec("import math\nimport numpy as np\n" + "\n".join(definitions({name: definition(P.TABLE[name])})), space)
    return space[name]


@pytest.mark.parametrize("name", [n for n, op in P.TABLE.items() if op.readings.get("code")])
def test_helpers_are_the_functions_of_the_table(name: str) -> None:
    """The same values, also far out, and no warning there."""
    value, rng = P.TABLE[name].value, np.random.default_rng(0)
    two = P.TABLE[name].count == 2
    x = EXTREME if name not in ("cross_entropy", "ylog") else np.abs(EXTREME)
    y = rng.permutation(x)
    args = (np.append(x, [0.0, 0.25]), np.append(y, [0.5, 0.25])) if two else (x,)
    if name == "cross_entropy":
        args = (args[0], np.append(np.eye(9)[3], [0, 0.5]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = helper(name)(*args)
    with np.errstate(all="ignore"):
        want = value(*args)
    assert np.shape(got) == np.shape(want)
    assert np.allclose(got, want, rtol=1e-12, atol=1e-300), (got, want)


@pytest.mark.parametrize("name", [n for n, op in P.TABLE.items() if op.ufunc and op.kind != "own"])
def test_functions_of_numpy_are_those_of_the_table(name: str) -> None:
    op = P.TABLE[name]
    assert op.ufunc is not None
    args = [np.random.default_rng(i).uniform(0.1, 3.0, 9) for i in range(op.ufunc.nin)]
    with np.errstate(invalid="ignore"):  # some are defined up to 1 alone, or from there on
        assert np.allclose(op.ufunc(*args), op.value(*args), rtol=1e-14, equal_nan=True)


# -- it is run, and only such code is run ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "import numpy",
        "from numpy import tanh",
        "import numpy as os",
        "x = open('f')",
        "x = np.load('f')",
        "x = np.lib",
        "x = ().__class__",
        "x = np.tanh.__globals__",
        "exec('1')",
        "x = __import__('os')",
        "def f(x):\n    return lambda: x",
        "x = [y for y in np.ones(3)]",
        "with a as b:\n    pass",
        "while True:\n    pass",
        "def f(x):\n    global y\n    return y",
        "x = np.ones(3).tofile('f')",
        "class A:\n    pass",
        "x = (lambda: 1)()",
        "x = f'{1}'",
        "try:\n    pass\nfinally:\n    pass",
        "x = np.ones(3)[0](1)",
        "import math\nx = math.exit",
        "def __f(x):\n    return x",
        "x = y",
        "def f(:\n",
        "\0",
        "async def f(x):\n    return x",
        "raise x",
        "del x",
    ],
)
def test_other_code_is_not_run(text: str) -> None:
    with pytest.raises(Fault, match="it is not run"):
        running.admit(text)


def test_all_printed_code_is_admitted_and_nothing_else_is_in_its_reach() -> None:
    code = bg.cell("lstm").derive("all").printed()
    running.admit(code.text)
    poor = Code("def f(T):\n    return {}\n\n\nx = range(3)\n", "f", 1)
    assert running.run(poor, {"T": 2}) == {}
    with pytest.raises(Fault, match="open, which it does not define"):
        running.run(Code("def f(T):\n    return open\n", "f", 1), {"T": 2})
    with pytest.raises(Fault, match="ends in ZeroDivisionError"):
        running.run(Code("def f(T):\n    return T / 0\n", "f", 1), {"T": 2})


FAULTS = [
    (r"delta_h\[t\+1\]", "delta_h[t]"),
    (r"W_hh\.T", "W_hh"),
    (r"h\[t-1\]\)", "h[t])"),
    (r"1 - h\[t\]\*\*2", "1 + h[t]**2"),
    (r" \+ W_hh.*", ""),
    (r"y\[t\] - target\[t\]", "target[t] - y[t]"),
    (r"range\(1, T \+ 1\)", "range(1, T)"),
    (r"dW_hh \+= ", "dW_hh = 0 * dW_hh + "),
    (r"range\(T, 0, -1\)", "range(T, 1, -1)"),
    (r"np\.outer\((.*), (.*)\)", r"np.outer(\2, \1)"),
    (r"\*\*2", "**3"),
    (r"np\.zeros_like\(W_hh\)", "np.zeros_like(W_hh) + 1e-9"),
]


@pytest.mark.parametrize(("old", "new"), FAULTS)
def test_spoilt_code_is_our_fault(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is printed under "Right" that computes something else: the check, code() and documents say so."""
    from dataclasses import replace

    from bpttgraph.derive import code as module

    real = module.numpy_code

    def spoilt(*args: Any) -> Code:
        made = real(*args)
        text = re.sub(old, new, made.text)
        assert text != made.text
        return replace(made, text=text)

    monkeypatch.setattr(module, "numpy_code", spoilt)
    rec = bg.cell("rnn")
    with pytest.raises(Fault):
        rec.derive("W_hh").code()
    report = rec.unroll(3).derive("W_hh").check()
    assert not report.right and "bpttgraph itself is broken" in report.verdict and "dE/dW_hh" in report.verdict
    symbolic.SymbolicDerivation(rec, "W_hh")  # the derivation itself stands


def test_a_batch_is_checked_on_its_first_example() -> None:
    for text in ("rnn", "h[t] = tanh(w*h[t-1]); z[t] = x[t]+b; E[t] = dot(c,z[t]) + dot(c,h[t])"):
        rec = bg.cell(text) if text == "rnn" else bg.recurrence(text)
        u = rec.unroll(3)
        report = check_derivations([u.derive(w) for w in everything(u)], u.instance(seed=1, batch=4), whole=True)
        assert report.right, str(report)
        assert sum("printed" in f.what for f in report.findings) == len(everything(u))


def test_fewer_steps_than_the_code_needs() -> None:
    """Code that holds for two steps or more is run on two."""
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + U h[t-2] + x[t]); E[t] = dot(b, h[t]) + dot(c, h[t-1])")
    u = rec.unroll(1)
    report = check_derivation(u.derive("h[0]"))
    assert report.right and any("printed" in f.what for f in report.findings)


def test_one_sentence_where_there_is_no_code() -> None:
    with pytest.raises(BPTTError, match="g_1, g_2 are abstract"):
        bg.cell("rnn-traditional").derive("W_aa").code()
    with pytest.raises(BPTTError, match="different losses"):
        bg.cell("rnn").derive("W_hh", truncate="sliding:2").code()
    u = bg.cell("rnn").unroll(3, truncate="sliding:2")
    report = check_derivation(u.derive("W_hh"))
    assert report.right and not any("printed" in f.what for f in report.findings)
    report = check_derivation(bg.cell("rnn").unroll(3).derive("h[2]"))
    assert report.right and not any("printed" in f.what for f in report.findings)


def test_classes_in_the_code_are_numbers_in_the_check() -> None:
    u = bg.cell("rnn").unroll(3)
    d = u.derive("W_xh", onehot="x, target")
    data = u.instance(seed=0)
    data["x"] = np.eye(data["x"].shape[1])[[0, 1, 1]]
    report = d.check(data)
    assert report.right and any("printed" in f.what for f in report.findings)
    from bpttgraph.check.report import Report

    found = Report("")
    check_code(found, u, "W_xh", data, d.onehot)
    assert len(found.findings) == 1 and found.right


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_of_few_steps_the_last_may_be_the_first(steps: int) -> None:
    """c[T-1] = c[0] for one step: both statements are about it, and the one about the last step counts."""
    rec = bg.recurrence("c[t] = c[t-1]\nC[t] = dot(d, c[t-1])\nc[0] = d")
    names: dict[str, Any] = {}
    exec(rec.derive("d", loss="last").code(), names)
    d = np.array([0.5, -2.0])
    c = np.tile(d, (steps + 3, 1))
    assert np.allclose(names["gradients"](steps, c, d)["d"], 2 * d)  # C = d·d


@pytest.mark.parametrize(
    "text",
    [
        "h[t] = h[t-1]/x[t]\nE[t] = h[t]*h[t]",
        "h[t] = h[t-1]/x[t] + w*h[t-2]/x[t]\nE[t] = h[t]*h[t]",
        "u[t] = norm(c[t-1])\nc[t] = W @ c[t-1]\nE[t] = u[t]*u[t]",
        "h[t] = x[t]^h[t-1]\nE[t] = h[t]",
        "r[t] = r[t+1]/x[t] + w*x[t]\nE[t] = r[t]*r[t]",
        "L[t] = norm(relu(b))",
    ],
)
def test_what_reads_zeros_beyond_the_last_step_is_left_out_there(text: str) -> None:
    """Zeros stand beyond the last step, and 0 · (1/0) is no number; `code` compares what it prints with the reverse
    pass."""
    code = bg.recurrence(text).derive("all").code()
    assert "def gradients(" in code


def _divided(T: int, h1: Any, x: Any) -> tuple[Any, Any]:
    h = np.zeros(T + 8, complex)
    h[1] = h1
    for t in range(1, T + 1):
        h[t + 1] = h[t] / x[t]
    return {"h": h}, (h[2 : T + 2] ** 2).sum()


def _divided_two_before(T: int, h1: Any, x: Any) -> tuple[Any, Any]:
    h = np.zeros(T + 8, complex)
    h[:2] = 0.7, h1
    for t in range(1, T + 1):
        h[t + 1] = h[t - 1] / x[t]
    return {"h": h}, (h[1 : T + 1] ** 2).sum()


def _logarithm(T: int, w: Any, x: Any) -> tuple[Any, Any]:
    h = np.zeros(T + 8, complex)
    h[1] = 0.4
    for t in range(1, T + 1):
        h[t + 1] = np.tanh(w * h[t])
    return {"h": h, "C": np.log(h + 2), "w": w}, np.log(h[2 : T + 2] + 2).sum()


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("text", "by", "forward"),
    [
        ("h[t+1] = h[t]/x[t]\nE[t] = h[t+1]*h[t+1]", "h[1]", _divided),
        ("h[t+1] = h[t-1]/x[t]\nE[t] = h[t]*h[t]", "h[1]", _divided_two_before),
        ("h[t+1] = tanh(w*h[t])\nC[t] = log(h[t+1]+2)", "w", _logarithm),
    ],
)
def test_what_counts_is_said_by_the_adjoint(text: str, by: str, forward: Any, steps: int) -> None:
    """h[t+1] stands one step behind the last, and is no row of zeros: left out is what a row of zeros of the adjoints
    multiplies.

    The oracle is the complex step.
    """
    x = np.zeros(steps + 8)
    x[1 : steps + 1] = np.linspace(0.5, 1.5, steps)
    values, _ = forward(steps, 0.3, x)
    want = np.imag(forward(steps, 0.3 + 1e-30j, x)[1]) / 1e-30
    printed = bg.recurrence(text).derive(by).printed()
    names: dict[str, Any] = {}
    exec(printed.text, names)
    real = {"x": x, **{n: np.real(v) for n, v in values.items()}}
    with np.errstate(all="ignore"):
        got = names["gradients"](
            **dict.fromkeys(printed.lengths, steps), **{a: real[n] for a, n in printed.arguments.items()}
        )
    assert np.allclose(got[by], want, rtol=1e-12)


def test_an_instance_on_which_numbers_overflow_is_not_the_one_that_is_tried() -> None:
    """2^h soon leaves the range of floats; `code` compares what it prints on numbers that are numbers."""
    rec = bg.recurrence("h[t] = 2^(a*h[t-1] + b)\nE[t] = h[t]")
    assert "def gradients(" in rec.derive("all").code()
    with pytest.raises(BPTTError, match="numbers overflow, so the printed code cannot be tried"):
        bg.recurrence("h[t] = exp(exp(exp(w*h[t-1] + 9)))\nE[t] = h[t]").derive("w").code()


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_of_several_statements_about_one_step_the_first_counts(steps: int) -> None:
    rec = bg.recurrence("s[t] = s[t-1]\nC[t] = max(s[t-3])\ns[0] = d")
    names: dict[str, Any] = {}
    exec(rec.derive("d").code(), names)
    d = np.array([0.5, 2.0])
    s = np.tile(d, (steps + 7, 1))
    # s[0], s[1], … are read from step 3 on
    assert np.allclose(names["gradients"](steps, d, s)["d"], [0.0, max(0, steps - 2)])


def test_the_code_of_all_gradients_has_those_by_the_initial_states() -> None:
    for name in ("lstm", "rnn", "gru"):
        g = bg.cell(name).derive("all")
        assert set(g.printed().gradients) == set(g.names) >= {"h[0]"}
    assert {"h[0]", "c[0]"} <= set(bg.cell("lstm").derive("all").printed().gradients)
