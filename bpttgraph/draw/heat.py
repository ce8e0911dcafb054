"""View `contributions`: what the use of a parameter at step k adds to the gradient of the loss at step t.

The triangle of (t, k) stands beside the graph as a matrix with its numbers, and each tap of the parameter's rail has
the colour of the sum of its column. One scale for everything, its lightness falling evenly (rising on dark paper), so
that it reads in greyscale too;
it is logarithmic when the numbers differ by more than a factor of 100, and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..core.names import to_latex, to_mathml, to_unicode
from .geometry import rounded
from .labels import mathml_label, words
from .marks import Mark
from .scene import Scene
from .theme import Style, Theme

__all__ = ["Scale", "contributions", "tap_norm"]

_MOST_NUMBERS = 12


@dataclass(frozen=True)
class Scale:
    """Maps norms to colours."""

    low: float
    high: float
    log: bool
    stops: tuple[int, ...] = Theme.heat

    @staticmethod
    def of(values: list[float], stops: tuple[int, ...] = Theme.heat) -> Scale:
        some = [v for v in values if v > 0 and math.isfinite(v)] or [1.0]
        low, high = min(some), max(some)
        log = high > 100 * low
        return Scale(max(low, high * 1e-12) if log else 0.0, high, log, stops)

    def share(self, v: float) -> float:
        if v <= 0 or not math.isfinite(v):
            return 0.0
        if self.log:
            return min(max(math.log(v / self.low) / math.log(self.high / self.low), 0.0), 1.0)
        return min(v / self.high, 1.0)

    def colour(self, share: float) -> str:
        """Between the two stops that the share lies between."""
        place = min(max(share, 0.0), 1.0) * (len(self.stops) - 1)
        k = min(int(place), len(self.stops) - 2)
        f = place - k
        parts = [round((self.stops[k] >> s & 255) * (1 - f) + (self.stops[k + 1] >> s & 255) * f) for s in (16, 8, 0)]
        return "#" + "".join(f"{p:02X}" for p in parts)


def _dark(colour: str) -> bool:
    """Whether white is easier to read on it than black (relative luminance below 0.18)."""
    r, g, b = ((int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5))
    found: bool = 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.18
    return found


def _short(v: float) -> str:
    return f"{v:.2g}" if v == 0 or 1e-2 <= v < 1e4 else f"{v:.0e}".replace("e-0", "e-").replace("e+0", "e+")


def tap_norm(scene: Scene, target: str) -> float | None:
    """The norm at the use by that variable."""
    slot = scene.item(target).slot
    step = scene.slots[slot].step if slot is not None else None
    return scene.data.uses.get(step) if step is not None else None


def contributions(marks: list[Mark], scene: Scene, theme: Theme) -> list[Mark]:
    """The graph with coloured taps, and the matrix to its right (below it if the graph is wide)."""
    from .legend import extent

    data = scene.data
    if not data.triangle:
        return marks
    scale = Scale.of([*data.triangle.values(), *data.uses.values()], theme.heat)
    out = []
    for m in marks:
        norm = tap_norm(scene, m.ends[1]) if m.kind == "edge" and m.ends[0] == data.wrt else None
        if norm is not None:
            share = scale.share(norm)
            # Thin where little comes, so that colour is not the only cue; the outline keeps pale taps visible.
            style = replace(
                m.style, stroke=scale.colour(0.2 + 0.8 * share), width=1.6 + 3.8 * share, head=6 + 5 * share
            )
            out.append(replace(m, style=replace(style, dot=2.5 + 1.5 * share), title=f"{m.title}; norm {_short(norm)}"))
        else:
            out.append(m)
    left, top, right, bottom = extent(out)
    wide = right - left > 900
    made, height = _matrix(scene, theme, scale, left + 30 if wide else right + 70, 0.0)
    dy = bottom + 50 if wide else (top + bottom) / 2 - height / 2
    from .legend import moved

    return out + [moved(m, 0.0, dy) for m in made]


def _matrix(scene: Scene, theme: Theme, scale: Scale, x0: float, y0: float) -> tuple[list[Mark], float]:
    """The triangle as cells, its column sums, and the scale; from (x0, y0) to the right and down."""
    data = scene.data
    rows = sorted({t for t, _ in data.triangle})
    columns = sorted({k for _, k in data.triangle})
    numbers = max(len(rows), len(columns)) <= _MOST_NUMBERS
    w, h = (50.0, 28.0) if numbers else (max(8.0, 420 / len(columns)), max(8.0, 420 / len(rows)))
    marks: list[Mark] = []

    def text(name: str, said: str, x: float, y: float, size: float = 10.0, ink: str = "") -> None:
        o = words(said, size)
        marks.append(Mark(name, "text", "matrix", Style(), label=o, label_at=(x, y), ink=ink or theme.ink))

    def cell(name: str, v: float, x: float, y: float, said: str) -> None:
        share = scale.share(v)
        style = Style(stroke=theme.paper, fill=scale.colour(share), width=1.0, shape="box", radius=0.0)
        o = words(_short(v), 10.0) if numbers else None
        ink = "#FFFFFF" if _dark(scale.colour(share)) else "#000000"
        box = (x + w / 2, y + h / 2, w, h)
        marks.append(Mark(name, "cell", "cell", style, box=box, label=o, ink=ink, title=said))

    wrt = data.wrt or ""
    y = y0
    heading = mathml_label(
        f"<mfrac><mrow><mo>d</mo><msub><mi>E</mi><mi>t</mi></msub></mrow><mrow><mo>d</mo>{to_mathml(wrt)}</mrow></mfrac>",
        f"dE_t/d{to_unicode(wrt)}",
        14.0,
    )
    before, x = words("how often the answer counts" if data.counted else "norm of", 10.0), x0
    text("matrix words 1", before.text, x + before.width / 2, y + heading.height / 2)
    x += before.width + 7
    marks.append(
        Mark(
            "matrix name",
            "text",
            "matrix",
            Style(),
            label=heading,
            label_at=(x + heading.width / 2, y + heading.height / 2),
            ink=theme.ink,
            tex=rf"\frac{{\mathrm{{d}}E_t}}{{\mathrm{{d}}{to_latex(wrt)}}}",
        )
    )
    after = words("through the use at step k", 10.0)
    text("matrix words 2", after.text, x + heading.width + 7 + after.width / 2, y + heading.height / 2)
    y += heading.height + 26
    grid_x = x0 + 46
    every = max(1, round(len(columns) / 12))
    for i, k in enumerate(columns):
        if i % every == 0:
            text(f"k {k}", f"k = {k}" if numbers else str(k), grid_x + (i + 0.5) * w, y - 9)
    if not numbers:
        text("k name", "k", grid_x - 12, y - 9)
    for j, t in enumerate(rows):
        if j % every == 0:
            o = words(f"t = {t}", 10.0)
            text(f"t {t}", o.text, grid_x - 8 - o.width / 2, y + (j + 0.5) * h)
        for i, k in enumerate(columns):
            if (t, k) in data.triangle:
                v = data.triangle[t, k]
                cell(f"({t}, {k})", v, grid_x + i * w, y + j * h, f"t = {t}, k = {k}: {_short(v)}")
    y += len(rows) * h
    if data.uses:
        y += 10
        o = words("all t", 10.0)
        text("all t", o.text, grid_x - 8 - o.width / 2, y + h / 2)
        for i, k in enumerate(columns):
            if k in data.uses:
                v = data.uses[k]
                cell(f"all {k}", v, grid_x + i * w, y, f"the sum over all t, k = {k}: {_short(v)}")
        y += h
    if data.counted:
        return marks, y - y0
    y += 22
    length, n = 180.0, 36
    for i in range(n):
        style = Style(stroke="none", fill=scale.colour(i / (n - 1)), shape="box", radius=0.0)
        box = (grid_x + (i + 0.5) * length / n, y + 5, length / n + 0.4, 10.0)
        marks.append(Mark(f"scale {i}", "cell", "scale", style, box=box))
    frame = [(grid_x, y), (grid_x + length, y), (grid_x + length, y + 10), (grid_x, y + 10), (grid_x, y)]
    marks.append(Mark("scale frame", "stroke", "scale", theme.edge["bracket"], path=rounded(frame, 0.0)))
    for name, v, x in (("low", scale.low, grid_x), ("high", scale.high, grid_x + length)):
        text(f"scale {name}", _short(v), x, y + 20)
    text("scale kind", "logarithmic" if scale.log else "linear", grid_x + length / 2, y + 20, ink=theme.faint)
    return marks, y + 28 - y0
