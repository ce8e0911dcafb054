"""What pages, books and READMEs put around equations is left out, each thing with a note, and nothing else is.

The oracle is the same recurrence typed plainly: both must give the same syntax tree.
"""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import bpttgraph as bg
from bpttgraph.equations.language import parse
from bpttgraph.equations.ranges import without_ranges
from bpttgraph.equations.text import show
from bpttgraph.equations.wrapping import unwrap
from bpttgraph.errors import BPTTError

RNN = "h[t] = tanh(W h[t-1] + U x[t])"
BOTH = RNN + "\ny[t] = V h[t]"
ZERO = RNN + "\nh[0] = 0"
GATED = "z[t] = sigmoid(A x[t] + B h[t-1])\nh[t] = z[t] * h[t-1]"
H, Y = r"h_t = \tanh(W h_{t-1} + U x_t)", "y_t = V h_t"

# text, the same typed plainly, and a part of every note (in the order of the text)
PAGES: list[tuple[str, str, list[str]]] = [
    # Marks of pages: nothing to be said about them, but for lists and tables.
    (f"```math\n{H}\n```", RNN, []),
    (f"- state: `{H}`\n- output: `{Y}`", BOTH, ["marks of the list", "'state:'", "'output:'"]),
    (f"1. {RNN}\n2. y[t] = V h[t]", BOTH, ["marks of the list"]),
    (f"i) {RNN}\nii) y[t] = V h[t]", BOTH, ["marks of the list"]),
    (f"* **State:** ${H}$\n* **Output:** ${Y}$", BOTH, ["marks of the list", "'State:'", "'Output:'"]),
    (f":<math>{H}</math>\n:<math>{Y}</math>", BOTH, []),
    (f"{{{{NumBlk|:|<math>{H}</math>|1}}}}", RNN, []),
    (f"\\f[\n {H}\n\\f]", RNN, []),
    (f"> {RNN}\n> y[t] = V h[t]", BOTH, []),
    (f"| step | formula |\n|---|---|\n| state | {RNN} |\n| output | y[t] = V h[t] |", BOTH, ["cells of the table"]),
    (f"\\\\( {H} \\\\)", RNN, []),
    (r"h\_t = \tanh(W h\_{t-1} + U x\_t)", RNN, []),
    (r"h_t = \\tanh(W h_{t-1} + U x_t)", RNN, []),
    ("<p>h<sub>t</sub> = tanh(W h<sub>t&minus;1</sub> + U x<sub>t</sub>)</p>", RNN, []),
    (f'<div class="math">\\[{H}\\]</div>', RNN, []),
    (f".. math::\n\n    {H} \\\\\n    {Y}\n\nwhere :math:`h_t` is the state.", BOTH, ["h_t"]),
    ("$h_t$ = tanh($W$ $h_{t-1}$ + $U$ $x_t$)", RNN, []),
    (f'"{RNN}"', RNN, ["quotation"]),
    (f"{RNN}  /* state */", RNN, []),
    (f"$${H}$$ {{#eq:rnn}}", RNN, []),
    ("E[t] = ½ ‖h[t]‖²", "E[t] = 1/2 ‖h[t]‖^2", []),
    # Equation numbers.
    (f"{H} \\hspace{{2em}} (3.2)", RNN, ["number"]),
    (f"{H} \\qquad (5a)\n{Y} \\qquad (5b)", BOTH, ["number", "number"]),
    (f"{RNN}   (A.3)", RNN, ["number"]),
    (f"{RNN}   (eq. 3)", RNN, ["number"]),
    (f"{RNN}   [4]", RNN, ["number"]),
    (f"{RNN}   (IV)", RNN, ["number"]),
    (f"{RNN} ... (1)", RNN, ["number"]),
    (f"(7) {H}\n(8) {Y}", BOTH, ["(7)", "(8)"]),
    (f"(a) {H}\n(b) {Y}", BOTH, ["(a)", "(b)"]),
    (f"Eq. 1: {RNN}", RNN, ["Eq. 1"]),
    (f"{H} \\eqno(3)", RNN, ["number"]),
    (f"{H} \\tag{{4.7b}} \\label{{eq:h}}", RNN, []),
    (f"{H}(2)", RNN, ["number"]),
    (f"{H} \\ldots (1)", RNN, ["number"]),
    (f"\\section{{Model}} {H} \\dotfill (1)", RNN, ["number"]),
    # Remarks.
    (f"state | {RNN}\noutput -> y[t] = V h[t] | read-out", BOTH, ["state", "output", "remark"]),
    (f"{H} \\text{{ (with weights }} W)", RNN, ["with weights"]),
    (f"{RNN}   [hidden]", RNN, ["remark"]),
    (f"{RNN} (new state)", RNN, ["remark"]),
    (f"{RNN}    <- state\ny[t] = V h[t]    // output", BOTH, ["remark", "remark"]),
    (f"{RNN} — the state", RNN, ["remark"]),
    (f"{RNN}      state", RNN, ["remark"]),
    (f"{RNN} : the state", RNN, ["remark"]),
    (f"{H} && \\text{{state}} \\\\ {Y} && \\text{{read-out}}", BOTH, ["remark", "remark"]),
    (f"{H} & \\textit{{hidden layer}}", RNN, ["hidden layer"]),
    (f"{H} \\quad \\text{{(recurrent layer)}}", RNN, ["recurrent layer"]),
    (f"{H} \\quad (Elman, 1990)", RNN, ["remark"]),
    # Steps.
    (f"{H}, \\quad t = 1, \\ldots, T", RNN, ["t = 1"]),
    (f"{H} \\quad \\forall t \\in \\{{1, \\dots, T\\}}", RNN, ["forall"]),
    (f"{H} \\text{{ for every }} t", RNN, ["every"]),
    (f"for t = 1..T:\n    {RNN}\n    y[t] = V h[t]", BOTH, ["for t"]),
    (f"for t from 1 to T do\n    {RNN}\nend for", RNN, ["for t"]),
    (f"{H} \\quad (t \\geq 1), \\qquad h_0 = 0", ZERO, ["geq"]),
    # Prose.
    (f"The new state is\n$${H}$$\nand the output is read from it by\n$${Y}.$$", BOTH, ["The new state is", "output"]),
    (f"{H}\nwhere\n$W$ and $U$ are learned matrices.", RNN, ["where $W$ and $U$"]),
    (f"We compute {H} and {Y}.", BOTH, ["We compute"]),
    (f"{RNN}, with h[0] = 0", ZERO, []),
    ("First the gate:\nz[t] = sigmoid(A x[t] + B h[t-1])\nThen:\nh[t] = z[t] * h[t-1]", GATED, ["First", "Then"]),
    (f"Wir berechnen {H}, wobei W und U Matrizen sind", RNN, ["Wir berechnen", "wobei"]),
    (f"隐藏状态为：\n$${H}$$\n其中 $W$、$U$ 是矩阵。", RNN, ["隐藏状态", "其中"]),
    (f"x_t \\in \\mathbb{{R}}^d, \\quad {H}", RNN, ["x_t"]),
    (f"h[0] = 0, {RNN} if t > 0", "h[0] = 0\n" + RNN, ["t > 0"]),
    ("h_t <- tanh(W h_{t-1} + U x_t)", RNN, []),
    (f"Input: x[t]\nHidden: {RNN}", RNN, ["Input", "x[t]", "Hidden"]),
    (f"Then the state {RNN} follows.", RNN, ["Then the state", "remark"]),
    # Environments and LaTeX.
    (f"\\begin{{array}}{{ll}} \\\\ {H} \\\\ {Y} \\end{{array}}", BOTH, []),
    (r"\left\{ \begin{array}{rcl} h_t & = & \tanh(W h_{t-1} + U x_t) \\ y_t & = & V h_t \end{array} \right.", BOTH, []),
    (f"\\begin{{cases}} {H} \\\\ {Y} \\end{{cases}}", BOTH, []),
    (f"\\left\\{{\\begin{{matrix}} {H} \\\\ {Y} \\end{{matrix}}\\right.", BOTH, []),
    (f"\\begin{{itemize}}\n\\item ${H}$\n\\item[b] ${Y}$\n\\end{{itemize}}", BOTH, []),
    (f"\\begin{{IEEEeqnarray}}{{rCl}} {H} \\IEEEyesnumber \\\\ {Y} \\end{{IEEEeqnarray}}", BOTH, []),
    ("{\\bf h}_t = \\tanh({\\bf W} {\\bf h}_{t-1} + {U} {x}_{t}) \\newline {y}_{t} = {V} {{\\bf h}_t}", BOTH, []),
    (r"h_t = \tanh(\underbrace{W h_{t-1}}_{\text{memory}} + \overbrace{U x_t}^{\text{input}}) \phantom{+ b}", RNN, []),
    (r"{\color{red} h_t} = \tanh(\textcolor{blue}{W} h_{t-1} + U x_t)", RNN, []),
    (r"\newcommand{\bh}{\mathbf{h}} \bh_t = \tanh(W \bh_{t-1} + U x_t)", RNN, []),
    ("\\def\\h{h}\n\\newcommand{\\mat}[1]{\\mathbf{#1}}\n\\h_t = \\tanh(\\mat{W} \\h_{t-1} + \\mat{U} x_t)", RNN, []),
    ("h_t = \\tanh(W h_{t-1} + U\n x_t), \\quad y_t = V\n h_t", BOTH, ["going on"]),
    (r"h_t = \tanh([\begin{matrix} W & U \end{matrix}] \begin{bmatrix} h_{t-1} \\ x_t \end{bmatrix})", RNN, []),
    # Brackets that are functions.
    ("h[t] = |W h[t-1]| + x[t]", "h[t] = abs(W h[t-1]) + x[t]", []),
    (r"h_t = \left[ W h_{t-1} \right]_+ + (x_t)_+", "h[t] = relu(W h[t-1]) + relu(x[t])", []),
    (r"E_t = \lVert h_t \rVert_2^2 + ||x_t||^2", "E[t] = norm(h[t])^2 + norm(x[t])^2", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain", "notes"), PAGES, ids=[text[:40] for text, *_ in PAGES])
def test_what_stands_around_equations(text: str, plain: str, notes: list[str]) -> None:
    program = parse(text)
    assert show(program) == show(parse(plain))
    for said, part in zip(program.notes, notes, strict=True):
        assert part in said


# Where words may be factors, they stay; marks that could be signs are signs.
FACTORS = {
    "h[t] = W memory input": "h[t] = ((W memory) input)",
    "h[t] = a[t] - decay": "h[t] = (a[t] - decay)",
    "h[t] = a[t]\n  - decay h[t-1]": "h[t] = (a[t] - (decay h[t-1]))",
    "h[t] = W input[t]": "h[t] = (W input[t])",
    r"h_t = W \text{input}": "h[t] = (W input)",
    "h[t] = f(t_0)": "h[t] = f(t_0)",
    "state[t] = gain state[t-1]": "state[t] = (gain state[t-1])",
    "h[t] = W (a + b)": "h[t] = (W (a + b))",
    "h[t] = a ** b": "h[t] = (a ^ b)",
}


@pytest.mark.parametrize("text", FACTORS)
def test_factors_stay(text: str) -> None:
    program = parse(text)
    assert show(program) == FACTORS[text]
    assert not any("remark" in note or "around" in note for note in program.notes)


def test_blocks_are_blocks_and_headings_are_headings() -> None:
    named = parse("encoder:\nh[t] = x[t]\ndecoder:\ns[t] = s[t-1]\ndecoder.s[0] = encoder.h[T]")
    twice = parse("left:\nh[t] = h[t-1]\nright:\nh[t] = h[t+1]")
    assert named.blocks == ("encoder", "decoder") and twice.blocks == ("left", "right")
    assert not named.notes and not twice.notes
    headed = parse("gate:\nz[t] = x[t]\nstate:\nh[t] = z[t] * h[t-1]")
    assert not headed.blocks and len(headed.notes) == 2


def test_the_text_may_say_what_a_function_is() -> None:
    program = parse(r"h_t = g(W h_{t-1}), \quad g = \tanh")
    assert program.let == (("g", "tanh"),) and len(program.equations) == 1
    program = parse(r"h_t = \phi(W h_{t-1}), \quad \phi(z) = \frac{z}{1 + |z|}")
    assert program.let == (("φ(z)", "(z / (1 + abs(z)))"),)
    program = parse(r"h_t = \sigma(W h_{t-1}), \quad \sigma(x) = \frac{1}{1 + a}")
    assert not program.let and "sigmoid" in program.notes[0]


REFUSED = [
    ("The loss went down after ten epochs.", "no '='", 1, 0),
    ("import numpy as np\nprint('hello')", "no '='", 1, 0),
    (r"h_t = \tanh(W * h_{t-1}), where * is a convolution", "convolution", 1, None),
    (r"\newcommand{\f}[2]{#1 + #2} h_t = \f{a}{b}", r"macro \f has arguments", 1, 0),
    (r"h_t = \begin{bmatrix} A & B \\ C & D \end{bmatrix}", "several rows and columns", 1, 6),
    (r"h_t = \begin{bmatrix} A & B \\ C \end{bmatrix} x_t", "different lengths", 1, 6),
    (r"E_t = \lVert h_t \rVert_1", "norm '1'", 1, None),
    (r"h_t = \sigmma(x_t)", r"unknown LaTeX command \sigmma", 1, 6),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "line", "column"), REFUSED, ids=[text[:30] for text, *_ in REFUSED])
def test_what_is_refused(text: str, message: str, line: int, column: int | None) -> None:
    with pytest.raises(BPTTError) as caught:
        parse(text)
    assert message in caught.value.message and caught.value.hint and caught.value.span is not None
    assert caught.value.span.line == line and column in (None, caught.value.span.column)


@pytest.mark.parametrize(("command", "suggested"), [("sigmma", r"\sigma"), ("foral", None), ("newlin", r"\newline")])
def test_suggestions_are_for_misspellings(command: str, suggested: str | None) -> None:
    with pytest.raises(BPTTError) as caught:
        parse(rf"h_t = \{command} x_t")
    hint = caught.value.hint or ""
    assert (suggested in hint) if suggested else "did you mean" not in hint


def test_a_caret_points_into_the_text_as_typed() -> None:
    with pytest.raises(BPTTError) as caught:
        parse("* gate: `z_t = W x_t ? 3`\n* h<sub>t</sub> = z<sub>t</sub>")
    assert caught.value.span is not None and (caught.value.span.line, caught.value.span.column) == (1, 21)


WRAPPERS = [
    *[
        "`",
        "```\n",
        "**a**",
        "<sub>",
        "</sub>",
        "<p>",
        "&sigma;",
        "| a | b = 1 |\n",
        "|---|\n",
        "> ",
        "- ",
        "1. ",
        "a) ",
    ],
    *[
        "\\f[",
        "\\f]",
        "\\\\(",
        "\\\\)",
        "$",
        "$$",
        "\\_",
        '"',
        "“",
        "”",
        "<!-- a -->",
        "/* a */",
        ":math:",
        "（",
        "：",
        "\n",
    ],
    *[
        "t = 1, \\ldots, T",
        "for t in range(T):\n",
        "\\forall t",
        "1 \\le t \\le T",
        " where ",
        " and ",
        "h_t = x_t",
        "(3.2)",
    ],
    *[
        "\\text{a b}",
        "\\begin{array}{l}",
        "\\end{array}",
        "\\left\\{",
        "\\right.",
        "\\underbrace{",
        "}_{a}",
        "\\def\\a{b}",
    ],
    *["|a|", "]_+", "\\begin{bmatrix} a & b", "\\end{bmatrix}", "<- a", "// a", "gate: ", "f = tanh", "g(x) = x", "  "],
]
many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(st.lists(st.sampled_from(WRAPPERS), max_size=20).map("".join))
def test_places_stay_and_every_text_is_answered(text: str) -> None:
    for strip in (unwrap, without_ranges):
        bare, notes = strip(text)
        assert len(bare) == len(text)
        assert all(note.span is not None and note.span.line <= text.count("\n") + 1 for note in notes)
    try:
        program = parse(text)
    except BPTTError as error:
        assert error.hint and error.span is not None
        return
    assert show(parse(show(program))) == show(program)


@pytest.mark.parametrize(
    "piece", [*WRAPPERS, "a = b (3) ", "a.b ", "a = b where ", "word word\n", "\\text{", "-", "(a) "]
)
def test_long_texts_of_marks_answer_soon(piece: str) -> None:
    for size in (4_000, 16_000):
        start = time.process_time()
        with contextlib.suppress(BPTTError):
            parse("y = x\n" + piece * (size // len(piece)))
        # Ten times what it takes: a quadratic reading takes hundreds of times as long.
        assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "inside", ["title: `| x ]", "title: '>]]>&$`|", "see `h_t` (1) | [", '#panic("no") `r` ]) /* é ⊙']
)
def test_nothing_in_a_comment_is_read(inside: str) -> None:
    rec = bg.recurrence(f"# {inside}\nh[t] = tanh(W h[t-1] + x[t])")
    assert rec.reading.startswith("h[t] = tanh(W @ h[t-1] + x[t])\n") and rec.notes == ()
