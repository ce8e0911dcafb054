"""Packages that only some of the work needs. Whoever needs one asks for it before the work begins."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..errors import BPTTError

__all__ = ["OPTIONAL", "Package", "require"]


@dataclass(frozen=True)
class Package:
    """What a package is called when it is imported, the extra of ours that installs it, and what it is for."""

    module: str
    extra: str
    use: str


OPTIONAL = {
    "typst": Package("typst", "typst", "writes documents as PDF"),
    "python-flint": Package("flint", "certify", "certifies gradients: check --certify"),
    "torch": Package("torch", "torch", "compares with nn.RNN, nn.LSTM, nn.GRU in the tests"),
    "pytest": Package("pytest", "test", "runs the tests"),
    "hypothesis": Package("hypothesis", "test", "runs the tests"),
}


def require(name: str, what: str) -> Any:
    """The module of an optional package.

    Raises:
        BPTTError: it is not installed (or cannot be imported); says what needs it and how to install it.
    """
    package = OPTIONAL[name]
    try:
        return import_module(package.module)
    except ImportError:
        raise BPTTError(f"{what} needs the package {name}", f"run: pip install 'bpttgraph[{package.extra}]'") from None
