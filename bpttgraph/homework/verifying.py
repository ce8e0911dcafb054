"""`verify`: the verdict on an answer, gradient by gradient, plain or in the names and the layout of a course."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.admitting import plain_numbers
from ..equations import Recurrence
from ..errors import expect
from ..unrolled import Unrolled
from .verdict.plain import verdict_on
from .verdict.verdict import Verdict

__all__ = ["verify"]


def verify(
    recurrence: Recurrence | Unrolled,
    answer: Any,
    data: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    batch: int | None = None,
    feedback: str = "why",
    certify: bool = False,
    profile: str | None = None,
) -> Verdict:
    """Judge a gradient that somebody has derived.

    Args:
        recurrence: a `Recurrence` (unrolled over the steps of the data, or 5), or an `Unrolled` with its loss steps and
            truncation.
        answer: a mapping from names to arrays or formulas, a text of formulas, the path of a file (`.npz`, `.json`,
            `.csv`, or formulas in any other), `"file.py:function"`, or a function.
        data: the instance on which arrays were computed. By default the one in the answer's file, or `u.instance(seed,
            batch)`.
        seed, batch: of that instance (0 and None).
        certify: also prove the truth by ball arithmetic (needs `bpttgraph[certify]`; small models).
        feedback: how much `str(verdict)` says: "none", "verdict", "where", "why" or "full" (with the true numbers).
        profile: a course, such as "cs231n-lstm": `answer` and `data` are in its names and layout, and its equations
            count; of `recurrence`, the steps, losses and truncation.

    Returns:
        A `Verdict`: `.right`, `.parameters[name].status` and `.cause`, `.report()`, `.to_json()`.

    Raises:
        BPTTError: the answer cannot be read, or does not fit the recurrence; the instance hides mistakes and was ours
            to choose.

    Example:
        >>> import bpttgraph as bg
        >>> verdict = bg.verify(bg.cell("rnn"), "db_y = sum_t (y[t] - target[t])")
        >>> verdict.parameters["b_y"].status
        'right'
    """
    whole = "give bpttgraph.recurrence(…), bpttgraph.cell(…), or one unrolled"
    expect(recurrence, (Recurrence, Unrolled), "what an answer is compared with", whole)
    expect(data, (Mapping, type(None)), "data", "give a mapping from names to arrays, as u.instance() does")
    rest: dict[str, Any] = {"seed": seed, "batch": batch, "feedback": feedback, "certify": certify}
    for key, value in (data or {}).items():
        plain_numbers(value, f"data: {key}")
    if profile is None:
        return verdict_on(recurrence, answer, data, **rest)
    from .courses.profiled import unrolling, verify as by_profile  # only now, for the time that it takes

    return by_profile(profile, answer, data, **rest, **unrolling(recurrence))
