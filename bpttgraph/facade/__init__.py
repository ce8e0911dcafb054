"""The façade: every line by which a lower room reaches a higher one, each with its reason. Nothing else in the package looks upwards.

A recurrence is unrolled, derived and drawn by its own methods, because that is how a user goes on from it; what these methods
return lives further up. The rooms below call the functions here and name their types by this module; the imports happen on use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the methods return, so that an editor completes after `u.derive(...)`
    from ..check import Report as Report
    from ..derive import Derivation as Derivation
    from ..derive import SymbolicDerivation as SymbolicDerivation
    from ..draw.figure import Figure as Figure
    from ..flow import Flow as Flow
    from ..unrolled import Unrolled as Unrolled

__all__ = [
    "certain", "derivation", "flow", "folded_picture", "html", "latex", "picture", "report", "symbolic", "unrolled", "verified",
]  # fmt: skip


def unrolled(rec: Any, **options: Any) -> Unrolled:
    """`Recurrence.unroll`: the graph is made of the equations."""
    from ..unrolled import Unrolled

    return Unrolled(rec, **options)


def symbolic(rec: Any, wrt: str, loss: Any, **options: Any) -> SymbolicDerivation:
    """`Recurrence.derive`: the gradient for any number of steps."""
    from ..derive import SymbolicDerivation

    return SymbolicDerivation(rec, wrt, loss, **options)


def derivation(u: Any, wrt: str, **options: Any) -> Derivation:
    """`Unrolled.derive`: the gradient for these steps."""
    from ..derive import Derivation

    return Derivation(u, wrt, **options)


def folded_picture(rec: Any, **options: Any) -> Figure:
    """`Recurrence.draw`: the folded picture."""
    from ..draw import draw

    return draw(rec.folded, view="folded", **options)


def picture(u: Any, *options: Any) -> Figure:
    """`Unrolled.draw`: a view of the graph."""
    from ..show.drawing import picture

    return picture(u, *options)


def flow(u: Any, data: Mapping[str, Any] | None, wrt: Any) -> Flow:
    """`Unrolled.flow`: how gradients travel over the steps."""
    from ..flow import measure

    return measure(u, data, wrt)


def html(rec: Any) -> str:
    """`Recurrence` in a notebook: its equations as a document writes them, and the picture."""
    from ..document.notebook import recurrence_html

    return recurrence_html(rec)


def latex(rec: Any) -> str:
    """`Recurrence` in a notebook: its equations as a display."""
    from ..document.notebook import recurrence_latex

    return recurrence_latex(rec)


def report(derivation: Any, data: Any) -> Report:
    """`Derivation.check`: a formula is judged by what is above it."""
    from ..check import check_derivation

    return check_derivation(derivation, data)


def certain(u: Any, wrt: str, data: Any) -> bool:
    """The mark beside the numbers of a derivation: whether the gradient is right."""
    from ..check import check_gradients

    return bool(check_gradients(u, [wrt], data, triangle=False))


def verified(g: Any, code: Any) -> Any:
    """Printed code leaves `SymbolicDerivation.code` only after it was run and compared."""
    from ..check.printed import verified

    return verified(g, code)
