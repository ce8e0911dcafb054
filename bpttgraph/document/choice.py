"""What is asked of a document: how much of the way it shows, at which levels, in which notation, checked how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..derive.levels import LEVELS
from ..derive.onehot import classes_in
from ..derive.worked import DETAILS
from ..errors import BPTTError, nearest
from ..formulas.notation import checked

if TYPE_CHECKING:
    from ..check import Report
    from ..unrolled import Unrolled

__all__ = ["DEFAULT_LEVELS", "Choice"]

DEFAULT_LEVELS = {"slide": (), "lecture": ("chain", "numbers"), "full": LEVELS}
"""What stands in a document besides the worked derivation, which ends at level matrix."""


@dataclass(frozen=True)
class Choice:
    """The options of `build`, and the run whose numbers are printed.

    `onehot`: inputs and targets that hold one-hot vectors, see `derive.onehot`.
    `symbolic`: the number of steps is left open; the unrolled graph serves for shapes, the picture and the check.

    Raises:
        BPTTError: for a detail, level or notation that does not exist.
    """

    unrolled: Unrolled
    report: Report | None = None
    command: str = ""
    detail: str = "lecture"
    level: tuple[str, ...] | None = None
    notation: str = "pascanu"
    data: Mapping[str, Any] | None = None
    symbolic: bool = False
    onehot: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.detail not in DETAILS:
            raise BPTTError(f'there is no detail "{self.detail}"', nearest(self.detail, list(DETAILS)))
        for level in self.level or ():
            if level not in LEVELS:
                raise BPTTError(f'a derivation has no level "{level}"', nearest(level, list(LEVELS)))
        checked(self.notation)

    @property
    def levels(self) -> tuple[str, ...]:
        """In the order of the levels, whatever the order in which they were asked for."""
        chosen = DEFAULT_LEVELS[self.detail] if self.level is None else self.level
        return tuple(x for x in LEVELS if x in chosen)

    @property
    def has_numbers(self) -> bool:
        return not self.unrolled.recurrence.abstract

    @cached_property
    def run(self) -> Any:
        """The run whose numbers are printed: on `data`, or on the instance of seed 0, with one-hot vectors where they
        are said."""
        data = classes_in(self.unrolled.instance(seed=0), self.onehot) if self.data is None else self.data
        return self.unrolled.tried(data)

    @property
    def mark(self) -> str:
        """✓ if the check found everything right, ✗ if not, nothing if there was none."""
        return "" if self.report is None or not self.report.findings else "✓" if self.report.right else "✗"
