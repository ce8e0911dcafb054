"""What the commands share: options, reading a recurrence, unrolling it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from ..equations.notes import Note
from ..errors import BPTTError, nearest
from ..machine.bounds import within
from ..machine.files import decoded, read_text
from .terminal import say

if TYPE_CHECKING:
    from ..equations import Recurrence
    from ..unrolled import Unrolled

__all__ = ["default_wrt", "is_given", "load", "pairs", "say_reading", "shared", "unroll", "whole"]

MAX_BYTES = 200_000


Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def shared(*names: str) -> Option:
    """The options that several commands share."""
    table: dict[str, Option] = {
        "steps": click.option(
            "--steps", metavar="T", help="Number of steps; for blocks encoder=4,decoder=2.  [default: 3]"
        ),
        "loss": click.option("--loss", default="every", show_default=True, help="every, last, or steps such as 2,3."),
        "truncate": click.option(
            "--truncate", metavar="HOW", help="sliding:4 (or 4), chunk:4, '8;4' (BPTT(h;h')), one-step, carousel."
        ),
        "let": click.option(
            "--let",
            "let",
            multiple=True,
            metavar="NAME=VALUE",
            help="Bind an abstract function: --let phi=tanh, --let 'f(x, h; w, u)=tanh(w x + u h)'.",
        ),
        "layers": click.option(
            "--layers", type=int, metavar="L", help="Number of layers, where a letter of the text counts them."
        ),
        "size": click.option(
            "--size",
            "size",
            multiple=True,
            metavar="NAME=N",
            help="A size: --size h=3; --size 1 for the all-scalar reading.",
        ),
        "inputs": click.option(
            "--inputs",
            default="every",
            show_default=True,
            help="every, first (zero afterwards) or feedback (the last output).",
        ),
        "reduce": click.option("--reduce", default="sum", show_default=True, help="sum or mean over the loss steps."),
        "quiet": click.option("--quiet", is_flag=True, help="Do not say how the equations of a text were read."),
    }

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            function = table[name](function)
        return function

    return decorate


def is_given(name: str) -> bool:
    """Whether somebody wrote this option on the command line; else its value is the default."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


# -- reading the arguments ---------------------------------------------------------------------------------------------


def pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    found = {}
    for value in values:
        # the name may itself hold brackets and commas, f(x, h; w) = …: the first = outside brackets separates
        name, mark, rest = value.partition("=")
        if option == "let" and name.partition("(")[2] and rest.strip() == name.strip():
            raise BPTTError(
                f"--let {value!r} says that {name.strip()} is itself", "leave it out, or write what it stands for"
            )
        if not mark or not name.strip() or not rest.strip():
            raise BPTTError(
                f"--{option} {value!r} is not NAME=VALUE",
                f"write --{option} {'phi=tanh' if option == 'let' else 'h=3'}",
            )
        found[name.strip()] = rest.strip()
    return found


def whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BPTTError(
            f"--{option} {text!r} is not a whole number", f"write --{option} {'h=3' if option == 'size' else '3'}"
        ) from None


def load(source: str, let: tuple[str, ...], layers: int | None = None) -> Recurrence:
    """The recurrence that CELL, FILE or - stands for."""
    from ..equations import cell, cells, recurrence

    bindings = pairs(let, "let")
    fix = "give the equations of one recurrence"
    if source.partition(":")[0] in cells():
        if layers is not None:
            raise BPTTError(f"the cell {source} has no letter that counts layers", "leave --layers out")
        return cell(source, bindings or None)
    if source == "-":
        if sys.stdin is None:
            raise BPTTError("there is no standard input", "give the name of a cell or a file")
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        within(len(content), MAX_BYTES, "standard input has {} bytes or more", fix)
        return recurrence(decoded(content, "standard input"), bindings or None, layers)
    path = Path(source)
    if os.path.isdir(source):  # which, unlike Path's, takes any text
        raise BPTTError(f"{source!r} is a folder", "give the name of a file in it")
    if not os.path.exists(source):
        if path.suffix or len(path.parts) > 1:
            raise BPTTError(f"there is no file {source!r}", f"look for it with ls {path.parent}")
        raise BPTTError(
            f"there is no cell and no file {source!r}", nearest(source, cells()) + " (bpttgraph cells lists them all)"
        )
    rec = recurrence(read_text(path, MAX_BYTES, fix), bindings or None, layers)
    if path.is_file():  # a pipe has no name of its own
        rec.title = path.stem
    return rec


def say_reading(rec: Recurrence, quiet: bool) -> None:
    """How a text was read, and what had to be assumed, on standard error. A cell of the library needs no reading."""
    if quiet or rec.published:
        return
    say("read as:\n" + indent(rec.reading, "  "), err=True)
    for note in rec.notes:
        say("note: " + as_options(note.pointed(rec.text) if isinstance(note, Note) else note), err=True)


def as_options(message: str) -> str:
    """A message of the library in the words of the command line: `sizes={"h": 3}` is `--size h=3`."""
    return re.sub(r"sizes=\{(?:[\"']([^\"'{}]+)[\"']: )?([0-9]+|…)\}", _option, message)


def _option(found: re.Match[str]) -> str:
    return f"--size {found[1] or '…'}={found[2] if found[2] != '…' else 'N'}"


def unroll(rec: Recurrence, options: dict[str, Any]) -> Unrolled:
    steps: Any = options.get("steps")
    if steps is not None:
        steps = (
            {k: whole(v, "steps") for k, v in pairs(tuple(steps.split(",")), "steps").items()}
            if "=" in steps
            else whole(steps, "steps")
        )
    loss: Any = options.get("loss", "every")
    if loss not in ("every", "last"):
        loss = [whole(s, "loss") for s in str(loss).split(",")]
    size = options.get("size", ())
    sizes: Any = 1 if size == ("1",) else {k: _size(v) for k, v in pairs(size, "size").items()} or None
    return rec.unroll(
        steps, loss, sizes, options.get("truncate"), options.get("inputs", "every"), options.get("reduce", "sum")
    )


def _size(text: str) -> Any:
    words = text.replace("x", ",").split(",")
    parts = [whole(p if p.strip() else text, "size") for p in words]
    return parts[0] if len(parts) == 1 else tuple(parts)


def default_wrt(unrolled: Unrolled) -> str:
    """The parameter that teaches most: the one that stands beside a state read from the step before."""
    state_links = {link.target for link in unrolled.links if link.delay}
    for name, node in unrolled.parameters.items():
        for use in node.uses:
            carried = any(a.role in ("state", "initial") for a in use.node.args)
            if use.variable in state_links and carried:
                return name
    return next(iter(unrolled.parameters), None) or next(
        v.name for v in unrolled.vgraph.variables.values() if v.role in ("initial", "input")
    )
