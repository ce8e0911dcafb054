"""Whether what is computed is recorded: `no_grad` for users, `recorded` for transformations. Per thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import _GeneratorContextManager, contextmanager

__all__ = ["no_grad", "recorded", "recording"]


class _Recording(threading.local):
    off = False


recording = _Recording()


@contextmanager
def _switched(off: bool) -> Iterator[None]:
    before = recording.off
    recording.off = off
    try:
        yield
    finally:
        recording.off = before


def no_grad() -> _GeneratorContextManager[None]:
    """Compute without recording: results are constants. Only for this thread, and undone also after an error.

    >>> from bpttgraph import tensor
    >>> x = tensor(2.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.is_constant, (x * x).is_constant
    (True, False)
    """
    return _switched(True)


def recorded() -> _GeneratorContextManager[None]:
    """Record, also inside `no_grad`: what a transformation needs for its own derivative."""
    return _switched(False)
