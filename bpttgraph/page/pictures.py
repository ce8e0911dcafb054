"""The pictures of the page: each frame's graph, open and folded, and the inside of one step.

Ids are dropped (the same ones would stand in every picture), glyphs are drawn from one shared set, and the page's
dark look is a table of colours: whatever has a colour of the light theme gets its partner of the dark one.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import BPTTError

if TYPE_CHECKING:
    from ..draw.marks import Layout
    from ..unrolled.unroll import Unrolled

__all__ = ["Pictures", "dark_rules", "inside_ids"]

_ENDS = 1  # steps that stay at each end of a folded picture


class Pictures:
    """SVG texts whose glyphs are collected in `glyphs`."""

    def __init__(self, theme: str):
        self.theme, self.glyphs = theme, dict[str, str]()

    @property
    def defs(self) -> str:
        return "".join(f'<path id="{k}" d="{d}"/>' for k, d in self.glyphs.items())

    def graph(self, u: Unrolled, name: str) -> list[str]:
        """The unrolled graph without other parameters; from three steps on, a second time with its middle folded."""
        from ..draw import draw
        from ..draw.data import Data

        folds: list[Any] = [False, (_ENDS, _ENDS)] if max(u.steps.values()) > 2 * _ENDS else [False]
        data = Data(wrt=name)
        return [self._svg(draw(u.vgraph, "paths", fold=f, theme=self.theme, data=data).layout) for f in folds]

    def inside(self, u: Unrolled) -> str:
        """The inside of the middle step; nothing where there is none."""
        from ..draw import draw_network
        from ..show.inside import inside

        try:
            return self._svg(draw_network(inside(u), theme=self.theme).layout)
        except BPTTError:
            return ""

    def _svg(self, layout: Layout) -> str:
        """Without title and legend; the page has its own."""
        from ..draw.legend import extent
        from ..draw.svg import write_svg

        words = ("title", "legend", "notes")
        kept = tuple(m for m in layout.marks if not m.cls.startswith(words))
        left, top, right, bottom = extent([m for m in kept if m.box or m.path])
        left = min(
            min([m.box[0] - m.box[2] / 2 for m in kept if m.box], default=left), *[p[0] for m in kept for p in m.path]
        )
        svg = write_svg(replace(layout, marks=kept))
        found = re.findall(r'<path id="(g[0-9a-f]+)" d="([^"]*)"/>', svg)
        self.glyphs |= {key: _rounded(f' d="{path}"', 2)[4:-1] for key, path in found}
        svg = re.sub(r"<defs>.*?</defs>|<desc>.*?</desc>", "", svg, flags=re.DOTALL)
        svg = re.sub(r'<g id="[^"]*"', "<g", svg)
        width, height = right - left + 20, bottom - top + 20
        box = f'viewBox="{left - 10:.0f} {top - 10:.0f} {width:.0f} {height:.0f}"'
        svg = re.sub(
            r'width="[^"]*" height="[^"]*" viewBox="[^"]*" role="img"',
            f'width="{width:.0f}" height="{height:.0f}" {box} role="group"',
            svg,
            count=1,
        )
        return _rounded(re.sub(r'<rect class="paper"[^>]*/>', "", svg), 1)


def _rounded(svg: str, digits: int) -> str:
    """Shorter coordinates in paths, polygons and places: a tenth of a point is finer than a screen."""

    def shorter(m: re.Match[str]) -> str:
        return re.sub(r"-?\d+\.\d+", lambda n: f"{round(float(n[0]), digits):g}", m[0])

    return re.sub(r' (?:d|points)="[^"]*"|translate\([^)]*\)', shorter, svg)


def inside_ids(u: Unrolled) -> dict[str, list[str]]:
    """What lights up inside one step: link id -> its parts and the wires between them; name -> its part."""
    from ..show.inside import inside

    try:
        net = inside(u)
    except BPTTError:
        return {}
    variables = u.vgraph.variables
    columns = [variables[n].column for n in net.parts if n in variables]
    block = u.recurrence.blocks[-1] if u.recurrence.blocks else None
    here = u.offset.get(block, 0) + (u.steps[block] + 1) // 2
    assert here in columns
    place = {(v.base, v.column): n for n, v in variables.items()}
    into: dict[str, list[Any]] = {}
    for w in net.wires:
        into.setdefault(w.target, []).append(w)

    def shifted(name: str, by: int) -> str:
        v = variables[name]
        return name if v.column is None else place.get((v.base, v.column + by), "")

    def back(at: str, source: str) -> list[str]:
        """The wires from `source` to `at` through operations and functions."""
        found = []
        for w in into.get(at, ()):
            if w.source == source:
                found.append(w.id)
            elif w.source not in variables:
                further = back(w.source, source)
                found += [*further, w.id, w.source] if further else []
        return found

    out: dict[str, list[str]] = {}
    for name, v in variables.items():
        part = shifted(name, here - v.column) if v.column is not None and v.block == block else ""
        if part in net.parts:
            out[name] = [part]
    for link in u.links:
        column = variables[link.target].column
        if column is None or variables[link.target].block != block:
            continue
        target, source = shifted(link.target, here - column), shifted(link.source, here - column)
        if target in net.parts:
            wires = back(target, source) if source in net.parts else []
            out[link.id] = list(dict.fromkeys([target, *([source] if wires else []), *wires]))
    return out


def dark_rules() -> str:
    """CSS that gives every colour of the light theme its partner of the dark one."""
    from ..draw.theme import THEMES

    pairs: dict[str, str] = {}

    def walk(light: Any, dark: Any) -> None:
        if isinstance(light, str) and light.startswith("#"):
            pairs[light.upper()] = dark
        elif isinstance(light, tuple):
            for a, b in zip(light, dark):
                walk(a, b)
        elif isinstance(light, dict):
            for key in light:
                walk(light[key], dark[key])
        elif is_dataclass(light):
            for f in fields(light):
                walk(getattr(light, f.name), getattr(dark, f.name))

    walk(THEMES["light"], THEMES["dark"])
    # White is the paper and the fill of a value; the box must stand out.
    walk(THEMES["light"].node["value"], THEMES["dark"].node["value"])
    return "".join(
        f'.dark svg [{what}="{a}" i]{{{what}:{b}}}' for a, b in sorted(pairs.items()) for what in ("fill", "stroke")
    )
