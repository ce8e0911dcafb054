"""From syntax to meaning: what a lecture leaves unsaid is supplied, one habit of writing a module.

`understand` sends a program through `PASSES`. A pass takes the equations as they were read and returns them in the
plain language (explicit steps, no unit indices, no layers, …), with a `Note` for everything that it assumed. A pass
knows no other; it leaves alone what it does not recognise, and refuses what has two readings, with both spelled out.
"""

from __future__ import annotations

from collections.abc import Callable

from ..gradients import without_gradients
from ..syntax import Program
from .attention import positions
from .classes import class_labels
from .columns import apply_columns
from .constants import constants
from .definitions import say_definitions
from .layers import counted, write_layers
from .long_sums import long_sums
from .rows import rows_or_columns
from .starts import first_states
from .steps import supply_steps
from .units import sums_to_products

__all__ = ["PASSES", "counted", "understand"]

PASSES: tuple[Callable[[Program], Program], ...] = (
    without_gradients,
    positions,
    sums_to_products,
    write_layers,
    apply_columns,
    long_sums,
    supply_steps,
    class_labels,
    first_states,
    say_definitions,
    constants,
    rows_or_columns,
)


def understand(program: Program) -> Program:
    """The program in the plain language."""
    for change in PASSES:
        program = change(program)
    return program
