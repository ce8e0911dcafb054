"""Formulas against plain NumPy: every level, the recursions and the closed form of systems that once came out wrong.

Each system stands beside a NumPy function of its own that computes the loss of one example; the truth is the complex
step through it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.derive.evaluate import matrix_value
from bpttgraph.derive.levels import Known, shaped
from bpttgraph.derive.recursion import names_of
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.expr import BigSum
from bpttgraph.formulas.steps import fill

Data = dict[str, Any]
LEVELS = ("chain", "local", "matrix", "elements")


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.real(x).max())
    return e / e.sum()


def log_of_square(d: Data, T: int) -> Any:
    return sum(np.log(1 + (d["w"] @ (h := np.tanh(d["W"] @ d["x"][t]))) ** 2) + 0 * h[0] for t in range(T))


def sigmoid_of_dot(d: Data, T: int) -> Any:
    return sum(sigmoid(d["w"] @ np.tanh(d["W"] @ d["x"][t])) for t in range(T))


def scalar_losses(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for t in range(T):
        h = np.tanh(d["a"] * h + d["x"][t])
        total = total + sigmoid(d["m"][t] * h) + np.log(1 + np.exp(h * d["m"][t])) + np.log(1 + h**2)
    return total


def without_data(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for t in range(T):
        h = np.tanh(d["w"] * h)
        total = total + d["c"] @ (d["x"][t] + d["b"]) + d["c"] @ h
    return total


def two_back(d: Data, T: int) -> Any:
    """Delay 2, two losses, at the last step only."""
    h = {0: d["h[0]"], -1: d["h[-1]"]} if T > 1 else {-1: d["h[-1]"]}
    for t in range(1, T + 1):
        h[t] = np.sin(sigmoid(d["W"] @ (h[t - 2] + d["x"][t - 1])))
    return -np.log(softmax(d["W"] @ h[T])[d["target"][T - 1]]) + d["b"] @ h[T]


def three_back(d: Data, T: int) -> Any:
    h, total = {s: d[f"h[{s}]"] for s in (0, -1, -2) if f"h[{s}]" in d}, 0
    for t in range(1, T + 1):
        h[t] = np.tanh(d["W"] @ h[t - 3] + d["x"][t - 1])
        total = total + 0.5 * ((h[t] + d["a"] * h[t - 1] - d["target"][t - 1]) ** 2).sum()
    return total


def first_states(d: Data, T: int) -> Any:
    h, total = {0: np.zeros(3), -1: d["h0"], -2: np.tanh(d["h0"])}, 0
    for t in range(1, T + 1):
        h[t] = np.tanh(d["W"] @ h[t - 1] + d["V"] @ h[t - 2] + d["U"] @ h[t - 3])
        total = total + d["c"] @ h[t]
    return total


def without_step(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for _ in range(T):
        h = np.tanh(np.exp(d["a"]) * h)
        total = total + 0.5 * d["b"] @ h
    return total / T


def shared_first(d: Data, T: int) -> Any:
    h, total = d["a"], 0
    for t in range(T):
        before, h = h, np.tanh(d["x"][t] * h + d["a"])
        total = total + sigmoid(h * before * d["a"])
    return total


def matrices(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for t in range(T):
        h = np.diag(d["d"]) @ h + d["U"] @ d["x"][t] + np.outer(h, d["x"][t]) @ d["x"][t]
        total = total + d["c"] @ ((d["V"] @ d["A"]) @ h)
    return total


def unpacked(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for t in range(T):
        z = d["W"] @ d["x"][t]
        h = np.tanh(z[:3] * h)
        total = total + np.log(1 + d["c"] @ h * (d["b"] @ z[3:]) ** 2 + (d["b"] @ z[3:]) ** 4)
    return total


def alternating(d: Data, T: int) -> Any:
    """Losses at steps 1 and 3 alone, and a parameter that only they read."""
    h, total = d["h[0]"], 0
    for t in range(1, T + 1):
        h = np.tanh(d["W"] @ h)
        if t in (1, 3):
            total = total + 0.5 * ((np.sin(d["b"]) - d["x"][t - 1] + h) ** 2).sum()
    return total


def read_late(d: Data, T: int) -> Any:
    """h[t-2] in the state and in the loss: what comes back of the last steps is nothing."""
    h, total = {s: d[f"h[{s}]"] for s in (0, -1) if f"h[{s}]" in d}, 0
    for t in range(1, T + 1):
        h[t] = np.tanh(d["W"] @ h[t - 2] + d["a"])
        total = total + sigmoid(2 * d["d"] @ h[t - 2] + d["w"])
    return total


def of_a_min(d: Data, T: int) -> Any:
    h, total = d["h[0]"], 0
    for t in range(T):
        h = np.tanh(d["W"] @ h + d["x"][t])
        total = total + np.tanh(min(h, key=np.real)) + d["b"] * max(h, key=np.real)
    return total


Row = tuple[str, dict[str, Any], Callable[[Data, int], Any]]
SYSTEMS: dict[str, Row] = {
    "log of a square": ("h[t] = tanh(W x[t]); E[t] = log(1 + dot(w, h[t])^2)", {}, log_of_square),
    "sigmoid of a product": ("g[t] = tanh(W x[t]); E[t] = sigmoid(dot(w, g[t]))", {}, sigmoid_of_dot),
    "scalar losses": (
        "h[t] = tanh(a*h[t-1] + x[t]); E[t] = sigmoid(m[t]*h[t]); L[t] = softplus(h[t]*m[t]); J[t] = log(1 + h[t]^2)",
        {"sizes": {"h": (), "x": (), "m": ()}},
        scalar_losses,
    ),
    "without data": ("h[t] = tanh(w*h[t-1]); z[t] = x[t] + b; E[t] = dot(c, z[t]) + dot(c, h[t])", {}, without_data),
    "two steps back": (
        (
            "h[t] = sin(sigmoid(W (h[t-2] + x[t]))); y[t] = softmax(W h[t]); E[t] = cross_entropy(y[t], target[t]);"
            " J[t] = dot(b, h[t])"
        ),
        {"loss": "last"},
        two_back,
    ),
    "three steps back": (
        "h[t] = tanh(W h[t-3] + x[t]); E[t] = squared_error(h[t] + a*h[t-1], target[t])",
        {},
        three_back,
    ),
    "first states": (
        "h[t] = tanh(W h[t-1] + V h[t-2] + U h[t-3]); E[t] = dot(c, h[t]); h[0] = 0; h[-1] = h0; h[-2] = tanh(h0)",
        {"sizes": {"h": 3}},
        first_states,
    ),
    "without a step": ("k = exp(a); h[t] = tanh(k*h[t-1]); E[t] = 0.5*dot(b, h[t])", {"reduce": "mean"}, without_step),
    "first state and loss": (
        "h[t] = tanh(x[t]*h[t-1] + a); E[t] = sigmoid(h[t]*h[t-1]*a); h[0] = a",
        {"sizes": {"h": (), "x": (), "a": ()}},
        shared_first,
    ),
    "matrices": (
        "h[t] = diag(d) @ h[t-1] + U x[t] + outer(h[t-1], x[t]) @ x[t]; y[t] = (V A) h[t]; E[t] = dot(c, y[t])",
        {"sizes": {"h": 3, "y": 2, "V": (2, 4)}},
        matrices,
    ),
    "unpacked": (
        (
            "[u[t]; v[t]] = W x[t]; h[t] = tanh(u[t]*h[t-1]); s[t] = dot(b, v[t]); E[t] = log(1 + dot(c, h[t]) * s[t]^2"
            " + s[t]^4)"
        ),
        {"sizes": {"u": 3, "v": 2}},
        unpacked,
    ),
    "chosen steps": ("h[t] = tanh(W h[t-1]); E[t] = squared_error(sin(b) + h[t], x[t])", {"loss": [1, 3]}, alternating),
    "read late": ("h[t] = tanh(W h[t-2] + a); L[t] = sigmoid(2*dot(d, h[t-2]) + w)", {}, read_late),
    "min and max": ("h[t] = tanh(W h[t-1] + x[t]); E[t] = tanh(min(h[t])); L[t] = b*max(h[t])", {}, of_a_min),
}


def truth(data: Data, keys: list[str], batch: int | None, loss: Callable[[Data], Any]) -> Data:
    """Loss and gradients, summed over the examples, by the complex step through plain NumPy."""

    def total(d: Data) -> Any:
        if batch is None:
            return loss(d)
        lead = {k: 1 if k in sequences else 0 for k in d if k not in parameters}
        return sum(
            loss({k: np.take(v, i, axis=lead[k]) if k in lead else v for k, v in d.items()}) for i in range(batch)
        )

    parameters = {k for k in keys if "[" not in k}
    sequences = {k for k in data if k not in parameters and "[" not in k}
    found: Data = {"loss": total(data)}
    for key in keys:
        gradient = np.zeros(np.shape(data[key]))
        for index in np.ndindex(gradient.shape):
            moved = np.array(data[key], complex)
            moved[index] += 1e-30j
            gradient[index] = np.imag(total({**data, key: moved})) / 1e-30
        found[key] = gradient
    return found


def close(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=1e-10, atol=1e-12))


def case(name: str, steps: int, batch: int | None = None) -> tuple[Any, Any, Any, Data]:
    text, options, loss = SYSTEMS[name]
    rec = bg.recurrence(text)
    u = rec.unroll(steps, **options)
    data = u.instance(seed=steps, batch=batch)
    run = u.run(data, schedule=False)
    if "u" in u.shapes:  # the logarithm's domain
        data["c"] = np.abs(data["c"]) * 0.1
        run = u.run(data, schedule=False)
    want = truth(data, list(run.gradients), batch, lambda d: loss(d, steps))
    assert np.isclose(run.loss, want["loss"], rtol=1e-12)
    return rec, u, run, want


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_level(name: str, batch: int | None) -> None:
    _, u, run, want = case(name, 3, None if name == "first states" else batch)  # which has no data
    for wrt in run.gradients:
        d = u.derive(wrt)
        for level in LEVELS:
            assert close(d.value_at(level, run), want[wrt]), (wrt, level)
        if batch is None and all(d.local_factors.local(x).closed for t in d.terms for x in t.way.links):
            values = [matrix_value(t.expr("matrix"), Known(run, u.vgraph.variables)) for t in d.terms]
            shape = np.shape(want[wrt])
            assert close(np.zeros(shape) + sum(shaped(v, shape, False) for v in values), want[wrt]), wrt


def recursions_value(g: Any, u: Any, run: Any) -> Any:
    """The gradient from the printed recursions at the steps of `u`: each adjoint is evaluated when it is first read."""
    terms, known = g.instantiate(u.steps[None]), Known(run, u.vgraph.variables)
    dims = {r.key: r.dims for r in g.recursions if r.kind != "gradient"}
    known.made["T"] = u.steps[None]
    for r in g.recursions:
        if r.kind == "value":  # a sum with a name, from the values of the forward pass
            (whole,) = r.terms
            assert isinstance(whole, BigSum)
            steps = range(1, u.steps[None] + 1)
            known.made[r.key] = sum(matrix_value(fill(whole.body, {"t": t, "T": len(steps)}), known) for t in steps)

    def value(name: str, shape: tuple[int, ...]) -> Any:
        total = np.zeros(shape or (1, 1)) if len(shape) != 1 else np.zeros((*shape, 1))
        for e in terms.get(name, ()):
            for n in names_of(e) - set(known.made):
                key = n.rpartition("[")[0] or n
                if key in dims:
                    known.made[n] = shaped(value(n, dims[key]), dims[key], False)
            total = total + matrix_value(e, known)
        return total

    name = g.names_at(u)[0]
    return shaped(value(name, u.node(name).shape), u.node(name).shape, False)


@pytest.mark.parametrize("name", SYSTEMS)
def test_recursions_for_every_number_of_steps(name: str) -> None:
    options = SYSTEMS[name][1]
    first = max([1, *(options.get("loss") if isinstance(options.get("loss"), list) else [])])
    for steps in range(first, 7):
        rec, u, run, want = case(name, steps)
        for wrt in run.gradients:
            g = rec.derive(wrt, **options)
            assert g.at(steps).wrt == wrt
            if steps >= g.least:
                assert close(recursions_value(g, u, run), want[wrt]), (wrt, steps)


@pytest.mark.parametrize("name", SYSTEMS)
def test_closed_forms_as_printed(name: str) -> None:
    """Every symbol of the closed form is looked up in the lines below it; batches too."""
    first = 3 if "loss" in SYSTEMS[name][1] else 1
    for steps in {first, 3, 4}:
        rec, u, run, want = case(name, steps, 2 if steps == 4 and name != "first states" else None)
        for wrt in run.gradients:
            form = rec.derive(wrt, **SYSTEMS[name][1]).closed_form
            got = form.contributions(u, run).sum((0, 1))
            total = want[wrt].sum(0) if want[wrt].ndim > got.ndim else want[wrt]
            assert close(got, total), (wrt, steps)
            assert form.unicode() and form.latex() and form.mathml()


# -- totals of one's own: recursions with Σ and T in them


TOTALS: dict[str, Callable[[Data, list[Any], list[Any]], Any]] = {
    "J = 2*sum_t E[t]": lambda d, E, h: 2 * sum(E),
    "J = sum_t E[t] + dot(v, h[T])": lambda d, E, h: sum(E) + d["v"] @ h[-1],
    "J = tanh(sum_t E[t])": lambda d, E, h: np.tanh(sum(E)),
    "J = log(sum_t exp(E[t]))": lambda d, E, h: np.log(sum(map(np.exp, E))),
    "J = (1/w)*sum_t norm(h[t])": lambda d, E, h: sum(np.sqrt((x * x).sum()) for x in h) / d["w"],
    "J = sum_t (w*E[t])": lambda d, E, h: sum(d["w"] * x for x in E),
    "J = w*dot(b, h[T])": lambda d, E, h: d["w"] * d["b"] @ h[-1],
    "m = sum_t h[t]\nJ = dot(m, m)": lambda d, E, h: sum(h) @ sum(h),
}


@pytest.mark.parametrize("total", TOTALS)
def test_totals_of_ones_own(total: str) -> None:
    rec = bg.recurrence("h[t] = tanh(w*h[t-1])\nE[t] = dot(b, h[t])\n" + total)

    def loss(d: Data, T: int) -> Any:
        h = [d["h[0]"]]
        for _ in range(T):
            h.append(np.tanh(d["w"] * h[-1]))
        return TOTALS[total](d, [d["b"] @ x for x in h[1:]], h[1:])

    for steps in range(1, 6):
        u = rec.unroll(steps)
        data = u.instance(seed=steps)
        run = u.run(data, schedule=False)
        want = truth(data, list(run.gradients), None, partial(loss, T=steps))
        for wrt in run.gradients:
            d, g = u.derive(wrt), rec.derive(wrt)
            for level in LEVELS:
                assert close(d.value_at(level, run), want[wrt]), (wrt, level)
            assert g.at(steps).wrt == wrt
            if steps >= g.least:
                assert close(recursions_value(g, u, run), want[wrt]), (wrt, steps)
    assert g.least <= 2
    with pytest.raises(BPTTError, match="sum over the losses of single steps"):
        _ = g.closed_form


# -- what has no form for every number of steps says which part is in the way


@pytest.mark.parametrize(
    ("text", "part"),
    [("h[t] = tanh(W h[t-1]); E[t] = dot(h[t], h[1])", "reads a step by its number"),
     ("h[t] = tanh(W h[t-1]); m[t] = sum_{k=1}^{t} h[k]; E[t] = dot(b, m[t])", "runs over steps itself"),
     ("h[t] = tanh(W h[t-1]); E[t] = dot(b, h[t]); J = prod_t E[t]", "reads several steps in one formula")],
)  # fmt: skip
def test_steps_that_are_not_alike(text: str, part: str) -> None:
    g = bg.recurrence(text).derive("W")
    with pytest.raises(BPTTError, match=f"{part}\n.*--steps 3"):
        _ = g.recursions
    with pytest.raises(BPTTError, match="--steps 3"):
        _ = g.closed_form
    u = bg.recurrence(text).unroll(3)
    run = u.run(u.instance())
    assert close(u.derive("W").value_at("matrix", run), run.gradient("W"))


def test_a_step_with_its_own_equation() -> None:
    """The recursions leave it out of the lines of the other steps; a product of step Jacobians cannot."""
    rec = bg.recurrence("h[t] = tanh(W h[t-1]); h[2] = W c; E[t] = dot(b, h[t])")
    g = rec.derive("W")
    for steps in range(2, 7):
        assert g.at(steps).wrt == "W"
        u = rec.unroll(steps)
        run = u.run(u.instance(seed=steps), schedule=False)
        assert close(recursions_value(g, u, run), run.gradient("W"))
    assert [str(r).partition("    for ")[2] for r in g.recursions if r.key == "δ_h" and r.kind == "delta"] == [
        "t = T, …, 3",
        "t = 1",
    ]
    with pytest.raises(BPTTError, match=r"h\[2\] = W c stands beside the equation of the other steps"):
        _ = g.closed_form


def test_a_matrix_as_a_state_has_no_closed_form() -> None:
    rec = bg.recurrence("h[t] = tanh((V @ U) * h[t-1])")
    g = rec.derive("V", sizes={"h": (2, 2)})
    with pytest.raises(BPTTError, match=r"h\[t\] is a matrix"):
        _ = g.closed_form
    u = rec.unroll(3, sizes={"h": (2, 2)})
    run = u.run(u.instance(), schedule=False)
    assert close(recursions_value(g, u, run), run.gradient("V"))


def test_what_too_few_steps_do_not_read() -> None:
    g = bg.recurrence("h[t] = tanh(W h[t-2] + x[t])").derive("h[0]")
    assert g.at(2).wrt == "h[0]"
    with pytest.raises(BPTTError, match=r"in 1 steps nothing reads h\[0\]"):
        g.at(1)


def test_terminal_conditions_of_longer_delays() -> None:
    lines = [
        str(r) for r in bg.recurrence("h[t] = tanh(W h[t-2] + V h[t-3]); E[t] = dot(b, h[t])").derive("W").recursions
    ]
    assert lines[:3] == ["δ_h[T+1] = 0", "δ_h[T+2] = 0", "δ_h[T+3] = 0"]
    assert "h̄ₜ = b\n   + Wᵀ δ_h[t+2]\n   + Vᵀ δ_h[t+3]    for t = T, …, 1" in lines


@pytest.mark.parametrize("options", [{}, {"reduce": "mean"}, {"loss": "last"}, {"loss": [1, 3], "reduce": "mean"}])
def test_letters_that_equations_use_are_not_used_again(options: dict[str, Any]) -> None:
    """Parameters k, j, r and T beside the indices of sums and products, the row r and the number of steps."""
    rec = bg.recurrence("h[t] = tanh(k*h[t-1] + j*T); s[t] = tanh(R s[t-1] + r*h[t-1]*h[t]); E[t] = dot(b, s[t])")
    u = rec.unroll(4, **options)
    data = u.instance(seed=3)
    run = u.run(data, schedule=False)

    def loss(d: Data) -> Any:
        h, s, losses = d["h[0]"], d["s[0]"], {}
        for t in range(1, 5):
            before, h = h, np.tanh(d["k"] * h + d["j"] * d["T"])
            s = np.tanh(d["R"] @ s + d["r"] * before * h)
            losses[t] = d["b"] @ s
        chosen = (
            {"last": [4]}.get(options.get("loss", ""), [1, 2, 3, 4])
            if not isinstance(options.get("loss"), list)
            else [1, 3]
        )
        total = sum(losses[t] for t in chosen)
        return total / len(chosen) if "reduce" in options else total

    want = truth(data, list(run.gradients), None, loss)
    for wrt in run.gradients:
        form = rec.derive(wrt, **options).closed_form
        assert close(form.contributions(u, run).sum((0, 1)), want[wrt]), wrt
    text = rec.derive("R", **options).closed_form.unicode()
    assert "q · ∂⁺s" in text and "∏[i=" in text and "∑[l=1.." in text and "∂S" in text


def test_many_states_in_every_text() -> None:
    """A document of a system with a delay names the states that are carried along."""
    rec = bg.recurrence("h[t] = tanh(W h[t-1] + V h[t-3]); E[t] = dot(b, h[t])")
    lines = rec.derive("b").closed_form.unicode().splitlines()
    assert lines[:2] == ["∂E/∂b = ∑[t=1..T] ∂⁺Eₜ/∂b", "∂⁺Eₜ/∂b = hₜᵀ"]
    assert "∂sⱼ/∂sⱼ₋₁ = [∂hⱼ/∂hⱼ₋₁, 0, ∂hⱼ/∂hⱼ₋₃; I, 0, 0; 0, I, 0]" in rec.derive("V").closed_form.unicode()


def test_equal_entries_of_a_matrix_are_spread_for_a_batch() -> None:
    """The derivative of tanh by a matrix, where the adjoint is one number for every entry."""
    u = bg.recurrence("h[t+1] = tanh(h[t])\nJ = sum(h[T+1])^2").unroll(1, sizes={"h": (4, 3)})
    data = u.instance(seed=1, batch=2)
    run, h = u.run(data), np.asarray(data["h[1]"])
    want = 2 * np.tanh(h).sum((1, 2))[:, None, None] * (1 - np.tanh(h) ** 2)
    for level in ("local", "matrix", "elements"):
        np.testing.assert_allclose(u.derive("h[1]").value_at(level, run), want, rtol=1e-12)


def weighted_states(data: dict, steps: int, a: complex) -> complex:
    """Σ ∂E/∂s[t] s[t] of s[t] = σ(d s[t-1] − p h[t+1] + a), h[t+1] = w s[t-1], by hand."""
    d, p, w = (complex(data[k]) for k in "dpw")
    s, total = complex(data["s[0]"]), 0j
    for weight in np.ravel(data["dE_ds"]):
        s = 1 / (1 + np.exp(-(d * s - p * w * s + a)))
        total += weight * s
    return total


def test_adjoints_that_are_read_earlier_and_later_are_counted_with_their_equations() -> None:
    """h[t+1] reads s[t-1] and s[t] reads h[t+1]: the adjoint of h[t+1] stands in the loop at t."""
    rec = bg.recurrence("h[t+1] = w s[t-1]\ns[t] = sigmoid(d s[t-1] - p h[t+1] + a)")
    g = rec.derive("a", sizes=1)
    assert any(str(r).startswith("h̄ₜ₊₁ = −p δ_s[t]") for r in g.recursions)
    assert "dh[t+1] = -p * delta_s[t]" in g.code()
    for steps in (1, 2, 5):
        u = rec.unroll(steps, sizes=1)
        data = u.instance(seed=2)
        want = weighted_states(data, steps, complex(data["a"]) + 1e-30j).imag / 1e-30
        np.testing.assert_allclose(u.run(data).gradients["a"], want, rtol=1e-10)
        assert u.derive("a").check(data).right


def test_squares_in_a_loss_stand_as_written_where_the_sizes_say_so() -> None:
    """Without sizes c is a vector, so that (sum_t c[t])^2 is read as the square of a norm; with numbers it is not."""
    text = "c[t] = c[t-1] + a v\ny[t] = V p[t] + a\nJ = (sum_t c[t])^2"
    u = bg.recurrence(text).unroll(2, sizes={"a": (), "v": ()})
    assert u.shapes["c"] == () and "norm" not in str(u.recurrence.reading)
