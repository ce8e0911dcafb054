"""The formats of a document: found in the folder, one entry each, which everybody reads.

A writer is one module of this folder. It says all that anybody needs to know of what it writes in a line of its own,

    FORMATS = (Format("md", "derivation.md", write_markdown, "Markdown with formulas", …),)

and nothing else has to change: `derive --format` with its help and its errors, `Document`, `bpttgraph doctor`, the
tables of the documentation and the tests that walk all formats read `formats()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from ..errors import BPTTError
from ..machine.optional import OPTIONAL
from .blocks import Sheet

__all__ = ["Format", "chosen", "format_of", "formats"]


@dataclass(frozen=True)
class Format:
    """What one format is, stated by its writer.

    Attributes:
        name: what `--format` calls it.
        file: the name of its file in the folder that is handed out; its ending is the format's.
        write: makes the file, text or bytes, from a document alone: the same document gives the same bytes.
        help: what it is, in words for a table.
        media: its media type.
        also: other names, all of them attributes of `Document`.
        holds: "derivation", or only a part of it: "picture" or "check".
        pictures: how the derivation shows its pictures: "svg" or "tikz" inside the file, or as files "beside" it.
        needs: the optional package (`machine.optional`) without which it cannot be written.
        reader: what people need to use the file, in words for a table.

    Example:
        >>> import bpttgraph as bg
        >>> from bpttgraph.document import formats
        >>> formats()["rst"].file
        'derivation.rst'
    """

    name: str
    file: str
    write: Callable[[Sheet], str | bytes]
    help: str
    media: str
    also: tuple[str, ...] = ()
    holds: str = "derivation"
    pictures: str = "svg"
    needs: str = ""
    reader: str = ""

    @property
    def suffix(self) -> str:
        """The ending of its file."""
        return self.file[self.file.rindex(".") :]

    @property
    def names(self) -> tuple[str, ...]:
        """What the format answers to: its name, and the attribute of a document if that is another."""
        return (self.name, *self.also)

    @property
    def install(self) -> str:
        """The extra of ours that brings what it needs, or nothing."""
        return f"bpttgraph[{OPTIONAL[self.needs].extra}]" if self.needs else ""


@lru_cache(maxsize=1)
def formats() -> Mapping[str, Format]:
    """Every format by its name, in the order of the alphabet.

    >>> formats()["md"].file, formats()["pdf"].install
    ('derivation.md', 'bpttgraph[typst]')
    """
    found: dict[str, Format] = {}
    taken: set[str] = set()
    for module in iter_modules(import_module(__package__).__path__):
        for stated in getattr(import_module(f"{__package__}.{module.name}"), "FORMATS", ()):
            for name in (*stated.names, stated.file):
                if name in taken:
                    raise TypeError(f"two formats of documents are called {name}")
                taken.add(name)
            found[stated.name] = stated
    return MappingProxyType(dict(sorted(found.items())))


def format_of(name: str) -> Format:
    """The format of a name, or of one of its other names (`markdown` is `md`).

    Raises:
        BPTTError: there is none.
    """
    for stated in formats().values():
        if name in stated.names:
            return stated
    raise _unknown(name, formats(), "")


def chosen(names: str | Iterable[str], more: Iterable[str] = (), option: str = "formats") -> list[str]:
    """The names in a list of formats, such as "html, md", each by its first name and once.

    Args:
        names: one text with commas, or names. more: names of other things to write, known to the caller.
        option: what the list is called where it was written.

    Raises:
        BPTTError: there is no name in the text, or an unknown one.

    >>> chosen("markdown, html,md")
    ['md', 'html']
    """
    asked = [n.strip() for n in (names.split(",") if isinstance(names, str) else names)]
    first = {n: stated.name for stated in formats().values() for n in stated.names} | {n: n for n in more}
    known = [*formats(), *more]
    if isinstance(names, str) and not any(asked):
        raise BPTTError(f"{option} names no format", f"choose from {', '.join(known)}")
    for name in filter(None, asked):
        if name not in first:
            raise _unknown(name, known, f"{option} ")
    return list(dict.fromkeys(first[n] for n in asked if n))


def _unknown(name: str, known: Iterable[str], option: str) -> BPTTError:
    return BPTTError(f"{option}{name} is not a format of this version", f"choose from {', '.join(known)}")
