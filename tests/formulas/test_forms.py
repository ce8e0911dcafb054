"""A form of writing is one subclass of `Printer` and one line in `FORMS`: all that is printed goes through it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

import pytest

import bpttgraph as bg
from bpttgraph.errors import BPTTError
from bpttgraph.formulas.expr import Expr, Partial
from bpttgraph.formulas.layout import FORMS
from bpttgraph.formulas.printers import UnicodePrinter
from bpttgraph.formulas.walk import ATOM, FRACTION, Printer

LEVELS = ("chain", "local", "matrix", "elements", "numbers")
TEXTS = {
    "rnn": bg.cell("rnn"),
    "lstm": bg.cell("lstm"),
    "kink": bg.recurrence("h[t] = max(0, W h[t-1] + U x[t]); E[t] = abs(sum(h[t])) / (1 + norm(h[t]))"),
    "abstract": bg.recurrence("h[t] = f(x[t], h[t-1]; w)"),
}


def everything(rec: bg.Recurrence, form: str, width: int | None = None) -> Iterator[str]:
    """Whatever a derivation writes, for three steps and for any number of them."""
    wrt = next(iter(rec.parameters))
    u = rec.unroll(3)
    d, g = u.derive(wrt), rec.derive(wrt)
    for level in LEVELS[: 1 if rec.abstract else None]:
        yield d.statement(level, form, u.instance(seed=1) if level == "numbers" else None, width)
    for printed in (*d.factored, *g.recursions, g, g.closed_form):
        yield printed.written(form, width)


class Quoted(UnicodePrinter):
    """Unicode with every name in quotes: without them it is what Unicode is."""

    def name(self, name: str) -> tuple[str, int]:
        text, strength = super().name(name)
        return f"«{text}»", strength


class Plain(Printer):
    """ASCII, by what a language must say and nothing else."""

    def name(self, name: str) -> tuple[str, int]:
        return "".join(c if c.isascii() else f"u{ord(c):x}" for c in name), ATOM

    def number(self, value: int | float | Fraction) -> tuple[str, int]:
        return str(value), ATOM

    def brackets(self, text: str) -> str:
        return f"({text})"

    square = brackets

    def signed_sum(self, terms: list[tuple[int, str]]) -> str:
        return " ".join(f"{'-' if sign < 0 else '+'} {text}" for sign, text in terms)

    def minus(self, text: str) -> str:
        return f"-{text}"

    def times(self, factors: list[tuple[Expr, str]]) -> str:
        return " ".join(text for _, text in factors)

    def infix(self, symbol: str, parts: list[str]) -> str:
        return " .* ".join(parts)

    def powered(self, base: Expr, exponent: Expr) -> str:
        return f"{self.show(base, ATOM)}^{self.show(exponent, ATOM)}"

    def quotient(self, top: Expr, bottom: Expr) -> str:
        return f"({self.show(top)})/({self.show(bottom)})"

    def transposed(self, text: str) -> str:
        return f"{text}'"

    def word(self, word: str) -> str:
        return self.name(word)[0]

    function = word

    def call(self, function: str, args: list[str]) -> str:
        return f"{function}({', '.join(args)})"

    def bars(self, text: str) -> str:
        return f"abs({text})"

    def unit(self) -> str:
        return "eye"

    def ones(self) -> str:
        return "ones"

    def blocks(self, rows: list[list[str]]) -> str:
        return f"[{'; '.join(', '.join(row) for row in rows)}]"

    def slice(self, text: str, start: str, stop: str) -> str:
        return f"{text}({start}:{stop}, :)"

    def unit_vector(self, text: str) -> str:
        return f"eye(:, {text})"

    def column(self, text: str, index: str) -> str:
        return f"{text}(:, {index})"

    def partial(self, e: Partial) -> str:
        return f"D({self.name(e.target)[0]}, {self.name(e.source)[0]})"

    derivative = FRACTION

    def entry(self, text: str, indices: tuple[int | str, ...]) -> str:
        return f"{text}({', '.join(map(str, indices))})"

    def big(self, mark: str, index: str, lower: Expr, upper: Expr, body: str) -> str:
        return f"{'sum' if mark == '∑' else 'prod'}({index}, {self.show(lower)}, {self.show(upper)}, {body})"


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("width", [None, 30])
def test_a_new_form_is_known_everywhere(name: str, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BPTTError, match="cannot be written"):
        next(everything(TEXTS[name], "quoted"))
    monkeypatch.setitem(FORMS, "quoted", Quoted)
    known = list(everything(TEXTS[name], "unicode"))
    made = list(everything(TEXTS[name], "quoted"))
    assert [text.translate({ord(c): None for c in "«»"}) for text in made] != made
    for new, old in zip(made, known, strict=True):  # signs stand below the equals sign, which the quotes have moved
        assert re.sub(r"\n +", "\n", re.sub("[«»]", "", new)) == re.sub(r"\n +", "\n", old)
    assert len(list(everything(TEXTS[name], "quoted", width))) == len(known)


@pytest.mark.parametrize("name", TEXTS)
def test_a_form_needs_to_say_no_more_than_a_language_must(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMS, "plain", Plain)
    for new, old in zip(everything(TEXTS[name], "plain"), everything(TEXTS[name], "unicode"), strict=True):
        signs = {ord(c): None for c in "…−✓≥"}  # in the ranges of steps, and the mark of the check
        assert new.translate(signs).isascii() and " = " in new, new
        assert new.count(" for t = ") == old.count(" for t = ") and new.count("✓") == old.count("✓")
        if old.startswith("∂"):
            assert new.startswith("D("), new


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TEXTS)
def test_every_form_writes_everything_and_each_in_its_own_way(form: str, name: str) -> None:
    others = {f: list(everything(TEXTS[name], f)) for f in FORMS}
    mine = others.pop(form)
    assert all(mine) and "✗" not in "".join(mine)
    assert not any(set(mine) & set(texts) for texts in others.values())
