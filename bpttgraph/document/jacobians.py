"""The table of local Jacobians: one row for each kind of link on a path, with the step written t."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..core.names import to_unicode
from ..core.variables import Link
from ..derive import Derivation, to_latex
from ..formulas.expr import Expr, Partial, Symbol, add, outer, product, transpose
from ..formulas.in_rows import in_rows
from ..formulas.mathml import above
from ..formulas.notation import in_notation
from .blocks import Block, Math, Text, formula, name, para
from .closed import row_letter

__all__ = ["local_rows"]

MANY = 16  # steps beyond which only the first and the last ones are looked at
_STEP = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)


def local_rows(
    d: Derivation, abstract: Sequence[str], notation: str = "pascanu"
) -> tuple[tuple[tuple[Text, ...], ...], list[Block], bool]:
    """Rows (factor, local Jacobian, why), remarks to stand below, and whether a factor by a matrix is among them."""
    rows: dict[str, tuple[Text, ...]] = {}
    remarks: list[Block] = []
    by_matrix = open_forms = closed = False
    heads = {n for _, n in d.paths.heads}
    letter = row_letter(d.unrolled)  # type: ignore[arg-type]
    for link in _links(d):
        left, right, matrix = _forms(d, link, letter)
        change = _relative(d, link)
        left = in_notation(_renamed(left, change), notation)
        shown = to_latex(left)
        made: Text = ("not in closed form: kept as it is",)
        if right is not None:
            right = _renamed(in_rows(left, (right,))[1][0] if d.unrolled.recurrence.rows else right, change)
            shown += "=" + to_latex(right)
            by_matrix |= matrix
            closed |= link.target not in heads
            arrow = Math(
                f"<mrow><mi>{letter}</mi><mo>↦</mo>{formula(right).mathml}</mrow>",
                rf"{letter} \mapsto {to_latex(right)}",
                formula(right).width + 4,
            )
            made = (arrow if matrix else formula(right),)
        else:
            open_forms = True
        op = d.unrolled.node(link.target).op
        why = op.readings.get("reason") or "" if op is not None and right is not None else ""
        why = "entry by entry, arranged in the shape of the matrix" if matrix else why
        rows.setdefault(shown, ((formula(left),), made, (why,)))
        if not remarks and _softmax_loss(d, link):
            remarks.append(_softmax_remark(d, link, change))
    if open_forms and abstract:
        functions = ", ".join(map(to_unicode, abstract))
        whose = "its" if len(abstract) == 1 else "their"
        known = f"{functions} only the name is known, so {whose} Jacobians keep their symbols"
        if not closed:
            return (), [para(f"No further: of {known}.")], False
        remarks.append(para(f"Of {known}."))
    return tuple(rows.values()), remarks, by_matrix


def _links(d: Derivation) -> list[Link]:
    """The links on some path, the loss first; of many steps only the last ones and the first."""
    paths = d.paths
    on_path = {n for heads in paths.groups() for n in paths.on_paths(heads)}
    last = max((paths.step_of(n) for n in on_path), default=0)
    found = []
    for link in d.unrolled.vgraph.links:
        step = paths.step_of(link.target)
        if link.source in on_path and link.target in on_path and (last <= MANY or step <= 2 or step > last - 3):
            found.append(link)
    heads = {n for _, n in paths.heads}
    found = [x for x in found if d.paths.variables[x.target].role != "total" or x.target in heads]
    return sorted(found, key=lambda x: (-paths.order[x.target], -paths.order[x.source]))


def _forms(d: Derivation, link: Link, letter: str) -> tuple[Expr, Expr | None, bool]:
    """∂target/∂source, what it is (None: no closed form), and whether it is a map of rows (by a matrix)."""
    factors = d.local_factors
    left, local = factors.partial(link), factors.local(link)
    if local.contacts:
        row = Symbol((1, local.contacts[0].left.shape[0] if local.contacts[0].left.shape else 1), letter, ())
        parts = [
            product(c.right, product(row, c.left)) if c.flipped else outer(transpose(product(row, c.left)), c.right)
            for c in local.contacts
        ]
        return left, parts[0] if len(parts) == 1 else add(*parts), True
    found = local.jacobian
    return left, None if found is None or isinstance(found, Partial) else found, False


def _relative(d: Derivation, link: Link) -> Callable[[str], str]:
    """Renames h[3] to h[t], h[2] to h[t-1] … as seen from the target's step; names of another block stay."""
    variables = d.paths.variables
    target = variables[link.target]
    here = target.step

    def change(text: str) -> str:
        match = _STEP.fullmatch(text)
        if here is None or match is None:
            return text
        v = variables.get(text)
        known = v is not None and v.block == target.block and v.role not in ("total",)
        offset = int(match[2]) - here
        if (v is not None and not known) or abs(offset) > 2:
            return text
        return f"{match[1]}[t{offset:+d}]" if offset else f"{match[1]}[t]"

    return change


def _renamed(e: Any, change: Callable[[str], str]) -> Any:
    """The expression with every variable renamed. Recursion is over one equation."""
    if isinstance(e, Symbol):
        return replace(e, name=change(e.name))
    if isinstance(e, Partial):
        return replace(e, target=change(e.target), source=change(e.source))
    return e.mapped(lambda x: _renamed(x, change)) if isinstance(e, Expr) else e


def _softmax_loss(d: Derivation, link: Link) -> bool:
    v = d.paths.variables
    return v[link.target].kind == "cross_entropy" and v[link.source].kind == "softmax"


def _softmax_remark(d: Derivation, link: Link, change: Callable[[str], str]) -> Block:
    """The two factors of softmax and cross entropy are easier together."""
    y = name(change(link.source))
    others = [x.source for x in d.unrolled.vgraph.links if x.target == link.target and x.source != link.source]
    target = name(change(others[0])) if others else Math("<mi>p</mi>", "p", 1)
    both = Math(
        f"<msup><mrow><mo>(</mo>{y.mathml}<mo>−</mo>{target.mathml}<mo>)</mo></mrow><mo>⊤</mo></msup>",
        rf"({y.latex} - {target.latex})^{{\top}}",
        y.width + target.width + 3,
    )
    turned = above(y.mathml, "<mo>⊤</mo>")
    diagonal = f"<mi>diag</mi><mo>&#x2061;</mo><mo>(</mo>{y.mathml}<mo>)</mo>"
    jacobian = Math(
        f'<mrow>{diagonal}<mo>−</mo>{y.mathml}<mspace width="0.1em"/>{turned}</mrow>',
        rf"\operatorname{{diag}}({y.latex}) - {y.latex} \, {{{y.latex}}}^{{\top}}",
        20,
    )
    return para(
        "Together, cross entropy and softmax are simple: if the entries of ",
        target,
        " sum to 1, as those of a class label do, the row of the loss times ",
        jacobian,
        " is ",
        both,
        ".",
    )
