"""The full backward pass of a cell in one document: what it says is true of the cell, and nothing is missing."""

from __future__ import annotations

import inspect
import itertools
import re
from typing import Any

import numpy as np
import pytest
from code_arguments import arguments
from pages import read
from truth import bound, complex_step

import bpttgraph as bg
from bpttgraph.check.gradients import check_derivations
from bpttgraph.derive import SymbolicDerivation
from bpttgraph.derive.levels import LEVELS
from bpttgraph.derive.recursions import names_of
from bpttgraph.derive.worked import DETAILS
from bpttgraph.document import Document, build
from bpttgraph.document.blocks import Code, Display, Heading, Table
from bpttgraph.document.closed import symbolic_of
from bpttgraph.document.recursive import plan
from bpttgraph.document.whole import everything
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.notation import NOTATIONS

CELLS = ["rnn", "deep-rnn", "lstm", "lstm-peephole", "gru-reset-after", "seq2seq", "bidirectional"]


def text(document: Document) -> str:
    """The text without headings' markup, for looking things up."""
    return document.markdown


def titles(document: Document) -> list[str]:
    return [b.anchor for b in document.blocks if isinstance(b, Heading)]


def code_of(document: Document) -> str:
    (code,) = [b.text for b in document.blocks if isinstance(b, Code) and b.label.startswith("The backward pass")]
    return code


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here are words and formulas; pictures take most of the time and have tests of their own."""
    monkeypatch.setattr("bpttgraph.document.board._picture", lambda *_: None)
    monkeypatch.setattr("bpttgraph.document.content._picture", lambda *_: [])


@pytest.fixture(scope="module")
def lstm() -> Document:
    u = bg.cell("lstm").unroll(3)
    report = check_derivations([u.derive(w) for w in everything(u)], None)
    return build(u, "all", report, command="bpttgraph derive lstm --wrt all -o out")


def test_everything_is_there(lstm: Document) -> None:
    read(lstm.html)
    for anchor in ("equations", "names", "picture", "recursions", "closed", "code", "count", "numbers", "check"):
        assert anchor in titles(lstm), anchor
    said = text(lstm)
    for w in bg.cell("lstm").unroll(1).parameters:
        kind, gate = w.split("_")
        use = {"W": r"x_{t}^{\top}", "U": r"h_{t-1}^{\top}", "b": ""}[kind]
        share = rf"\sum_{{t=1}}^{{T}} \delta_{{{gate},t}}"
        line = next(
            x
            for x in said.splitlines()
            if x.startswith(rf"\frac{{\partial E}}{{\partial {kind}_{{{gate}}}}} &=") and "sum" in x
        )
        assert share in line.replace(" ", "").replace(r"\sum", r"\sum ").replace(", ", ",") or "delta" in line, line
        assert use.replace(" ", "") in line.replace(" ", "")
    assert r"\frac{\partial c_{j}}{\partial c_{j-1}} &= \operatorname{diag}\left(f_{j}\right)" in said
    assert "bpttgraph derive lstm --wrt all -o out" in said and "✓" in said


def test_each_block_of_the_step_jacobian_once(lstm: Document) -> None:
    said = text(lstm)
    for top, bottom in itertools.product("ch", "ch"):
        assert len(re.findall(rf"\\frac\{{\\partial {top}_\{{j\}}\}}\{{\\partial {bottom}_\{{j-1\}}\}} &=", said)) == 1
    # what all parameters share is written once, for θ; the initial states have no sum over uses
    assert said.count(r"\sum_{k=1}^{t}") == 1


def test_counts_are_those_of_the_graph(lstm: Document) -> None:
    (table,) = [b for b in lstm.blocks if isinstance(b, Table) and b.style == "counts"]
    names = everything(bg.cell("lstm").unroll(3))
    assert len(table.rows) == len(names)
    for T, column in ((3, 3), (5, 4), (10, 5), (20, 6)):
        u = bg.cell("lstm").unroll(T)
        assert [row[column] for row in table.rows] == [(f"{u.derive(w).count:,}",) for w in names]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.usefixtures("no_pictures")
def test_the_printed_code_is_the_gradient(name: str, loss: str) -> None:
    """The code as the page prints it, run on numbers, against the complex step."""
    document = build(bound(name).unroll(2, loss=loss), "all", None)
    space: dict[str, Any] = {}
    exec(code_of(document), space)
    function = space["backward"]
    for T in (1, 4):
        u = bound(name).unroll(T, loss=loss)
        data = u.instance(seed=T)
        got = function(*arguments(u, u.run(data), inspect.signature(function).parameters))
        for w in u.parameters:
            truth = complex_step(u, data, w)
            assert np.all(np.abs(got[w] - truth) <= 1e-13 * (1 + np.abs(truth).max())), (w, T)


@pytest.mark.parametrize("name", CELLS)
def test_every_gradient_has_its_line(name: str) -> None:
    u = bound(name).unroll(3)
    document = build(u, "all", None)
    read(document.html)
    display = next(b for b in document.blocks if isinstance(b, Display) and b.label == "The gradients")
    lefts = [r.left.latex for r in display.rows if r.left is not None]
    assert len(lefts) == len(set(lefts)) and len(lefts) >= len(u.parameters)
    initial = [w for w in everything(u) if w not in u.parameters]
    assert len(lefts) == len(u.parameters) + len(initial)


def test_a_wrong_recursion_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recursions are compared with unrolled graphs; one summand less, and no document is made."""
    right = SymbolicDerivation.instantiate

    def wrong(self: SymbolicDerivation, steps: Any) -> Any:
        return {k: v[:-1] if k == "W_hh" else v for k, v in right(self, steps).items()}

    monkeypatch.setattr(SymbolicDerivation, "instantiate", wrong)
    with pytest.raises(BPTTError, match="W_hh"):
        build(bg.cell("rnn").unroll(3), "all", None)


STACKED = "a[t] = tanh(A a[t-1] + U x[t])\nb[t] = tanh(B b[t+1] + C a[t])\ny[t] = V b[t]"
REASONS = {
    "chains": (
        bg.recurrence(STACKED),
        {},
        "There is none, because recurrence has chains of states that feed each other",
    ),
    "window": (bg.cell("lstm"), {"truncate": "sliding:2"}, "There is no recursion that serves all losses, because"),
}


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("case", REASONS)
def test_what_is_missing_is_said(case: str) -> None:
    rec, options, sentence = REASONS[case]
    u = rec.unroll(3, **options)  # type: ignore[arg-type]
    for wrt in ("all", next(iter(u.parameters))):
        document = build(u, wrt, None)
        read(document.html)
        assert sentence in document.markdown.replace("\\", "")
    said = build(bg.cell("rnn").unroll(3), "h[2]", None).markdown.replace("\\", "")
    assert "There is no form for every T, because h[2] stands at one step of a given number of steps." in said


@pytest.mark.usefixtures("no_pictures")
def test_chosen_losses_and_their_mean() -> None:
    said = build(bg.cell("rnn").unroll(3, loss=[1, 3], reduce="mean"), "all", None).markdown
    assert r"\frac{1}{2}" in said and r"\sum_{k=1}^{3}" in said and "There is no" not in said


@pytest.mark.usefixtures("no_pictures")
def test_mean_and_abstract_functions_and_one_step() -> None:
    said = build(bg.cell("rnn").unroll(3, reduce="mean"), "all", None).markdown
    assert r"\frac{1}{T}" in said
    document = build(bg.cell("rnn-abstract").unroll(3), "all", None)
    read(document.html)
    assert "code" not in titles(document) and "numbers" not in titles(document) and "recursions" in titles(document)
    read(build(bg.cell("lstm").unroll(1), "all", None).html)


def test_slide_and_full() -> None:
    u = bg.cell("rnn").unroll(3)
    slide, lecture, full = (build(u, "all", None, detail=d) for d in DETAILS)
    assert len(slide.markdown) < len(lecture.markdown) < len(full.markdown)
    assert "recursions" in titles(slide) and "code" not in titles(slide) and "gradient-W_hh" in titles(full)
    assert "forward-mode" in titles(full)


def test_any_number_of_steps_alone() -> None:
    u = bg.cell("lstm").unroll(3)
    document = build(u, "U_f", None, symbolic=True)
    read(document.html)
    assert document.title == "LSTM with forget gate: ∂E/∂U_f for any number of steps"
    assert "recursions" in titles(document) and "closed" in titles(document) and "why" not in titles(document)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("detail,notation,level", [*itertools.product(DETAILS, NOTATIONS, LEVELS)])
def test_every_combination(detail: str, notation: str, level: str) -> None:
    u = bg.cell("rnn").unroll(2)
    document = build(u, "W_hh", None, detail=detail, notation=notation, level=level)
    read(document.html)
    assert ("numbers" in titles(document)) == (level == "numbers")
    assert ("chain" in titles(document)) == (level == "chain")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["gru-reset-after", "seq2seq", "rnn-abstract"])
def test_combinations_of_other_cells(name: str) -> None:
    u = bg.cell(name).unroll(2)
    for detail, notation in itertools.product(DETAILS, NOTATIONS):
        read(build(u, next(iter(u.parameters)), None, detail=detail, notation=notation, level=LEVELS).html)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", bg.cells())
@pytest.mark.parametrize("detail,notation", [*itertools.product(DETAILS, NOTATIONS)])
def test_all_combinations_of_all_cells(name: str, detail: str, notation: str) -> None:
    u = bg.cell(name).unroll(2)
    for wrt in ([next(iter(u.parameters))], "all"):
        read(build(u, wrt, None, detail=detail, notation=notation, level=LEVELS).html)


def test_numbers_carry_the_mark_of_the_check() -> None:
    u = bg.cell("rnn").unroll(3)
    report = u.derive("W_hh").check()
    assert "✓" in build(u, "W_hh", report, level="numbers").markdown.split("## In numbers")[1].split("\n## ")[0]
    report.broken = "the oracles disagree"
    part = build(u, "W_hh", report, level="numbers").markdown.split("## In numbers")[1].split("\n## ")[0]
    assert "✗" in part and "✓" not in part
    part = build(u, "W_hh", None, level="numbers").markdown.split("## In numbers")[1].split("\n## ")[0]
    assert "✗" not in part and "✓" not in part


def test_large_and_many_matrices_are_not_printed() -> None:
    u = bg.cell("rnn").unroll(12, sizes={"h": 40})
    part = build(u, "W_hh", None).markdown.split("## In numbers")[1].split("\n## ")[0]
    assert "40 × 40 numbers, norm" in part and "5 more" in part and len(part) < 3000


@pytest.mark.parametrize("wrong", [{"detail": "lectur"}, {"level": "matrx"}, {"notation": "pascal"}])
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(BPTTError, match="did you mean"):
        build(bg.cell("rnn").unroll(2), "W_hh", None, **wrong)


def step_of(text: str, t: int, T: int) -> int:
    """The number that t+1, T-1 or 2 stands for."""
    letter = {"t": t, "T": T}.get(text[0])
    return int(text) if letter is None else letter + int(text[1:] or 0)


@pytest.mark.parametrize("name", bg.cells())
@pytest.mark.parametrize("loss", ["every", "last"])
def test_every_line_reads_what_the_lines_before_it_made(name: str, loss: str) -> None:
    """Compute by hand, as a reader would: line by line, step by step; nothing may be read before it is there."""
    u = bound(name).unroll(3, loss=loss)
    T = 3
    found = plan(symbolic_of(u, "all"))
    adjoints = {r.key for x in found.loops for r in (*x.lines, *x.after)}
    known = {(r.key, step_of(r.first, 0, T)) for r in found.terminal}
    made = 0

    def read(terms: Any, t: int) -> None:
        for n in names_of(terms):
            key, _, step = n.rstrip("]").partition("[")
            if key in adjoints:
                assert (key, step_of(step, t, T)) in known, (n, t)

    for loop in found.loops:
        for t in range(T + 1, -1, -1) if loop.direction < 0 else range(T + 2):
            for r in (*loop.lines, *loop.after):
                low, high = sorted((step_of(r.first, 0, T), step_of(r.last, 0, T)))
                if low <= t <= high:
                    read(r.terms, t)
                    known.add((r.key, t))
                    made += 1
    assert made >= len(adjoints)
    for r in found.sums:
        for low, high, _, terms in r.uses:
            for t in range(step_of(low, 0, T), step_of(high, 0, T) + 1) if low else [0]:
                read(terms, t)
    assert {r.of for r in found.sums} >= set(u.parameters)
