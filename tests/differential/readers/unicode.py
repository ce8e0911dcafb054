"""The formulas of a terminal as items."""

from __future__ import annotations

import re
import unicodedata

from .grammar import Item, Items

__all__ = ["unicode"]

_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx")
_HIGH = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾", "0123456789()")
_SMALL = "₀-₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_LETTER = rf"[^\W\d_ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹{_SMALL}]"
_NAME = (
    rf"{_LETTER}+′*[\u0300-\u036f]*(?:_(?:{_LETTER}|[0-9])+)*(?:⁽[⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾)?[{_SMALL}]*(?:\[(?:[tT]?[+-−]?\d*)\])?"
)


class Unicode:
    """A function's bracket stands close to it, that of a factor apart."""

    TOKEN = re.compile(
        rf"(?P<unit>𝟏|I(?![^\Wᵀ⁰¹²³⁴⁵⁶⁷⁸⁹(]))|(?P<step>1₊)|(?P<number>\d+\.?\d*(?:e-?\d+)?)|(?P<big>[∑∏])|(?P<e>𝐞(?=\())|(?P<d>[∂d]⁺?)(?={_NAME}/[∂d])"
        rf"|(?P<name>{_NAME})|(?P<low>_\([^()]*\)|[{_SMALL}]+)|(?P<high>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)|(?P<space>\s+)|(?P<sign>.)",
        re.DOTALL,
    )  # fmt: skip

    def __init__(self, text: str):
        text = unicodedata.normalize("NFD", text.replace("\n· ", " · "))
        self.tokens = [(str(m.lastgroup), m[0]) for m in self.TOKEN.finditer(text)]
        self.i = 0

    @property
    def peek(self) -> tuple[str, str]:
        return self.tokens[self.i] if self.i < len(self.tokens) else ("", "")

    def next(self) -> tuple[str, str]:
        self.i += 1
        return self.tokens[self.i - 1]

    def until(self, *ends: str) -> Items:
        found: Items = []
        while self.peek[1] not in ("", *ends) or self.peek[0] not in ("", "sign"):
            found += self.item()
        return found

    def parts(self, mark: str, end: str) -> list[Items]:
        found = [self.until(mark, end)]
        while self.next()[1] == mark:
            found.append(self.until(mark, end))
        return found

    def item(self) -> Items:
        kind, text = self.next()
        if kind == "number":
            return [("num", float(text))]
        if kind == "space":
            return []
        if kind == "unit":
            return [("unit", "I" if text == "I" else "ones")]
        if kind == "e":
            self.next()
            return [("e", self.parts(",", ")")[0])]
        if kind == "d":
            top, _, below = (self.next()[1] for _ in range(3))  # a d and its name are one word, ∂ is a sign
            below = below[1:] or self.next()[1]
            return [("d", text.replace("⁺", "+"), self.named(top), self.named(below))]
        if kind in ("name", "step"):
            if self.peek[1] == "(":
                self.next()
                return [("call", text, self.parts(",", ")"))]
            return [self.named(text)]
        if kind == "high":
            return [("^", [("num", float(text.translate(_HIGH)))])]
        if kind == "low":
            inner = text[2:-1].split(",") if text[0] == "_" else list(text.translate(_LOW))
            return [("at", [Unicode(x).until() for x in inner])]
        if kind == "big":
            inner = "".join(x for _, x in self.bracket())
            m = re.fullmatch(r"(\w)=(.*)\.\.(.*)", inner)
            assert m, inner
            return [("big", text, m[1], Unicode(m[2]).until(), Unicode(m[3]).until())]
        return self.sign(text)

    def bracket(self) -> list[tuple[str, str]]:
        """The tokens of […]."""
        self.next()
        found = []
        while self.peek[1] != "]":
            found.append(self.next())
        self.next()
        return found

    def sign(self, text: str) -> Items:
        if text == "(":
            return [("(", self.parts(",", ")")[0])]
        if text == "|":
            return [("|", self.parts(",", "|")[0])]
        if text == "ᵀ":
            return [("T",)]
        if text == "^":
            self.next()
            return [("^", self.parts(",", ")")[0])]
        if text == "[":
            inner = "".join(x for _, x in self.tokens[self.i :]).partition("]")[0]
            if re.fullmatch(r"\d+:\d+|:, .*", inner):  # rows, or a column, of what stands before
                self.i -= 1
                self.bracket()
                return (
                    [("column", Unicode(inner[3:]).until())]
                    if inner[0] == ":"
                    else [("rows", *map(int, inner.split(":")))]
                )
            rows = self.parts(";", "]")
            return (
                [("[", rows[0])]
                if len(rows) == 1 and ("op", ",") not in rows[0]
                else [("mat", [_cells(r) for r in rows])]
            )
        return [("op", text.replace("−", "-"))]

    @staticmethod
    def named(text: str) -> Item:
        m = re.fullmatch(
            rf"([^_⁽\[{_SMALL}]*)((?:_[^⁽\[{_SMALL}]+)*)(⁽[⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾)?([{_SMALL}]*)(?:\[(.*)\])?", text
        )
        assert m, text
        below = [*m[2].split("_")[1:], *([m[4].translate(_LOW)] if m[4] else []), *([m[5]] if m[5] else [])]
        return ("name", m[1].replace("′", "'"), ",".join(below).replace("−", "-"), (m[3] or "").translate(_HIGH))


def _cells(row: Items) -> list[Items]:
    cells: list[Items] = [[]]
    for item in row:
        if item == ("op", ","):
            cells.append([])
        else:
            cells[-1].append(item)
    return cells


def unicode(text: str) -> Items:
    """The text of a terminal as items.

    >>> unicode("W_hhᵀ δ_h[2]")
    [('name', 'W', 'hh', ''), ('T',), ('name', 'δ', 'h,2', '')]
    """
    return Unicode(text).until()
