"""Printers of formulas: what they write reads back as the same formula, and hostile names stay text."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import sympy
from formula_trees import ANY, VALUES, lifted, tanh
from hypothesis import given, settings

import bpttgraph as bg
from bpttgraph.core import primitives as op
from bpttgraph.derive import to_latex, to_mathml, to_text
from bpttgraph.formulas.expr import (
    Apply,
    Expr,
    Ones,
    add,
    diag,
    hadamard,
    identity,
    neg,
    num,
    partial,
    power,
    product,
    stack,
    subtract,
    symbol,
    tagged,
    transpose,
)
from bpttgraph.formulas.to_sympy import to_sympy


class Evaluator:
    """Evaluates what `to_text` writes, by the precedence a reader would assume: enough to see a missing bracket."""

    def __init__(self, text: str):
        pattern = r"\s*(\[\d+:\d+\]|∘|\d+\.?\d*|[A-Za-z]+|ᵀ|[²]|[-+−·/(),;\[\]:𝟏])"
        self.tokens = [*re.findall(pattern, text), ""]
        self.i = 0

    def next(self) -> str:
        self.i += 1
        return self.tokens[self.i - 1]

    @property
    def peek(self) -> str:
        return self.tokens[self.i]

    def sum(self):
        left = -self.hadamard() if self.peek == "−" and self.next() else self.hadamard()
        while self.peek and self.peek in "+−":
            left = left + self.hadamard() if self.next() == "+" else left - self.hadamard()
        return left

    def hadamard(self):
        left = self.product()
        while self.peek == "∘":
            self.next()
            left = left * self.product()
        return left

    def product(self):
        left = self.postfix()
        while self.peek and (self.peek in "·/([𝟏" or self.peek.isalnum()):
            token = self.next() if self.peek in "·/" else ""
            right = self.postfix()
            if token == "/" or np.ndim(left) == 0 or np.ndim(right) == 0:
                left = left / right if token == "/" else left * right
            else:
                left = left @ right
                left = left[0, 0] if left.shape == (1, 1) else left
        return left

    def postfix(self):
        value = self.atom()
        while self.peek and (self.peek in "ᵀ²" or ":" in self.peek):
            token = self.next()
            if ":" in token:
                start, stop = token[1:-1].split(":")
                value = value[int(start) - 1 : int(stop)]
            else:
                value = np.transpose(value) if token == "ᵀ" else value**2
        return value

    def atom(self):
        token = self.next()
        if token in "([":
            parts = [self.sum()]
            while self.peek == ";":
                self.next()
                parts.append(self.sum())
            self.next()
            return np.vstack(parts) if len(parts) > 1 else parts[0]
        if token in ("tanh", "diag"):
            self.next()
            value = self.sum()
            self.next()
            return np.tanh(value) if token == "tanh" else np.diag(value[:, 0])
        if token[0] in "0123456789":
            return float(token)
        if token in "I𝟏":
            return np.eye(2) if token == "I" else np.ones((2, 1))
        value = np.asarray(VALUES[token])
        return value[:, None] if value.ndim == 1 else value


@given(ANY)
@settings(max_examples=300, deadline=None)
def test_unicode_reads_back(e: Expr):
    text = to_text(e)
    value = Evaluator(text).sum()
    assert np.allclose(np.broadcast_to(value, np.shape(lifted(e))), lifted(e), rtol=1e-9, atol=1e-9), text


@given(ANY)
@settings(max_examples=100, deadline=None)
def test_sympy_evaluates_to_the_same_numbers(e: Expr):
    numbers = {}
    for name, value in VALUES.items():
        for index, x in np.ndenumerate(value):
            label = name + ("_" + ",".join(str(i + 1) for i in index) if index else "")
            numbers[sympy.Symbol(label, real=True)] = float(x)
    found = to_sympy(e).subs(numbers).doit()
    got = np.array(found.as_explicit().tolist() if found.is_Matrix else found).astype(float)
    assert np.allclose(got, lifted(e), rtol=1e-9, atol=1e-9)


@given(ANY)
@settings(max_examples=100, deadline=None)
def test_latex_is_balanced_and_mathml_is_xml(e: Expr):
    latex = to_latex(e)
    assert latex.count("{") == latex.count("}") and latex.count(r"\left") == latex.count(r"\right")
    ET.fromstring(to_mathml(tagged(e, 'a"<b>&')))


@pytest.mark.parametrize(
    "name", ["<script>[3]", "a&b", r"\input{/etc/passwd}", "$x$", "h\x00[1]", 'q"onload="x', "∂x/∂y"]
)
def test_hostile_names_stay_text(name: str):
    e = transpose(power(symbol(name, (2,)), num(2)))
    whole = product(partial(name, (2,), name, (2,), immediate=True), e)
    root = ET.fromstring(to_mathml(tagged(whole, f"{name}->{name}")))
    assert root.get("data-id") and not root.findall(".//script")
    latex = to_latex(whole)
    assert r"\input" not in latex and "$" not in latex.replace(r"\$", "")


def on(name: str, *args: str, **settings: float) -> Expr:
    """A function of the rule table, applied to numbers."""
    return Apply((), op.TABLE[name], tuple(map(symbol, args)), tuple(sorted(settings.items())), ((),) * len(args))


@pytest.mark.parametrize(
    ("e", "text", "latex"),
    [
        (power(symbol("h1[2]"), num(2)), "(h⁽¹⁾₂)²", r"\left(h^{(1)}_{2}\right)^{2}"),
        (hadamard(symbol("r", (2,)), product(symbol("U", (2, 2)), symbol("h", (2,)))), "r ∘ (U h)", None),
        (product(symbol("U", (2, 2)), hadamard(symbol("r", (2,)), symbol("h", (2,)))), "U (r ∘ h)", None),
        (product(identity((2,)), symbol("W", (2, 2))), "W", "W"),
        (transpose(transpose(symbol("W", (2, 3)))), "W", "W"),
        (neg(neg(symbol("x"))), "x", "x"),
        (product(neg(symbol("u", (2, 2))), neg(symbol("v", (2,)))), "u v", None),
        (diag(Ones((3, 1)), 3), "I", "I"),
        (product(), "1", "1"),
        (product(num(2.0), symbol("x"), num(0.5)), "x", "x"),
        (product(symbol("M", (2, 2)), symbol("a")), "a M", None),
        (power(tanh(symbol("c[3]")), num(2)), "tanh(c₃)²", r"\tanh^{2}\left(c_{3}\right)"),
        (partial("E", (), "h[2]", (3,), total=True), "dE/dh₂", r"\frac{\mathrm{d} E}{\mathrm{d} h_{2}}"),
        (transpose(symbol("dE_dy[3]", (2,))), "(∂E/∂y₃)ᵀ", None),
        (subtract(symbol("a"), add(symbol("b"), num(-2))), "a − b + 2", "a - b + 2"),
        (on("clip", "a", low=-5.0, high=2.0), "clip(a, −5, 2)", r"\operatorname{clip}\left(a, -5, 2\right)"),
        (on("elu", "a", alpha=0.5), "elu(a, 0.5)", None),
        (on("elu", "a", alpha=1.0), "elu(a)", None),
        (on("leaky_relu", "a", slope=0.2), "leaky_relu(a, 0.2)", None),
        (on("above", "a", "b"), "1₊(a − b)", r"\mathbf{1}_{+}\left(a - b\right)"),
        (product(on("ylog", "a", "b"), symbol("c")), "(a log(b)) c", None),
        (
            stack(
                symbol("u", (2,)),
                Apply((1, 1), op.TABLE["reshape"], (symbol("a"),), (("rank", 0), ("shape", (1,))), ((),)),
            ),
            "[u; a]",
            None,
        ),
    ],
)
def test_as_a_person_writes(e: Expr, text: str, latex: str | None):
    assert to_text(e) == text
    assert latex is None or to_latex(e) == latex


FUNCTIONS = {
    "tanh": np.tanh,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "abs": np.abs,
    "sign": np.sign,
    "relu": lambda x: np.maximum(x, 0),
    "log": lambda x: np.log(np.abs(x)),
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "step": lambda x: (x > 0) * 1.0,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
    "clip": lambda x, low=-1.0, high=0.5: np.clip(x, low, high),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "sum": np.sum,
    "logsumexp": lambda x: np.log(np.exp(x).sum()),
    "norm": lambda x: np.sqrt((x**2).sum()),
}
SETTINGS = {
    "leaky_relu": {"slope": 0.3},
    "elu": {"alpha": 0.7},
    "clip": {"low": -0.8, "high": 0.6},
    "sum": {"axes": (-1,)},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_the_same_in_sympy(name: str) -> None:
    """On both sides of a kink, with settings, of numbers and of vectors."""
    function = op.TABLE[name]
    attrs = SETTINGS.get(name, {})
    given = {} if name == "sum" else attrs
    x = np.array([-1.7, 0.4, -0.3, 2.1]) if name not in ("log", "sqrt") else np.array([1.7, 0.4, 0.3, 2.1])
    names = [sympy.Symbol(f"v_{i + 1}", real=True) for i in range(4)]
    shape = (4, 1) if function.kind == "elementwise" or name == "softmax" else ()
    found = to_sympy(Apply(shape, function, (symbol("v", (4,)),), tuple(sorted(attrs.items())), ((4,),))).subs(
        dict(zip(names, x))
    )
    got = np.array(list(found) if shape else [found], float)
    np.testing.assert_allclose(got, np.atleast_1d(FUNCTIONS[name](x, **given)), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_functions_of_two_are_the_same_in_sympy(name: str) -> None:
    e = Apply((2, 1), op.TABLE[name], (symbol("u", (2,)), symbol("v", (2,))), (), ((2,), (2,)))
    values = {sympy.Symbol(f"{n}_{i + 1}", real=True): x for n in "uv" for i, x in enumerate(VALUES[n])}
    want = {"maximum": np.maximum, "minimum": np.minimum}[name](VALUES["u"], VALUES["v"])
    np.testing.assert_allclose(np.array(list(to_sympy(e).subs(values)), float), want)


@pytest.mark.parametrize("name", ["log_softmax", "leaky_relu"])
def test_a_function_of_two_words_is_one_word(name: str) -> None:
    """`log_softmax` must not be printed as a logarithm to the base softmax."""
    d = bg.recurrence(f"L[t] = dot(a, {name}(z[t]))").unroll(1, sizes={"a": 2}).derive("a")
    assert f"<mi>{name}</mi>" in d.mathml("local") and f'op("{name}")' in d.typst("local")
    assert rf"\operatorname{{{name}}}".replace("_", r"\_") in d.latex("local")


def test_the_entry_of_a_number_is_the_number() -> None:
    d = bg.recurrence("s[t] = tanh([dot(v, s[t-1]) + b; dot(v, s[t-1])])").unroll(2).derive("b")
    assert all(")_1" not in x.unicode() and "]_1" not in x.unicode() for x in d.factored_at("elements"))
