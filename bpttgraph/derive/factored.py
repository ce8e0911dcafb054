"""The derivation without the explosion of paths: one statement for every variable, as a programmer implements it.

dE/dh₂ = dE/dy₂ ∂y₂/∂h₂ + dE/dh₃ ∂h₃/∂h₂ uses each link once, so all statements together are linear in the number of
steps, where the sum over paths of an LSTM grows fivefold a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..formulas.expr import Expr, num, partial, tagged
from ..formulas.layout import Printed, check_form, statement
from .terms import Factors, gradient_of, tagged_product

__all__ = ["Statement", "factored_statements"]


@dataclass(frozen=True, slots=True)
class Statement(Printed):
    """A line of a derivation: `left` = sum of `terms`.

    Attributes:
        variable: what the derivative is by.
        loss: what is differentiated.
        left, terms: expressions; `latex()` and its like print the line.

    Example:
        >>> import bpttgraph as bg
        >>> line = bg.cell("rnn").unroll(2).derive("W_hh").factored[0]
        >>> line.variable, line.unicode()
        ('y[2]', 'dE/dy₂ = ∂E₂/∂y₂')
    """

    variable: str
    loss: str
    left: Expr
    terms: tuple[Expr, ...]

    def written(self, form: str, width: int | None = None) -> str:
        """The line in one of the forms of `Printed`."""
        check_form(form, width)
        return statement(form, self.terms, self.left, width)


def factored_statements(factors: Factors, level: str) -> tuple[Statement, ...]:
    """Adjoints of all variables on a path, last first, and the sum over the uses of `wrt`."""
    paths = factors.paths
    wrt, variables, total = paths.wrt, paths.variables, paths.total
    made: list[Statement] = []
    final: list[Expr] = []
    for heads in paths.groups():
        loss = total if len(heads) == len(paths.heads) else heads[0][1]
        weight = factors.weight if loss == total else num(1)
        step, last_steps = heads[0][0], {name for _, name in heads}
        on_path = set(names := paths.on_paths(heads))
        for name in reversed(names):
            terms: list[Expr] = [weight] if name in last_steps else []
            for link in paths.readers.get(name, ()):
                if link.target not in on_path or not paths.passes(link, step):
                    continue
                plain = link.target in last_steps and not (set(_targets(paths.readers.get(link.target, ()))) & on_path)
                front = [] if plain else [(_adjoint(loss, link.target, variables[link.target].shape), "")]
                scale = weight if plain else None
                if name == wrt and loss != total:
                    scale = factors.weight
                if level == "chain":
                    terms.append(tagged(tagged_product([*front, (factors.partial(link), link.id)], scale), link.id))
                elif name == wrt:
                    terms.append(tagged(gradient_of(factors, front, link, scale), link.id))
                else:
                    terms.append(tagged(tagged_product([*front, (factors.local_expr(link), link.id)], scale), link.id))
            if name == wrt:
                final += terms
            elif name not in last_steps or len(terms) > 1:
                made.append(Statement(name, loss, _adjoint(loss, name, variables[name].shape), tuple(terms)))
    made.append(Statement(wrt, total, _adjoint(total, wrt, variables[wrt].shape), tuple(final)))
    return tuple(made)


def _adjoint(loss: str, name: str, shape: tuple[int, ...]) -> Expr:
    return partial(loss, (), name, shape, total=True)


def _targets(links: object) -> list[str]:
    return [link.target for link in links]  # type: ignore[attr-defined]
