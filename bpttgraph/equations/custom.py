"""What a text that belongs to a recurrence, such as a student's gradients, takes over from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["PLAIN", "Custom", "subscripted"]


def subscripted(name: str) -> str:
    """A name of a letter and a number as LaTeX writes it.

    >>> subscripted("W1"), subscripted("h2[0]"), subscripted("W_hh")
    ('W_1', 'h_2[0]', 'W_hh')
    """
    return re.sub(r"(?<![\w\]])([^\W\d_])([0-9]+)(?=\[|\Z)", r"\1_\2", name)


@dataclass(frozen=True)
class Custom:
    """The letter that counts the steps, and the names that are known: they are whole, and `W_1` is no `W` at step 1.

    Example:
        >>> sorted(Custom.of("n", ["encoder.W1", "target"]).names)
        ['W1', 'W_1', 'target']
    """

    step: str = "t"
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, step: str, names: Iterable[str]) -> Custom:
        """The custom of a recurrence with these names, each with its block or without."""
        plain = [name.rpartition(".")[2] for name in names]
        return cls(step, frozenset((*plain, *map(subscripted, plain))))

    @property
    def words(self) -> frozenset[str]:
        """Runs of letters that are no products, though they stand in LaTeX."""
        found = (re.match(r"[^\W\d_]+", name) for name in self.names)
        return frozenset(match[0] for match in found if match and len(match[0]) > 1)


PLAIN = Custom()
