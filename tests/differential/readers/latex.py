"""LaTeX as items."""

from __future__ import annotations

import re
import unicodedata

from .grammar import FUNCTIONS, GREEK, MARKS, Item, Items

__all__ = ["Latex", "latex"]


class Latex:
    TOKEN = re.compile(r"\\[A-Za-z]+|\\\\|\\[,;{}|]|\d+\.?\d*|\s+|.", re.DOTALL)

    def __init__(self, text: str):
        self.tokens = [t for t in self.TOKEN.findall(text) if not t.isspace()]
        self.i = 0

    def next(self) -> str:
        self.i += 1
        return self.tokens[self.i - 1]

    @property
    def peek(self) -> str:
        return self.tokens[self.i] if self.i < len(self.tokens) else ""

    def take(self, *wanted: str) -> None:
        for w in wanted:
            found = self.next()
            if found != w:
                raise ValueError(f"{found!r} for {w!r}")

    def group(self) -> str:
        """The text of {…} as tokens, joined."""
        self.take("{")
        found, depth = [], 1
        while True:
            token = self.next()
            depth += (token == "{") - (token == "}")
            if not depth:
                return " ".join(found)
            found.append(token)

    def plain(self) -> str:
        """{…} without commands, as the letters that are seen."""
        text = re.sub(r"\\mathrm\s*\{([^{}]*)\}|\\text\s*\{([^{}]*)\}", lambda m: m[1] or m[2], self.group())
        text = re.sub(r"\\([A-Za-z]+)", lambda m: GREEK[m[1]], text)
        return re.sub(r"[\s{}]", "", text)

    def items(self, *ends: str) -> Items:
        found: Items = []
        while self.peek not in ("", *ends):
            found += self.item()
        return found

    def item(self) -> Items:
        token = self.next()
        if token[0].isdigit():
            return [("num", float(token))]
        if token in "+-/,=":
            return [("op", token)]
        if token == "^":
            inner = Latex(self.group())
            return [("T",)] if inner.tokens == [r"\top"] else [("^", inner.items())]
        if token in (r"\,", r"\quad", "&"):
            return []
        if token == "{" and self.peek == "}":
            self.next()
            return []
        if token in (r"\circ", r"\cdot"):
            return [("op", "∘" if token == r"\circ" else "·")]
        if token == r"\frac":
            top, bottom = self.group(), self.group()
            if top.startswith((r"\partial", r"\mathrm { d }")):
                return [derivative(Latex(top), Latex(bottom))]
            return [("frac", Latex(top).items(), Latex(bottom).items())]
        if token == r"\left":
            return self.left(self.next())
        if token == r"\begin":
            return self.environment(self.group().replace(" ", ""))
        if token in (r"\sum", r"\prod"):
            return [self.big("∑" if token == r"\sum" else "∏")]
        if token == r"\partial":
            top = self.name(self.next())
            self.take("/", r"\partial")
            return [("d", "∂", top, self.name(self.next()))]
        if token == r"\mathbf":
            return self.bold(self.group())
        if token == r"\operatorname":
            return [self.call(re.sub(r"[\s\\]", "", self.group()))]
        if token == r"\mathrm":
            start, word = self.i, self.group().replace(" ", "")
            if word in FUNCTIONS and self.peek == r"\left":  # an operation of one's own; else a name
                return [self.call(word)]
            self.i = start
        if token[1:] in ("tanh", "exp", "log", "sin", "cos", "max", "min") and token[0] == "\\":
            return [self.call(token[1:])]
        if token in (r"\sigma", r"\Phi") and (
            self.peek == r"\left" or (self.peek == "^" and r"\left" in self.tokens[self.i : self.i + 5])
        ):
            return [self.call(GREEK[token[1:]])]
        if token == "I" and self.peek != "_":
            return [("unit", "I")]
        return [self.name(token)]

    def name(self, token: str) -> Item:
        if token == "{":  # {h'}^{(1)}
            self.i -= 1
            inner = Latex(self.group())
            _, head, below, above = inner.name(inner.next())
        elif token[0] == "\\":
            word = token[1:]
            if word in MARKS:
                head = Latex(self.group()).name_alone() + MARKS[word]
            elif word in ("mathrm", "text"):
                head = self.group().replace(" ", "")
            else:
                head = GREEK[word]
        else:
            head = token
        below = above = ""
        while self.peek == "'":
            head += self.next()
        if self.peek == "^" and self.tokens[self.i + 2] in ("(", r"\mathrm"):  # what stands above a name, no power
            self.next()
            above = self.plain()
        if self.peek == "_":
            self.next()
            below = self.plain()
        return ("name", unicodedata.normalize("NFD", head), below, above)

    def name_alone(self) -> str:
        return str(self.name(self.next())[1])

    def left(self, bracket: str) -> Items:
        inner: list[Items] = [[]]
        while self.peek != r"\right":
            if self.peek == ",":
                self.next()
                inner.append([])
            else:
                inner[-1] += self.item()
        self.take(r"\right")
        self.next()
        if bracket == "|":
            return [("|", inner[0])]
        if self.peek == "_":  # an entry, rows or a column
            self.next()
            below = self.group()
            return [("(", inner[0]), place(below.replace(" ", ""))]
        if len(inner) > 1:
            raise ValueError("a comma in brackets")
        return [(bracket, inner[0])]

    def call(self, function: str) -> Item:
        power: Items = []
        if self.peek == "^":  # tanh²(x)
            self.next()
            power = Latex(self.group()).items()
        self.take(r"\left", "(")
        arguments: list[Items] = [[]]
        while self.peek != r"\right":
            if self.peek == ",":
                self.next()
                arguments.append([])
            else:
                arguments[-1] += self.item()
        self.take(r"\right", ")")
        made: Item = ("call", function, arguments)
        return ("(", [made, ("^", power)]) if power else made

    def bold(self, text: str) -> Items:
        if text == "1" and self.peek == "_":
            self.next()
            self.group()
            return [self.call("1₊")]
        if text == "1":
            return [("unit", "ones")]
        raise ValueError(text)

    def environment(self, kind: str) -> Items:
        rows: list[list[Items]] = [[[]]]
        while self.peek != r"\end":
            token = self.peek
            if token == r"\\":
                self.next()
                rows.append([[]])
            elif token == "&":
                self.next()
                if kind == "bmatrix":
                    rows[-1].append([])
            else:
                rows[-1][-1] += self.item()
        self.take(r"\end")
        self.group()
        if kind == "bmatrix":
            return [("mat", rows)]
        return [x for row in rows for cell in row for x in cell]  # a long product goes on below

    def big(self, sign: str) -> Item:
        self.take("_")
        letter, _, low = self.group().replace(" ", "").partition("=")
        self.take("^")
        return ("big", sign, letter, Latex(low).items(), Latex(self.group()).items())


def place(below: str) -> Item:
    """What stands below a bracket: i,j for an entry, 1:3 for rows, ":,k" for a column."""
    if below.startswith(":,"):
        return ("column", Latex(below[2:]).items())
    if ":" in below:
        a, b = below.split(":")
        return ("rows", int(a), int(b))
    return ("at", [Latex(x).items() for x in below.split(",")])


def derivative(top: Latex, bottom: Latex) -> Item:
    def one(t: Latex) -> tuple[str, Item]:
        mark = t.next()
        if mark == r"\mathrm":
            t.group()
            return "d", t.name(t.next())
        if t.peek == "^" and t.tokens[t.i + 1 : t.i + 4] == ["{", "+", "}"]:
            t.take("^", "{", "+", "}")
            mark = "∂+"
        return ("∂+" if mark == "∂+" else "∂"), t.name(t.next())

    (mark, above), (_, below) = one(top), one(bottom)
    return ("d", mark, above, below)


def latex(text: str) -> Items:
    """LaTeX as items.

    >>> latex(r"\\tanh\\left(W \\, h_{2}\\right)^{\\top}")
    [('call', 'tanh', [[('name', 'W', '', ''), ('name', 'h', '2', '')]]), ('T',)]
    """
    return Latex(text).items()
