"""The Sphinx directive `public`: a class from its docstrings, what users call first, what other rooms read after it.

    .. public:: bpttgraph.Unrolled

       run instance derive

The names are those that a user calls, in the order in which they are wanted. Every other public name of the class
follows below a line of its own, so that no name is without a place, and none has to be listed by hand.

Our docstrings are plain text with names and mathematics in single backticks, not reStructuredText. What would be markup
there (the stars of `*args`, the bars of a norm) is protected before Sphinx reads them.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

__all__ = ["Public", "find", "members", "setup"]


def find(name: str) -> Any:
    """The object of a dotted name, such as `bpttgraph.flow.Flow`."""
    module, _, own = name.rpartition(".")
    return getattr(import_module(module), own)


def members(cls: type) -> dict[str, Any]:
    """The public methods and properties that a class has from this package, in the order of the source."""
    kinds = (property, cached_property, classmethod, staticmethod)
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("bpttgraph"):
            for name, value in vars(base).items():
                found.setdefault(name, value)
    return {n: v for n, v in found.items() if n[0] != "_" and (isinstance(v, kinds) or inspect.isfunction(v))}


class Public(SphinxDirective):
    """`.. public:: bpttgraph.Unrolled`, with the names that a user calls as its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The class and these names, then the rest."""
        name = self.arguments[0]
        own = members(find(name))
        called = " ".join(self.content).split()
        unknown = [n for n in called if n not in own]
        if unknown:
            raise self.error(f"{name} has no method or property {', '.join(unknown)}")
        lines = [f".. autoclass:: {name}", ""]
        lines += [line for n in called for line in (f"   .. {_kind(own[n])}:: {n}", "")]
        rest = [n for n in own if n not in called]
        if rest:
            lines += [f".. rubric:: {name.rpartition('.')[2]}: what other rooms read", ""]
            lines += [line for n in rest for line in (f".. {_kind(own[n])}:: {name}.{n}", "")]
        return self.parse_text_to_nodes("\n".join(lines))


def _kind(member: Any) -> str:
    return "autoproperty" if isinstance(member, property | cached_property) else "automethod"


_MARKUP = re.compile(r"[*|]|(?<=\w)_(?!\w)")
_NAMES = r"\*{0,2}[a-zA-Z]\w*(?:, \*{0,2}[a-zA-Z]\w*)*"  # "seed", or "seed, batch"
_SECTION = re.compile(r"(\s*)(?:Args|Attributes):$")


def one_a_line(lines: list[str]) -> list[str]:
    """The lines of a docstring with one entry a line where a section "Args" or "Attributes" has several.

    >>> print(*one_a_line(["Args:", "    data: it. seed, batch: of", "        ours.", "", "End: it."]), sep="\\n")
    Args:
        data: it.
        seed,batch: of
            ours.
    <BLANKLINE>
    End: it.
    """
    found: list[str] = []
    margin: str | None = None
    for line in lines:
        head = _SECTION.match(line)
        if head:
            margin = head[1] + "    "
        elif margin is not None and line.strip() and not line.startswith(margin):
            margin = None
        if margin is None or head:
            found.append(line)
            continue
        first, *others = re.split(rf"(?<=\S[.)]) (?={_NAMES}: )", line)
        for entry in [first, *(margin + other for other in others)]:
            names = re.match(rf"{margin}({_NAMES}):", entry)
            found.append(margin + names[1].replace(", ", ",") + entry[names.end(1) :] if names else entry)
    return found


def protect(lines: list[str]) -> list[str]:
    r"""The lines of a docstring with stars, bars and closing underscores escaped, outside backticks and examples.

    >>> print(*protect([">>> 2 * 3", "6", "", "log ‖y‖ of `a|b` is |y| * 2"])[1:], sep="\n")
    6
    <BLANKLINE>
    log ‖y‖ of `a|b` is \|y\| \* 2
    """
    found, example = [], False
    for line in lines:
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        bullet = re.match(r"\s*\* ", line)
        head, rest = (bullet[0], line[bullet.end() :]) if bullet else ("", line)
        parts = [rest] if example else re.split(r"(`[^`]*`)", rest)
        found.append(head + "".join(p if example or p[:1] == "`" else _MARKUP.sub(r"\\\g<0>", p) for p in parts))
    return found


def _before_napoleon(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = protect(one_a_line(lines))
    if what in ("property", "attribute"):
        lines.insert(0, "\\")  # nothing; but napoleon takes what stands before a colon in the first line for a type


def _after_napoleon(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line.replace("numpy.ndarray[Any, Any]", "Array") for line in lines]


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, given: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return short(given), short(returned)


def short(text: str | None) -> str | None:
    """A signature with plain names of types.

    >>> short("(norms: dict[str, ~numpy.ndarray[~typing.Any, ~typing.Any]])")
    '(norms: dict[str, Array])'
    """
    return text and re.sub(r"~(?:\w+\.)+", "", text).replace("ndarray[Any, Any]", "Array")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public", Public)
    app.connect("autodoc-process-docstring", _before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
