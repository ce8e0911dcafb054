"""What can be said of a wrong gradient that no known mistake explains: where it differs, and how.

Each sentence states a fact about answer and truth, checked entry by entry; none claims a cause.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["constant_factor", "structure"]

Array = np.ndarray[Any, Any]


def constant_factor(given: Array, true: Array, tolerance: Array) -> float | None:
    """The c for which the answer is c times the truth, entry by entry; None if there is none.

    >>> constant_factor(np.array([2.0, 6.0]), np.array([1.0, 3.0]), np.full(2, 1e-9))
    2.0
    """
    large, small = (float(np.abs(a).max(initial=0.0)) for a in (given, true))
    if not (0 < large < np.inf and 0 < small < np.inf) or true.size < 2:
        return None
    g, v = given / large, true / small  # whose squares neither overflow nor vanish
    weight = 1.0 / np.maximum(tolerance / large, 1e-16) ** 2
    c = float(np.sum(weight * g * v)) / float(np.sum(weight * v * v)) * (large / small)
    spread = abs(c) * 1e-3 + 1e-12
    return c if np.all(np.abs(given - c * true) <= 2 * tolerance) and abs(c - 1) > spread and c != 0 else None


def structure(
    given: Array, true: Array, tolerance: Array, blocks: dict[str, slice] | None = None, known: Array | None = None
) -> list[str]:
    """Sentences on what the difference looks like.

    Args:
        blocks: rows of a stacked parameter, by gate. known: the entries that were given, if not all of them were.

    >>> t = np.arange(6.0).reshape(3, 2); g = t.copy(); g[1, 0] = 9
    >>> structure(g, t, np.full((3, 2), 1e-9))
    ['only the entry [1, 0] is wrong']
    """
    wrong = ~(np.abs(given - true) <= tolerance)
    share = int(wrong.sum())
    found: list[str] = []
    if not share:
        return found
    if known is not None and not known.all():  # rows and columns say nothing then
        total = int(known.sum())
        place = ", ".join(str(int(i)) for i in np.argwhere(wrong)[0])
        what = (
            f"{share} of the {total} numbers given are wrong"
            if share < total
            else f"all {total} numbers given are wrong"
        )
        return [
            (
                what
                if share > 1
                else (
                    f"of the {total} numbers given, only the entry [{place}] is wrong"
                    if total > 1
                    else "the number given is wrong"
                )
            )
        ]
    if share == given.size:
        if given.size > 1:
            found.append("every entry is wrong")
    elif share == 1:
        place = ", ".join(str(int(i)) for i in np.argwhere(wrong)[0])
        return [f"only the entry [{place}] is wrong"]
    elif share <= max(1, given.size // 2):
        found.append(f"only {share} of {given.size} entries are wrong")
    if share < given.size and given.ndim >= 1:
        rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        names = [
            n for n, part in (blocks or {}).items() if len(rows) and part.start <= rows.min() and rows.max() < part.stop
        ]
        if names:
            found = [f"only the rows of {names[0]} ({blocks[names[0]].start} to {blocks[names[0]].stop - 1}) are wrong"]  # type: ignore[index]
        elif 0 < len(rows) < len(wrong) and given.ndim == 2:
            found = [
                f"only row{'s' if len(rows) > 1 else ''} {_numbers(rows)} {'are' if len(rows) > 1 else 'is'} wrong"
            ]
        if given.ndim == 2:
            columns = np.flatnonzero(wrong.any(axis=0))
            if 0 < len(columns) < wrong.shape[1]:
                found.append(
                    f"only column{'s' if len(columns) > 1 else ''} {_numbers(columns)}"
                    f" {'are' if len(columns) > 1 else 'is'} wrong"
                )
    if given.ndim == 2 and given.shape[1] > 1 and np.all(np.abs(given - given[:, :1]) <= 2 * tolerance.max()):
        found.append("all its columns are the same")
    difference = given - true
    if (
        given.ndim == 2
        and share == given.size
        and given.shape[1] > 1
        and np.all(np.abs(difference - difference[:, :1]) <= 2 * tolerance.max())
    ):
        found.append("it differs from the truth by the same vector in every column")
    zeros = wrong & (given == 0)
    if zeros.any() and zeros.sum() == share and share < given.size:
        found.append("the wrong entries are exactly zero")
    close = float(np.abs(difference).max() / max(float(np.abs(true).max()), 1e-300))
    if 0 < close < 1e-5:
        found.append(f"it agrees with the truth to {int(-np.log10(close))} digits")
    signs = np.abs(given + true) <= tolerance
    if share > 1 and np.all(signs[wrong]):
        found.append("the wrong entries have the right size and the wrong sign")
    return found


def _numbers(values: Array) -> str:
    texts = [str(int(v)) for v in values]
    return ", ".join(texts[:6]) + (" …" if len(texts) > 6 else "")
