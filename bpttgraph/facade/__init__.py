"""The façade: every line by which a lower room reaches a higher one, each with its reason. Nothing else in the package
looks upwards.

A recurrence is unrolled, derived and drawn by its own methods, because that is how a user goes on from it; what these
methods return lives further up. The rooms below call the functions here and name their types by this module; the
imports happen on use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the methods return, so that an editor completes after `u.derive(...)`
    from ..check import Report as Report
    from ..derive import Derivation as Derivation, SymbolicDerivation as SymbolicDerivation
    from ..draw.figure import Figure as Figure
    from ..flow import Flow as Flow
    from ..unrolled import Unrolled as Unrolled

__all__ = [
    "certain",
    "derivation",
    "flow",
    "folded",
    "folded_picture",
    "numpy_call",
    "picture",
    "reading",
    "report",
    "shown",
    "suspicions",
    "symbolic",
    "unrolled",
    "verified",
]


def unrolled(rec: Any, **options: Any) -> Unrolled:
    """`Recurrence.unroll`: the graph is made of the equations."""
    found: Unrolled = _graph().Unrolled(rec, **options)
    return found


def reading(rec: Any) -> str:
    """`Recurrence.reading`: explicit operators need shapes, which are found from a whole recurrence."""
    found: str = _understood().reading(rec)
    return found


def suspicions(rec: Any) -> tuple[str, ...]:
    """`Recurrence.notes`: so do readings that are often not meant."""
    return tuple(_understood().suspicions(rec))


def _understood() -> Any:
    """What is said about a reading."""
    from ..equations import reading

    return reading


def folded(rec: Any) -> Any:
    """`Recurrence.folded`, a `VariableGraph`: read off an unrolling, so that the two pictures cannot disagree."""
    return _graph().fold(rec)


def _graph() -> Any:
    """The unrolled graph."""
    from .. import unrolled

    return unrolled


def symbolic(rec: Any, wrt: str, loss: Any, **options: Any) -> SymbolicDerivation:
    """`Recurrence.derive`: the gradient for any number of steps."""
    found: SymbolicDerivation = _formulas().SymbolicDerivation(rec, wrt, loss, **options)
    return found


def derivation(u: Any, wrt: str, **options: Any) -> Derivation:
    """`Unrolled.derive`: the gradient for these steps."""
    found: Derivation = _formulas().Derivation(u, wrt, **options)
    return found


def _formulas() -> Any:
    """The chain rule."""
    from .. import derive

    return derive


def folded_picture(rec: Any, **options: Any) -> Figure:
    """`Recurrence.draw`: the folded picture."""
    from ..draw import draw

    return draw(rec.folded, view="folded", **options)


def picture(u: Any, *options: Any) -> Figure:
    """`Unrolled.draw`: a view of the graph."""
    from ..show.drawing import picture

    found: Figure = picture(u, *options)
    return found


def flow(u: Any, data: Mapping[str, Any] | None, wrt: Any) -> Flow:
    """`Unrolled.flow`: how gradients travel over the steps."""
    from ..flow import measure

    return measure(u, data, wrt)


def shown(rec: Any, form: str) -> str:
    """`Recurrence` in a notebook, as "html" or "latex": its equations as a document writes them."""
    from ..document.notebook import recurrence_html, recurrence_latex

    return recurrence_html(rec) if form == "html" else recurrence_latex(rec)


def report(derivation: Any, data: Any) -> Report:
    """`Derivation.check`: a formula is judged by what is above it."""
    found: Report = _judge().check_derivation(derivation, data)
    return found


def certain(u: Any, wrt: str, data: Any) -> bool:
    """The mark beside the numbers of a derivation: whether the gradient is right."""
    return bool(_judge().check_gradients(u, [wrt], data, triangle=False))


def verified(g: Any, code: Any) -> Any:
    """Printed code leaves `SymbolicDerivation.code` only after it was run and compared."""
    return _judge().verified(g, code)


def _judge() -> Any:
    """The check."""
    from .. import check

    return check


def numpy_call(*call: Any) -> Any:
    """`np.tanh(node)` is a call of NumPy's that comes to the core, and is read by the NumPy front."""
    from ..eager.dispatch import call_ufunc

    return call_ufunc(*call)


def read_table() -> None:
    """The operators of nodes are entries of the rule table, which is made of nodes."""
    from ..core import primitives  # noqa: F401
