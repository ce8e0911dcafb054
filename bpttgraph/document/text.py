"""A derivation as text for a terminal: levels, the worked way, or any number of steps, in Unicode and without
markup."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from ..derive import Derivation
from ..derive.worked import Name
from ..errors import BPTTError
from .closed import symbolic_of
from .recursive import plan

if TYPE_CHECKING:
    from .choice import Choice

__all__ = ["gradient_text", "symbolic_text"]

LONGEST = 120  # letters of a line that is broken


def gradient_text(d: Derivation, choice: Choice, detail: str | None) -> str:
    """One gradient over the given steps: the worked way if `detail` asks for it, then the levels that `choice` asks
    for.

    Without either it is level chain, factored if there are too many terms.
    """
    parts: list[str] = []
    if detail is not None:
        parts.append(_worked(d, detail))
    levels = choice.levels if choice.level is not None else () if detail is not None else ("chain",)
    for level in levels:
        title = f"Level {level}:\n" if len(levels) > 1 or detail is not None else ""
        parts.append(title + _level(d, level, choice))
    return "\n\n".join(parts)


def _worked(d: Derivation, detail: str) -> str:
    """Every step with its reason below it, numbered."""
    out = []
    for i, step in enumerate(d.worked(detail), 1):
        lead = f"{i:>2}. "
        formula = step.formula.unicode().replace("\n", "\n" + " " * len(lead))
        reason = step.reason if isinstance(step.words[0], Name) else step.reason[:1].upper() + step.reason[1:]
        out.append(lead + formula + "\n" + _wrapped(reason + ".", "    "))
    return "\n".join(out)


def _wrapped(text: str, indent: str) -> str:
    return fill(text, LONGEST, initial_indent=indent, subsequent_indent=indent, break_long_words=False)


def _level(d: Derivation, level: str, choice: Choice) -> str:
    if level == "numbers":
        if not choice.has_numbers:
            functions = ", ".join(choice.unrolled.recurrence.abstract)
            return f"no numbers: {functions} abstract"
        return d.statement("numbers", "unicode", choice.data)
    if level in ("chain", "local") and d.count <= d.cap:
        return d.statement(level, "unicode")
    return "\n".join(s.unicode() for s in d.factored_at(level))


def symbolic_text(choice: Choice, wrt: Sequence[str], whole: bool) -> str:
    """Any number of steps T: the recursions (not on a slide), the closed form, and in full also the NumPy code.

    Args:
        wrt: what the gradients are by. whole: all parameters in one set of recursions; a closed form is each one's own.
    """
    u, brief, full = choice.unrolled, choice.detail == "slide", choice.detail == "full"
    g = symbolic_of(u, "all" if whole else wrt[0], choice.notation, choice.onehot)
    parts: list[str] = []
    if whole or not brief:
        try:
            lines = "\n".join(r.unicode() for r in plan(g).all)
            parts.append("Recursions, in order of computation:\n" + _indented(lines))
        except BPTTError as error:
            parts.append(f"Recursions: none, because {error.message}.")
    for w in wrt if not whole or full else ():
        try:
            closed = symbolic_of(u, w, choice.notation, choice.onehot).closed_form
            parts.append(f"Closed form of ∂E/∂{w}:\n" + _indented(str(closed)))
        except BPTTError as error:
            parts.append(f"Closed form of ∂E/∂{w}: none, because {error.message}.")
    if full and not choice.unrolled.recurrence.abstract:
        try:
            parts.append("NumPy code:\n" + _indented(g.code("backward").strip("\n")))
        except BPTTError as error:
            parts.append(f"NumPy code: none, because {error.message}.")
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join("  " + line if line else "" for line in text.splitlines())
