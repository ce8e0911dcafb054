"""An operation is one entry: what every room reads of it, for all entries, and for three that are added here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy

import bpttgraph as bg
from bpttgraph.check.certificate import _Balls, certify
from bpttgraph.core import activations, algebra, pointwise, vectors
from bpttgraph.core.entering import same_shape
from bpttgraph.core.primitive import READINGS, Bilinear, Elementwise, Linear, Own, Primitive
from bpttgraph.core.primitives import TABLE
from bpttgraph.document import build
from bpttgraph.document.html import write_html
from bpttgraph.document.markdown import write_markdown
from bpttgraph.equations.functions import Function, own_function
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.to_sympy import _functions

SQUASH = bg.primitive(
    lambda x: x / (1 + np.where(np.real(x) < 0, -x, x)),
    name="squash",
    derivative=lambda y, x: 1 / (1 + abs(x)) ** 2,
    slope=1.0,
    code="x / (1 + np.abs(x))",
)
BLEND = bg.primitive(
    lambda x, y: x * y / (1 + y * y),
    name="blend",
    derivative=[lambda z, x, y: y / (1 + y * y), lambda z, x, y: x * (1 - y * y) / (1 + y * y) ** 2],
    code="x * y / (1 + y * y)",
    series=lambda x, y: x * y / (1 + y * y),
)
POWER = bg.primitive(lambda x: np.sum(x * x, axis=-1), name="total_power")
bg.defvjp(POWER, lambda g, y, x: 2 * g * x)

SYSTEMS = {
    "squash": ("h[t] = squash(W h[t-1] + U x[t]); E[t] = dot(v, squash(h[t]) * squash(h[t]))", SQUASH),
    "blend": ("h[t] = tanh(blend(W h[t-1], U x[t])); E[t] = dot(v, blend(h[t], h[t]))", BLEND),
    "total_power": ("h[t] = tanh(W h[t-1] + U x[t]); E[t] = total_power(h[t])", POWER),
}


def system(name: str) -> bg.Recurrence:
    text, op = SYSTEMS[name]
    return bg.recurrence(text, let={name: op})


def by_hand(name: str, data: dict[str, Any]) -> np.ndarray[Any, Any]:
    """dE/dW in NumPy with the complex step: nothing of the package."""
    soft = lambda x: x / (1 + np.where(x.real < 0, -x, x))  # noqa: E731
    blend = lambda a, b: a * b / (1 + b * b)  # noqa: E731
    found = np.zeros_like(data["W"])
    for index in np.ndindex(found.shape):
        W, h, loss = data["W"].astype(complex), data["h[0]"].astype(complex), 0.0
        W[index] += 1e-30j
        for x in data["x"]:
            if name == "squash":
                h = soft(W @ h + data["U"] @ x)
                loss = loss + data["v"] @ soft(h) ** 2
            elif name == "blend":
                h = np.tanh(blend(W @ h, data["U"] @ x))
                loss = loss + data["v"] @ blend(h, h)
            else:
                h = np.tanh(W @ h + data["U"] @ x)
                loss = loss + h @ h
        found[index] = np.imag(loss) / 1e-30
    return found


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_operation_of_ones_own_works_in_every_room(name: str) -> None:
    rec = system(name)
    u = rec.unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=1)
    run, true = u.run(data), by_hand(name, data)
    np.testing.assert_allclose(run.gradient("W"), true, rtol=1e-12, atol=1e-14)
    derivation = u.derive("W")
    assert derivation.check(data).right
    for level in ("local", "matrix", "elements"):
        np.testing.assert_allclose(derivation.value_at(level, run), true, rtol=1e-12, atol=1e-14)
        for form in ("latex", "unicode", "mathml", "typst"):
            assert derivation.statement(level, form)
    assert name.replace("_", "") in u.draw(detail="primitives").svg.replace("_", "")
    assert bg.verify(u, {"dW": true}, data).right
    assert not bg.verify(u, {"dW": true * (1 + 1e-6)}, data).right
    assert u.flow(data).to_json()
    batch = u.instance(seed=1, batch=3)
    alone = [
        u.run({k: v[:, b] if k == "x" else v[b] if k == "h[0]" else v for k, v in batch.items()}) for b in range(3)
    ]
    np.testing.assert_allclose(u.run(batch).gradient("W"), sum(r.gradient("W") for r in alone), rtol=1e-12)


@pytest.mark.parametrize("name", ["squash", "blend"])
def test_its_printed_code_runs_with_numpy_alone(name: str) -> None:
    rec = system(name)
    text = rec.derive("v").code()
    assert f"def {name}(x" in text
    space: dict[str, Any] = {}
    exec(text, space)
    u = rec.unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=1)
    run = u.run(data)
    h = np.zeros((8, 3))
    for t in range(4):
        h[t] = run.array(f"h[{t}]")[0]
    given = {"T": 3, "h": h, **{k: v for k, v in data.items() if k in ("W", "U", "v")}}
    x = np.zeros((8, 2))
    x[1:4] = data["x"]
    given["x"] = x
    names = space["gradients"].__code__.co_varnames[: space["gradients"].__code__.co_argcount]
    np.testing.assert_allclose(space["gradients"](**{n: given[n] for n in names})["v"], run.gradient("v"), rtol=1e-12)


def test_code_that_computes_something_else_is_not_printed() -> None:
    wrong = bg.primitive(lambda x: x * x * x, name="cube", derivative=lambda y, x: 3.0 * x * x, code="x * x")
    rec = bg.recurrence("h[t] = tanh(w*h[t-1]); E[t] = v * cube(h[t])", let={"cube": wrong})
    with pytest.raises(BPTTError, match="printed NumPy code"):
        rec.derive("v").code()
    hostile = bg.primitive(lambda x: x * x, name="sq", derivative=lambda y, x: 2 * x, code="__import__('os').getpid()")
    with pytest.raises(BPTTError):
        bg.recurrence("h[t] = tanh(w*h[t-1]); E[t] = v * sq(h[t])", let={"sq": hostile}).derive("v").code()
    without = bg.primitive(lambda x: x * x, name="sq", derivative=lambda y, x: 2 * x)
    with pytest.raises(BPTTError, match="no NumPy code for sq") as error:
        bg.recurrence("h[t] = tanh(w*h[t-1]); E[t] = v * sq(h[t])", let={"sq": without}).derive("v").code()
    assert "code=" in error.value.hint


def test_its_slope_gives_the_bound_and_without_one_the_reason_is_true() -> None:
    text = "h[t] = squash(W h[t-1]); E[t] = sum(h[t])"
    u = bg.recurrence(text, let={"squash": SQUASH}).unroll(3, sizes=3)
    assert "γ = 1 (squash)" in str(u.flow(u.instance()))
    plain = bg.primitive(SQUASH.value, name="squash", derivative=SQUASH.rule[0])
    u = bg.recurrence(text, let={"squash": plain}).unroll(3, sizes=3)
    assert "no bound of the slope of squash is known" in str(u.flow(u.instance()))


def test_its_series_proves_it() -> None:
    pytest.importorskip("flint")
    u = system("blend").unroll(3, sizes={"h": 3, "x": 2})
    data = u.instance(seed=1)
    assert "FLINT" in bg.verify(u, {"dW": by_hand("blend", data)}, data, certify=True).oracle
    u = system("total_power").unroll(3, sizes={"h": 3, "x": 2})
    with pytest.raises(BPTTError, match="total_power has no power series"):
        bg.verify(u, {"dW": by_hand("total_power", u.instance())}, u.instance(), certify=True)


def test_a_step_function_keeps_the_operation() -> None:
    def step(h: Any, x: Any, *, W: Any, U: Any) -> Any:
        return SQUASH(W @ h + U @ x)

    rec = bg.recurrence(step)
    assert rec.equations == ("h[t] = squash(((W @ h[t-1]) + (U @ x[t])))",)
    assert rec.let == {"squash": SQUASH} and not rec.abstract
    assert rec.unroll(3).derive("W").check().right


def test_what_cannot_be_bound_or_made_is_said() -> None:
    with pytest.raises(BPTTError, match="takes 1 argument, not 2"):
        bg.recurrence("h[t] = squash(w, h[t-1])", let={"squash": SQUASH})
    with pytest.raises(BPTTError, match="no equation calls squash"):
        bg.recurrence("h[t] = tanh(w*h[t-1])", let={"squash": SQUASH})
    with pytest.raises(BPTTError, match="must be bound by a text, or by an operation"):
        bg.recurrence("h[t] = phi(w*h[t-1])", let={"phi": 3})
    with pytest.raises(BPTTError, match="made of a function"):
        bg.primitive(3.0)
    with pytest.raises(BPTTError, match="slope"):
        bg.primitive(lambda x: x, name="f", slope="steep")
    for text in (
        "x\n\nimport os",
        "x; y",
        "return x",
        "x)\n\ndef gradients(T):\n    return ({}",
        "(" * 10_000,
        "x = 1",
    ):
        with pytest.raises(BPTTError, match="is no expression"):
            bg.primitive(lambda x: x, name="f", derivative=lambda y, x: 1.0, code=text)
    with pytest.raises(BPTTError, match="no name"):
        bg.primitive(lambda x: x, name="two words")


def test_documents_show_it() -> None:
    u = system("squash").unroll(3, sizes={"h": 3, "x": 2})
    made = build(u, ["W"], u.derive("W").check())
    for writer in (write_html, write_markdown):
        assert "squash" in writer(made)


THREE = bg.primitive(
    lambda x, y, z: x * y + z * z,
    name="three",
    derivative=[lambda r, x, y, z: y, lambda r, x, y, z: x, lambda r, x, y, z: 2 * z],
    code="x * y + z * z",
)


@pytest.mark.parametrize(
    ("right", "shape"),
    [
        ("three(W h[t-1], a, U x[t])", (3,)),  # one letter is a number here
        ("three(a, b, W h[t-1])", (3,)),
        ("three(x[t], x[t], x[t]) + W h[t-1]", (3,)),
        ("blend(W h[t-1], a)", (3,)),
        ("W h[t-1] * blend(a, b)", (3,)),
    ],
)
def test_arguments_entry_by_entry_have_one_shape_or_are_numbers(right: str, shape: tuple[int, ...]) -> None:
    """As NumPy spreads them: the values of a run against the functions themselves."""
    let = {op.name: op for op in (THREE, BLEND) if op.name in right}
    rec = bg.recurrence(f"h[t] = {right}; E[t] = dot(v, h[t])", let=let)
    u = rec.unroll(2, sizes={"h": 3})
    data = u.instance(seed=3)
    names = {k: data[k] for k in data if k in ("a", "b", "W", "U")} | {"h": data["h[0]"], "x": data.get("x", [None])[0]}
    space = {"three": THREE.value, "blend": BLEND.value} | names
    text = right.replace("h[t-1]", "h").replace("x[t]", "x").replace("W h", "W @ h").replace("U x", "(U @ x)")
    made = u.run(data).values["h[1]"]
    assert made.shape == shape
    np.testing.assert_allclose(made, eval(text, space), rtol=1e-13)
    assert u.derive("v").check(data).right


def test_the_list_of_functions_reads_the_entry() -> None:
    def entry(**said: Any) -> Function:
        return own_function(Elementwise("f", np.hypot, same_shape, (None, None), "f", readings=said))

    assert entry(meaning="the hypotenuse", code="np.hypot(x, y)", numpy="hypot").meaning == "the hypotenuse"
    assert entry(code="np.hypot(x, y)").meaning == "`np.hypot(x, y)`"
    assert entry(numpy="hypot").meaning == entry(code="def f(x, y): …", numpy="hypot").meaning == "`np.hypot`"
    assert entry().meaning == "" and entry().shape == "each"


# -- every entry of the table ------------------------------------------------------------------------------------------


def _entries(module: Any) -> list[Primitive]:
    return [op for op in vars(module).values() if isinstance(op, Primitive)]


LECTURES = {op for module in (activations, algebra, pointwise, vectors) for op in _entries(module)}


@pytest.mark.parametrize("op", TABLE.values(), ids=str)
def test_every_entry_states_each_reading_or_that_there_is_none(op: Primitive) -> None:
    assert type(op) in (Elementwise, Linear, Bilinear, Own) and op.kind == type(op).__name__.lower()
    assert op.notation in ("call", "infix", "prefix", "postfix", "hidden")
    read = op.readings
    assert read.keys() <= READINGS.keys()
    if isinstance(op, Elementwise) and len(op.rule) == 1 and op.rule[0] is not None:
        assert "slope" in read, "how steep it is at most; None says that its slope has no bound"
    if isinstance(op, Elementwise | Own) and op in LECTURES:
        assert "exact" in read or op.exactly(_functions()), "its value in exact functions: for SymPy and certificates"
        if op.notation == "call":  # the others are written with operators
            assert "word" in read, "its name in equations; None says that no equation calls it"
            assert "code" in read or "numpy" in read, "its value in printed code"


def exact_points(op: Primitive) -> np.ndarray[Any, Any]:
    """Numbers at which it is defined, away from its kinks; one row an argument."""
    rng = np.random.default_rng(len(op.name))
    low, high = (1.1, 2.0) if op.name == "arccosh" else (0.1, 0.9)
    points = rng.uniform(low, high, (op.count, 6))
    anywhere = op.domain is None and op.name not in ("ylog", "logaddexp", "hypot", "pow")
    return np.asarray(points * rng.choice([-1, 1], points.shape) if anywhere else points)


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.exactly(_Balls())], ids=str)
def test_the_exact_reading_is_the_value_and_its_derivative(op: Primitive) -> None:
    """The coefficients of a power series against the value, and against the rule of the table."""
    flint = pytest.importorskip("flint")
    exact, points = op.exactly(_Balls()), exact_points(op)
    assert exact is not None
    given = {"low": -0.5, "high": 0.5} if op.name == "clip" else {"axes": (-1,)} if op.name == "sum" else {}
    given |= {"exponent": 3.0} if op.name == "power" else {}
    attrs = {k: v for k, v in given.items() if k in op.attributes}
    want = np.asarray(op.value(*points, **given))
    moved = points.astype(complex)
    moved[0] += 1e-30j * np.arange(1, 7)
    change = np.imag(op.value(*moved, **given)) / 1e-30
    cap, flint.ctx.cap = flint.ctx.cap, 2
    try:
        series = [[flint.arb_series([x, 0.0 if i else j + 1]) for j, x in enumerate(r)] for i, r in enumerate(points)]
        made = [exact(*xs, **attrs) for xs in zip(*series)] if isinstance(op, Elementwise) else exact(*series)
        parts = made if isinstance(made, list) else [made]
        got = np.array([[float(p[k]) if len(p) > k else 0.0 for k in (0, 1)] for p in parts])
    finally:
        flint.ctx.cap = cap
    np.testing.assert_allclose(got[:, 0], want.reshape(-1), rtol=1e-13, atol=1e-15)
    if op.analytic and op.rule is not None and op.name not in ("step", "sign", "above", "top_mask"):
        np.testing.assert_allclose(got[:, 1], change.reshape(-1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.exactly(_functions())], ids=str)
def test_the_exact_reading_is_the_value_in_sympy(op: Primitive) -> None:
    exact, points = op.exactly(_functions()), exact_points(op)
    assert exact is not None
    given = {"low": -0.5, "high": 0.5} if op.name == "clip" else {"axes": (-1,)} if op.name == "sum" else {}
    given |= {"exponent": 3.0} if op.name == "power" else {}
    attrs = {k: v for k, v in given.items() if k in op.attributes}
    numbers = [[sympy.Float(x) for x in row] for row in points]
    made = [exact(*xs, **attrs) for xs in zip(*numbers)] if isinstance(op, Elementwise) else exact(*numbers)
    got = np.array(made if isinstance(made, list) else [made], float)
    np.testing.assert_allclose(got, np.ravel(op.value(*points, **given)), rtol=1e-12, atol=1e-14)


CERTIFIED = {
    "leaky_relu(w*h[t-1] + x[t], 0.2)": "leaky_relu", "elu(w*h[t-1] + x[t], 0.7)": "elu",
    "clip(w*h[t-1] + x[t], -0.4, 0.4)": "clip", "max(w*h[t-1], x[t])": "maximum", "min(w*h[t-1], x[t])": "minimum",
    "tanh(w*h[t-1] + x[t])^a": "pow", "softsign(w*h[t-1] + x[t])": "softsign", "mish(w*h[t-1] + x[t])": "mish",
    "selu(w*h[t-1] + x[t])": "selu", "hard_sigmoid(w*h[t-1] + x[t])": "hard_sigmoid",
    "arctan(w*h[t-1] + x[t])": "arctan",
}  # fmt: skip


@pytest.mark.parametrize("right", CERTIFIED)
def test_functions_with_a_kink_and_powers_have_certificates(right: str) -> None:
    pytest.importorskip("flint")
    u = bg.recurrence(f"h[t] = {right}; E[t] = b*h[t]").unroll(3, sizes=1)
    data = u.instance(seed=1) | ({"x": np.array([0.7, 0.9, 0.4]), "h[0]": 0.3, "w": 0.8} if "^" in right else {})
    run = u.run(data)
    for name in ("w", "b"):
        proof = certify(u, name, data)
        assert np.abs(proof.value - run.gradient(name)).max() <= 1e-14 + proof.radius.max()


def test_the_largest_entry_has_a_certificate_and_a_tie_has_none() -> None:
    pytest.importorskip("flint")
    u = bg.recurrence("h[t] = tanh(W h[t-1] + x[t]); E[t] = max(h[t])").unroll(3, sizes=3)
    data = u.instance(seed=1)
    proof = certify(u, "W", data)
    assert np.abs(proof.value - u.run(data).gradient("W").reshape(-1)).max() <= 1e-14
    tied = data | {"W": np.ones((3, 3)), "h[0]": np.ones(3), "x": np.ones((3, 3))}
    with pytest.raises(BPTTError, match="kink"):
        certify(u, "W", tied)
