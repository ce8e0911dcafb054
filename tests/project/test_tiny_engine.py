"""The engine to read in class: it gives the numbers of the fast engine, and the page walks through all of it."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg

FOLDER = Path(__file__).parents[2] / "docs" / "explanation"
FILE, PAGE = FOLDER / "tiny_engine.py", FOLDER / "tiny-engine.md"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("tiny_engine", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = load()
close = pytest.approx


def near(a: Any, b: Any, tolerance: float = 1e-10) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=tolerance, atol=tolerance)


# -- random programs: one text of instructions, run by either engine, or by NumPy on complex numbers -------------------

TINY = SimpleNamespace(tanh=tiny.tanh, sin=tiny.sin, cos=tiny.cos, exp=tiny.exp, log=tiny.log, total=tiny.sum_to)
NUMPY = SimpleNamespace(tanh=np.tanh, sin=np.sin, cos=np.cos, exp=np.exp, log=np.log, total=np.sum)  # bg's Tensors, too

ONE: dict[str, Callable[..., Any]] = {
    "tanh": lambda lib, a: lib.tanh(a),
    "sin": lambda lib, a: lib.sin(a),
    "cos": lambda lib, a: lib.cos(2 * a),
    "exp": lambda lib, a: lib.exp(lib.tanh(a)),
    "log": lambda lib, a: lib.log(2 + a * a),
    "neg": lambda lib, a: 0.3 - (-a),
    "transpose": lambda lib, a: a.T,
    "total": lambda lib, a: lib.total(a),
}
TWO: dict[str, Callable[..., Any]] = {
    "add": lambda lib, a, b: a + b,
    "sub": lambda lib, a, b: a - b,
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / (2 + b * b),
    "rdiv": lambda lib, a, b: 1 / (2 + a * b * a * b),
}
INPUTS = [(), (3,), (2, 3), (3, 1)]


def random_program(rng: np.random.Generator, length: int) -> Callable[..., Any]:
    """A function of a library and four inputs, whose result is one number: a DAG in which values are used again."""
    values = [rng.normal(size=shape) for shape in INPUTS]  # only their shapes matter
    lines: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    while len(lines) < length:
        a, b = (int(i) for i in rng.integers(len(values), size=2))
        kind = rng.choice(["one", "two", "two", "product", "index"])
        if kind == "one":
            op, args = ONE[str(rng.choice(list(ONE)))], (a,)
        elif kind == "two":
            op, args = TWO[str(rng.choice(list(TWO)))], (a, b)
        elif kind == "product":
            if not values[a].ndim or not values[b].ndim:
                continue
            op, args = (lambda lib, a, b: lib.tanh(a @ b)), (a, b)
        else:
            if not values[a].ndim:
                continue
            n = len(values[a])
            index = [int(rng.integers(n)), slice(0, n - 1 or 1), rng.integers(n, size=3)][rng.integers(3)]
            op, args = (lambda lib, a, index=index: a[index]), (a,)
        try:
            value = np.asarray(op(NUMPY, *(values[i] for i in args)))
        except ValueError:  # shapes that do not fit together
            continue
        if value.size > 12 or not np.all(np.abs(value) < 5):
            continue
        values.append(value)
        lines.append((op, args))

    def program(lib: Any, *inputs: Any) -> Any:
        found = list(inputs)
        for op, args in lines:
            found.append(op(lib, *(found[i] for i in args)))
        return sum((lib.total(lib.sin(x)) for x in found), 0.0)

    return program


SEEDS = range(12)


@pytest.fixture(params=SEEDS)
def case(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], list[Any], np.random.Generator]:
    rng = np.random.default_rng(request.param)
    return random_program(rng, 14), [rng.normal(size=shape) for shape in INPUTS], rng


def of_tiny(program: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs: program(TINY, *inputs)


def of_ours(program: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs: program(NUMPY, *inputs)


def test_values_and_gradients(case: Any) -> None:
    program, inputs, _ = case
    assert near(of_tiny(program)(*map(tiny.leaf, inputs)).value, program(NUMPY, *inputs))
    for i in range(len(inputs)):
        assert near(tiny.grad(of_tiny(program), i)(*inputs).value, bg.grad(of_ours(program), argnums=i)(*inputs))


def test_gradients_by_the_complex_step(case: Any) -> None:
    program, inputs, rng = case
    directions = [rng.normal(size=np.shape(x)) for x in inputs]
    truth = program(NUMPY, *(x + 1e-40j * t for x, t in zip(inputs, directions))).imag / 1e-40
    found = sum(np.sum(tiny.grad(of_tiny(program), i)(*inputs).value * t) for i, t in enumerate(directions))
    assert found == close(truth, rel=1e-10, abs=1e-10)


def test_forward_mode(case: Any) -> None:
    program, inputs, rng = case
    directions = [rng.normal(size=np.shape(x)) for x in inputs]
    leaves = [tiny.leaf(x) for x in inputs]
    output = program(TINY, *leaves)
    change = tiny.forward(output, dict(zip(leaves, directions))).value
    assert near(change, bg.jvp(of_ours(program), tuple(inputs), tuple(directions))[1])
    adjoint, _ = tiny.backward(output, leaves)
    assert change == close(sum(np.sum(adjoint[x].value * t) for x, t in zip(leaves, directions)), rel=1e-10)


@pytest.mark.parametrize("i", range(4))
def test_second_order(case: Any, i: int) -> None:
    program, inputs, rng = case

    def one(x: Any, lib: Any) -> Any:
        return program(lib, *inputs[:i], x, *inputs[i + 1 :])

    found = tiny.hessian(lambda x: one(x, TINY), inputs[i])
    assert near(found, bg.hessian(lambda x: one(x, NUMPY))(inputs[i]), 1e-9)
    t = rng.normal(size=np.shape(inputs[i]))
    slope = tiny.grad(lambda x: one(x, TINY))
    back = tiny.grad(lambda x: tiny.sum_to(slope(x) * t))(inputs[i]).value  # reverse over reverse
    assert near(back, np.tensordot(found, t, np.ndim(t)), 1e-9)


@pytest.mark.parametrize("i, j", [(0, 1), (1, 2), (2, 3), (3, 0)])
def test_mixed_second_derivatives(case: Any, i: int, j: int) -> None:
    program, inputs, rng = case
    f = of_tiny(program)
    s, t = (rng.normal(size=np.shape(inputs[n])) for n in (i, j))

    def by_i_along_s(x: Any) -> Any:
        return tiny.sum_to(tiny.grad(f, i)(*inputs[:j], x, *inputs[j + 1 :]) * s)

    def by_j_along_t(x: Any) -> Any:
        return tiny.sum_to(tiny.grad(f, j)(*inputs[:i], x, *inputs[i + 1 :]) * t)

    one = np.sum(tiny.grad(by_i_along_s)(inputs[j]).value * t)
    assert one == close(np.sum(tiny.grad(by_j_along_t)(inputs[i]).value * s), rel=1e-9, abs=1e-10)
    assert tiny.jvp(by_i_along_s, inputs[j], t)[1].value == close(one, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize(
    "shapes", [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2,), (2, 3)), ((2, 3), (3, 4)), ((), (3,))]
)
def test_products_of_any_kind(shapes: Any, slot: int) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=shape) for shape in shapes)
    weight = rng.normal(size=np.shape(a * b if not np.ndim(a) else a @ b))
    ours = bg.grad(lambda a, b: np.sum(np.sin((a * b if not np.ndim(a) else a @ b) * weight)), argnums=slot)(a, b)
    assert near(tiny.grad(lambda a, b: tiny.sum_to(tiny.sin((a @ b) * weight)), slot)(a, b).value, ours)


def test_products_of_stacked_matrices_are_refused() -> None:
    for a, b in [(np.ones((2, 3, 4)), np.ones((4, 2))), (np.ones((3, 4)), np.ones((2, 4, 3)))]:
        with pytest.raises(ValueError, match="reshape"):
            tiny.leaf(a) @ b


def test_third_derivatives() -> None:
    def f(lib: Any, x: Any) -> Any:
        return lib.tanh(x) * lib.sin(x * x) / lib.exp(x)

    def thrice(g: Any, f: Any) -> Any:
        return g(g(g(f)))

    ours = thrice(bg.grad, lambda x: f(NUMPY, x))(0.7)
    assert thrice(tiny.grad, lambda x: f(TINY, x))(0.7).value == close(ours, rel=1e-10)


# -- what the page promises --------------------------------------------------------------------------------------------


def test_a_derivative_inside_a_derivative_is_not_confused() -> None:
    assert tiny.grad(lambda x: x * tiny.grad(lambda y: x + y)(1.0))(1.0).value == 1.0
    assert tiny.grad(lambda x: x * tiny.grad(lambda y: x * y)(x))(3.0).value == 6.0
    assert tiny.jvp(lambda x: x * tiny.jvp(lambda y: x * y, x, 1.0)[1], 3.0, 1.0)[1].value == 6.0
    x = tiny.leaf(np.array([2.0, 3.0]))
    assert near(tiny.hessian(lambda y: (x * y) @ y, x), np.diag([4.0, 6.0]))


def test_a_given_change_is_not_overruled() -> None:
    x = tiny.leaf(0.5)
    y = x * x
    assert tiny.forward(tiny.sin(y), {x: 1.0, y: 5.0}).value == close(5 * np.cos(0.25))


def test_edges_are_ordered_and_repeat() -> None:
    x = tiny.leaf(3.0)
    y = x * x
    adjoint, summands = tiny.backward(y, [x])
    assert y.args == (x, x) and adjoint[x].value == 6.0
    assert [(node, slot, part.value) for node, slot, part in summands[x]] == [(y, 0, 3.0), (y, 1, 3.0)]


def test_nothing_is_destroyed() -> None:
    rng = np.random.default_rng(0)
    given = rng.normal(size=3)
    x = tiny.leaf(given)
    y = tiny.sum_to(tiny.tanh(x * x) / (x[::-1] + 4))
    before = [(n.serial, n.args, np.copy(n.value)) for n in tiny.needed(y)]
    first, again = (tiny.backward(y, [x])[0][x] for _ in range(2))
    tiny.backward(tiny.sum_to(first * first), [x])
    given[:] = 0
    assert np.array_equal(first.value, again.value)
    for node, (serial, args, value) in zip(tiny.needed(y), before, strict=True):
        assert (node.serial, node.args) == (serial, args) and np.array_equal(node.value, value)


def test_deep_graphs_need_no_recursion() -> None:
    def chain(x: Any, sin: Any) -> Any:
        y = x
        for _ in range(5000):
            y = sin(y)
        return y

    x = tiny.leaf(0.3)
    y = chain(x, tiny.sin)
    slope = tiny.backward(y, [x])[0][x]
    assert y.value == close(chain(0.3, np.sin)) and tiny.listing(y).count("\n") == 4999
    assert slope.value == close(chain(0.3 + 1e-40j, np.sin).imag / 1e-40, rel=1e-9)
    assert slope.value == close(tiny.forward(y, {x: 1.0}).value, rel=1e-9)
    twice = tiny.backward(slope, [x])[0][x].value
    assert twice == close(tiny.forward(slope, {x: 1.0}).value, rel=1e-9)
    h = 1e-4
    around = [chain(0.3 + k * h + 1e-40j, np.sin).imag / 1e-40 for k in (-1, 1)]
    assert twice == close((around[1] - around[0]) / (2 * h), rel=1e-4)


def test_what_a_function_does_not_depend_on() -> None:
    assert tiny.grad(lambda x: 3.0)(2.0).value == 0.0
    assert near(tiny.grad(lambda x, y: tiny.sum_to(y), 0)(np.ones(3), np.ones(2)).value, np.zeros(3))
    assert near(tiny.hessian(lambda x: x @ np.arange(3.0), np.ones(3)), np.zeros((3, 3)))
    assert tiny.jvp(lambda x: 3.0, 2.0, 1.0)[1].value == 0.0
    assert tiny.grad(lambda x: x)(2.0).value == 1.0


# -- backpropagation through time --------------------------------------------------------------------------------------


def unrolled(data: Any, step: Callable[..., Any] | None = None) -> Any:
    parameters = {name: value for name, value in data.items() if name not in ("x", "target", "h[0]")}
    return tiny.Unrolled(step or tiny.rnn, data["h[0]"], data["x"], data["target"], parameters)


@pytest.mark.parametrize(
    "steps, loss", [(1, "every"), (2, "last"), (3, "every"), (4, [2, 3]), (5, "last"), (6, "every")]
)
def test_the_triangle_is_that_of_the_fast_engine(steps: int, loss: Any) -> None:
    u = bg.cell("rnn").unroll(steps=steps, loss=loss, sizes={"x": 2, "h": 4, "y": 3})
    data = u.instance(seed=steps)
    run = u.run(data)
    at = {"every": None, "last": [steps]}.get(loss, loss) if isinstance(loss, str) else loss
    mine = unrolled(data)
    for name in u.parameters:
        triangle = mine.contributions(name, at)
        assert near(triangle, run.contributions(name)), name
        assert near(triangle.sum(axis=(0, 1)), run.gradients[name]), name
    total = sum(mine.losses[t - 1] for t in at or range(1, steps + 1))
    assert total.value == close(run.loss)
    adjoint, _ = tiny.backward(total, [mine.states[0], *mine.parameters.values()])
    for name, node in mine.parameters.items():
        assert near(adjoint[node].value, run.gradients[name])
    assert near(mine.states[steps].value, run.values[f"h[{steps}]"])


def test_scalars_and_a_parameter_that_is_used_twice_in_a_step() -> None:
    text = "h[t] = tanh(w h[t-1] + w x[t] + b); E[t] = squared_error(h[t], target[t])"

    def step(h: Any, x: Any, target: Any, w: Any, b: Any) -> Any:
        h = tiny.tanh(w @ h + w @ x + b)
        return h, 0.5 * (h - target) * (h - target)

    u = bg.recurrence(text).unroll(4, sizes=1)
    data = u.instance(seed=3)
    mine, run = unrolled(data, step), u.run(data)
    for name in ("w", "b"):
        assert near(mine.contributions(name), run.contributions(name))
    assert list(mine.uses("w").values()) == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4), (8, 4)]
    assert [(n.number, n.step) for n in u.parameters["w"].uses] == list(mine.uses("w").values())


def test_uses_are_numbered_before_and_after_the_reverse_pass() -> None:
    u = bg.cell("rnn").unroll(steps=3)
    mine = unrolled(u.instance(seed=0))
    first = mine.uses("W_hh")
    mine.contributions("W_hh")
    assert mine.uses("W_hh") == first and list(first.values()) == [(1, 1), (2, 2), (3, 3)]
    assert [(n.number, n.step) for n in u.parameters["W_hh"].uses] == list(first.values())


# -- the file and the page ---------------------------------------------------------------------------------------------


def test_it_is_small_and_imports_only_numpy() -> None:
    text = FILE.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert 150 <= lines <= 250 and f"{lines} lines" in PAGE.read_text(encoding="utf-8")
    imports = [ast.unparse(n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert imports == ["import numpy as np"]


def test_it_runs_alone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "error", FILE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
    norms = np.array(re.findall(r"\d+\.\d*", done.stdout), float).reshape(5, 5)
    assert np.all(np.triu(norms, 1) == 0) and np.all(norms[np.tril_indices(5)] > 0)


def shown() -> list[str]:
    """The parts of the file that the page includes, as Sphinx cuts them."""
    text = FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    found = []
    page = PAGE.read_text(encoding="utf-8")
    for name, options in re.findall(r"^```\{literalinclude\} (\S+)\n(.*?)^```", page, re.M | re.S):
        assert name == FILE.name
        start = re.search(r"^:start-at: (.*)$", options, re.M)
        end = re.search(r"^:end-before: (.*)$", options, re.M)
        first = next(i for i, line in enumerate(text) if start[1] in line) if start else 0
        last = next(i for i, line in enumerate(text) if i > first and end[1] in line) if end else len(text)
        found.append("".join(text[first:last]))
    return found


def test_the_page_shows_the_whole_file_in_order() -> None:
    assert "".join(shown()) == FILE.read_text(encoding="utf-8")


# -- the exercises have solutions --------------------------------------------------------------------------------------


def test_exercise_1_two_entries() -> None:
    sigmoid = tiny.Elementwise("sigmoid", lambda x: 1 / (1 + np.exp(-x)), lambda y, x: y * (1 - y))
    positive = tiny.Elementwise("positive", lambda x: 1.0 * (x > 0), 0)
    relu = tiny.Elementwise("relu", lambda x: x * (x > 0), lambda y, x: positive(x))
    y = 1 / (1 + np.exp(-0.4))
    assert tiny.grad(tiny.grad(sigmoid))(0.4).value == close(y * (1 - y) * (1 - 2 * y))
    assert [tiny.grad(relu)(x).value for x in (-1.0, 0.0, 2.0)] == [0, 0, 1]
    assert tiny.grad(tiny.grad(relu))(2.0).value == 0


def test_exercise_2_a_wrong_rule() -> None:
    wrong = load()
    wrong.tanh.rules = (lambda y, x: 1 - y,)
    u = bg.cell("rnn").unroll(steps=3)
    data = u.instance(seed=0)
    parameters = {name: data[name] for name in u.parameters}
    mine = wrong.Unrolled(wrong.rnn, data["h[0]"], data["x"], data["target"], parameters)
    E, W = sum(mine.losses), mine.parameters["W_hh"]
    gradient, t = wrong.backward(E, [W])[0][W].value, np.ones(W.shape)
    assert wrong.forward(E, {W: t}).value == close(np.sum(gradient * t))  # not noticed
    assert near(mine.contributions("W_hh").sum(axis=(0, 1)), gradient)  # not noticed
    assert not near(gradient, u.run(data).gradients["W_hh"], 1e-2)
    parameters["W_hh"] = data["W_hh"] + 1e-40j * t
    moved = wrong.Unrolled(wrong.rnn, data["h[0]"], data["x"], data["target"], parameters)
    assert abs(sum(moved.losses).value.imag / 1e-40 - np.sum(gradient * t)) > 1e-2  # noticed
    curvature = wrong.hessian(lambda v: wrong.tanh(v[0] * v[1] + v[1] * v[1]), np.array([0.3, -0.7]))
    assert near(curvature, curvature.T)  # not noticed


def test_exercise_3_truncation() -> None:
    stop = tiny.Elementwise("stop", lambda x: x, 0)
    count = iter(range(100))

    def step(h: Any, *rest: Any, **parameters: Any) -> Any:
        k = next(count)
        return tiny.rnn(stop(h) if k and k % 2 == 0 else h, *rest, **parameters)

    u = bg.cell("rnn").unroll(steps=5, truncate="chunk:2")
    data = u.instance(seed=0)
    mine, run = unrolled(data, step), u.run(data)
    assert sum(mine.losses).value == close(run.loss)
    triangle = mine.contributions("W_hh")
    assert near(triangle, run.contributions("W_hh"))
    assert np.argwhere(triangle.any(axis=(2, 3))).tolist() == [[0, 0], [1, 0], [1, 1], [2, 2], [3, 2], [3, 3], [4, 4]]


def test_exercise_4_lstm() -> None:
    sigmoid = tiny.Elementwise("sigmoid", lambda x: 1 / (1 + np.exp(-x)), lambda y, x: y * (1 - y))
    gates = "".join(f"{g}[t] = {f}(W_{g} x[t] + U_{g} h[t-1])\n" for g, f in zip("fiog", ["sigmoid"] * 3 + ["tanh"]))
    text = gates + "c[t] = f[t] * c[t-1] + i[t] * g[t]\nh[t] = o[t] * tanh(c[t])\nE[t] = squared_error(h[t], target[t])"
    n = 3

    def step(state: Any, x: Any, target: Any, **p: Any) -> Any:
        h, c = state[:n], state[n:]
        f, i, o = (sigmoid(p[f"W_{name}"] @ x + p[f"U_{name}"] @ h) for name in "fio")
        c = f * c + i * tiny.tanh(p["W_g"] @ x + p["U_g"] @ h)
        h = o * tiny.tanh(c)
        both = tiny.put(h, index=slice(0, n), shape=(2 * n,)) + tiny.put(c, index=slice(n, 2 * n), shape=(2 * n,))
        return both, 0.5 * (h - target) @ (h - target)

    u = bg.recurrence(text).unroll(4, sizes={"x": 2, "h": n})
    data = u.instance(seed=0)
    parameters = {name: data[name] for name in u.parameters}
    start = np.concatenate([data["h[0]"], data["c[0]"]])
    mine, run = tiny.Unrolled(step, start, data["x"], data["target"], parameters), u.run(data)
    for name in parameters:
        assert near(mine.contributions(name), run.contributions(name)), name


def test_exercise_5_a_third_kind() -> None:
    class Own(tiny.Operation):
        def push(self, t: Any, slot: int, y: Any) -> Any:
            return self.rules[slot](t, y, *y.args)

        def pull(self, g: Any, slot: int, y: Any) -> Any:
            t = tiny.leaf(np.zeros(y.args[slot].shape))
            return tiny.backward(self.push(t, slot, y), [t], g)[0][t]

    def value(z: Any) -> Any:
        e = np.exp(z - np.max(z))
        return e / np.sum(e)

    softmax = Own("softmax", value, lambda t, y, z: y * t - y * (y @ t))
    z, w = np.array([0.3, -1.2, 0.8]), np.array([1.0, 2.0, -0.5])
    one, other = (lambda z: tiny.log(softmax(z) @ w)), (lambda z: tiny.log(tiny.softmax(z) @ w))
    assert near(tiny.grad(one)(z).value, tiny.grad(other)(z).value)
    assert near(tiny.hessian(one, z), tiny.hessian(other, z))
    assert tiny.jvp(one, z, w)[1].value == close(tiny.jvp(other, z, w)[1].value)
    assert near(softmax(np.array([1000.0, 1000.0])).value, [0.5, 0.5])


def test_exercise_6_forward_mode_through_time() -> None:
    u = bg.cell("rnn").unroll(steps=4)
    data = u.instance(seed=0)
    mine = unrolled(data)
    E, W = sum(mine.losses), mine.parameters["W_hh"]
    entries = [tiny.forward(E, {W: t.reshape(W.shape)}).value for t in np.eye(W.value.size)]
    assert near(np.reshape(entries, W.shape), u.run(data).gradients["W_hh"])


def test_exercise_7_a_batch() -> None:
    u = bg.cell("rnn").unroll(steps=3)
    data, B = u.instance(seed=0, batch=5), 5
    parameters = {name: data[name] if data[name].ndim == 2 else data[name][:, None] for name in u.parameters}

    def step(h: Any, x: Any, target: Any, W_hh: Any, W_xh: Any, b_h: Any, W_hy: Any, b_y: Any) -> Any:
        h = tiny.tanh(W_hh @ h + W_xh @ x + b_h)
        e = tiny.exp(W_hy @ h + b_y)
        y = e / tiny.sum_to(e, shape=(1, B))
        return h, -tiny.sum_to(tiny.log(y[target, np.arange(B)]))

    x = np.moveaxis(data["x"], -1, -2)
    mine = tiny.Unrolled(step, data["h[0]"].T, x, data["target"], parameters)
    adjoint, _ = tiny.backward(sum(mine.losses), mine.parameters.values())
    gradients = u.run(data).gradients
    for name, node in mine.parameters.items():
        assert near(adjoint[node].value.reshape(gradients[name].shape), gradients[name]), name
