"""What the shapes of a recurrence say as soon as its text is read.

Shapes are found when a recurrence is unrolled, for sizes may change them. What no usual reading of the shapes allows is
refused at once: a power of a matrix, a product with two readings, and shapes that contradict each other even where all
are numbers. A loss `½ (y_t - d_t)^2` of vectors is a number, so that its square is that of the norm.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import BPTTError
from .model import LOSS_NAMES, Recurrence
from .notes import Note
from .settings import explicit, infer_shapes
from .syntax import Binary, Call, Equation, Expr, Number
from .text import brief
from .trees import names_in, rebuild

__all__ = ["checked"]


def checked(rec: Recurrence) -> Recurrence:
    """The recurrence, with the squares of vectors in its losses as squares of norms.

    Raises:
        BPTTError: for what `unroll` would refuse with default sizes and that is no mere matter of sizes.
    """
    try:
        shapes, constants = infer_shapes(rec, None)
    except BPTTError as error:
        changed = _with_norms(rec)
        if changed is not rec:
            return checked(changed)
        if _mended_by_sizes(rec):
            return rec  # the notes say what contradicts what
        raise error
    explicit(rec, rec.definitions, shapes, constants)
    return rec


def _mended_by_sizes(rec: Recurrence) -> bool:
    """Whether sizes could bring the shapes together: as numbers all over, or where a habit set them apart."""
    for sizes, forced in ((1, False), (None, True)):
        try:
            infer_shapes(rec, sizes, forced=forced)
            return True
        except BPTTError:
            continue
    return False


def _with_norms(rec: Recurrence) -> Recurrence:
    """`E_t = (y_t - d_t)^2` with ‖y_t - d_t‖^2 in the place of the square."""
    notes: list[Note] = []
    losses = {*rec.losses, rec.total}

    def change(e: Expr) -> Expr:
        if not (isinstance(e, Binary) and e.operator == "^" and isinstance(e.right, Number) and e.right.value == 2):
            return e
        if isinstance(e.left, Call) or not any(n.index for n, _ in names_in(e.left)):
            return e
        sentence = f"{brief(e)} in a loss was read as the sum over the entries, norm({brief(e.left)})^2"
        notes.append(Note.at(sentence, e.span))
        return replace(e, left=Call("norm", (e.left,), (), e.left.span))

    def read(e: Equation) -> Equation:
        name = e.left[0].name
        key = f"{e.block}.{name}" if e.block else name
        return replace(e, right=rebuild(e.right, change)) if key in losses and name in LOSS_NAMES else e

    equations = tuple(read(e) for e in rec.program.equations)
    if not notes:
        return rec
    program = replace(rec.program, equations=equations, notes=(*rec.program.notes, *notes))
    return Recurrence(program, rec.let, title=rec.title, conventions=rec.conventions)
