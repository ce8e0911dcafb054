"""Equations for single units: `h_i = f(Σ_j W_ij h_j)` is `h = f(W h)`.

A letter that a sum runs over, or that stands at the left side of such an equation, counts the entries of vectors and
matrices. Each part of an equation keeps the letters that are free in it: none for a number, one for a vector, two for a
matrix. A sum takes a letter away: of `W_ij h_j` it makes `W h`, of `W_ji h_j` it makes `Wᵀ h`, of `a_j b_j` the dot
product. Where letters do not fit, or a sum would need a tensor of three indices, the text is refused.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from functools import partial

from ...errors import BPTTError
from ..functions import function_of
from ..kinds import capital
from ..notes import Note
from ..syntax import Binary, Call, Equation, Expr, Name, Negate, Partial, Program, Reduce, Span, Transposed
from ..text import brief
from ..trees import names_in, rebuild, walk

__all__ = ["sums_to_products"]

Letters = tuple[str, ...]
PRODUCTS = (" ", "@", "*")


def sums_to_products(program: Program, known: Container[str] = ()) -> Program:
    """The program in vectors and matrices. `known`: names of a recurrence to whose gradients it belongs, so that δ_i
    beside δ, and ∂L/∂A_{ij} beside A, are entries.

    Raises:
        BPTTError: letters that do not fit together, or a name with three of them.
    """
    bound = {r.variable for e in program.equations for r in _sums(e.right) if _counts_units(r)}
    bound |= {letter for e in program.equations for n in e.left for letter in _entry_of(n.name, known)}
    _refuse_tensors(program, bound)
    if not bound:
        return program
    free = {
        label
        for e in program.equations
        if any(_counts_units(r) for r in _sums(e.right))
        for n in e.left
        for label in n.name.split("_")[1:]
        if len(label) == 1 and label.isalpha()
    }
    return _Units(program, frozenset(bound | free | _partners(program, bound))).program


def _refuse_tensors(program: Program, bound: set[str]) -> None:
    """`W_{ijk} h_j x_k` takes a matrix from two vectors.

    Raises:
        BPTTError: with a function of both in the place of the product.
    """
    for e in program.equations:
        for n, _ in names_in(e.right):
            base, _, label = n.name.rpartition("_")
            three = len(label) == 3 and len({*label}) == 3 and n.index is None and base
            if not three or not ({*label} <= {*"ijklmn"} or {*label} <= bound):
                continue
            whole = next(x for x, _ in walk(e.right) if _is_product(x) and any(y is n for y, _ in names_in(x)))
            values = dict.fromkeys(brief(replace(x, name=_bare(x.name))) for x, _ in names_in(whole) if x.index)
            taken = {x.name for other in program.equations for x, _ in names_in(other.right)}
            function = next(a for a in (*"fgkqr", "f_1") if a not in taken)
            call = Call(function, tuple(Name(v, None, n.span) for v in values), (replace(n, name=base),), n.span)
            left = brief(replace(e.left[0], name=_bare(e.left[0].name)))
            right = brief(rebuild(e.right, partial(_put, whole, call)))
            raise BPTTError(
                f"{n.name} has three indices: a tensor, which this language has not",
                f"write {left} = {right}, where {function} is the product with both, a function of which only the "
                "name is known",
                text=program.text,
                span=n.span,
            )


def _put(old: Expr, new: Expr, e: Expr) -> Expr:
    return new if e == old else e


def _is_product(e: Expr) -> bool:
    return isinstance(e, Reduce | Name) or (isinstance(e, Binary) and e.operator in PRODUCTS)


def _bare(name: str) -> str:
    """A name without the letters of its entry."""
    base, _, label = name.rpartition("_")
    return base if base and len(label) == 1 and label in "ijklmn" else name


def _partners(program: Program, bound: set[str]) -> set[str]:
    """The letters of rows, as i in `h_t = \\sum_j W_{ij} h_{t-1,j}`, whose left side is the whole vector."""
    return {
        letter
        for e in program.equations
        if len(e.left) == 1 and "_" not in e.left[0].name
        for r in _sums(e.right)
        if _counts_units(r)
        for n, _ in names_in(r.body)
        for label in n.name.split("_")[1:]
        if n.index is None and capital(n.name) and len(label) == 2 and label.isalpha() and r.variable in label
        for letter in {*label} - bound
    }


def _entry_of(name: str, known: Container[str]) -> str:
    """The letters of an entry, "ij" of dL/dA_ij, if the whole is known and the name is not."""
    whole, _, label = name.partition("/d")[2].rpartition("_")
    single = whole in known and f"{whole}_{label}" not in known and 0 < len(label) < 3 and label.isalpha()
    return label if single else ""


def _sums(e: Expr) -> Iterator[Reduce]:
    return (node for node, _ in walk(e) if isinstance(node, Reduce) and node.kind == "sum")


def _counts_units(r: Reduce) -> bool:
    """Whether a sum runs over entries: its letter is a label in it, and no step."""
    names = [n for n, _ in names_in(r.body)]
    if r.variable == "t" or any(n.index and n.index.variable == r.variable for n in names):
        return False
    return any(r.variable in label for n in names for label in n.name.split("_")[1:] if len(label) < 4)


class _Units:
    """The translation of one program whose entries are counted by some letters."""

    def __init__(self, program: Program, letters: frozenset[str]) -> None:
        self.letters, self.text = letters, program.text
        self.entries: dict[str, Name] = {}  # as written -> the whole vector or matrix
        self.matrices: set[str] = set()
        self.notes: list[Note] = []
        self.apart = _apart(program)
        equations = tuple(self.equation(e) for e in program.equations)
        said = ", ".join(f"{entry} of {whole.name}" for entry, whole in self.entries.items())
        note = Note.at(
            f"written for single units, and read for vectors and matrices{': ' if said else ''}{said}",
            program.equations[0].span,
        )
        if self.apart:
            sentence = f"{' and '.join(sorted(self.apart))} were read as matrices of their own: they take other vectors"
            self.notes.append(Note.at(sentence, program.equations[0].span))
        self.program = replace(
            program,
            equations=equations,
            notes=(*program.notes, note, *self.notes),
            matrices=program.matrices | self.matrices,
        )

    def error(
        self, message: str, span: Span, hint: str = "write it with vectors and matrices: h[t] = f(W h[t-1])"
    ) -> BPTTError:
        return BPTTError(message, hint, text=self.text, span=span)

    def equation(self, e: Equation) -> Equation:
        right, found = self.read(e.right)
        left = []
        for n in e.left:
            name, wanted = self.name(n)
            left.append(name)
            whole = not wanted and len(set(found)) == 1 and n.index is not None and "_" not in n.name
            if set(found) - set(wanted) and not whole:
                odd = ", ".join(sorted(set(found) - set(wanted)))
                raise self.error(
                    f"the index {odd} stands on the right of {n.name} alone", n.span, f"sum over it: \\sum_{odd} …"
                )
            if len(wanted) == 2 and found == wanted[::-1]:
                right = Transposed(right, e.span)
        return replace(e, left=tuple(left), right=right)

    def name(self, n: Name) -> tuple[Name, Letters]:
        """The vector or matrix of an entry, and the letters of the entry."""
        base, *labels = n.name.split("_")
        if n.name in self.letters and n.index is None:
            raise self.error(
                f"{n.name} counts entries here, and stands as a number",
                n.span,
                f"write a label with two letters for a name, or the terms of \\sum_{n.name} one by one",
            )
        for i, label in enumerate(labels):
            if label and set(label) <= self.letters and len(label) < 4:
                kept = labels if n.name in self.apart else [*labels[:i], *labels[i + 1 :]]
                whole = replace(n, name="_".join([base, *kept]))
                if len(label) == 2 and n.index is None:
                    self.matrices.add(whole.name)
                self.entries.setdefault(n.name, whole)
                return whole, tuple(label)
        return n, ()

    def counted(self, n: Name) -> bool:
        return any(label and set(label) <= self.letters for label in n.name.split("_")[1:])

    def read(self, e: Expr) -> tuple[Expr, Letters]:
        """An expression in vectors and matrices, and the letters that are free in it."""
        match e:
            case Name():
                return self.name(e)
            case Partial():
                top, above = self.name(e.top)
                bottom, below = self.name(e.bottom)
                return replace(e, top=top, bottom=bottom), above + below
            case Negate():
                inner, letters = self.read(e.operand)
                return replace(e, operand=inner), letters
            case Reduce() if e.kind == "sum" and e.variable in self.letters and _counts_units(e):
                if e.upper is not None and e.upper.variable == "t":
                    sentence = f"the bound t of the sum over {e.variable} was left out: it runs over all entries"
                    self.notes.append(Note.at(sentence, e.span))
                return self.sum(e.variable, e.body, e.span)
            case Reduce():
                inner, letters = self.read(e.body)
                return replace(e, body=inner), letters
            case Call():
                return self.call(e)
            case Binary() if e.operator in PRODUCTS and not any(self.counted(n) for n, _ in names_in(e)):
                return e, ()  # of whole vectors and matrices as it stands
            case Binary() if e.operator in PRODUCTS:
                return self.product([self.read(f) for f in _factors(e)], e.span)
            case Binary():
                left, a = self.read(e.left)
                right, b = self.read(e.right)
                if e.operator in ("+", "-", "/") and len(a) == len(b) == 2 and a == b[::-1] != b:
                    right, b = Transposed(right, e.span), a
                if a and b and a != b:
                    raise self.error(f"{' and '.join(a + b)} count different entries here", e.span)
                return replace(e, left=left, right=right), a or b
        return e, ()

    def call(self, e: Call) -> tuple[Expr, Letters]:
        """A function entry by entry; of whole vectors (softmax, dot) it takes these."""
        args = [self.read(a) for a in (*e.args, *e.parameters)]
        count = len(e.args)
        made = replace(e, args=tuple(a for a, _ in args[:count]), parameters=tuple(a for a, _ in args[count:]))
        letters = tuple(dict.fromkeys(letter for _, found in args for letter in found))
        function = function_of(e)
        if function is not None and function.shape == "pair":
            return made, ()
        if len(args) > 1 and len(letters) > 1:
            raise self.error(f"{e.function} of {' and '.join(letters)}: entries of different vectors", e.span)
        return made, letters

    def product(self, factors: list[tuple[Expr, Letters]], span: Span) -> tuple[Expr, Letters]:
        """Factors of one entry: of one letter they meet entry by entry, of two they make an outer product."""
        result, letters = factors[0]
        turned = next((f for f, own in factors if isinstance(f, Transposed) and not own and _is_value(f.operand)), None)
        counts = next((own for _, own in factors if own), ())
        if turned is not None and counts:
            raise self.error(
                f"{brief(turned)} is a whole vector beside an entry: {counts[0]} seems to count vectors here",
                turned.span,
                "make the vectors the rows of a matrix, as in a_t = softmax(K q_t) and o_t = V^T a_t",
            )
        for factor, others in factors[1:]:
            if not (letters or others):
                result = Binary(" ", result, factor, span)
            elif not (letters and others):
                # a small letter without an index is a number for all units
                sign = " " if _is_number(result if others else factor) else "*"
                result, letters = Binary(sign, result, factor, span), letters or others
            elif letters == others:
                result = Binary("*", result, factor, span)
            elif len(letters) == len(others) == 1:
                result, letters = Call("outer", (result, factor), (), span), letters + others
            else:
                raise self.error(f"{' and '.join(letters + others)} stand side by side without a sum", span)
        return result, letters

    def sum(self, letter: str, body: Expr, span: Span) -> tuple[Expr, Letters]:
        """Σ over a letter."""
        if isinstance(body, Binary) and body.operator in ("+", "-"):
            left, a = self.sum(letter, body.left, span)
            right, b = self.sum(letter, body.right, span)
            if a and b and a != b:
                raise self.error(f"{' and '.join(a + b)} count different entries here", span)
            return replace(body, left=left, right=right), a or b
        if isinstance(body, Negate):
            whole, found = self.sum(letter, body.operand, span)
            return replace(body, operand=whole), found
        factors = [self.read(f) for f in _factors(body)]
        outside = [f for f in factors if letter not in f[1]]
        vectors = [f for f in factors if f[1] == (letter,)]
        matrices = [f for f in factors if letter in f[1] and len(f[1]) == 2]
        if not vectors and not matrices:
            raise self.error(f"nothing in this sum has the index {letter}", span)
        if len(matrices) > 2 or (len(matrices) == 2 and vectors) or any(len(f[1]) > 2 for f in factors):
            raise self.error(f"a sum over {letter} of more than a matrix and vectors", span)
        inner: tuple[Expr, Letters]
        if len(matrices) == 2:
            one, (i, _) = _turned(matrices[0], letter, last=True)
            other, (_, k) = _turned(matrices[1], letter, last=False)
            inner = Binary("@", one, other, span), (i, k)
        elif matrices:
            matrix, (row, _) = _turned(matrices[0], letter, last=True)
            if not vectors:
                raise self.error(f"a sum over {letter} of the entries of a matrix alone", span)
            vector, _ = self.product(vectors, span)
            inner = Binary("@", matrix, vector, span), (row,)
        elif len(vectors) == 2:
            inner = Call("dot", (vectors[0][0], vectors[1][0]), (), span), ()
        else:
            inner = Call("sum", (self.product(vectors, span)[0],), (), span), ()
        return self.product([*outside, inner], span) if outside else inner


def _apart(program: Program) -> set[str]:
    """Entries such as w_ih and w_kh of one equation that multiply different vectors: two matrices with one letter."""
    found: set[str] = set()
    for e in program.equations:
        takes: dict[str, dict[str, set[str]]] = {}
        for r in _sums(e.right):
            names = [n for n, _ in names_in(r.body)]
            vectors = {n.name for n in names if n.name.endswith(f"_{r.variable}")}
            for n in names:
                base, _, label = n.name.rpartition("_")
                if n.index is None and len(label) == 2 and r.variable in label:
                    takes.setdefault(base, {}).setdefault(n.name, set()).update(v.rpartition("_")[0] for v in vectors)
        for entries in takes.values():
            every = [v for taken in entries.values() for v in taken]
            if len(entries) > 1 and len(every) == len({*every}) and all(entries.values()):
                found |= entries.keys()
    return found


def _is_value(e: Expr) -> bool:
    return isinstance(e, Name) and e.index is not None


def _is_number(e: Expr) -> bool:
    """Whether what has no index in an equation for single units holds neither steps nor matrices."""
    return not any(n.index is not None or capital(n.name) for n, _ in names_in(e)) and not isinstance(e, Call)


def _turned(matrix: tuple[Expr, Letters], letter: str, last: bool) -> tuple[Expr, Letters]:
    """A matrix with the letter of the sum as its last index, or as its first: transposed if need be."""
    e, letters = matrix
    return matrix if letters[1 if last else 0] == letter else (Transposed(e, e.span), letters[::-1])


def _factors(e: Expr) -> list[Expr]:
    """The factors of a product, from left to right."""
    found: list[Expr] = []
    while isinstance(e, Binary) and e.operator in PRODUCTS:
        found.append(e.right)
        e = e.left
    return [e, *reversed(found)]
