"""The chain-rule derivation of one gradient, for a given number of steps.

∂E/∂W is a sum of products: one product for every path from a use of W to a loss, one factor for every link of the
path. A `Derivation` writes it at five levels:

* `chain`: ∂E₃/∂y₃ · ∂y₃/∂h₃ · ∂⁺h₃/∂W, one product a path;
* `local`: each factor replaced by its local Jacobian;
* `matrix`: shaped like W and simplified, one outer product δ h[k−1]ᵀ a use, with the statements of all δ;
* `elements`: the same entry by entry;
* `numbers`: the values on an instance beside each summand, with the verdict of the check.

Layout: Jacobians ∂y/∂x are dim y × dim x; a gradient has the shape of its parameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import facade
from ..core.variables import Link
from ..errors import BPTTError, expect, integer, nearest, whole
from ..formulas.expr import Expr, add, tagged
from ..formulas.layout import check_form, statement
from ..machine.notebooks import bundle
from .factored import Statement
from .gradient import Gradient, path_level
from .levels import LEVELS, by_entries, entries_gradient, inlined, matrix_gradient, with_numbers
from .numeric import Numbers
from .onehot import in_classes
from .paths import Path, Run, check_run
from .terms import as_gradient
from .worked import Board, worked

if TYPE_CHECKING:
    from ..facade import Report

__all__ = ["Derivation", "Term"]


@dataclass(frozen=True)
class Term:
    """One product of the sum: one path from a use of `wrt` to a loss.

    Attributes:
        loss_step: step t of the loss E[t].
        use_step: step k of the equation that reads `wrt`.
        path: names from the loss down to `wrt`.
        links: ids of the links, in the order of the factors (`h[2]->h[3]`).

    Example:
        >>> import bpttgraph as bg
        >>> term = bg.cell("rnn").unroll(2).derive("W_hh").terms[1]
        >>> term.loss_step, term.use_step, term.path
        (2, 1, ('E[2]', 'y[2]', 'h[2]', 'h[1]', 'W_hh'))
    """

    loss_step: int
    use_step: int
    path: tuple[str, ...]
    links: tuple[str, ...]
    way: Path = field(repr=False, compare=False)
    _owner: Derivation = field(repr=False, compare=False)

    def factors(self, level: str = "chain") -> tuple[Expr, ...]:
        """One expression a link; by a matrix, at level `local`, the last link gives two: L, and the row vᵀ."""
        _check_level(level)
        if level == "matrix":
            return (self.expr(level),)
        return self._owner.local_factors.of_path(self.way, path_level(level))

    def expr(self, level: str = "chain") -> Expr:
        """The product as one expression, at levels `local` and `matrix` shaped like `wrt`."""
        _check_level(level)
        if level == "matrix":
            return add(*self._owner.adjoints.along(self.way.links))
        return self._owner.expr_of(self.way, path_level(level))

    def latex(self, level: str = "chain") -> str:
        """The product as LaTeX, at level "chain" or "local"."""
        return statement("latex", [self.expr(level)])

    def unicode(self, level: str = "chain") -> str:
        """The product as text."""
        return statement("unicode", [self.expr(level)])

    def mathml(self, level: str = "chain") -> str:
        """The product as a `<math>` element."""
        return statement("mathml", [self.expr(level)])

    def sympy(self, level: str = "chain") -> Any:
        """The product as a SymPy object."""
        return self._owner._sympy(self.expr(level), level)

    def value(self, run: Run) -> Any:
        """The numbers of this term, shaped like `wrt`, from the local formulas alone; summed over the batch."""
        check_run(run)
        return Numbers(self._owner.local_factors, run).term(self.way)


def _check_level(level: str) -> None:
    expect(level, str, "a level", f"write one of {', '.join(LEVELS)}")
    if level not in LEVELS:
        raise BPTTError(f'a derivation has no level "{level}"', nearest(level, list(LEVELS)))


class Derivation(Gradient):
    """The derivation of ∂E/∂`wrt` for an unrolled recurrence.

    Args:
        unrolled: the unrolled recurrence.
        wrt: a parameter (`W_hh`), an initial state (`h[0]`), an input (`x[1]`) or any variable between.
        cap: at most so many terms are written out.
        notation: "pascanu" (∂⁺ is immediate), "werbos" (∂⁺ is total), "goodfellow" (copies W⁽ᵗ⁾) or "d2l"; see
            `notation`.
        onehot: inputs and targets that hold one-hot vectors, as names or "x, target"; see `onehot`.

    Example:
        >>> import bpttgraph as bg
        >>> d = bg.cell("rnn").unroll(2).derive("W_hh")
        >>> d.count
        3
        >>> print(d.unicode())
        ∂E₁/∂y₁ · ∂y₁/∂h₁ · ∂⁺h₁/∂W_hh
        + ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂h₂/∂h₁ · ∂⁺h₁/∂W_hh
        + ∂E₂/∂y₂ · ∂y₂/∂h₂ · ∂⁺h₂/∂W_hh
    """

    def __reduce__(self) -> Any:
        return self.__dict__.get("made_by") or (
            Derivation,
            (self.unrolled, self.wrt, self.cap, self.notation, self.onehot),
        )

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """All terms, by loss step, then by step of use."""
        if self.count > self.cap:
            raise BPTTError(
                f"∂E/∂{self.wrt} has {self.count} chain-rule terms here, more than the cap of {self.cap}",
                f"use .factored (linear in the steps), .first_terms({self.cap}), fewer steps, or a larger cap",
            )
        return tuple(self.all_terms())

    def first_terms(self, n: int) -> tuple[Term, ...]:
        """The first `n` terms, however many there are."""
        whole(n, 0, "the number of terms", "write first_terms(3)")
        return tuple(islice(self.all_terms(), n))

    def all_terms(self) -> Iterator[Term]:
        """The terms one by one, however many there are."""
        for p in self.paths:
            yield Term(p.loss_step, p.use_step, p.names, tuple(link.id for link in p.links), p, self)

    # -- formulas

    def expr_of(self, path: Path, level: str) -> Expr:
        """The product along one path at a level, each factor marked by its link."""
        ids = " ".join(link.id for link in path.links)
        if level == "chain":
            return tagged(self.local_factors.chain_product(path), ids)
        return tagged(in_classes(as_gradient(self.local_factors, path), self.onehot), ids)

    def exprs(self, level: str = "chain") -> tuple[Expr, ...]:
        """The summands as expressions: one a path, at levels `matrix` and `elements` one a use."""
        _check_level(level)
        if level == "matrix":
            return self.adjoints.parts[-1].statement.terms
        if level == "elements":
            return self.factored_at(level)[-1].terms
        return tuple(term.expr(level) for term in self.terms)

    def latex(self, level: str = "chain", data: Any = None, width: int | None = None) -> str:
        """The sum as LaTeX (without its left side), one term a line; at level `numbers`, with `data` (an instance).

        `width`: about how many letters fit in a line; longer products continue on the next one. None never breaks a
        term.
        """
        return self._written(level, "latex", data, width=width)

    def unicode(self, level: str = "chain", data: Any = None, width: int | None = None) -> str:
        """The sum as text, one term a line; arguments as for `latex`."""
        return self._written(level, "unicode", data, width=width)

    def mathml(self, level: str = "chain", data: Any = None, width: int | None = None) -> str:
        """A `<math>` element; every factor and every term carries the ids of its links as `data-id`."""
        return self._written(level, "mathml", data, width=width)

    def typst(self, level: str = "chain", data: Any = None, width: int | None = None) -> str:
        """Typst mathematics, without dollar signs."""
        return self._written(level, "typst", data, width=width)

    def statement(self, level: str = "chain", form: str = "latex", data: Any = None, width: int | None = None) -> str:
        """∂E/∂W = …, as "latex", "unicode", "mathml" or "typst"."""
        return self._written(level, form, data, True, width)

    def _written(self, level: str, form: str, data: Any = None, left: bool = False, width: int | None = None) -> str:
        check_form(form, width)
        _check_level(level)
        if level == "numbers":
            return with_numbers(self, data, form, left)
        if level == "elements":
            final = self.factored_at(level)[-1]
            return statement(form, final.terms, final.left if left else None, width)
        lead, terms = self.shown(self.left_side, self.exprs(level))
        return statement(form, terms, lead if left else None, width)

    def sympy(self, level: str = "chain") -> Any:
        """The sum as a SymPy object; see `to_sympy` for its symbols."""
        import sympy

        _check_level(level)
        if level in ("matrix", "elements", "numbers"):
            return inlined(self, level)
        parts = [self._sympy(e, level) for e in self.exprs(level)]
        if not parts:
            return sympy.Integer(0)
        if isinstance(parts[0], sympy.Expr) and not parts[0].is_Matrix:
            return sympy.Add(*parts)
        return sympy.MatAdd(*parts) if len(parts) > 1 else parts[0]

    def _sympy(self, e: Expr, level: str) -> Any:
        from ..formulas.to_sympy import to_sympy

        found = to_sympy(e)
        scalar = self.paths.variables[self.wrt].shape == ()
        return found.as_explicit()[0, 0] if scalar and e.shape and level == "local" else found

    @property
    def factored(self) -> tuple[Statement, ...]:
        """The same gradient as statements: one a variable on a path, then the sum over the uses of `wrt`."""
        return self.factored_at("chain")

    def factored_at(self, level: str, entry: tuple[int | str, ...] | None = None) -> tuple[Statement, ...]:
        """The statements at a level; at `elements`, of one `entry`, such as (1, 2), or of all with letters."""
        if level != "elements":
            _check_level(level)
            return self.statements_at(level)
        entry = integer(entry)
        self._check_entry(entry)
        return self.noted(by_entries(self, entry))

    def _check_entry(self, entry: Any) -> None:
        """A number or a letter for each axis of what is differentiated by."""
        shape = self.paths.variables[self.wrt].shape
        if entry is not None and not (
            isinstance(entry, tuple | list)
            and len(entry) == len(shape)
            and all(isinstance(i, str) or (isinstance(i, int) and 1 <= i <= n) for i, n in zip(entry, shape))
        ):
            what = "a number" if not shape else f"{self.wrt} has shape {shape}, its entries are counted from 1"
            raise BPTTError(f"entry={repr(entry)[:60]} is no entry of ∂E/∂{self.wrt}: {what}", "leave entry out")

    def worked(self, detail: str = "lecture") -> Board:
        """The way to the result, one rule a step with its reason: "slide", "lecture" or "full" (see `worked`)."""
        return worked(self, detail)

    def _shown(self, form: str) -> list[str]:
        """What a notebook shows: the sum over paths, or the factored form if there are too many of them."""
        if self.count <= self.cap:
            return [self.statement("chain", form)]
        return [s.written(form) for s in self.factored]

    def _repr_latex_(self) -> str:
        return "\n\n".join(f"$$\n{text}\n$$" for text in self._shown("latex"))

    def _repr_html_(self) -> str:
        return "".join(self._shown("mathml"))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return bundle(self, include, exclude)

    def __repr__(self) -> str:
        return f"Derivation(∂E/∂{self.wrt}, {self.count} terms)"

    # -- numbers

    def value(self, run: Run) -> Any:
        """The gradient from the local formulas: the sum of the terms (the factored form if they are too many)."""
        check_run(run)
        numbers = Numbers(self.local_factors, run)
        if self.count > self.cap:
            return numbers.factored()
        total = numbers.zero()
        for term in self.terms:
            total = total + numbers.term(term.way)
        return total

    def value_at(self, level: str, run: Run) -> Any:
        """The gradient from the formulas of one level: `chain` and `local` by paths, `elements` entry by entry, else by
        statements."""
        _check_level(level)
        check_run(run)
        if level in ("chain", "local"):
            return self.value(run)
        if level == "elements":
            return entries_gradient(self.adjoints, run)[self.wrt]
        return matrix_gradient(self.adjoints, run)[self.wrt]

    def check(self, data: Any = None) -> Report:
        """Compare the gradient, every (t, k) of its triangle and the formulas of the levels with the oracles on `data`:
        a `Report`."""
        return facade.report(self, data)

    def local(self, link: Link) -> Expr:
        """The factor of one link at level `local` (for tooltips and labels)."""
        expect(link, Link, "a link", "take one of u.links")
        return self.local_factors.local_expr(link)
