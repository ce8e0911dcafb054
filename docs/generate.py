"""Writes the generated parts of the documentation: tables of cells, functions, formats, profiles and options, and the
pictures.

Run `python docs/generate.py`. A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; a test keeps the
parts fresh.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from textwrap import indent
from typing import Any

DOCS = Path(__file__).parent

SHAPE = {
    "same": "the shape of x",
    "each": "entry by entry",
    "reduce": "a number",
    "pair": "a number",
    "outer": "a matrix",
    "diag": "a matrix",
    "concat": "a vector",
}


def table(head: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def functions() -> str:
    from bpttgraph.equations.functions import ALIASES, FUNCTIONS

    rows = []
    for name, function in FUNCTIONS.items():
        low, high = function.arity
        count = str(low) if low == high else f"{low} or more" if high > 9 else f"{low} or {high}"
        also = ", ".join(f"`{a}`" for a, of in ALIASES.items() if of == name)
        if not function.meaning:
            raise SystemExit(f"{name}: nothing says what it is: write meaning=… into its entry of the rule table")
        rows.append([f"`{name}`", also, count, _result(function), function.meaning])
    return table(["name", "also written", "arguments", "result", "value"], rows)


def _result(function: Any) -> str:
    return SHAPE[function.shape] + (f"; of two, {SHAPE[function.two]}" if function.two else "")


def cells() -> str:
    import bpttgraph as bg
    from bpttgraph.equations.library import describe

    rows = []
    for name in bg.cells():
        about, rec = describe(name), bg.cell(name)
        variants = ", ".join(f"`{v}`" for v in about["variants"])
        states = ", ".join(f"`{s}`" for s in rec.states)
        rows.append([f"`{name}`", about["title"], variants, states, str(len(rec.parameters)), about["source"]])
    return table(["name", "title", "variants", "states", "parameters", "source"], rows)


def formats() -> str:
    """The formats of a document, from the writers themselves."""
    from bpttgraph.document import formats as registered

    rows = []
    for f in sorted(registered().values(), key=lambda f: f.holds != "derivation"):
        needs = [f.reader] if f.reader else []
        needs += [f"`pip install '{f.install}'`"] if f.needs else []
        rows.append([f"`{f.name}`", f"`{f.file}`", f.help, ", ".join(needs)])
    return table(["format", "file", "what it is", "needs"], rows)


def profiles() -> str:
    """The profiles of courses, as they describe themselves."""
    from bpttgraph.homework.courses.profile import profile, profiles as names

    rows = []
    for about in (profile(name).describe() for name in names()):
        arrays = ", ".join(f"{array} ({', '.join(axes)})" for array, axes in about["arrays"].items())
        rows.append([f"`{about['name']}`", about["title"], arrays, "; ".join(about["conventions"])])
    return table(["profile", "course", "arrays", "conventions"], rows)


def options() -> str:
    """Every command with its arguments and options, from the command line itself."""
    import click

    from bpttgraph.cli import main

    parts = []
    for name, command in sorted(main.commands.items()):
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        names = [(p.metavar or (p.name or "").upper()).strip("[]") for p in arguments]
        usage = " ".join(n if p.required else f"[{n}]" for n, p in zip(names, arguments))
        said = cleandoc(command.help or "").split("\n\n")  # \b marks lines that stay as they are
        text = "\n\n".join(indent(p.lstrip("\b\n"), "    ") if p.startswith("\b") else p for p in said)
        parts.append(f"## bpttgraph {name}\n\n`bpttgraph {' '.join([name, usage]).strip()}`\n\n{text}\n")
        rows = []
        for p in command.params:
            if isinstance(p, click.Option):
                flags = ", ".join(f"`{o}`" for o in [*p.opts, *p.secondary_opts])
                rows.append([flags, f"`{p.metavar}`" if p.metavar else "", _default(p), p.help or ""])
        if rows:
            parts.append(table(["option", "value", "default", "meaning"], rows) + "\n")
    return "\n".join(parts).rstrip()


def _default(option: Any) -> str:
    value = option.default
    plain = isinstance(value, str | int) and not isinstance(value, bool) and not option.is_flag
    return f"`{value}`" if plain else ""


PARTS = {"functions": functions, "cells": cells, "formats": formats, "profiles": profiles, "options": options}
PART = re.compile(r"(<!-- generated: (\w+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Every page that has a generated part, with what it should say."""
    found = {}
    for path in sorted(DOCS.rglob("*.md")):
        if "_build" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        if PART.search(text):
            found[path] = PART.sub(lambda m: m[1] + PARTS[m[2]]() + m[3], text)
    return found


def pictures() -> dict[Path, Any]:
    """The pictures of the pages, each as `bpttgraph draw` draws it."""
    import bpttgraph as bg

    return {
        DOCS / "images" / "rnn-forward.svg": bg.cell("rnn").unroll(3).draw(),
        DOCS / "images" / "rnn-folded.svg": bg.cell("rnn").draw(),
        DOCS / "images" / "rnn-chunk.svg": bg.cell("rnn").unroll(4, truncate="chunk:2").draw(),
        DOCS / "images" / "lstm-forward.svg": bg.cell("lstm").unroll(2).draw(),
    }


if __name__ == "__main__":
    for page, content in pages().items():
        page.write_text(content, encoding="utf-8")
    for target, figure in pictures().items():
        figure.save(target)
