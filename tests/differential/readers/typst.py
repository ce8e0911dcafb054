"""Typst mathematics as items."""

from __future__ import annotations

import re
import unicodedata

from .grammar import MARKS, Item, Items
from .latex import Latex

__all__ = ["typst"]


class Typst:
    TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[A-Za-z]+(?:\.[a-z]+)?|\d+\.?\d*|\\/|\s+|.', re.DOTALL)

    def __init__(self, text: str):
        self.tokens = [t for t in self.TOKEN.findall(text) if not t.isspace()]
        self.i = 0

    next = Latex.next
    peek = Latex.peek
    take = Latex.take

    def inside(self) -> list[str]:
        """The tokens of (…), without the brackets."""
        self.take("(")
        found, depth = [], 1
        while True:
            token = self.next()
            depth += (token == "(") - (token == ")")
            if not depth:
                return found
            found.append(token)

    def arguments(self, mark: str = ",") -> list[list[str]]:
        return self.split(self.inside(), mark)

    @staticmethod
    def split(tokens: list[str], mark: str) -> list[list[str]]:
        parts: list[list[str]] = [[]]
        depth = 0
        for t in tokens:
            depth += (t == "(") - (t == ")")
            if t == mark and not depth:
                parts.append([])
            else:
                parts[-1].append(t)
        return parts

    @staticmethod
    def of(tokens: list[str]) -> Typst:
        made = Typst("")
        made.tokens = tokens
        return made

    def items(self) -> Items:
        found: Items = []
        while self.peek:
            found += self.item()
        return found

    def item(self) -> Items:
        token = self.next()
        if token[0].isdigit():
            return [("num", float(token))]
        if token in "+-/,=∘":
            return [("op", token)]
        if token in ("thin", "quad", "&", "\\"):
            return []
        if token == "dot":
            return [("op", "·")]
        if token == "^":
            inner = self.inside()
            return [("T",)] if inner == ["⊤"] else [("^", self.of(inner).items())]
        if token == "frac":
            top, bottom = map(self.of, self.arguments())
            if top.peek in ("∂", "upright"):
                return [self.derivative(top, bottom)]
            return [("frac", top.items(), bottom.items())]
        if token == "lr":
            return self.bracket(self.inside())
        if token == "abs":
            return [("|", self.of(self.inside()).items())]
        if token == "op":
            return [self.call(self.inside()[0].strip('"'))]
        if token in ("tanh", "exp", "log", "sin", "cos", "max", "min"):
            return [self.call(token)]
        if token in ("σ", "Φ") and (
            self.peek == "lr" or (self.peek == "^" and "lr" in self.tokens[self.i : self.i + 5])
        ):
            return [self.call(token)]
        if token in ("sum", "product"):
            self.take("_")
            letter, *low = self.inside()
            self.take("^")
            return [
                (
                    "big",
                    "∑" if token == "sum" else "∏",
                    letter,
                    self.of(low[1:]).items(),
                    self.of(self.inside()).items(),
                )
            ]
        if token == "bold":
            what = self.inside()[0]
            if what == "e":
                self.take("_")
                return [("e", self.of(self.inside()).items())]
            if self.peek == "_":
                self.take("_")
                self.inside()
                return [self.call("1₊")]
            return [("unit", "ones")]
        if token == "mat":
            return self.matrix()
        if token == "∂":
            top = self.name(self.next())
            self.take("\\/", "∂")
            return [("d", "∂", top, self.name(self.next()))]
        if token == "I" and self.peek not in ("_",):
            return [("unit", "I")]
        return [self.name(token)]

    def matrix(self) -> Items:
        tokens = self.inside()
        rows = [self.split(row, ",") for row in self.split(tokens, ";")]
        wide = any(cell and cell[0] == "align" for cell in rows[0])
        rows[0] = [cell for cell in rows[0] if not (len(cell) > 1 and re.match("delim|align|row", cell[0]))]
        if not wide:
            return [("mat", [[self.of(cell).items() for cell in row] for row in rows])]
        found: Items = []  # a long product, which goes on below: display(…); quad dot display(…)
        for row in rows:
            for cell in row:
                part = self.of(cell)
                while part.peek:
                    if part.peek == "display":
                        part.next()
                        found += self.of(part.inside()).items()
                    else:
                        found += part.item()
        return found

    def bracket(self, tokens: list[str]) -> Items:
        kind = tokens[0]
        inner = self.of(tokens[1:-1]).items()
        if self.peek == "_":
            self.take("_")
            below = self.inside()
            if below[:2] == [":", ","]:
                return [("(", inner), ("column", self.of(below[2:]).items())]
            if ":" in below:
                return [("(", inner), ("rows", int(below[0]), int(below[2]))]
            return [("(", inner), ("at", [self.of(x).items() for x in self.split(below, ",")])]
        return [(kind, inner)]

    def call(self, function: str) -> Item:
        power: Items = []
        if self.peek == "^":
            self.take("^")
            power = self.of(self.inside()).items()
        self.take("lr")
        tokens = self.inside()
        made: Item = ("call", function, [self.of(a).items() for a in self.split(tokens[1:-1], ",")])
        return ("(", [made, ("^", power)]) if power else made

    def name(self, token: str) -> Item:
        if token in MARKS:
            head = "".join(self.inside()).strip('"') + MARKS[token]
        else:
            head = token.strip('"')
        below = above = ""
        if self.peek == "_":
            self.take("_")
            below = "".join(self.inside()).replace('"', "")
        if (
            self.peek == "^"
            and self.tokens[self.i + 1 : self.i + 3][1:]
            and (self.tokens[self.i + 2] == "(" or self.tokens[self.i + 2][0] == '"')
        ):
            self.take("^")
            above = "".join(self.inside()).replace('"', "")
        if self.peek == "^" and self.tokens[self.i + 2] == "prime":
            self.take("^")
            head += "'" * len(self.inside())
        return ("name", unicodedata.normalize("NFD", head), below, above)

    def derivative(self, top: Typst, bottom: Typst) -> Item:
        mark = top.next()
        if mark == "upright":
            top.inside(), bottom.next(), bottom.inside()
            return ("d", "d", top.name(top.next()), bottom.name(bottom.next()))
        if top.peek == "^":
            top.take("^")
            top.inside()
            mark = "∂+"
        bottom.take("∂")
        return ("d", mark, top.name(top.next()), bottom.name(bottom.next()))


def typst(text: str) -> Items:
    """Typst mathematics as items.

    >>> typst("frac(a, W_(h h)^(⊤))")
    [('frac', [('name', 'a', '', '')], [('name', 'W', 'hh', ''), ('T',)])]
    """
    return Typst(text).items()
