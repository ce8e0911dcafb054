"""Readers of printed formulas: LaTeX, MathML, Typst and Unicode are read back as a person reads them, and evaluated with NumPy.

What is printed is what a student copies, so it is judged by its own text: a missing bracket, transpose, sign or index is another
number here. Nothing of the package takes part, neither its printers nor its expressions: each language becomes the same short list of
items (`latex`, `mathml`, `typst`, `unicode`), one grammar gives them their usual precedence, `evaluate` computes.

Items: ("num", x), ("name", head, below, above), ("op", sign), ("(", items), ("[", items), ("|", items), ("frac", top, bottom),
("call", function, arguments), ("d", mark, top, bottom), ("unit", "I" or "ones"), ("big", sign, letter, low, high), ("mat", rows), ("e", items) for a unit vector;
and behind another item ("T",), ("^", items), ("at", lists of items) for an entry, ("rows", a, b), ("column", items).
"""

from __future__ import annotations

import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["READERS", "Item", "Items", "Unit", "Unsized", "evaluate", "key", "latex", "mathml", "placed", "sides", "typst", "unicode"]

Item = tuple[Any, ...]
Items = list[Item]
MARKS = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303", "macron": "\u0304", "¯": "\u0304", "^": "\u0302", "~": "\u0303"}
GREEK = dict(zip("alpha beta gamma delta theta lambda mu rho sigma tau varphi phi varepsilon".split(), "αβγδθλμρστφϕε"))
_erf = np.vectorize(math.erf, otypes=[float])


def _column(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of all entries, to a number."""
    return lambda *xs: function(*[np.asarray(x).reshape(-1) for x in xs])


def _log_softmax(x: Any) -> Any:
    return x - np.log(np.exp(x).sum())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "sqrt": np.sqrt, "abs": np.abs, "sign": np.sign,
    "σ": lambda x: 1 / (1 + np.exp(-x)), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "1₊": lambda x: (x > 0) * 1.0,
    "relu": lambda x: np.maximum(x, 0), "softplus": lambda x: np.log1p(np.exp(x)), "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))), "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), "clip": lambda x, low, high: np.clip(x, low, high),
    "max": lambda *xs: np.maximum(*xs) if len(xs) > 1 else np.max(xs[0]), "min": lambda *xs: np.minimum(*xs) if len(xs) > 1 else np.min(xs[0]),
    "argmax": lambda x: (x == np.max(x)) * 1.0, "softmax": lambda x: np.exp(_log_softmax(x)), "log_softmax": _log_softmax,
    "sum": np.sum, "norm": _column(lambda x: np.sqrt((x**2).sum())), "logsumexp": lambda x: np.log(np.exp(x).sum()),
    "SE": _column(lambda x, y: 0.5 * ((x - y) ** 2).sum()), "CE": _column(lambda y, d: -(d * np.log(y)).sum()),
}  # fmt: skip


def key(name: str) -> Item:
    """How a name of the equations is printed: `h[2]` with 2 below, `p_i[2]` with i,2 below, `h1[2]` with (1) above.

    >>> key("W_hh"), key("h1[t-1]")
    (('name', 'W', 'hh', ''), ('name', 'h', 't-1', '(1)'))
    """
    base, _, step = name.partition("[")
    pair = re.fullmatch(r"[d∂](\w+?)_[d∂](\w+)", base)
    if pair:
        return ("d", "∂", key(pair[1]), key(pair[2] + ("[" + step if step else "")))
    head, *below = base.split("_")
    layer = re.fullmatch(r"([^\W\d]+)(\d+)", unicodedata.normalize("NFC", head))
    above = f"({layer[2]})" if layer and step else ""
    below = [*([layer[2]] if layer and not step else []), *below, *([step[:-1]] if step else [])]
    head = layer[1] if layer else head
    return ("name", unicodedata.normalize("NFD", GREEK.get(head, head)), ",".join(GREEK.get(b, b) for b in below), above)


# -- the grammar: items with the usual precedence, to functions of the values -----------------------------------------------------------

Values = Callable[[Item], Any]
Formula = Callable[[Values], Any]


class Unsized(LookupError):
    """I or 0 stands where nothing says how large it is."""


class Unit:
    """A number times I, or a number times a column (or row) of ones, whose size the place decides."""

    def __init__(self, kind: str, by: Any = 1.0):
        self.kind, self.by = kind, by

    def like(self, other: Any) -> Any:
        if isinstance(other, Unit) or np.ndim(other) == 0:
            return self.by
        return self.by * (np.eye(len(other)) if self.kind == "I" else np.ones(np.shape(other)))


def times(a: Any, b: Any) -> Any:
    """The product of matrices; one of 1 by 1 is a number."""
    found = _times(a, b)
    return found[0, 0] if np.shape(found) == (1, 1) else found


def _times(a: Any, b: Any) -> Any:
    if any(isinstance(x, float) and x == 0 for x in (a, b)):  # an adjoint beyond the last step is 0, of any shape
        return 0.0
    if isinstance(a, Unit) and isinstance(b, Unit):
        if a.kind == "I" or b.kind == "I":
            return Unit(b.kind if a.kind == "I" else a.kind, a.by * b.by)
        raise Unsized("ones beside ones")
    if isinstance(a, Unit):
        if np.ndim(b) == 0 or a.kind == "I":
            return Unit(a.kind, a.by * b) if np.ndim(b) == 0 else a.by * b
        if a.kind == "ones" and len(b) == 1:
            raise Unsized("ones before a row")
        return a.by * np.ones((1, len(b))) @ b if a.kind == "row" else a.by * np.ones((b.shape[1], 1)) @ b
    if isinstance(b, Unit):
        if np.ndim(a) == 0 or b.kind == "I":
            return Unit(b.kind, a * b.by) if np.ndim(a) == 0 else a * b.by
        return b.by * a @ np.ones((a.shape[1], 1))
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return a @ b


def meet(function: Callable[..., Any], a: Any, b: Any) -> Any:
    """Entry by entry; I and 1 take the shape of what they meet."""
    if isinstance(a, Unit) and isinstance(b, Unit):
        return Unit(a.kind, function(a.by, b.by))
    a, b = (x.like(y) if isinstance(x, Unit) else x for x, y in ((a, b), (b, a)))
    if np.ndim(a) == 2 == np.ndim(b) and np.shape(a) != np.shape(b):
        raise ValueError(f"shapes {np.shape(a)} and {np.shape(b)} meet entry by entry")
    return function(a, b)


def sized(a: Any) -> Any:
    if isinstance(a, Unit):
        raise Unsized(a.kind)
    return a


def turned(a: Any) -> Any:
    if isinstance(a, Unit):
        return Unit({"I": "I", "ones": "row", "row": "ones"}[a.kind], a.by)
    return np.transpose(a)


class Reader:
    def __init__(self, items: Items):
        self.items, self.i = items, 0

    @property
    def peek(self) -> Item:
        return self.items[self.i] if self.i < len(self.items) else ("end",)

    def sign(self, *signs: str) -> str:
        """The next sign, if it is one of these, which is then passed."""
        if self.peek[0] == "op" and self.peek[1] in signs:
            self.i += 1
            return str(self.items[self.i - 1][1])
        return ""

    def whole(self) -> Formula:
        found = self.sum()
        if self.peek != ("end",):
            raise ValueError(f"{self.peek} stands where a formula ends")
        return found

    def sum(self) -> Formula:
        left = (lambda f: lambda v: times(-1.0, f(v)))(self.hadamard()) if self.sign("-") else self.hadamard()
        while sign := self.sign("+", "-"):
            function = np.add if sign == "+" else np.subtract
            left = (lambda f, g, op: lambda v: meet(op, f(v), g(v)))(left, self.hadamard(), function)
        return left

    def hadamard(self) -> Formula:
        left = self.product()
        while self.sign("∘"):
            left = (lambda f, g: lambda v: meet(np.multiply, f(v), g(v)))(left, self.product())
        return left

    def product(self) -> Formula:
        left = self.factor()
        while self.peek[0] not in ("end", "op") or self.peek[1:] in (("·",), ("/",)):
            sign = self.sign("·", "/")
            combine = (lambda a, b: a / b) if sign == "/" else times
            left = (lambda f, g, op: lambda v: op(f(v), g(v)))(left, self.factor(), combine)
        return left

    def factor(self) -> Formula:
        found = self.atom()
        while self.peek[0] in ("T", "^", "at", "rows", "column"):
            found = self.behind(found, self.items[self.i])
            self.i += 1
        return found

    def behind(self, f: Formula, item: Item) -> Formula:
        if item[0] == "T":
            return lambda v: turned(f(v))
        if item[0] == "rows":
            one = item[1] == item[2]  # one row of a column is a number
            return lambda v: (lambda a: a[0, 0] if one and a.shape[1] == 1 else a)(sized(f(v))[item[1] - 1 : item[2]])
        inner = [Reader(i).whole() for i in (item[1] if item[0] == "at" else [item[1]])]
        if item[0] == "^":
            return lambda v: f(v) ** inner[0](v)
        if item[0] == "column":
            return lambda v: sized(f(v))[:, [int(inner[0](v)) - 1]]

        def entry(v: Values) -> Any:
            value, place = sized(f(v)), [int(i(v)) - 1 for i in inner]
            return value[place[0], place[1] if len(place) > 1 else 0]

        return entry

    def atom(self) -> Formula:
        item = self.peek
        self.i += 1
        match item:
            case ("num", number):
                return lambda v: number
            case ("name" | "d" | "unit", *_):
                return lambda v: v(item)
            case ("(" | "[", items):
                return Reader(items).whole()
            case ("|", items):
                return (lambda f: lambda v: np.abs(f(v)))(Reader(items).whole())
            case ("frac", top, bottom):
                return (lambda f, g: lambda v: meet(np.divide, f(v), g(v)))(Reader(top).whole(), Reader(bottom).whole())
            case ("call", function, arguments):
                return self.call(function, [Reader(a).whole() for a in arguments])
            case ("mat", rows):
                if [("num", 0.0)] in [x for row in rows for x in row]:
                    raise Unsized("0 in a matrix")
                blocks = [[Reader(x).whole() for x in row] for row in rows]
                return lambda v: np.block([[np.atleast_2d(sized(f(v))) for f in row] for row in blocks])
            case ("big", sign, letter, low, high):
                body = self.hadamard() if sign == "∑" else self.product()  # it reaches over the products behind it
                return big(sign, letter, Reader(low).whole(), Reader(high).whole(), body)
        raise ValueError(f"{item} stands where a value is expected")

    @staticmethod
    def call(function: str, arguments: list[Formula]) -> Formula:
        if function == "diag":
            return lambda v: np.diag(arguments[0](v)[:, 0])
        return lambda v: FUNCTIONS[function](*[f(v) for f in arguments])


def big(sign: str, letter: str, low: Formula, high: Formula, body: Formula) -> Formula:
    """A sum from low to high, or a product that is counted down: from t down to t+1 it is empty, so I."""

    def value(v: Values) -> Any:
        first, last = int(low(v)), int(high(v))
        steps = range(first, last + 1) if sign == "∑" else range(first, last - 1, -1)
        found: Any = None
        for step in steps:
            part = body(lambda item, k=step: stepped(v, item, letter, k))
            found = part if found is None else meet(np.add, found, part) if sign == "∑" else times(found, part)
        return (0.0 if sign == "∑" else Unit("I")) if found is None else found

    return value


def stepped(v: Values, item: Item, letter: str, k: int) -> Any:
    """A value with a number in the place of the letter that counts."""
    if item == ("name", letter, "", ""):
        return float(k)
    return v(placed(item, {letter: k}))


def placed(item: Item, steps: Mapping[str, int]) -> Item:
    """Names with numbers in the places of letters: below them stands j, j-1 or i,j."""
    if item[0] == "d":
        return (item[0], item[1], placed(item[2], steps), placed(item[3], steps))

    def number(m: re.Match[str]) -> str:
        return str(steps[m[1]] + int(m[2] or 0)) if m[1] in steps else m[0]

    head, _, last = item[2].rpartition(",")
    return (item[0], item[1], (head + "," if head else "") + re.sub(r"([A-Za-z])([+-]\d+)?", number, last), item[3])


def evaluate(items: Items, values: Values) -> Any:
    """The value of a formula: a number, or a matrix (a vector is one of one column)."""
    return Reader(items).whole()(values)


# -- LaTeX ------------------------------------------------------------------------------------------------------------------------------


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
        if token[1:] in ("tanh", "exp", "log", "sin", "cos", "max", "min") and token[0] == "\\":
            return [self.call(token[1:])]
        if token == r"\sigma" and (self.peek == r"\left" or (self.peek == "^" and r"\left" in self.tokens[self.i : self.i + 5])):
            return [self.call("σ")]
        if token == "I" and self.peek not in ("_", "^"):
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


# -- MathML -----------------------------------------------------------------------------------------------------------------------------

_APPLY, _TIMES = "\u2061", "\u2062"


def mathml(text: str) -> Items:
    """A MathML element as items."""
    return _elements([ET.fromstring(re.sub(r' xmlns="[^"]*"', "", text))])


def _elements(elements: list[ET.Element]) -> Items:
    """Elements side by side; a function and its bracket belong together."""
    found: Items = []
    i = 0
    while i < len(elements):
        if i + 2 < len(elements) and elements[i + 1].text == _APPLY:
            function = elements[i]
            name = "1₊" if function.tag == "msub" else "".join(function.itertext())
            found.append(("call", name, _commas(list(elements[i + 2])[1:-1])))
            i += 3
            continue
        found += _element(elements[i])
        i += 1
    return found


def _commas(elements: list[ET.Element]) -> list[Items]:
    """Parts between commas; a comma may stand in a row of its own."""
    parts: list[list[ET.Element]] = [[]]
    if len(elements) == 1 and elements[0].tag == "mrow" and any(c.tag == "mo" and c.text == "," for c in elements[0]):
        elements = list(elements[0])
    for e in elements:
        if e.tag == "mo" and e.text == ",":
            parts.append([])
        else:
            parts[-1].append(e)
    return [_elements(p) for p in parts]


def _text(e: ET.Element) -> str:
    return "".join(e.itertext()).replace("−", "-").replace(" ", "")


def _is_name(e: ET.Element) -> bool:
    return e.tag in ("mi", "mover", "mtext") or (e.tag == "mrow" and len(e) > 0 and all(c.tag == "mi" for c in e))


def _head(e: ET.Element) -> str:
    head = _text(e) if e.tag != "mover" else _text(e[0]) + MARKS[(e[1].text or "")]
    return unicodedata.normalize("NFD", head)


def _above(e: ET.Element) -> bool:
    """Whether what stands above belongs to the name: a layer in brackets, or a word."""
    return _text(e).startswith("(") or e.get("mathvariant") == "normal"


def _raised(e: ET.Element) -> Item:
    return ("T",) if _text(e) == "⊤" else ("^", _elements([e]))


def _element(e: ET.Element) -> Items:
    children = list(e)
    tag, text = e.tag, (e.text or "").strip()
    if tag == "mn":
        return [("num", float(text))]
    if tag == "mo":
        return [] if text in ("", _TIMES) else [("op", text.replace("−", "-"))]
    if tag == "mi":
        if text in ("I", "𝟏"):
            return [("unit", "I" if text == "I" else "ones")]
        return [("name", _head(e), "", "")]
    if tag == "mspace":
        return []
    if tag in ("math", "mtd", "mphantom"):
        return _elements(children)
    if tag == "mfrac":
        mark = "".join(children[0].itertext())[:1]
        if children[0].tag == "mrow" and (mark == "∂" or (mark == "d" and children[0][0].get("mathvariant") == "normal")):
            total = mark == "d"
            immediate = children[0][0].tag == "msup"
            names = [_elements([c[1]])[0] for c in children]
            return [("d", "d" if total else "∂+" if immediate else "∂", *names)]
        return [("frac", _elements([children[0]]), _elements([children[1]]))]
    if tag == "mover":
        return [("name", _head(e), "", "")]
    if tag == "munderover":
        below = list(children[1])
        return [("big", _text(children[0]), _text(below[0]), _elements(below[2:]), _elements([children[2]]))]
    if tag == "mtable":  # of a sum or a long product, which goes on below
        return [x for row in children for cell in row for x in _elements([cell])]
    if tag == "mrow":
        return _row(children)
    if tag in ("msub", "msup", "msubsup") and _is_name(children[0]):
        named = _head(children[0])
        if tag == "msub" and named == "𝐞":
            return [("e", _elements([children[1]]))]
        below = _text(children[1]) if tag != "msup" else ""
        above = children[-1] if tag != "msub" else None
        if above is not None and set(_text(above)) == {"′"}:
            named, above = named + "'" * len(_text(above)), None
        if above is None:
            return [("name", named, below, "")]
        if _above(above):
            return [("name", named, below, _text(above))]
        first: Item = ("unit", "I" if named == "I" else "ones") if named in ("I", "𝟏") and not below else ("name", named, below, "")
        return [first, _raised(above)]
    if tag == "msup":
        return [("(", _elements([children[0]])), _raised(children[1])]
    if tag == "msub":
        inside = list(children[0])
        return [("(", _elements(inside[1:-1])), _place(children[1])]
    raise ValueError(f"<{tag}>")


def _place(e: ET.Element) -> Item:
    text = _text(e)
    if text.startswith(":,"):
        return ("column", _elements(list(e)[2:]))
    if ":" in text:
        a, b = text.split(":")
        return ("rows", int(a), int(b))
    return ("at", _commas([e] if e.tag != "mrow" else list(e)))


def _row(children: list[ET.Element]) -> Items:
    signs = [(c.text or "").strip() if c.tag == "mo" else "" for c in children]
    if len(signs) == 5 and signs[0] == "∂" and signs[2] == "/":
        return [("d", "∂", _element(children[1])[0], _element(children[4])[0])]
    if len(signs) > 2 and signs[0] in ("(", "[", "|") and signs[-1] in (")", "]", "|"):
        inside = children[1:-1]
        if signs[0] == "[" and len(inside) == 1 and inside[0].tag == "mtable" and "displaystyle" not in inside[0].attrib:
            return [("mat", [[_elements([cell]) for cell in row] for row in inside[0]])]
        return [(signs[0], _elements(inside))]
    return _elements(children)


# -- Typst ------------------------------------------------------------------------------------------------------------------------------


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
        if token == "σ" and (self.peek == "lr" or (self.peek == "^" and "lr" in self.tokens[self.i : self.i + 5])):
            return [self.call("σ")]
        if token in ("sum", "product"):
            self.take("_")
            letter, *low = self.inside()
            self.take("^")
            return [("big", "∑" if token == "sum" else "∏", letter, self.of(low[1:]).items(), self.of(self.inside()).items())]
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
        if self.peek == "^" and self.tokens[self.i + 1 : self.i + 3][1:] and (
            self.tokens[self.i + 2] == "(" or self.tokens[self.i + 2][0] == '"'
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


# -- Unicode ----------------------------------------------------------------------------------------------------------------------------

_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx")
_HIGH = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾", "0123456789()")
_SMALL = "₀-₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_LETTER = rf"[^\W\d_ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹{_SMALL}]"
_NAME = rf"{_LETTER}+′*[\u0300-\u036f]*(?:_(?:{_LETTER}|[0-9])+)*(?:⁽\d+⁾)?[{_SMALL}]*(?:\[(?:[tT]?[+-−]?\d*)\])?"


class Unicode:
    """A function's bracket stands close to it, that of a factor apart."""

    TOKEN = re.compile(
        rf"(?P<unit>𝟏|I(?![^\Wᵀ(]))|(?P<step>1₊)|(?P<number>\d+\.?\d*(?:e-?\d+)?)|(?P<big>[∑∏])|(?P<e>𝐞(?=\())|(?P<d>[∂d]⁺?)(?={_NAME}/[∂d])"
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
                return [("column", Unicode(inner[3:]).until())] if inner[0] == ":" else [("rows", *map(int, inner.split(":")))]
            rows = self.parts(";", "]")
            return [("[", rows[0])] if len(rows) == 1 and ("op", ",") not in rows[0] else [("mat", [_cells(r) for r in rows])]
        return [("op", text.replace("−", "-"))]

    @staticmethod
    def named(text: str) -> Item:
        m = re.fullmatch(rf"([^_⁽\[{_SMALL}]*)((?:_[^⁽\[{_SMALL}]+)*)(⁽\d+⁾)?([{_SMALL}]*)(?:\[(.*)\])?", text)
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


READERS: dict[str, Callable[[str], Items]] = {"latex": latex, "mathml": mathml, "typst": typst, "unicode": unicode}


def sides(items: Items) -> tuple[Items, Items]:
    """What stands left and right of the equals sign."""
    i = items.index(("op", "="))
    return items[:i], items[i + 1 :]
