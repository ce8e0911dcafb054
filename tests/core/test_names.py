"""How names print: the examples that the project agreed on, and hostile names in all three printers."""

from __future__ import annotations

import doctest
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st

import bpttgraph.core.names as names
from bpttgraph.core.names import to_latex, to_mathml, to_unicode


@pytest.mark.parametrize(
    ("name", "latex", "text"),
    [
        ("W_hh", "W_{hh}", "W_hh"),
        ("h[3]", "h_{3}", "h₃"),
        ("h[t-1]", "h_{t-1}", "hₜ₋₁"),
        ("encoder.h[2]", r"h^{\mathrm{enc}}_{2}", "hᵉⁿᶜ₂"),
        ("μ", r"\mu", "μ"),
        ("mu", r"\mu", "μ"),
        ("x̄[2]", r"\bar{x}_{2}", "x̄₂"),
        ("x̂[t+1]", r"\hat{x}_{t+1}", "x̂ₜ₊₁"),
        ("ŷ[1]", r"\hat{y}_{1}", "ŷ₁"),
        ("h1[2]", "h^{(1)}_{2}", "h⁽¹⁾₂"),
        ("C'", "C'", "C′"),
        ("p_i", "p_{i}", "p_i"),
        ("p_i[2]", "p_{i,2}", "p_i[2]"),
        ("W_1", "W_{1}", "W₁"),
        ("W1", "W_{1}", "W₁"),
        ("target[2]", r"\mathrm{target}_{2}", "target₂"),
        ("dE_dy[2]", r"\partial E / \partial y_{2}", "∂E/∂y₂"),
        ("decoder.dE_dy[2]", r"\partial E / \partial y^{\mathrm{dec}}_{2}", "∂E/∂yᵈᵉᶜ₂"),
        ("αx", r"\alpha x", "αx"),
    ],
)
def test_examples(name: str, latex: str, text: str) -> None:
    assert (to_latex(name), to_unicode(name)) == (latex, text)


def test_composed_and_decomposed_accents_print_alike() -> None:
    assert to_latex("ŷ[1]") == to_latex("y\u0302[1]") and to_mathml("ŷ") == to_mathml("y\u0302")


HOSTILE = ["<script>", 'a"b', "]]>", '"];', r"\input{x}", "&amp;", "a$b", "%", "", "[", "h[", "a\nb", "\x00", "\ud800"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    element = ET.fromstring(f"<math>{to_mathml(name)}</math>")
    known = {"math", "mi", "mn", "mo", "mtext", "mrow", "msub", "msup", "msubsup", "mover"}
    assert {e.tag for e in element.iter()} <= known
    assert r"\input" not in to_latex(name) and "\n" not in to_latex(name) and "\n" not in to_unicode(name)


@given(st.text(max_size=12))
def test_any_text_is_safe(name: str) -> None:
    ET.fromstring(f"<math>{to_mathml(name)}</math>")
    latex = to_latex(name)
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    for special in "$&#%":
        assert latex.count(special) == latex.count("\\" + special)
    to_unicode(name).encode()


def test_doctests() -> None:
    assert doctest.testmod(names).failed == 0
