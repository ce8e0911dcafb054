"""The recursions as NumPy code that a student could have written.

One function: forward values and parameters in, gradients out. Every sequence is an array whose row t is step t, so that
h[0] is the initial state and the code reads like the formulas. The arrays have rows of zeros beyond the last step (as
many as an equation reaches ahead), and so have the adjoints: that is their terminal condition. An initial state before
step 0, h[-1], stands where Python finds it: in the last row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from ..equations.functions import FUNCTIONS
from ..equations.syntax import Call
from ..equations.trees import walk
from ..errors import BPTTError
from ..formulas.code_helpers import definitions
from ..formulas.code_names import NameTable, python_name, quoted
from ..formulas.code_printer import CodePrinter
from ..formulas.expr import BigSum, Expr, Product, Tagged, Unit, num, split_sign, transpose
from ..formulas.nodes import Add, Apply, Divide, Num, Power, Shape, Symbol
from ..formulas.walk import SUM
from .recursion import Recursion, names_of, steps_from
from .recursions import Loop, Recursions

__all__ = ["Code", "CodePrinter", "numpy_code", "python_name"]

FEW = 6  # numbers of steps that are looked at
WIDTH = 88  # of lists of names, and of sums


@dataclass(frozen=True, slots=True)
class Code:
    """A printed function.

    Attributes:
        text: the source. function: its name. least: the fewest steps for which it holds.
        arguments: what each argument holds: an identifier -> a name of the equations, without its step.
        lengths: the arguments that are numbers of steps -> their block ("" if there are no blocks).
        gradients: what the function returns: the names of the equations.
        sized: whether sizes of this instance stand in the text, so that it does not hold for others.
    """

    text: str
    function: str
    least: int
    arguments: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)
    gradients: tuple[str, ...] = ()
    sized: bool = False


def numpy_code(recursions: Recursions, function: str, least: int = 1) -> Code:
    """The source of `function(T, values…)`, which returns a dict of gradients by name.

    Raises:
        BPTTError: if a formula has no code, such as that of an abstract function.
    """
    return _Writer(recursions, function, least).code()


class _Writer:
    def __init__(self, recursions: Recursions, function: str, least: int):
        self.recursions, self.function, self.least = recursions, function, least
        self.statements = recursions.statements
        self.variables = recursions.adjoints.paths.variables
        self.steps: dict[str, list[int]] = {}  # of each sequence
        for v in self.variables.values():
            if v.step is not None:
                self.steps.setdefault(v.base, []).append(v.step)
        self.blocks = [b for b in recursions.last if b]
        inputs = self._inputs()
        self.names = NameTable(inputs, [function, *map(_plain_length, self.blocks)])
        self.inputs = {self.names(n): n for n in inputs}
        for key in [*recursions.sums, *recursions.lines, *recursions.once]:
            self.names(key)
        self.printer = CodePrinter(self.names, _plain_length, self.blocks)

    def _inputs(self) -> list[str]:
        """The variables that the code reads, in order of their identifiers."""
        made = {*self.recursions.lines, *self.recursions.once}
        found: set[str] = {n for line in self.recursions.lines.values() for n in line.members or (line.of,)}
        found |= {n for part in self.recursions.once.values() for n in part.members}
        for r in self.statements:
            if r.kind not in ("terminal", "value") and not (r.first or (r.kind == "gradient" and "[" in r.of)):
                found.add(r.of)
            found |= {n.partition("[")[0] for n in names_of(r.terms)} - made
            if r.kind == "gradient" and "[" in r.of and not any(x for *_, x in r.uses):
                found.add(r.of.partition("[")[0])
        bases = {v.base for v in self.variables.values()}
        found -= {*self.recursions.sums}
        return sorted((n for n in found if n in bases or n not in ("t", "T")), key=lambda n: (python_name(n), n))

    def code(self) -> Code:
        recursions, names = self.recursions, self.names
        lengths = {_plain_length(b): b for b in self.blocks or [""]}
        body = [self._value(r) for r in self.statements if r.kind == "value"]
        body += [
            f"{names(line.key)} = np.zeros_like({self._like(line.of, line.members)})"
            for line in recursions.lines.values()
        ]
        if self.least > 1:
            body.insert(
                0, f'assert {list(lengths)[-1]} >= {self.least}, "these recursions hold for {self.least} steps or more"'
            )
        for part in recursions.order:
            if isinstance(part, Loop):
                body += self._loop(part)
            else:
                body += self._sums([r for r in self.statements if r.key == part and r.kind in ("adjoint", "delta")])
        gradients = [r for r in self.statements if r.kind == "gradient"]
        body += self._sums(gradients)
        rec = self.recursions.adjoints.paths.unrolled.recurrence
        calls = (e for d in rec.definitions for e, _ in walk(d.right) if isinstance(e, Call))
        sized = self.printer.sized or any(c.function in FUNCTIONS and FUNCTIONS[c.function].counts for c in calls)
        if sized:
            body = [*self._sizes(), *body]
        head = _listed(f"def {self.function}(", [*lengths, *self.inputs], "):")
        end = _listed("    return {", [f"{quoted(r.key)}: {names(r.key, 'gradient')}" for r in gradients], "}")
        lines = [*head, *[line for b in body for line in _broken("    " + b)], *end]
        helpers = definitions(self.printer.helpers)
        own = [name for name, text in self.printer.helpers.items() if text and name in (*self.inputs, self.function)]
        if own:
            raise BPTTError(
                f"the operation {own[0]} and something else are called alike in the code", "rename one of them"
            )
        imports = (
            "import math\n\nimport numpy as np\n" if any("math." in h for h in helpers) else "import numpy as np\n"
        )
        text = "\n\n".join([imports, *helpers, "\n".join(lines) + "\n"])
        keys = tuple(r.key for r in gradients)
        return Code(text, self.function, self.least, self.inputs, lengths, keys, sized)

    def _sizes(self) -> list[str]:
        """A number of entries, as in a mean, is that of the instance: other sizes are refused."""
        shapes = {v.base: (v.shape, "" if v.step is None else "[1:]") for v in self.variables.values() if v.shape}
        mine = {
            i: shapes[n] for i, n in self.inputs.items() if n in shapes and n not in self.recursions.adjoints.onehot
        }
        whole = {i: found for i, found in mine.items() if not found[1]} or mine  # parameters say it all
        return [
            f'assert np.shape({i}){rest} == {shape}, "sizes stand in this code as numbers: {i} is {shape}"'
            for i, (shape, rest) in whole.items()
        ]

    def _value(self, r: Recursion) -> str:
        """A sum of forward values; where it may have no terms, it is still no whole number."""
        self.printer.block = r.block
        never_empty = all(isinstance(x, BigSum) and x.lower == num(1) for x in r.terms)
        return f"{self.names(r.key)} = {'' if never_empty else '0.0 + '}{self._text(r.terms, r.dims)}"

    def _like(self, of: str, members: tuple[str, ...]) -> str:
        """The array whose shape an adjoint has: that of its variable, or of all the variables of a stack."""
        axis = ", axis=1" if "[" not in of else ""
        return f"np.concatenate([{', '.join(map(self.names, members))}]{axis})" if members else self.names(of)

    def _text(self, terms: tuple[Expr, ...], dims: Shape) -> str:
        if not terms:
            return "0"
        signed = [split_sign(t) for t in terms]
        plain = [(s, t.arg if isinstance(t, Tagged) else t) for s, t in signed]
        return CodePrinter.signed_sum([(s, self.printer.shaped(t, dims, SUM + 1 if s < 0 else SUM)) for s, t in plain])

    def _loop(self, loop: Loop) -> list[str]:
        """`for t in range(T, 0, -1):` with the statements of one loop; a statement for one step only stands under an
        `if`."""
        own = [r for k in loop.keys for r in self.statements if r.key == k and r.kind in ("adjoint", "delta")]
        down, printer = loop.direction < 0, self.printer
        printer.block = loop.block
        out: list[str] = []
        first, last = self._farthest([r.first for r in own], down), self._farthest([r.last for r in own], not down)
        start, stop = self._extreme(first, 0, down), self._extreme(last, -1 if down else 1, not down)
        out.append(f"for t in range({start}, {stop}, -1):" if down else f"for t in range({start}, {stop}):")
        chained = ""
        for r in own:
            printer.size = f"{self.names(r.key)}.shape[1]" if len(r.dims) == 1 else ""
            left, places = printer.show(r.left), [self._place(r, x, down) for x in r.terms]
            lines = [f"{left} = {self._text(tuple(x for x, place in zip(r.terms, places) if not place), r.dims)}"]
            for x, place in zip(r.terms, places):
                lines += [f"if {place}:", f"    {left} += {self._text((x,), r.dims)}"] if place else []
            # of few steps, what is said of the last one may hold for the first as well: what comes first counts
            word = "elif" if r.key == chained else "if"
            chained = r.key if self._overlap([x for x in own if x.key == r.key], down) else ""
            if r.first == r.last:
                out += [f"    {word} t == {self._bound(r.first)}:", *["        " + x for x in lines]]
            elif ([r.first], [r.last]) != (first, last):
                low, high = (r.last, r.first) if down else (r.first, r.last)
                out += [f"    {word} {self._bound(low)} <= t <= {self._bound(high)}:", *["        " + x for x in lines]]
            else:
                out += ["    " + x for x in lines]
        return out

    def _farthest(self, steps: list[str], up: bool) -> list[str]:
        """The largest (or the smallest) step of some; of T−1 and 3 both, as for T = 3 the one is larger and for T = 5
        the other."""
        found: dict[str, None] = {}
        for n in range(self.least, self.least + FEW):
            ranked = sorted({_rank(s) for s in steps}, reverse=up)
            values = [steps_from(text, n) for _, text in ranked]
            found[ranked[values.index((max if up else min)(values))][1]] = None
        return list(found)

    def _extreme(self, steps: list[str], by: int, up: bool) -> str:
        """A bound of a loop: the largest or the smallest of `steps`, shifted."""
        texts = [self._bound(_shifted(s, by)) for s in steps]
        return texts[0] if len(texts) == 1 else f"{'max' if up else 'min'}({', '.join(texts)})"

    def _overlap(self, same: list[Recursion], down: bool) -> bool:
        """Whether two statements about an adjoint hold for one and the same step of some number of steps."""
        for n in range(self.least, self.least + FEW):
            spans = [(steps_from(r.last, n), steps_from(r.first, n))[:: 1 if down else -1] for r in same]
            if any(max(a[0], b[0]) <= min(a[1], b[1]) for a, b in combinations(spans, 2)):
                return True
        return False

    def _place(self, r: Recursion, term: Expr, down: bool) -> str:
        """Where a term counts, if not everywhere: beyond the last adjoint that it reads it is zero, but for NumPy 0 ·
        (1/0) is no number.

        That happens where what it divides by, say, stands beyond the last step, too, in a row of zeros.
        """

        def end(name: str) -> str | None:
            """The last t (upwards: the first) for which a name such as x[t+1] stands at a step that is there."""
            match, steps = re.fullmatch(r"(.*)\[t([+-]\d+)?\]", name), self._steps(name)
            if match is None or not steps:
                return None
            return _shifted(self.recursions.place((max if down else min)(steps), r.block), -int(match[2] or 0))

        until = self._until(term, end, down)
        ends = [x for n in _undefined(term) if (x := end(n)) is not None]
        if (
            until is None
            or not self._passes(r.first, until, down)
            or not any(self._passes(r.first, x, down) for x in ends)
        ):
            return ""
        return f"t <= {self._bound(until)}" if down else f"t >= {self._bound(until)}"

    def _many(self, r: Recursion, term: Expr) -> str:
        """For how many steps a term of an initial state counts, if not for any number: the same for h[1], with dh[3]
        x[2] in it."""

        def fewest(name: str) -> str | None:
            base, _, step = name[:-1].rpartition("[")
            steps = self._steps(name)
            if not steps or not base:
                return None
            low, high = (self.recursions.place(x, r.block) for x in (min(steps), max(steps)))
            there = (
                n
                for n in range(self.least, self.least + FEW)
                if steps_from(low, n) <= steps_from(step, n) <= steps_from(high, n)
            )
            return str(next(there, self.least))

        until = self._until(term, fewest, False)
        if (
            until is None
            or int(until) <= self.least
            or all(int(fewest(n) or 0) <= self.least for n in _undefined(term))
        ):
            return ""
        return f"{_plain_length(r.block)} >= {until}"

    def _steps(self, name: str) -> Iterable[int]:
        """Where there are values of a sequence, or adjoints, in the unrolling that is read as symbolic."""
        base = name.rpartition("[")[0]
        return self.recursions.lines[base].parts if base in self.recursions.lines else self.steps.get(base, ())

    def _until(self, e: object, end: Callable[[str], str | None], upper: bool) -> str | None:
        """The bound of a term that is zero beyond the ends of the adjoints in it; None if it has none."""
        if isinstance(e, Symbol):
            return end(e.name) if e.name.rpartition("[")[0] in self.recursions.lines else None
        parts = [self._until(x, end, upper) for x in (e.terms if isinstance(e, Add) else _parts(e))]
        found = [x for x in parts if x is not None]
        if not found or (isinstance(e, Add) and None in parts):
            return None
        # a product is zero with one of its factors, a sum only with all
        return (max if isinstance(e, Add) == upper else min)(found, key=_rank)

    def _passes(self, first: str, end: str, down: bool) -> bool:
        """Whether a loop that starts at `first` starts beyond `end`, for some number of steps."""
        each = [(steps_from(first, n), steps_from(end, n)) for n in range(self.least, self.least + FEW)]
        return any(a > b if down else a < b for a, b in each)

    def _bound(self, text: str) -> str:
        return self.printer.step(text).replace("+", " + ").replace("-", " - ") if text.startswith("T") else text

    def _sums(self, sums: list[Recursion]) -> list[str]:
        """Gradients, or adjoints without a step: all sums over the same steps in one loop."""
        out: list[str] = []
        initial: list[str] = []
        self.printer.size = ""
        loops: dict[tuple[str, str, str], list[str]] = {}
        for r in sums:
            gradient = r.kind == "gradient"
            name = self.names(r.key, "gradient") if gradient else self.names(r.key)
            if "[" not in r.of:
                members = () if gradient else self.recursions.once[r.key].members
                out.append(f"{name} = np.zeros_like({self._like(r.of, members)})")
            for low, high, block, every in r.uses:
                self.printer.block = block
                if "[" in r.of:
                    initial += self._initial(name, r, every)
                    continue
                lines = loops.setdefault((low, high, block), [])
                single = {x: line for x in every if (line := self._one_line(x, name)) is not None}
                lines += ["    " + line for line in single.values()]
                terms = tuple(x for x in every if x not in single)
                if terms:
                    lines.append(f"    {name} += {self._text(terms, r.dims)}")
        for (low, high, block), lines in loops.items():
            self.printer.block = block
            if low == high:
                out += [f"t = {self._bound(low)}"] * any(re.search(r"\bt\b", line) for line in lines)
                out += [line.strip() for line in lines]
            else:
                out += [f"for t in range({self._bound(low)}, {self._bound(_shifted(high, 1))}):", *lines]
        return out + initial

    def _initial(self, name: str, r: Recursion, terms: tuple[Expr, ...]) -> list[str]:
        """The gradient by an initial state: one statement."""
        unread = r.of.partition("[")[0] not in self.inputs.values()  # then its size stands in the text
        zero = f"np.zeros({r.dims})" if unread else f"np.zeros_like({self.printer.name(r.of)})"
        later = {x: many for x in terms if (many := self._many(r, x))}
        at_once = tuple(x for x in terms if x not in later)
        plain = at_once and (all(self.printer.read(t).form != "scalar" for t in at_once) or not r.dims)
        lines = [] if plain else [f"{name} = {zero}"]
        self.printer.sized |= unread and not plain
        if at_once:
            lines.append(f"{name} {'' if plain else '+'}= {self._text(at_once, r.dims)}")
        for many in dict.fromkeys(later.values()):
            lines += [
                f"if {many}:",
                f"    {name} += {self._text(tuple(x for x in terms if later.get(x) == many), r.dims)}",
            ]
        return lines

    def _one_line(self, e: Expr, name: str) -> str | None:
        """A summand δ 𝐞ᵀ adds to one column only, 𝐞 δᵀ to one row: that statement; None for all else."""
        sign, e = split_sign(e)
        e = e.arg if isinstance(e, Tagged) else e
        if not isinstance(e, Product) or len(e.factors) != 2 or e.factors[0].shape[1:] != (1,):
            return None
        left, right = (f.arg if isinstance(f, Tagged) else f for f in (e.factors[0], transpose(e.factors[1])))
        right = right.arg if isinstance(right, Tagged) else right
        for place, one, other in ((":, {}", right, left), ("{}", left, right)):
            if isinstance(one, Unit):
                return (
                    f"{name}[{place.format(self.printer.show(one.arg))}] {'-' if sign < 0 else '+'}="
                    f" {self.printer.show(other)}"
                )
        return None


def _parts(e: object) -> list[object]:
    """What a formula is made of."""
    if isinstance(e, tuple):
        return list(e)
    return (
        [getattr(e, f) for f in e.__dataclass_fields__ if f not in ("shape", "op", "attrs")]
        if isinstance(e, Expr)
        else []
    )


def _undefined(e: object) -> Iterator[str]:
    """The names in a formula that must not be zero, or may not: divisors, powers, arguments of functions such as the
    logarithm."""
    if isinstance(e, Divide):
        yield from names_of(e.bottom)
    elif isinstance(e, Power) and not (isinstance(e.exponent, Num) and e.exponent.value > 0):
        yield from names_of(e)
    elif isinstance(e, Apply) and e.op.domain is not None:
        yield from names_of(e.args)
    for part in _parts(e):
        yield from _undefined(part)


def _plain_length(block: str) -> str:
    return f"T_{python_name(block)}" if block else "T"


def _listed(head: str, items: list[str], end: str) -> list[str]:
    """`head`, the items with commas, `end`: on one line, or as many as are needed below `head`."""
    if len(head + ", ".join(items) + end) <= WIDTH:
        return [head + ", ".join(items) + end]
    indent = " " * (len(head) - len(head.lstrip()))
    lines = [indent + "   "]
    for item in items:
        if len(lines[-1]) + len(item) + 2 > WIDTH:
            lines.append(indent + "   ")
        lines[-1] += f" {item},"
    return [head, *lines, indent + end]


def _broken(line: str) -> list[str]:
    """A sum that is too long, one summand a line.

    >>> print(*_broken("    dh[t] = " + " + ".join(["W.T @ (delta[t+1] + eps)"] * 4)), sep="\\n")
        dh[t] = (
            W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
            + W.T @ (delta[t+1] + eps)
        )
    """
    left, equals, right = line.partition("= ")
    parts, depth = [""], 0
    for piece in re.split(r"( [+-] )", right):
        if piece in (" + ", " - ") and depth == 0:
            parts.append(piece.lstrip())
        else:
            parts[-1] += piece
            depth += sum(map(piece.count, "([")) - sum(map(piece.count, ")]"))
    if len(line) <= WIDTH or len(parts) == 1:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    return [f"{left}{equals}(", *[f"{indent}    {p}" for p in parts], f"{indent})"]


def _rank(text: str) -> tuple[int, str]:
    """Order of bounds: numbers below everything relative to T."""
    return (10**6 + int(text[1:] or 0), text) if text.startswith("T") else (int(text), text)


def _shifted(text: str, by: int) -> str:
    if text.startswith("T"):
        n = int(text[1:] or 0) + by
        return "T" + (f"{n:+d}" if n else "")
    return str(int(text) + by)
