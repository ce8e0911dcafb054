"""Which losses a total counts: `sum_t E[t]`, `E[T]`, `E[2] + E[3]`."""

from __future__ import annotations

from .syntax import Binary, Expr, Index, Reduce

__all__ = ["steps_of", "summands", "together"]


def summands(e: Expr) -> list[Expr]:
    """The terms of a sum written with +."""
    return [*summands(e.left), *summands(e.right)] if isinstance(e, Binary) and e.operator == "+" else [e]


def steps_of(term: Expr, index: Index, offset: int) -> str | tuple[int, ...] | None:
    """The steps of one term of a total, `sum_t E[t]`, `E[T]` or `E[2]`, whose index is `offset` away from that of its
    equation."""
    if not isinstance(term, Reduce):
        return (offset,) if index.variable is None else "last" if index.variable == "T" and offset == 0 else None
    if index.variable != term.variable or offset:
        return None
    low, high = term.lower or Index(None, 1), term.upper or Index("T", 0)
    if low.variable is None and high.variable is None:
        return tuple(range(low.offset, high.offset + 1))
    return "every" if (low.variable, low.offset, high.variable, high.offset) == (None, 1, "T", 0) else None


def together(steps: list[str | tuple[int, ...]]) -> str | tuple[int, ...] | None:
    """The steps of several terms with one loss, if none of them stands there twice."""
    if len(steps) == 1 and isinstance(steps[0], str):
        return steps[0]
    named = [s for each in steps for s in each if isinstance(s, int)]
    return (
        tuple(sorted(named)) if not any(isinstance(s, str) for s in steps) and len({*named}) == len(named) > 0 else None
    )
