"""Parts of a document that are files of their own: the forward picture, and the check for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..errors import BPTTError
from .blocks import Sheet
from .formats import Format

if TYPE_CHECKING:
    from ..draw.figure import Figure

__all__ = ["check_json"]


def _figure(document: Sheet) -> Figure:
    if document.figure is None:
        raise BPTTError("this document was put together without a picture", "use bpttgraph.document.build")
    return document.figure


def _svg(document: Sheet) -> str:
    return _figure(document).svg


def _png(document: Sheet) -> bytes:
    return _figure(document).png


def _dot(document: Sheet) -> str:
    return _figure(document).dot


def check_json(document: Sheet) -> str:
    """The report of the check; if there was none, why not."""
    choice = document.choice
    if choice is not None and choice.report is not None:
        return choice.report.to_json()
    abstract = choice.unrolled.recurrence.abstract if choice is not None else ()
    reason = f"abstract functions: {', '.join(abstract)}" if abstract else "no check was run"
    return json.dumps({"right": None, "reason": reason}, indent=2, ensure_ascii=False) + "\n"


FORMATS = (
    Format("svg", "forward.svg", _svg, "the forward picture", "image/svg+xml", holds="picture"),
    Format("png", "forward.png", _png, "the forward picture as dots, for slides", "image/png", holds="picture"),
    Format("dot", "forward.dot", _dot, "the forward picture for Graphviz", "text/vnd.graphviz", holds="picture"),
    Format("json", "check.json", check_json, "what the check found, for programs", "application/json", holds="check"),
)
