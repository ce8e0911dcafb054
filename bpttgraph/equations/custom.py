"""What a text that belongs to a recurrence, such as a student's gradients, takes over from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LOSS_WORDS", "PLAIN", "Custom", "subscripted"]

LOSS_WORDS = frozenset(["E", "L", "J", "ℓ", "loss", "Loss", "cost"])
"""What a loss is called where the recurrence calls it otherwise."""


def subscripted(name: str) -> str:
    """A name of a letter and a number as LaTeX writes it.

    >>> subscripted("W1"), subscripted("h2[0]"), subscripted("W_hh")
    ('W_1', 'h_2[0]', 'W_hh')
    """
    return re.sub(r"(?<![\w\]])([^\W\d_])([0-9]+)(?=\[|\Z)", r"\1_\2", name)


@dataclass(frozen=True)
class Custom:
    """The letter that counts the steps, and the names that are known: they are whole, and `W_1` is no `W` at step 1.

    `gradients` says that the text is about gradients, so that derivatives are factors there; `losses` are the names of
    losses, `parameters` those without a step. `circled` says that the recurrence has ⊗ between gates.

    Example:
        >>> sorted(Custom.of("n", ["encoder.W1", "target"]).names)
        ['W1', 'W_1', 'target']
    """

    step: str = "t"
    names: frozenset[str] = frozenset()
    gradients: bool = False
    losses: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    circled: bool = False

    @classmethod
    def of(
        cls,
        step: str,
        names: Iterable[str],
        losses: Iterable[str] = (),
        parameters: Iterable[str] = (),
        circled: bool = False,
    ) -> Custom:
        """The custom of a text about the gradients of a recurrence with these names, each with its block or without."""
        plain, lost, whole = ([n.rpartition(".")[2] for n in group] for group in (names, losses, parameters))
        whole = [*whole, *map(subscripted, whole)]
        return cls(
            step, frozenset((*plain, *map(subscripted, plain))), True, frozenset(lost), frozenset(whole), circled
        )

    @property
    def words(self) -> frozenset[str]:
        """Runs of letters that are no products, though they stand in LaTeX."""
        found = (re.match(r"[^\W\d_]+", name) for name in self.names)
        return frozenset(match[0] for match in found if match and len(match[0]) > 1)


PLAIN = Custom()
