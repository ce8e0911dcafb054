"""Colours, line widths, dashes and shapes, by role of a node and class of an edge.

The palette was measured under normal, protan, deutan and tritan vision (smallest colour difference 28.4). Colour is
never the only cue: every role differs in shape or border too, and every edge class in width, dash or ending.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["THEMES", "Style", "Theme"]


@dataclass(frozen=True, slots=True)
class Style:
    """How one shape is painted. `dash` is (on, off) or (); `shape` is "box", "ellipse" or "" for lines."""

    stroke: str = "#000000"
    fill: str = "none"
    width: float = 1.0
    dash: tuple[float, ...] = ()
    shape: str = ""
    double: bool = False
    radius: float = 6.0
    head: float = 0.0
    dot: float = 0.0


@dataclass(frozen=True)
class Theme:
    """Every style of a picture; `node` by role, `edge` by class."""

    name: str
    paper: str
    ink: str
    faint: str
    bands: tuple[str, str]
    band_line: str
    node: dict[str, Style]
    edge: dict[str, Style]
    gradient_ink: str = "#C44E00"
    heat: tuple[int, ...] = (0xFFF4E8, 0xFDC38A, 0xF0893A, 0xB84A00, 0x5E2100)  # from little to much

    def rail(self) -> Style:
        return replace(self.edge["parameter"], head=0.0, dot=0.0, width=1.2)


def _theme(
    name: str, paper: str, ink: str, faint: str, bands: tuple[str, str], band_line: str, tint: dict[str, str]
) -> Theme:
    state, cell, parameter, loss = tint["state"], tint["cell"], tint["parameter"], tint["loss"]
    box = Style(stroke=ink, fill=tint["value_fill"], width=1.1, shape="box")
    node = {
        "input": Style(stroke=ink, fill=paper, width=1.1, shape="ellipse"),
        "target": Style(stroke=ink, fill=paper, width=1.1, shape="ellipse", dash=(3.5, 2.5)),
        "value": replace(box, radius=4.0),
        "output": replace(box, fill=tint["output_fill"], radius=11.0),
        "state": Style(stroke=state, fill=tint["state_fill"], width=2.0, shape="box", radius=6.0),
        "carry": Style(stroke=cell, fill=tint["cell_fill"], width=2.6, shape="box", radius=6.0),
        "initial": Style(stroke=state, fill=paper, width=1.4, shape="box", dash=(4.0, 2.5)),
        "loss": Style(stroke=loss, fill=tint["loss_fill"], width=1.4, shape="ellipse"),
        "total": Style(stroke=loss, fill=tint["loss_fill"], width=1.4, shape="ellipse", double=True),
        "parameter": Style(
            stroke=parameter, fill=tint["parameter_fill"], width=1.1, shape="box", double=True, radius=2.0
        ),
        "delay": Style(stroke=state, fill=paper, width=1.2, shape="box", radius=1.0),
    }
    node["upstream"] = node["target"]
    node["op"] = replace(node["value"], shape="ellipse")
    edge = {
        "forward": Style(stroke=ink, width=1.1, head=7.0),
        "recurrent": Style(stroke=state, width=2.0, head=8.0),
        "cell-line": Style(stroke=cell, width=4.0, head=12.0),
        "parameter": Style(stroke=parameter, width=0.9, head=5.0, dot=2.3),
        "gradient": Style(stroke=loss, width=3.2, head=10.0),
        "faded": Style(stroke=tint["faded"], width=1.0, head=6.0),
        "pale": Style(stroke=tint["pale"], width=1.0, head=6.0, dash=(4.0, 3.0) if name == "print" else ()),
        "cut": Style(stroke=ink, width=1.6, head=7.0, dash=(5.0, 3.5)),
        "mark": Style(stroke=ink, width=1.6),
        "bracket": Style(stroke=faint, width=1.0),
    }
    # Orange words need more contrast than orange lines.
    words = {"dark": "#FFB27A", "print": "#1A1A1A"}.get(name, "#B34700")
    heat = {
        "dark": (0x2B1B0F, 0x6B3208, 0xB3560F, 0xF0893A, 0xFFD3A6),
        "print": (0xF7F7F7, 0xC8C8C8, 0x969696, 0x5A5A5A, 0x141414),
    }
    ramp = heat.get(name, Theme.heat)
    return Theme(name, paper, ink, faint, bands, band_line, node, edge, words, ramp)


_LIGHT = {
    "state": "#4477AA",
    "state_fill": "#D3E0EE",
    "cell": "#882255",
    "cell_fill": "#EFDCE5",
    "parameter": "#332288",
    "parameter_fill": "#ECE9F6",
    "loss": "#D55E00",
    "loss_fill": "#FCE6D6",
    "value_fill": "#FFFFFF",
    "output_fill": "#FFFFFF",
    "faded": "#8B919A",
    "pale": "#C3C8CF",
}
# Greys alone: what colour says elsewhere, width, dash, double borders and two light fills say here.
_PRINT = {k: "#FFFFFF" for k in _LIGHT if k.endswith("_fill")} | {
    "state": "#404040",
    "cell": "#000000",
    "parameter": "#606060",
    "loss": "#1A1A1A",
    "cell_fill": "#D9D9D9",
    "loss_fill": "#ECECEC",
    "faded": "#8C8C8C",
    "pale": "#9C9C9C",
}
_DARK = {
    "state": "#7FB2E5",
    "state_fill": "#22384F",
    "cell": "#E07BAE",
    "cell_fill": "#47233A",
    "parameter": "#A99BF0",
    "parameter_fill": "#2A2550",
    "loss": "#FF9A4D",
    "loss_fill": "#4A2C14",
    "value_fill": "#20242B",
    "output_fill": "#20242B",
    "faded": "#7A828E",
    "pale": "#5B6470",
}

THEMES: dict[str, Theme] = {
    "light": _theme("light", "#FFFFFF", "#000000", "#5F6670", ("#F1F2F4", "#E7E9ED"), "#DADDE2", _LIGHT),
    # For paper, in greys; bands are told apart by their outline alone.
    "print": _theme("print", "#FFFFFF", "#000000", "#404040", ("#FFFFFF", "#FFFFFF"), "#8A8A8A", _PRINT),
    "dark": _theme("dark", "#16191E", "#E8EAED", "#A3AAB5", ("#1F242B", "#272D36"), "#38404B", _DARK),
}
