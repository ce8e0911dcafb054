"""The equation language: what is read, as trees with every bracket written, and what is refused, line and caret."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from bpttgraph.equations import recurrence
from bpttgraph.equations.language import parse, parse_binding, parse_expression
from bpttgraph.equations.syntax import Binary, Call, Index, Name, Reduce, Stack, Transposed
from bpttgraph.equations.text import show
from bpttgraph.errors import BPTTError

LECTURES = runpy.run_path(str(Path(__file__).parents[1] / "data" / "lectures.py"))

EXPRESSIONS = {
    # Precedence and association.
    "a + b - c": "((a + b) - c)",
    "a * b + c": "((a * b) + c)",
    "f ∘ W h": "(f * (W h))",
    "f ⊙ W @ h": "(f * (W @ h))",
    "W U h": "((W U) h)",
    "W @ U @ h": "((W @ U) @ h)",
    "W @ U h": "((W @ U) h)",
    "a / b c": "(a / (b c))",
    "a / b * c": "((a / b) * c)",
    "a^b^c": "(a ^ (b ^ c))",
    "-a^2": "(-(a ^ 2))",
    "-a + b": "((-a) + b)",
    "1 - h[t]^2": "(1 - (h[t] ^ 2))",
    "a * -b": "(a * (-b))",
    "2^-1": "(2 ^ (-1))",
    "1/2 x": "((1 / 2) x)",
    "W.T @ h": "(W.T @ h)",
    "W^T h": "(W.T h)",
    "Wᵀ h": "(W.T h)",
    "(a + b).T": "(a + b).T",
    "(x^2).T": "(x ^ 2).T",
    "x^2.T": "(x ^ 2).T",
    r"W^\top h": "(W.T h)",
    r"W^{\top} h_t^T": "(W.T h[t].T)",
    "C · z": "(C z)",
    r"C \cdot z \odot y": "((C z) * y)",
    r"\frac{a + b}{c} d": "(((a + b) / c) d)",
    r"\frac12 x": "((1 / 2) x)",
    r"\sqrt{x + 1}": "sqrt((x + 1))",
    "‖h[t]‖^2": "(norm(h[t]) ^ 2)",
    "[a; b; c]": "[a; b; c]",
    r"W [h_{t-1}, x_t]": "(W [h[t-1]; x[t]])",
    # Indices.
    "h[t-1] + h[0] + h[T] + h[T+1]": "(((h[t-1] + h[0]) + h[T]) + h[T+1])",
    "h_t + h_{t-1}": "(h[t] + h[t-1])",
    "hₜ₋₁ Wₓ": "(h[t-1] W_x)",
    "h_{(t-1)}": "h[t-1]",
    r"a^{<t>} a^{< t-1>} a^{\langle t-1 \rangle} x^{(t)} y^t": "((((a[t] a[t-1]) a[t-1]) x[t]) y[t])",
    "x^2 + x²": "((x ^ 2) + (x ^ 2))",
    r"h_t^{(1)} + h^{(2)}_t + h^3_t": "((h1[t] + h2[t]) + h3[t])",
    r"h_t^2": "(h[t] ^ 2)",
    r"a^{[1]\langle t\rangle}": "a1[t]",
    "h_0 + h_t": "(h[0] + h[t])",
    "W_1 x_t": "(W_1 x[t])",
    # Names.
    "W_{hh} + b_{h}": "(W_hh + b_h)",
    r"\hat{y}_t + \hat y + \bar{x}_t + \tilde{c}_t": "(((ŷ[t] + ŷ) + x̄[t]) + c̃[t])",
    r"\hat{\mathbf{y}}_{t+1}": "ŷ[t+1]",
    r"\theta \phi \varphi \epsilon": "(((θ φ) φ) ε)",
    "ϕ": "φ",
    "mu y_hat": "(mu y_hat)",
    "C' + C'[t] + C_t'": "((C' + C'[t]) + C'[t])",
    r"\mathbf{W} \boldsymbol{h}_t \mathrm{target}_t": "((W h[t]) target[t])",
    r"W_{\text{in}}": "W_in",
    r"\overrightarrow{h}_t": "h⃗[t]",
    "𝐖 𝐡": "(W h)",
    # Runs of letters.
    "WX": "WX",
    r"$WX$": "(W X)",
    r"$Wx_t$": "(W x[t])",
    r"$W_{aa}a^{<t-1>}$": "(W_aa a[t-1])",
    r"$W_xx_t + W_hh_{t-1}$": "((W_x x[t]) + (W_h h[t-1]))",
    r"\tanh(W_hh h_{t-1})": "tanh((W_hh h[t-1]))",
    # Calls and products.
    "tanh (x)": "tanh(x)",
    "tanh[x]": "tanh(x)",
    "σ(x) + sigma(x) + ReLU(x) + id(x)": "(((sigmoid(x) + sigmoid(x)) + relu(x)) + identity(x))",
    r"\text{softmax}(x) + \operatorname{ReLU}(x)": "(softmax(x) + relu(x))",
    r"\text{cross-entropy}(y, d)": "cross_entropy(y, d)",
    "phi(x) + g_1(x) + ρ(x)": "((phi(x) + g_1(x)) + ρ(x))",
    "f(x[t], h[t-1]; w_h, w_x)": "f(x[t], h[t-1]; w_h, w_x)",
    r"\phi \left( x \right)": "φ(x)",
    r"(1-\alpha) h + \alpha (x + y)": "(((1 - α) h) + (α (x + y)))",
    "E(y, d)": "E(y, d)",
    "U(r ∘ h[t-1])": "(U (r * h[t-1]))",
    "U_n(r⊙h)": "(U_n (r * h))",
    "z[t] (a + b)": "(z[t] (a + b))",
    r"-\log p_t": "(-log(p[t]))",
    r"\tanh W x_t + b": "(tanh((W x[t])) + b)",
    # Sums and products over steps.
    "sum_t E[t]": "(sum_t (E[t]))",
    r"\sum_t E_t": "(sum_t (E[t]))",
    "Σ_t E[t] + b": "((sum_t (E[t])) + b)",
    r"\sum_{t=1}^{T} E_t": "(sum_{t=1}^{T} (E[t]))",
    r"\sum_{k=1}^t \delta_k h_{k-1}^\top": "(sum_{k=1}^{t} ((δ[k] h[k-1].T)))",
    "prod_{j=k+1}^{t} W.T diag(h[j]) v": "((prod_{j=k+1}^{t} ((W.T diag(h[j])))) v)",
    "dE/dW_h + 1": "(dE/dW_h + 1)",
}  # fmt: skip

PROGRAMS = {
    # The cell library in its own notation.
    "h[t]=tanh(W_hh h[t-1] + W_xh x[t] + b_h); y[t]=softmax(W_hy h[t] + b_y); E[t]=cross_entropy(y[t], target[t])": (
        "h[t] = tanh((((W_hh h[t-1]) + (W_xh x[t])) + b_h))\n"
        "y[t] = softmax(((W_hy h[t]) + b_y))\n"
        "E[t] = cross_entropy(y[t], target[t])"
    ),
    "y[t]=φ(W_x x[t] + W_h y[t-1] + b)": "y[t] = φ((((W_x x[t]) + (W_h y[t-1])) + b))",
    "a[t]=g_1(W_aa a[t-1] + W_ax x[t] + b_a); y[t]=g_2(W_ya a[t] + b_y)": (
        "a[t] = g_1((((W_aa a[t-1]) + (W_ax x[t])) + b_a))\ny[t] = g_2(((W_ya a[t]) + b_y))"
    ),
    "h[t]=f_1(x[t], h[t-1]; w_h, w_x); y[t]=f_2(x[t], h[t-1]; w_y)": (
        "h[t] = f_1(x[t], h[t-1]; w_h, w_x)\ny[t] = f_2(x[t], h[t-1]; w_y)"
    ),
    "e[t]=W_e x[t]": "e[t] = (W_e x[t])",
    "h[t]=σ(W_1 x[t] + W_2 h[t-1]); x̂[t+1]=ρ(W_3 h[t])": (
        "h[t] = sigmoid(((W_1 x[t]) + (W_2 h[t-1])))\nx̂[t+1] = ρ((W_3 h[t]))"
    ),
    "m[t]=y[t-1] + α m[t-1]; h[t]=σ(W_x x[t] + W_m m[t] + b_h); y[t]=σ(W_y h[t] + b_y)": (
        "m[t] = (y[t-1] + (α m[t-1]))\n"
        "h[t] = sigmoid((((W_x x[t]) + (W_m m[t])) + b_h))\n"
        "y[t] = sigmoid(((W_y h[t]) + b_y))"
    ),
    "x̄[t]=(1−μ) x[t] + μ x̄[t-1]; h[t]=tanh(W_h x̄[t] + b)": (
        "x̄[t] = (((1 - μ) x[t]) + (μ x̄[t-1]))\nh[t] = tanh(((W_h x̄[t]) + b))"
    ),
    "h1[t]=tanh(W1 x[t] + U1 h1[t-1] + b1); h2[t]=tanh(W2 h1[t] + U2 h2[t-1] + b2)": (
        "h1[t] = tanh((((W1 x[t]) + (U1 h1[t-1])) + b1))\nh2[t] = tanh((((W2 h1[t]) + (U2 h2[t-1])) + b2))"
    ),
    "c[t]=c[t-1] + i∘g; h[t]=o∘tanh(c[t])": "c[t] = (c[t-1] + (i * g))\nh[t] = (o * tanh(c[t]))",
    "c[t]=f∘c[t-1] + i∘g": "c[t] = ((f * c[t-1]) + (i * g))",
    "i=σ(W_i x + U_i h[t-1] + p_i∘c[t-1]); f = 1 − i": (
        "i = sigmoid((((W_i x) + (U_i h[t-1])) + (p_i * c[t-1])))\nf = (1 - i)"
    ),
    "z=σ(W_z x+U_z h[t-1]+b_z); n=tanh(W x + U (r∘h[t-1]) + b); h[t]=(1−z)∘n + z∘h[t-1]": (
        "z = sigmoid((((W_z x) + (U_z h[t-1])) + b_z))\n"
        "n = tanh((((W x) + (U (r * h[t-1]))) + b))\n"
        "h[t] = (((1 - z) * n) + (z * h[t-1]))"
    ),
    "n=tanh(W x + b_in + r∘(U h[t-1] + b_hn))": "n = tanh((((W x) + b_in) + (r * ((U h[t-1]) + b_hn))))",
    "f=σ(W_f x+U_f h[t-1]+b_f); n=tanh(W x+U (f∘h[t-1])+b); h[t]=(1−f)∘h[t-1]+f∘n": (
        "f = sigmoid((((W_f x) + (U_f h[t-1])) + b_f))\n"
        "n = tanh((((W x) + (U (f * h[t-1]))) + b))\n"
        "h[t] = (((1 - f) * h[t-1]) + (f * n))"
    ),
    # Lines, comments, continuation, punctuation.
    "# a title\nh[t] = tanh(W x[t]\n  + b)  # the state\n\ny[t] = h[t].": "h[t] = tanh(((W x[t]) + b))\ny[t] = h[t]",
    "h[t] = W x[t]\n  + b\ny[t] = h[t]": "h[t] = ((W x[t]) + b)\ny[t] = h[t]",
    r"h_t = f(h_{t-1}), \quad y_t = g(h_t). \tag{3}": "h[t] = f(h[t-1])\ny[t] = g(h[t])",
    "[i[t]; f[t]] = W @ x[t]": "[i[t]; f[t]] = (W @ x[t])",
    r"\begin{pmatrix} i_t \\ f_t \end{pmatrix} = W \begin{pmatrix} h_{t-1} \\ x_t \end{pmatrix}": (
        "[i[t]; f[t]] = (W [h[t-1]; x[t]])"
    ),
    r"\begin{align*} h_t &= \sigma(W x_t \\ &\quad + b) \\ y_t &= h_t \nonumber \end{align*}": (
        "h[t] = sigmoid(((W x[t]) + b))\ny[t] = h[t]"
    ),
    r"\[ h_t = \left( x_t \right) \] \( y_t = h_t \)": "h[t] = x[t]\ny[t] = h[t]",
    "encoder:\nh[t] = tanh(x[t])\ndecoder:\ns[t] = tanh(s[t-1])\ndecoder.s[0] = encoder.h[T]": (
        "encoder:\nh[t] = tanh(x[t])\ndecoder:\ns[t] = tanh(s[t-1])\ndecoder.s[0] = encoder.h[T]"
    ),
    # Numbers as steps.
    "h_3 = f(x_3, h_2, W_h)\nh_2 = f(x_2, h_1, W_h)": "h[3] = f(x[3], h[2], W_h)\nh[2] = f(x[2], h[1], W_h)",
    "h_1 = tanh(W_1 x_1 + U h_0 + b_1)": "h[1] = tanh((((W_1 x[1]) + (U h[0])) + b_1))",
    "E = E_1 + E_2": "E = (E[1] + E[2])",
    "J(y_2, y_3)": "J = J(y[2], y[3])",
    "z_1 = W_1 x[t] + b_1": "z_1 = ((W_1 x[t]) + b_1)",
    r"h^{(t)} = \tanh(W^{(1)} h^{(t-1)}); h^{(0)} = 0": "h[t] = tanh((W1 h[t-1]))\nh[0] = 0",
    # Answers.
    r"\frac{\partial E}{\partial W_h} = \delta_t": "dE/dW_h = δ[t]",
    "dE/dh[t] = W.T @ delta[t+1]; dh[t] = delta[t]": "dE/dh[t] = (W.T @ delta[t+1])\ndh[t] = delta[t]",
    "dE/dW_h = sum_{t=1}^{T} sum_{k=1}^{t} delta[k] h[k-1]^T": (
        "dE/dW_h = (sum_{t=1}^{T} ((sum_{k=1}^{t} ((delta[k] h[k-1].T)))))"
    ),
}


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS.items())
def test_expressions(text: str, expected: str) -> None:
    assert show(parse_expression(text)) == expected
    assert show(parse_expression(expected)) == expected


@pytest.mark.parametrize(("text", "expected"), PROGRAMS.items())
def test_programs(text: str, expected: str) -> None:
    assert show(parse(text)) == expected
    assert show(parse(expected)) == expected


@pytest.mark.parametrize(("text", "expected"), LECTURES["RECURRENCES"].items())
def test_the_recurrences_of_the_lectures(text: str, expected: str) -> None:
    assert show(parse(text)) == expected


@pytest.mark.parametrize("text", LECTURES["OTHERS"])
def test_other_formulas_of_the_lectures_are_refused(text: str) -> None:
    with pytest.raises(BPTTError) as caught:
        parse(text)
    assert caught.value.hint and caught.value.span is not None


def test_all_equations_of_the_second_lecture_together() -> None:
    recurrences = LECTURES["RECURRENCES"]
    texts = [text for text in recurrences if r"\quad (" in text or text.startswith("$$h_")]
    assert show(parse("\n".join(texts))) == "\n".join(recurrences[text] for text in texts)


def test_the_nodes_and_their_places() -> None:
    program = parse("x = 1\nencoder.h[T] = W.T [a; b] + sum_t f(y[t]; w)")
    equation = program.equations[1]
    (left,) = equation.left
    assert (left.name, left.index, left.block) == ("h", Index("T", 0), "encoder")
    assert (equation.block, program.blocks) == ("encoder", ("encoder",))
    assert equation.text == "encoder.h[T] = W.T [a; b] + sum_t f(y[t]; w)"
    plus = equation.right
    assert isinstance(plus, Binary) and isinstance(plus.left, Binary) and isinstance(plus.right, Reduce)
    assert plus.left.operator == " "
    assert isinstance(plus.left.left, Transposed) and isinstance(plus.left.right, Stack)
    assert (plus.right.lower, plus.right.upper) == (None, None)
    call = plus.right.body
    assert isinstance(call, Call) and len(call.args) == len(call.parameters) == 1
    assert (call.span.line, call.span.column, call.span.end) == (2, 34, 44)


def test_what_was_left_out_is_noted() -> None:
    notes = parse(r"f = \tanh(\cdot) \Rightarrow h_t = \tanh(x_t) \quad (3)").notes
    assert len(notes) == 2 and "commentary" in notes[0] and "number" in notes[1]
    assert "number" in parse("h[t] = x[t] (3)").notes[0]


def test_bindings() -> None:
    function, formals, body = parse_binding("f_1(x, h; w, u) = tanh(w x + u h)")
    assert (function, formals, show(body)) == ("f_1", ("x", "h", "w", "u"), "tanh(((w x) + (u h)))")
    function, formals, body = parse_binding("phi = tanh")
    assert (function, formals) == ("phi", ()) and isinstance(body, Name) and body.name == "tanh"
    assert parse_binding(r"\phi(x) = \tanh(x)")[0] == "φ"


ERRORS = [
    # text, part of the message, line, column
    ("", "no equation", 1, 0),
    ("# only a comment", "no equation", 1, 0),
    ("h[t] = tanh(W x[t]\ny[t] = h[t]", "'(' is never closed", 1, 11),
    ("y = 1\nh[t] = [a; b", "'[' is never closed", 2, 7),
    ("y = (a]", "']' closes the '(' to its left", 1, 6),
    ("y = x)", "')' closes nothing", 1, 5),
    ("h[t] = x = y", "second '='", 1, 9),
    ("y = 1\nh[t] + x", "expected '='", 2, 7),
    ("y = W ? x", "unknown character '?'", 1, 6),
    ("y = W x +", "missing after '+'", 1, 8),
    ("y = * x", "missing before '*'", 1, 4),
    ("y = ()", "missing after '('", 1, 5),
    ("y = f(a, )", "missing after ','", 1, 9),
    ("h[t*2] = x", "bad index 't*2'", 1, 2),
    ("h_t = W h_{t-k}", "bad index 't-k'", 1, 9),
    (r"h_t = \tahn(x_t)", r"unknown LaTeX command \tahn", 1, 6),
    (r"h_t = \mathbf{W} + \dots", r"\dots cannot stand", 1, 19),
    ("y = max + 1", "max is a function", 1, 4),
    ("y = f(a; b; c)", "second ';'", 1, 10),
    ("3 = x", "left side must be", 1, 0),
    ("f(x) = x", "left side must be", 1, 1),
    (" = x", "left side is missing", 1, 1),
    ("y = ", "right side is missing", 1, 2),
    ("y = 3 4", "expected an operator", 1, 6),
    ("max = 3", "name of a function", 1, 0),
    ("y = h[t][0]", "second step", 1, 8),
    ("y = p(x | h)", "'|'", 1, 8),
    ("y = 1e999", "too large", 1, 4),
    ("y = " + "(" * 80 + "x" + ")" * 80, "nested deeper than 60", 1, 64),
    ("y = " + "-" * 80 + "x", "nested deeper than 60", 1, 64),
    ("y = x" + " + x" * 300, "more than 200 operations", 1, 4),
    ("y = x" + " + x" * 3000, "too many terms", 1, None),
    ("x" * 20_001, "too large", 1, 0),
]


@pytest.mark.parametrize(("text", "message", "line", "column"), ERRORS, ids=[text[:20] for text, *_ in ERRORS])
def test_errors(text: str, message: str, line: int, column: int | None) -> None:
    with pytest.raises(BPTTError) as caught:
        parse(text)
    error = caught.value
    assert message in error.message
    assert error.hint and error.span is not None
    assert error.span.line == line
    assert column is None or error.span.column == column


WRONG_BINDINGS = ["phi", "phi = ", "f(x[t]) = x", "f(x, x) = x", "a = tanh\nb = tanh", "1 = x", "f() = x"]


@pytest.mark.parametrize("text", WRONG_BINDINGS)
def test_wrong_bindings(text: str) -> None:
    with pytest.raises(BPTTError):
        parse_binding(text)


def test_a_caret_under_latex_points_into_the_text_as_typed() -> None:
    with pytest.raises(BPTTError) as caught:
        parse("$$\n\\mathbf{h}_t = \\left( x_t \\right) \\foo\n$$")
    assert caught.value.line_text[caught.value.span.column : caught.value.span.end] == r"\foo"  # type: ignore[union-attr]


def test_importing_is_cheap_in_modules() -> None:
    code = "import sys, bpttgraph.equations.language; print(sorted({'lark', 'sympy', 'numpy'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("text", [r"h_t = \text{LeakyReLU}(W h_{t-1} + U x_t)", "h[t] = lrelu(W h[t-1] + U x[t])"])
def test_every_name_of_a_function_is_read_as_the_function(text: str) -> None:
    """LeakyReLU was a matrix to the parser and a function to the model."""
    rec = recurrence(text)
    assert rec.parameters == ("W", "U") and rec.equations[0].startswith("h") and not rec.abstract


def test_signs_of_equality_alone_are_refused() -> None:
    for text in ("==", "h[t] = =", "= = ="):
        with pytest.raises(BPTTError):
            parse(text)
