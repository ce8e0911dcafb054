"""Formulas as NumPy code.

In a formula a vector is a column and its transpose a row; in NumPy both are one-dimensional arrays, and a product means
different things for them. So every piece of text carries how NumPy holds it: `SCALAR`, `COLUMN` or `ROW` (both
one-dimensional) or `MATRIX`; and a product is an outer product, `@` or `*` by the forms of its factors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import BPTTError
from .code_helpers import definition
from .code_names import NameTable, python_name
from .expr import (
    Add,
    Apply,
    BigSum,
    Column,
    Diag,
    Divide,
    Dot,
    Expr,
    Hadamard,
    Identity,
    Literal,
    Neg,
    Num,
    Ones,
    Partial,
    Power,
    Product,
    Rows,
    Shape,
    Stack,
    Symbol,
    Tagged,
    Transpose,
    Unit,
    Zeros,
    add,
    num,
    split_sign,
)  # fmt: skip
from .walk import ATOM, FRACTION, HADAMARD, POSTFIX, PRODUCT, QUOTIENT, SUM

__all__ = ["CodePrinter", "python_name"]

SCALAR, COLUMN, ROW, MATRIX = "scalar", "column", "row", "matrix"


@dataclass(frozen=True, slots=True)
class Text:
    """Code, how strongly it holds together, and how NumPy holds its value."""

    text: str
    strength: int
    form: str

    def within(self, least: int) -> str:
        """In brackets if it holds less than `least`."""
        return self.text if self.strength >= least else f"({self.text})"


def form_of(dims: Shape) -> str:
    """The form of a variable of this shape."""
    return (SCALAR, COLUMN, MATRIX)[len(dims)]


class CodePrinter:
    """Prints one piece of code.

    Args:
        names: the identifiers. length: of a block ("" if there are none), the identifier of its number of steps.
        blocks: the names of the blocks.
    """

    def __init__(self, names: NameTable, length: Callable[[str], str] = lambda block: "T", blocks: Sequence[str] = ()):
        self.names, self.length, self.blocks = names, length, blocks
        self.block = ""  # to which a step T belongs where a name does not say it
        self.helpers: dict[str, str] = {}  # the definitions that the text needs
        self.sized = False  # whether a number in the text is a size
        self.size = ""  # of the vector that a statement defines, as code

    def show(self, e: Expr, least: int = 0) -> str:
        return self.read(e).within(least)

    def shaped(self, e: Expr, dims: Shape, least: int = 0) -> str:
        """The code of a value that a variable of shape `dims` takes; one number may stand for all entries."""
        found = self.read(e)
        return (found if found.form == SCALAR else self.turned(found, form_of(dims), e.shape)).within(least)

    def turned(self, x: Text, form: str, shape: Shape = ()) -> Text:
        """The same value in another form; a number stays one unless there is just one entry."""
        if x.form == form or {x.form, form} == {ROW, COLUMN}:
            return Text(x.text, x.strength, form)
        index = {
            (COLUMN, MATRIX): "[:, None]", (ROW, MATRIX): "[None, :]", (MATRIX, COLUMN): "[:, 0]", (MATRIX, ROW): "[0]",
            (MATRIX, SCALAR): "[0, 0]", (COLUMN, SCALAR): "[0]", (ROW, SCALAR): "[0]",
        }.get((x.form, form))  # fmt: skip
        if index is not None:
            return Text(x.within(POSTFIX) + index, POSTFIX, form)
        if form in (COLUMN, ROW) and shape in ((), (1, 1)):
            return Text(f"np.array([{x.text}])", ATOM, form)
        rows = str(self.literal_size(shape)) if shape else "1"
        return Text(f"np.full({rows}, {x.text})", ATOM, form)

    def literal_size(self, shape: Shape) -> int | Shape:
        self.sized = True
        return shape if shape[1] > 1 else shape[0]

    # -- the walk

    def read(self, e: Expr) -> Text:
        match e:
            case Tagged(_, arg, _):
                return self.read(arg)
            case Symbol(_, name, dims):
                return Text(self.name(name), ATOM, form_of(dims))
            case Num(_, value):
                return self.number(value)
            case Neg(_, arg):
                x = self.read(arg)
                return Text("-" + x.within(QUOTIENT), SUM, x.form)
            case Add(_, terms):
                return self.total(terms)
            case Product(_, factors):
                return self.product(factors)
            case Hadamard(_, factors):
                parts, form = self.together(factors)
                return Text(" * ".join(p.within(FRACTION) for p in parts), HADAMARD, form)
            case Power(_, base, exponent):
                (x, n), form = self.together((base, exponent))
                if isinstance(base, Num):  # whole numbers of Python have no bound
                    x = Text(repr(float(base.value)), ATOM, SCALAR) if form == SCALAR else x
                return Text(f"{x.within(ATOM)}**{n.within(ATOM)}", FRACTION, form)
            case Divide(_, top, bottom):
                (x, y), form = self.together((top, bottom))
                return Text(f"{x.within(PRODUCT)} / {y.within(ATOM)}", QUOTIENT, form)
            case Dot(_, left, right):
                (x, y), form = self.together((left, right))
                if form == MATRIX:
                    return Text(f"np.sum({x.within(FRACTION)} * {y.within(FRACTION)})", ATOM, SCALAR)
                return Text(f"np.dot({x.text}, {y.text})", ATOM, SCALAR)
            case Transpose(_, arg):
                x = self.read(arg)
                if x.form == MATRIX:
                    return Text(x.within(POSTFIX) + ".T", POSTFIX, MATRIX)
                return Text(x.text, x.strength, {ROW: COLUMN, COLUMN: ROW}.get(x.form, x.form))
            case Diag(_, arg):
                return Text(f"np.diag({self.turned(self.read(arg), COLUMN, arg.shape).text})", ATOM, MATRIX)
            case Apply():
                return self.applied(e)
            case BigSum():
                return self.big_sum(e)
        return self.rearranged(e)

    def rearranged(self, e: Expr) -> Text:
        """Pieces of arrays, and arrays of numbers."""
        match e:
            case Ones(shape):
                return Text(f"np.ones({self.literal_size(shape)})", ATOM, COLUMN)
            case Zeros(shape):
                return Text(f"np.zeros({self.literal_size(shape)})", ATOM, COLUMN if shape[1] == 1 else MATRIX)
            case Identity(shape):
                self.sized = True
                return Text(f"np.eye({shape[0]})", ATOM, MATRIX)
            case Literal(shape, entries):
                self.sized = True
                rows = [r[0] for r in entries] if shape[1] == 1 else [list(r) for r in entries]
                return Text(f"np.array({rows})", ATOM, COLUMN if shape[1] == 1 else MATRIX)
            case Stack(shape, parts):
                form = COLUMN if shape[1] == 1 else MATRIX
                shown = ", ".join(self.turned(self.read(p), form, p.shape).text for p in parts)
                return Text(f"np.concatenate([{shown}])", ATOM, form)
            case Rows(_, arg, start, stop):
                self.sized = True
                x = self.read(arg)
                return x if x.form == ROW else Text(f"{x.within(POSTFIX)}[{start}:{stop}]", POSTFIX, x.form)
            case Unit(shape, arg):
                self.sized = self.sized or not self.size
                return Text(f"np.eye({self.size or shape[0]})[{self.show(arg)}]", POSTFIX, COLUMN)
            case Column(_, arg, index):
                return Text(f"{self.show(arg, POSTFIX)}[:, {self.show(index)}]", POSTFIX, COLUMN)
            case Partial(_, target, source):
                raise BPTTError(
                    f"∂{target}/∂{source} has no formula, so no code", "bind the abstract functions with let"
                )
        raise BPTTError(f"there is no NumPy code for {type(e).__name__} in a formula", "read the formula")

    # -- sums and products

    def together(self, parts: Sequence[Expr]) -> tuple[list[Text], str]:
        """The operands of an operation on entries in one form; numbers stay numbers."""
        found = [self.read(p) for p in parts]
        forms = {x.form for x in found}
        form = next((f for f in (MATRIX, COLUMN, ROW) if f in forms), SCALAR)
        return [x if x.form == SCALAR else self.turned(x, form, p.shape) for x, p in zip(found, parts)], form

    def total(self, terms: Sequence[Expr]) -> Text:
        signed = [split_sign(t) for t in terms]
        parts, form = self.together([t for _, t in signed])
        return Text(self.signed_sum([(s, p.within(QUOTIENT)) for (s, _), p in zip(signed, parts)]), SUM, form)

    @staticmethod
    def signed_sum(terms: Sequence[tuple[int, str]]) -> str:
        first = ("-" if terms[0][0] < 0 else "") + terms[0][1]
        return first + "".join((" - " if s < 0 else " + ") + text for s, text in terms[1:])

    def product(self, factors: Sequence[Expr]) -> Text:
        """An ordered product. It is cut wherever a column meets a row: a bᵀ is an outer product, and bᵀ c a number."""
        numbers: list[Text] = []
        chains: list[list[Text]] = []
        for f in factors:
            x = self.read(f)
            if x.form == SCALAR:
                numbers.append(x)
                continue
            before = chains[-1][-1] if chains else None
            meets = before is not None and (x.form == ROW or before.form == COLUMN)
            if meets and f.shape == (1, 1):
                numbers.append(self.turned(x, SCALAR))
                continue
            if before is None or meets:
                chains.append([])
            if before is not None and meets:
                chains[-2][-1], x = self.turned(before, COLUMN), self.turned(x, ROW)
            chains[-1].append(x)
        done = [self.chain(c) for c in chains]
        numbers += [c for c in done if c.form == SCALAR]
        rest = [c for c in done if c.form != SCALAR]
        if len(rest) == 2:
            rest = [Text(f"np.outer({rest[0].text}, {rest[1].text})", ATOM, MATRIX)]
        if not numbers:
            return rest[0]
        shown = [x.within(FRACTION) for x in numbers + rest]
        return Text(" * ".join(shown), HADAMARD, rest[0].form if rest else SCALAR) if len(shown) > 1 else numbers[0]

    @staticmethod
    def chain(factors: Sequence[Text]) -> Text:
        """Factors that `@` joins: matrices, a row only in front, a column only at the end."""
        if len(factors) == 1:
            return factors[0]
        first, last = factors[0].form, factors[-1].form
        form = (SCALAR if last == COLUMN else ROW) if first == ROW else last
        return Text(" @ ".join(x.within(FRACTION) for x in factors), PRODUCT, form)

    def big_sum(self, e: BigSum) -> Text:
        index = e.index if e.index == "t" else self.names(e.index, "index")
        low, high = self.limit(e.lower), self.limit(add(e.upper, num(1)))
        body = self.read(e.body)
        return Text(f"sum({body.text} for {index} in range({low}, {high}))", ATOM, body.form)

    def limit(self, e: Expr) -> str:
        """A bound of a sum, where T is the number of steps whatever the equations call T."""
        match e:
            case Symbol((), name):
                return self.step(name)
            case Add((), terms):
                return self.signed_sum([(s, self.limit(t)) for s, t in map(split_sign, terms)])
        return self.show(e)

    # -- names, numbers, functions

    def name(self, name: str) -> str:
        """A variable with its step as an index: t, or T of its block, or a number."""
        base, bracket, step = name.partition("[")
        if not bracket:
            return self.names(name) if name in self.names or name not in ("t", "T") else self.step(name, "")
        return f"{self.names(base)}[{self.step(step[:-1], base.rpartition('.')[0])}]"

    def step(self, text: str, block: str = "") -> str:
        """A step such as t-1, T or 2, of a variable of `block`."""
        match = re.fullmatch(r"([A-Za-z]\w*)((?:[+-]\d+)?)", text)
        if match is None or match[1] == "t":
            return text
        letter = (
            self.length(block if block in self.blocks else self.block)
            if match[1] == "T"
            else self.names(match[1], "index")
        )
        return letter + match[2]

    def number(self, value: int | float | Fraction) -> Text:
        if isinstance(value, Fraction) and value.denominator != 1:
            return Text(f"{value.numerator} / {value.denominator}", QUOTIENT, SCALAR)
        return Text(repr(value if not isinstance(value, Fraction) else int(value)), ATOM, SCALAR)

    def applied(self, e: Apply) -> Text:
        name, attrs = e.op.name, dict(e.attrs)
        if e.op.notation == "hidden":
            return self.read(e.args[0])
        if name == "reshape":
            return self.reshaped(e, attrs["shape"])
        if name == "sum" and e.shape:
            x = self.turned(self.read(e.args[0]), form_of(e.arg_dims[0]), e.args[0].shape)
            return Text(f"np.sum({x.text}, axis={attrs['axes'][0]})", ATOM, COLUMN)
        known = e.op.readings.get("numpy")
        if not known and not e.op.readings.get("code"):
            fix = f'read the formula, or say it: bg.primitive(…, name={name!r}, code="x / (1 + np.abs(x))")'
            raise BPTTError(f"there is no NumPy code for {e.op.symbol or name}", fix)
        if e.op.kind == "elementwise":
            parts, form = self.together(e.args)
        else:  # a function of whole vectors
            whole = [self.read(a) for a in e.args]
            parts = [self.argument(x, a, dims) for x, a, dims in zip(whole, e.args, e.arg_dims)]
            form = SCALAR if not e.shape else COLUMN if e.shape[1] == 1 else MATRIX
        shown = [p.text for p in parts] + [self.number(attrs[k]).text for k in e.op.attributes if k in attrs]
        if not known:
            self.helpers[name] = definition(e.op, len(e.args))
        made = f"{f'np.{known}' if known else name}({', '.join(shown)})"
        if e.op.kind != "elementwise" and form == MATRIX and all(len(dims) < 2 for dims in e.arg_dims):
            shape = next(x for x, a in zip(whole, e.args) if a.shape == e.shape)
            made = f"np.reshape({made}, np.shape({shape.text}))"
        return Text(made, ATOM, form)

    def argument(self, x: Text, e: Expr, dims: Shape) -> Text:
        """What a function of whole vectors is given; of a matrix, all its entries."""
        if not dims:
            return x
        if len(dims) == 1 and min(e.shape, default=1) > 1:
            return Text(f"np.ravel({x.text})", ATOM, COLUMN)
        return self.turned(x, form_of(dims), e.shape or (*dims, 1))

    def reshaped(self, e: Apply, shape: Shape) -> Text:
        x, form = self.read(e.args[0]), form_of(shape)
        if x.form == SCALAR:
            return self.turned(x, form, e.shape) if form == COLUMN else x
        if form == COLUMN:
            return Text(f"np.ravel({x.text})", ATOM, COLUMN)
        self.sized = True
        return Text(f"np.reshape({x.text}, {shape})", ATOM, form)
