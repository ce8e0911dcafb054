"""The factors of chain-rule terms, and how a term is put together from them."""

from __future__ import annotations

from fractions import Fraction

from ..core.variables import Link
from ..formulas.expr import (
    Expr,
    Identity,
    Num,
    Partial,
    Product,
    Zeros,
    add,
    neg,
    num,
    outer,
    partial,
    product,
    split_sign,
    tagged,
    transpose,
)
from .local import Contact, Local, local_jacobian
from .paths import Path, Paths

__all__ = ["Factors", "as_gradient", "gradient_of", "tagged_product"]

Tag = tuple[Expr, str]


def tagged_product(factors: list[Tag], coefficient: Expr | None = None) -> Expr:
    """The ordered product of factors that keep their link ids: the sign in front, factors that are I left out."""
    if any(isinstance(e, Zeros) or e == Num((), 0) for e, _ in factors):
        return product(*[e for e, _ in factors])
    sign = 1
    kept: list[Tag] = []
    for e, ids in factors:
        s, e = split_sign(e)
        sign *= s
        if not isinstance(e, Identity) and e != Num((), 1):
            kept.append((e, ids))
    if any(not _is_scaled_unit(e) and e.shape for e, _ in kept):  # a·I among matrices is just a
        kept = [
            (product(*e.factors[:-1]) if _is_scaled_unit(e) and isinstance(e, Product) else e, ids) for e, ids in kept
        ]
    shown = [tagged(e, ids) if ids else e for e, ids in kept]
    if coefficient is not None and coefficient != Num((), 1):
        shown.insert(0, coefficient)
    if not shown:
        units = [e for e, _ in factors if e.shape]
        result: Expr = split_sign(units[0])[1] if units else num(1)
    elif len(shown) == 1:
        result = shown[0]
    else:
        matrices = [e.shape for e in shown if e.shape]
        result = Product((matrices[0][0], matrices[-1][1]) if matrices else (), tuple(shown))
    return neg(result) if sign < 0 else result


def _is_scaled_unit(e: Expr) -> bool:
    return isinstance(e, Product) and isinstance(e.factors[-1], Identity)


class Factors:
    """The factor of every link, each read once."""

    def __init__(self, paths: Paths):
        self.paths = paths
        self._local: dict[str, Local] = {}

    @property
    def weight(self) -> Expr:
        """∂E/∂E_t: 1, or 1/N for a mean over N steps."""
        w = self.paths.unrolled.weight
        near = Fraction(w).limit_denominator(100_000)
        value: int | float | Fraction = near if abs(float(near) - w) < 1e-15 * abs(w) else w
        return num(value if not isinstance(value, Fraction) or value.denominator != 1 else int(value))

    def partial(self, link: Link) -> Partial:
        """∂target/∂source by its symbol."""
        v = self.paths.variables
        source, target = v[link.source], v[link.target]
        return partial(link.target, target.shape, link.source, source.shape, immediate=self.paths.immediate(link))

    def local(self, link: Link) -> Local:
        if link.id not in self._local:
            node = self.paths.unrolled.node
            self._local[link.id] = local_jacobian(node(link.target), node(link.source))
        return self._local[link.id]

    def local_expr(self, link: Link) -> Expr:
        """The local Jacobian; the symbol where it has no closed reading or would have rank 3."""
        found = self.local(link).jacobian
        return self.partial(link) if found is None else found

    def of_path(self, path: Path, level: str) -> tuple[Expr, ...]:
        if level == "chain":
            return tuple(self.partial(link) for link in path.links)
        *front, last = [self.local_expr(link) for link in path.links] or [num(1)]
        contacts = self.local(path.links[-1]).contacts if path.links else None
        if contacts and len(contacts) == 1 and not contacts[0].flipped:
            return (*front, contacts[0].left, transpose(contacts[0].right))
        return (*front, last)

    def chain_product(self, path: Path) -> Expr:
        return tagged_product([(self.partial(link), link.id) for link in path.links], self.weight)


def as_gradient(factors: Factors, path: Path) -> Expr:
    """A term at level `local`, shaped like `wrt`: the row (∂E/∂wrt) turned, or an outer product for a matrix."""
    front = [(factors.local_expr(link), link.id) for link in path.links[:-1]]
    if not path.links:
        return factors.weight
    return gradient_of(factors, front, path.links[-1], factors.weight)


def gradient_of(factors: Factors, front: list[Tag], last: Link, coefficient: Expr | None = None) -> Expr:
    """(row · last factor)ᵀ, with `front` the factors of the row."""
    local, shape = factors.local(last), factors.paths.variables[last.source].shape
    if not local.closed:
        return tagged_product([*front, (factors.partial(last), last.id)], coefficient)
    if local.contacts is not None:
        parts = [_contact(c, front, last.id, coefficient) for c in local.contacts]
        return parts[0] if len(parts) == 1 else add(*parts)
    row = tagged_product([*front, (factors.local_expr(last), last.id)], coefficient)
    return transpose(row) if shape else row


def _contact(c: Contact, front: list[Tag], ids: str, coefficient: Expr | None) -> Expr:
    row = tagged_product([*front, (c.left, ids)], coefficient)
    sign, row = split_sign(row)
    right_sign, right = split_sign(c.right)
    seen = tagged(right, ids)
    made = product(seen, row) if c.flipped else outer(transpose(row), seen)
    return made if sign * right_sign > 0 else neg(made)
