"""One gradient over given steps before it is written anywhere: its paths, their number, its statements and adjoints.

`levels` and `worked` read it; a `Derivation` is this together with what they make of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from ..errors import BPTTError, expect, nearest, whole
from ..formulas.expr import Expr, Partial, partial
from ..formulas.in_rows import in_rows
from ..formulas.notation import checked, in_notation
from ..machine.bounds import Count
from .adjoints import Adjoints
from .factored import Statement, factored_statements
from .onehot import checked_classes, in_classes
from .paths import Paths, Unrolled
from .terms import Factors

__all__ = ["Gradient", "path_level"]


def path_level(level: str) -> str:
    """The level of a product along one path; an error for the others."""
    if level not in ("chain", "local"):
        raise BPTTError(f'a path term has no level "{level}"', 'use level="chain" or level="local"')
    return level


class Gradient:
    """∂E/∂`wrt` of an unrolled recurrence; the arguments are those of `Derivation`."""

    def __init__(
        self, unrolled: Unrolled, wrt: str, cap: int = 200, notation: str = "pascanu", onehot: str | Iterable[str] = ()
    ):
        expect(wrt, str, "what is differentiated by", 'write the name of a variable, such as "W_hh"')
        if wrt not in unrolled.vgraph.variables:
            raise BPTTError(
                f"there is no variable {wrt} in this recurrence", nearest(wrt, list(unrolled.vgraph.variables))
            )
        whole(cap, 0, "the cap of the terms", "write cap=200")
        self.unrolled, self.wrt, self.cap = unrolled, wrt, cap
        self.paths = Paths(unrolled, wrt)
        self.conventions: tuple[str, ...] = tuple(unrolled.conventions)
        self.notation = checked(notation)
        self.onehot = checked_classes(onehot, unrolled.vgraph.variables)
        self.local_factors = Factors(self.paths)

    # -- how many

    @cached_property
    def count(self) -> int:
        """The exact number of terms, by dynamic programming."""
        return Count(self.paths.count())

    @cached_property
    def count_by_step(self) -> dict[tuple[int, int], int]:
        """(loss step t, step k of the use) -> number of terms."""
        return self.paths.count_by_step()

    @property
    def left_side(self) -> Partial:
        """∂E/∂wrt."""
        name = self.paths.total
        return partial(name, (), self.wrt, self.paths.variables[self.wrt].shape)

    def statements_at(self, level: str) -> tuple[Statement, ...]:
        """One statement a variable on a path, then the sum over the uses of `wrt`, at "chain", "local" or "matrix"."""
        if level == "matrix":
            found = self.adjoints.statements
        else:
            found = factored_statements(self.local_factors, path_level(level))
            found = tuple(replace(s, terms=in_classes(s.terms, self.onehot)) for s in found) if self.onehot else found
        return self.noted(found)

    def noted(self, found: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """Statements in the notation that was chosen."""
        return tuple(replace(s, left=left, terms=terms) for s in found for left, terms in [self.shown(s.left, s.terms)])

    def shown(self, left: Expr, terms: Sequence[Expr], gradient: bool = True) -> tuple[Expr, tuple[Expr, ...]]:
        """A statement as it goes out: in the notation that was chosen, vectors as rows where the lecture's are;
        `gradient` if its left side is dE/dW."""
        if self.unrolled.recurrence.rows:
            dims = self.paths.variables[self.wrt].shape if left == self.left_side else None
            left, terms = in_rows(left, terms, dims)
        return in_notation(left, self.notation, gradient), in_notation(tuple(terms), self.notation)

    @cached_property
    def adjoints(self) -> Adjoints:
        """The named adjoints of level `matrix`."""
        return Adjoints(self.local_factors, [self.wrt], onehot=self.onehot)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the simplification of level `matrix` takes for granted, in words."""
        _ = self.adjoints.parts
        return tuple(self.adjoints.assumptions)
