"""An answer in formulas in every way in which its text may be read, and the verdict on the best of them.

Papers leave open in which order a product over steps has its factors, whether derivatives are rows or columns, whether
∂h/∂W goes over earlier steps, and whether a matrix behind ∏ belongs to every step. A text is right if it is right in
one reading of all of it; which one it was is said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import BPTTError
from ..answers.given import PLAIN, Answer, Reading
from .feedback import called
from .judge import judge
from .tied import to_answer

if TYPE_CHECKING:
    from ..answers.reading import Raw
    from ..truth.truth import Truth
    from .verdict import Verdict

__all__ = ["in_its_best_reading"]

NUMERATOR = "derivatives are read in numerator layout: ∂E/∂h is a row, ∂h/∂x has a row for each entry of h"
DENOMINATOR = "derivatives are read in denominator layout: ∂E/∂h is a column, ∂h/∂x has a row for each entry of x"
WIDE = "the matrix behind a product over steps is read as a factor of every step: ∏ (…)"
NARROW = "the matrix behind a product over steps is read as standing behind all of it: (∏ …) W"
DIAGONAL = "a vector before diag(…) is read as diag(…) times the vector"
IMMEDIATE = "∂h[k]/∂W without a plus is read as the immediate derivative ∂⁺: earlier steps are held constant"


def in_its_best_reading(truth: Truth, raw: Raw) -> Verdict:
    """The verdict; what the text leaves open is read in the way in which the answer is right.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.homework.answers.reading import read_answer
        >>> from bpttgraph.homework.truth.truth import Truth
        >>> u = bg.cell("rnn").unroll(3)
        >>> answer = "dW_hh = sum_t dE[t]/dh[t] dh[t]/dW_hh"
        >>> in_its_best_reading(Truth(u, u.instance()), read_answer(answer)).right
        True
    """
    answers = _readings(truth, raw) if raw.text else [to_answer(truth, raw)]
    if len(answers) == 1:
        return _with_notes(judge(truth, answers[0]), answers[0])
    tried = [(a, found) for a in answers if (found := _wrong(truth, a)) is not None]
    if not tried:
        return judge(truth, answers[0])  # says why it cannot
    answers, wrong = [a for a, _ in tried], [w for _, w in tried]
    place = min(range(len(answers)), key=lambda i: len(wrong[i]))
    verdict = judge(truth, answers[place])
    if all(wrong) and not any(p.cause for p in verdict.parameters.values()):
        for i, other in enumerate(answers):
            explained = judge(truth, other) if i != place and len(wrong[i]) == len(wrong[place]) else verdict
            if any(p.cause for p in explained.parameters.values()):
                place, verdict = i, explained
                break
    chosen = answers[place]
    if chosen.ordered and any(wrong):
        swapped = replace(chosen.reading, ascending=not chosen.reading.ascending)
        also = next((w for a, w in zip(answers, wrong) if a.reading == swapped), ())
        verdict.notes.append(_order(chosen, bool(wrong[place]), also))
    return _with_notes(verdict, chosen)


def _wrong(truth: Truth, answer: Answer) -> tuple[str, ...] | None:
    """What is wrong in a reading; None if its shapes are those of no gradient."""
    try:
        return judge(truth, answer, explain=False).wrong
    except BPTTError:
        return None


def _order(answer: Answer, wrong: bool, other: tuple[str, ...]) -> str:
    """How a product over steps was read, and what the other order would have made of it."""
    lines = f"line{'s' if len(answer.ordered) > 1 else ''} {', '.join(map(str, answer.ordered))}"
    side = "earliest" if answer.reading.ascending else "latest"
    how = "in the other order it is right as well"
    if other:
        how = f"in the other order {', '.join(map(called, other))} would be wrong"
        how = "in the other order it is wrong as well" if wrong else how
    return f"{lines}: the product over steps is read with the {side} step on the left; {how}"


def _with_notes(verdict: Verdict, answer: Answer) -> Verdict:
    """The verdict with what is to be said of the reading."""
    if "layout" in answer.open:
        verdict.notes.append(DENOMINATOR if answer.reading.denominator else NUMERATOR)
    if "reach" in answer.open:
        verdict.notes.append(WIDE if answer.reading.wide else NARROW)
    if "diag" in answer.open and answer.reading.diagonal_first:
        verdict.notes.append(DIAGONAL)
    if "plus" in answer.open and answer.reading.immediate:
        verdict.notes.append(IMMEDIATE)
    return verdict


def _readings(truth: Truth, raw: Raw) -> list[Answer]:
    """The answer in every way in which its text may be read, and in which its shapes fit.

    Raises:
        BPTTError: it can be read in none; the message is that of the plain reading.
    """
    found: list[Answer] = []
    refused: BPTTError | None = None
    tried: set[Reading] = set()
    waiting = [PLAIN]
    while waiting:
        reading = waiting.pop(0)
        if reading in tried:
            continue
        tried.add(reading)
        try:
            answer = to_answer(truth, raw, reading)
        except BPTTError as error:
            if reading is PLAIN:
                refused = error
                waiting += [Reading(denominator=True), Reading(wide=True), Reading(diagonal_first=True)]
            continue
        found.append(answer)
        if answer.ordered:
            waiting.append(replace(reading, ascending=True))
        if "layout" in answer.open:
            waiting.append(replace(reading, denominator=True))
        if "reach" in answer.open:
            waiting.append(replace(reading, wide=True))
        if "diag" in answer.open:
            waiting.append(replace(reading, diagonal_first=True))
        if "plus" in answer.open:
            waiting.append(replace(reading, immediate=True))
    if refused is not None and not any({"layout", "reach", "diag"} & {*answer.open} for answer in found):
        raise refused
    return found
