"""How large a piece of work may be. It is estimated before it begins, and refused with the limit and what makes it
smaller.

Whatever a user chooses, a size, a number of steps, a file, ends in one of these amounts:

* the nodes of a graph, at about a kilobyte each, and the numbers in arrays that we make, at eight bytes each;
* the marks of a picture: more than some thousand nobody can see, and each of them is drawn;
* the bytes that another program prints to us.
"""

from __future__ import annotations

from math import floor, log10

from ..errors import BPTTError

__all__ = ["MOST_MARKS", "MOST_NODES", "MOST_NUMBERS", "MOST_PRINTED", "Count", "many", "within"]

MOST_NODES = 2_000_000
MOST_NUMBERS = 2**28
MOST_MARKS = 20_000
MOST_PRINTED = 2**26


def within(amount: int, most: int, what: str, fix: str) -> None:
    """Nothing, if `amount` is at most `most`; else an error in which `what` says it, with {} for the amount.

    >>> within(3, 10, "{} nodes", "take fewer")
    >>> within(2 * 10**40, 10**6, "a graph of {} nodes", "take fewer steps")
    Traceback (most recent call last):
    ...
    bpttgraph.errors.BPTTError: a graph of about 2.0·10^40 nodes; at most 1,000,000 are possible
      hint: take fewer steps
    """
    if amount > most:
        raise BPTTError(f"{what.format(many(amount))}; at most {most:,} are possible", fix)


def many(amount: int) -> str:
    """A whole number to be read: exact as long as a person would read it.

    >>> many(12345), many(3**300)
    ('12,345', 'about 1.4·10^143')
    """
    if abs(amount) < 10**24:
        return format(int(amount), ",")
    size = log10(abs(amount))
    return f"about {'−' * (amount < 0)}{10 ** (size - floor(size)):.1f}·10^{floor(size)}"


class Count(int):
    """A number of paths: exact, however large, and printed as `many` does (Python refuses to print 4,300 digits)."""

    def __format__(self, kind: str) -> str:
        return format(int(self), kind) if self < 10**24 else many(self)

    def __str__(self) -> str:
        return format(self, "")

    __repr__ = __str__
