"""What is known while an answer is still being judged, for whoever watches: verdicts first, causes as they are found.

>>> with watched(lambda text, level: print(f"{level}: {text}")):
...     tell("1 of 2 gradients wrong", "verdict")
verdict: 1 of 2 gradients wrong
>>> tell("nobody watches", "verdict")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["tell", "watched"]

Listener = Callable[[str, str], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def watched(listener: Listener) -> Iterator[None]:
    """Within it, `listener` is told what is known, and the level of feedback that may see it."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(text: str, level: str) -> None:
    """Tell whoever watches."""
    listener = _listener.get()
    if listener is not None:
        listener(text, level)
