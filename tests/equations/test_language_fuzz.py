"""Whatever the text, `parse` answers soon, with a program or a `BPTTError`; a printed tree reads back as itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from bpttgraph.equations.language import parse, parse_binding, parse_expression
from bpttgraph.equations.text import show
from bpttgraph.errors import BPTTError

PIECES = [
    *"htTkxyWE=+-*/^@()[]{};:,._'|<>#%$&~\n 0123",
    *["h[t]", "h[t-1]", "x_t", "W_hh", "h_{t-1}", "_{t}", "^{<t>}", "^T", ".T", "tanh(", "sum_t ", "h_3", "h_2"],
    *[r"\frac{", r"\tanh", r"\hat{", r"\mathbf{", r"\text{soft", r"\left(", r"\right)", r"\sum", r"\odot "],
    *[r"\begin{aligned}", r"\end{aligned}", r"\begin{pmatrix}", r"\end{pmatrix}", r"\partial ", r"\in "],
    *["σ", "∘", "ₜ", "₋₁", "ᵀ", "ŷ", "c\u0303", "\u0301", "⇒", "∂", "Σ", "\u2028", "(3)", "1e999", "‖", "²"],
    *["sum_{k=1}^{t} ", "prod_j ", r"\Rightarrow ", r"\frac{", r"\\", "dE/dW", "encoder:", "encoder.h"],
]  # fmt: skip
VALID = [
    "h[t] = tanh(W_hh @ h[t-1] + W_xh @ x[t] + b_h)\ny[t] = softmax(W_hy @ h[t] + b_y)\nE = sum_t E[t]",
    r"$$a^{< t>} = g_1(W_{aa}a^{< t-1>} + W_{ax}x^{< t>} + b_a)$$",
    r"\begin{aligned} c_t &= f_t \odot c_{t-1} + i_t \odot \tilde{c}_t \\ h_t &= o_t \odot \tanh(c_t) \end{aligned}",
    "encoder:\nh[t] = f(x[t], h[t-1]; w)\ndecoder:\ndecoder.h[0] = encoder.h[T]",
    "dE/dW_h = sum_{k=1}^{t} (prod_{j=k+1}^{t} W_h.T diag(1 - h[j]^2)) delta[k] h[k-1]^T",
    "h_3 = f(x_3, h_2, W_h)\nh_2 = f(x_2, h_1, W_h)",
]
LIMIT = 10.0  # of the processor: a text that hangs takes minutes
many = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def answers(text: str) -> None:
    """Every entry gives a tree or a BPTTError in time, and the tree survives being printed."""
    start = time.process_time()
    for read in (parse, parse_expression, parse_binding):
        try:
            result = read(text)
        except BPTTError as error:
            assert error.message and error.hint and error.span is not None
            continue
        if not isinstance(result, tuple):
            shown = show(result)
            assert show(read(shown)) == shown
    assert time.process_time() - start < LIMIT


@many
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_pieces(text: str) -> None:
    answers(text)


@many
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_pieces_on_the_right(text: str) -> None:
    answers("y = " + text)


@many
@given(st.text(max_size=60))
def test_any_unicode(text: str) -> None:
    answers(text)
    answers("h[t] = " + text)


@many
@given(st.sampled_from(VALID), st.data())
def test_mutations(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(at, min(len(text), at + 3)))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[stop:]
    answers(text)


LONG = ["(", "[", "{", "-", "a^", "a+", "h[t", r"\frac{", r"\hat{", "tanh(", "_{", "x_t ", "\\", "$", "sum_t ", "a\n"]


@pytest.mark.parametrize("piece", LONG)
@pytest.mark.parametrize("size", [19_000, 100_000])
def test_long_texts_answer_at_once(piece: str, size: int) -> None:
    text = "y = " + piece * (size // len(piece))
    start = time.process_time()
    with pytest.raises(BPTTError):
        parse(text)
    assert time.process_time() - start < LIMIT


OPERANDS = st.sampled_from(["h[t]", "h[t-1]", "x[t]", "W_hh", "b", "c̃[t]", "2", "0.5", "encoder.h[T]", "C'"])


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/@^·"), inner),
        st.builds("tanh({})".format, inner),
        st.builds("f_1({}, {}; {})".format, inner, inner, inner),
        st.builds("(-{})".format, inner),
        st.builds("[{}; {}]".format, inner, inner),
        st.builds("(sum_{{k=1}}^{{t}} {})".format, inner),
        st.builds("(W {})".format, inner.filter(lambda text: not text[0].isdigit())),
    )


@many
@given(st.recursive(OPERANDS, grow, max_leaves=15))
def test_round_trip(text: str) -> None:
    shown = show(parse_expression(text))
    assert show(parse_expression(shown)) == shown
    program = show(parse(f"y[t] = {text}"))
    assert show(parse(program)) == program
