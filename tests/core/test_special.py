"""The error function against `math` and mpmath, real and complex; gelu is x Φ(x), and its approximation another
function."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.check import check_gradients
from bpttgraph.core.primitives import TABLE
from bpttgraph.core.special import FEW, erf, erfc, normal_cdf

RNG = np.random.default_rng(5)
POINTS = np.concatenate([RNG.uniform(-6, 6, 60_000), RNG.uniform(-28, 28, 20_000), 0.3 * RNG.normal(size=20_000)])


@pytest.mark.parametrize("of_array, of_number, ulps", [(erf, math.erf, 2), (erfc, math.erfc, 5)])
def test_arrays_are_as_good_as_numbers(of_array: Any, of_number: Any, ulps: int) -> None:
    """On 10⁵ points; `math` is good to about one unit in the last place."""
    want = np.array([of_number(x) for x in POINTS])
    found = of_array(POINTS)
    normal = np.abs(want) > 1e-300
    assert np.max(np.abs(found - want)[normal] / np.spacing(np.abs(want[normal]))) <= ulps
    assert np.all(np.abs(found[~normal]) < 1e-290)
    few = of_array(POINTS[:FEW])
    assert np.array_equal(few, want[:FEW])


@pytest.mark.parametrize("function", [erf, erfc, normal_cdf])
def test_borders_and_types(function: Any) -> None:
    at = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 28.0, -28.0, 50.0, -50.0, np.inf, -np.inf])
    with mpmath.workdps(40):
        exact = {erf: mpmath.erf, erfc: mpmath.erfc, normal_cdf: mpmath.ncdf}[function]
        want = np.array([float(exact(mpmath.mpf(x))) for x in at])
    many = np.tile(at, FEW // len(at) + 1)
    for x in (at, many):
        np.testing.assert_allclose(function(x)[: len(at)], want, rtol=1e-13, atol=1e-300)
    assert math.isnan(function(float("nan"))) and np.isnan(function(np.full(FEW + 1, np.nan))).all()
    assert type(function(0.3)) is float
    assert (
        function(np.float32(0.3)).dtype == np.float32
        and function(np.full(FEW + 1, 0.3, np.float32)).dtype == np.float32
    )
    assert function(np.zeros((2, 3))).shape == (2, 3) and function(np.zeros((0, 2))).shape == (0, 2)


def test_the_complex_step_through_the_error_function() -> None:
    """Value and derivative come out of series that know nothing of e^{−x²} as a derivative."""
    x = RNG.uniform(-6, 6, 2_000)
    with mpmath.workdps(40):
        bell = np.array([float(mpmath.npdf(mpmath.mpf(v))) for v in x])
        cdf = np.array([float(mpmath.ncdf(mpmath.mpf(v))) for v in x])
        slope = np.array([float(2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(mpmath.mpf(v) ** 2))) for v in x])
    moved = normal_cdf(x + 1e-30j)
    conditioned = 2.0**-53 * (16 + 4 * x**2)  # of e^{−x²/2} in x
    assert np.all(np.abs(moved.imag / 1e-30 / bell - 1) <= conditioned)
    assert np.all(np.abs(moved.real / cdf - 1) <= conditioned)
    assert np.all(np.abs(erf(x + 1e-30j).imag / 1e-30 / slope - 1) <= conditioned)
    z = np.array([1.5 + 0.2j, -0.4 + 0.3j, 2.0 - 0.1j])  # and off the axis
    np.testing.assert_allclose(erf(z), [complex(mpmath.erf(v)) for v in z], rtol=1e-14)


GELUS = {
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "erf": math.erf,
    "normal_cdf": lambda x: 0.5 * math.erfc(-x / math.sqrt(2)),
}


@pytest.mark.parametrize("name", GELUS)
def test_values_and_slopes(name: str) -> None:
    """Slopes against mpmath's numerical derivative of the published formula."""
    op = TABLE[name]
    formulas = {
        "gelu": lambda v: v * mpmath.ncdf(v),
        "erf": mpmath.erf,
        "normal_cdf": mpmath.ncdf,
        "gelu_tanh": (
            lambda v: v / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v**3)))
        ),
    }
    for x in np.concatenate([RNG.uniform(-5, 5, 40), [0.0, 1e-8]]):
        assert float(op.value(np.float64(x))) == pytest.approx(GELUS[name](x), rel=1e-14, abs=1e-15)
        value = bg.tensor(float(x))
        y = op(value)
        y.backward()
        with mpmath.workdps(40):
            assert float(value.grad) == pytest.approx(
                float(mpmath.diff(formulas[name], mpmath.mpf(x))), rel=2e-13, abs=1e-14
            )


def test_gelu_and_its_approximation_differ() -> None:
    u, v = (bg.recurrence(f"E[t] = {f}(x[t])").unroll(1, sizes=1) for f in ("gelu", "gelu_tanh"))
    assert u.run({"x": [0.7]}).loss == pytest.approx(0.7 * 0.5 * math.erfc(-0.7 / math.sqrt(2)), rel=1e-15)
    assert 1e-5 < abs(u.run({"x": [0.7]}).loss - v.run({"x": [0.7]}).loss) < 1e-3


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "erf"])
@pytest.mark.parametrize("sizes", [None, 1])
def test_every_reading_is_the_same_function(name: str, sizes: Any) -> None:
    """The check (code, terms and levels among it), the certificate, SymPy."""
    rec = bg.recurrence(f"h[t] = {name}(W h[t-1] + x[t]); E[t] = squared_error(h[t], target[t])")
    u = rec.unroll(3, sizes=sizes)
    data = u.instance(1)
    assert check_gradients(u, None, u.instance(2, 2)).right
    report = u.derive("W").check(data)
    assert report.right, str(report)
    assert bg.verify(u, dict(u.run(data).gradients), data, certify=True).right
    if sizes == 1:
        e = u.derive("W").sympy("local")
        run = u.run(data)
        numbers = {str(s): s for s in e.free_symbols}
        values = {s: float(run.array(n).reshape(-1)[0]) for n, s in numbers.items()}
        assert float(e.subs(values)) == pytest.approx(float(run.gradients["W"]), rel=1e-12)


def test_long_arrays_take_the_polynomials() -> None:
    """A batch of many examples and one of few agree to the last digits."""
    u = bg.recurrence("h[t] = gelu(W h[t-1] + x[t])").unroll(2)
    data = u.instance(0, 300)
    many = u.run(data)
    few = u.run({k: v[:, :2] if k in ("x", "dE_dh") else v[:2] if k == "h[0]" else v for k, v in data.items()})
    np.testing.assert_allclose(many.values["h[2]"][:2], few.values["h[2]"], rtol=1e-14, atol=1e-15)


def test_the_logarithm_near_one_keeps_its_digits_for_complex_numbers() -> None:
    """log(1 + z) of a small complex z against mpmath: the complex step of softplus reads values through it."""
    import mpmath

    from bpttgraph.core.pointwise import log1p_value, softplus

    for a in (1e-12, -3e-7, 2e-3, 0.4, -0.49, 0.51, -0.7, 3.0):
        z = complex(a, 1e-30)
        with mpmath.workdps(50):
            true = mpmath.log(1 + mpmath.mpc(a, 1e-30))
        found = log1p_value(np.array([z]))[0]
        assert abs(found.real - float(true.real)) <= 4 * 2.0**-53 * abs(float(true.real))
        assert abs(found.imag - float(true.imag)) <= 4 * 2.0**-53 * abs(float(true.imag))
    x = np.array([-30.0, -12.0, 0.3, 20.0])
    np.testing.assert_allclose(softplus.value(x + 1e-30j).real, np.log1p(np.exp(x)), rtol=1e-15)
