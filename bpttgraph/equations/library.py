"""The cell library: one text file a cell in `cells/`, in the equation language. Adding a cell needs no Python.

A file starts with comment lines of fields:

    # title: Gated recurrent unit # source: Cho et al. 2014, … # convention: reset before the product; z keeps the old
    state (any number; named on every picture and document) # let: φ = tanh (an abstract function bound unless the user
    binds it otherwise; any number) # suggest: g_1 = tanh (left abstract, but what an error message and the tests
    propose; any number) # variant ifgo: {order} = i, f, g, o (text put in place of {order}; the first variant is the
    default)

A variant is chosen by `cell("lstm-fused:ifog")`; it may put text in several places, one line each. A file of one's own
is used in the same way, by its path: `cell("cells/mine.txt")`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import BPTTError, expect, nearest
from ..machine.files import read_text
from .binding import checked_let
from .functions import canonical
from .model import Recurrence, from_text

__all__ = ["cell", "cells", "describe", "fields", "suggestion"]

_FIELD = re.compile(r"#\s*(title|source|convention|let|suggest|variant [\w-]+)\s*:\s*(.*)")


@lru_cache(maxsize=1)
def cells() -> tuple[str, ...]:
    """The names of all cells.

    >>> "lstm" in cells()
    True
    """
    folder = files(__package__) / "cells"
    return tuple(sorted(f.name[:-4] for f in folder.iterdir() if f.name.endswith(".txt")))


@lru_cache(maxsize=64)
def _text(name: str) -> str:
    return (files(__package__) / "cells" / f"{name}.txt").read_text(encoding="utf-8")


def _find(name: str) -> tuple[str, str, str]:
    """The title, the variant asked for, and the text of a cell of the library or of a file (a path that ends in
    .txt)."""
    expect(name, str, "the name of a cell", 'write a name such as "rnn"; bpttgraph.cells() lists them')
    match = re.fullmatch(r"(.*\.txt)(?::([\w-]+))?", name)
    if match:
        path = Path(match[1])
        return path.stem, match[2] or "", read_text(path, 200_000, "a cell file holds the equations of one cell")
    base, _, variant = name.partition(":")
    if base not in cells():
        raise BPTTError(f"there is no cell {base!r}", nearest(base, cells()))
    return base, variant, _text(base)


def fields(text: str) -> dict[str, list[str]]:
    """The fields in the comment lines of a cell file."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = _FIELD.match(line)
        if match:
            found.setdefault(match[1], []).append(match[2].strip())
    return found


def describe(name: str) -> dict[str, Any]:
    """Title, source, variants and equations of a cell, for listings."""
    base, _, text = _find(name)
    head = fields(text)
    variants = [key.split()[1] for key in head if key.startswith("variant ")]
    return {
        "name": base,
        "title": head.get("title", [base])[0],
        "source": "; ".join(head.get("source", [])),
        "variants": variants,
    }


def suggestion(name: str) -> dict[str, str]:
    """What the file suggests for functions that it leaves abstract."""
    return dict(_binding(line) for line in fields(_find(name)[2]).get("suggest", []))


def _binding(line: str) -> tuple[str, str]:
    left, _, right = line.partition(" = ")
    return left.strip(), right.strip()


def cell(name: str, let: Mapping[str, Any] | None = None) -> Recurrence:
    """A recurrence from the cell library, `cell("lstm")`, with a variant `cell("lstm-fused:ifog")`; or from a cell
    file, by its path.

    `rec.source` holds its equations with their citation.

    Raises:
        BPTTError: if there is no such cell or variant, with the nearest names.

    Example:
        >>> cell("lstm").states, cell("lstm").source.splitlines()[0]
        (('c', 'h'), '# title: LSTM with forget gate')
    """
    base, variant, text = _find(name)
    variants = {key.split()[1]: lines for key, lines in fields(text).items() if key.startswith("variant ")}
    if variant and variant not in variants:
        raise BPTTError(f"the cell {base} has no variant {variant!r}", nearest(variant, list(variants)))
    if variants:
        text = "\n".join(row for row in text.splitlines() if not re.match(r"#\s*variant ", row)) + "\n"
    for mark, value in map(_binding, variants.get(variant) or next(iter(variants.values()), [])):
        text = text.replace(mark, value)
    head = fields(text)
    bound = {canonical(k): v for k, v in map(_binding, head.get("let", []))}
    given = {canonical(k.partition("(")[0].strip()): (k, v) for k, v in checked_let(let).items()}
    merged = {k: v for k, v in bound.items() if k not in given} | dict(given.values())
    title = f"{base}:{variant}" if variant else base
    told = tuple(head.get("convention", []))
    return from_text(text, merged or None, title=title, conventions=told, published=base in cells())
