"""The definition of a function in printed code, where NumPy has none of that meaning.

It stands in the printed text, so that the text needs nothing but NumPy (and `math` for erf), and does not overflow
where its value is an ordinary number. Its arguments are numbers or arrays of one example; the attributes of the
operation (the slope of leaky_relu) follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.primitives import TABLE, Primitive

__all__ = ["definition", "definitions"]


def definition(op: Primitive, count: int | None = None) -> str:
    """The definition of an operation, from its reading "code"; `count` is the number of its arguments where the entry
    does not say it."""
    code: str = op.readings["code"]
    if code.startswith("def "):
        return code
    settings = [k if value is None else f"{k}={value}" for k, value in op.attributes.items()]
    return f"def {op.name}({', '.join([*'xyzabc'[: count or op.count], *settings])}):\n    return {code}\n"


def definitions(used: Mapping[str, str]) -> list[str]:
    """The definitions of the helpers `used`, by name, and of those that they call themselves, each after what it
    calls."""
    found: dict[str, str] = {}

    def add(name: str, text: str) -> None:
        for other in re.findall(r"(?<![\w.])([a-z_]\w*)\(", text):
            if other != name and other in TABLE and TABLE[other].readings.get("code"):
                add(other, definition(TABLE[other]))
        found.setdefault(name, text)

    for name, text in used.items():
        add(name, text)
    return list(found.values())
