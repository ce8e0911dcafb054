"""Charts of numbers: lines over a step or a lag, and heat maps of (t, k). Plain data in, a picture with all formats
out.

They are made of the same marks as the graphs, so one SVG, PDF and PNG writer serves both. Lines differ in colour, dash
and in the name at their end; heat maps go from pale to dark and read in greyscale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from .figure import Figure
from .geometry import rounded
from .heat import Scale
from .labels import Outline, mathml_label, words
from .legend import extent, moved
from .marks import Layout, Mark
from .svg import write_svg
from .theme import THEMES, Style, Theme

__all__ = ["Chart", "Series", "heat_chart", "line_chart", "panel_chart"]

COLOURS = ("#4477AA", "#D55E00", "#228833", "#882255", "#332288", "#997700", "#0077BB")
DASHES: tuple[tuple[float, ...], ...] = ((), (6.0, 3.0), (2.0, 2.0), (9.0, 3.0, 2.0, 3.0))
WIDTH, HEIGHT = 460.0, 300.0
MOST_CELLS = 60  # a side of a heat map; larger ones are thinned out
LEVELS = 40  # of colour


@dataclass(frozen=True)
class Series:
    """A line: its name and its points. Points whose y is not finite are gaps."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


class Chart(Figure):
    """A chart, with the formats of a figure: `svg`, `pdf`, `png`, `save`.

    Example:
        >>> import bpttgraph as bg
        >>> chart = bg.cell("rnn").unroll(5).flow().draw("decay")
        >>> chart.svg.startswith("<svg")
        True
    """

    def __init__(self, made: Layout):
        self._layout = made

    @cached_property
    def layout(self) -> Layout:
        """All coordinates."""
        return self._layout

    @cached_property
    def _rendered(self) -> tuple[str, str, str]:
        return write_svg(self._layout), "own", ""


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    series: Sequence[Series],
    *,
    power: bool = False,
    theme: str = "light",
    note: str = "",
) -> Chart:
    """Lines over a common x axis.

    Args:
        power: y is a decimal logarithm: ticks read 10ⁿ. note: a line under the chart.
    """
    look = THEMES[theme]
    marks = _lines(x_label, y_label, series, power, look)
    return _paper(title, [marks], look, note)


def heat_chart(
    title: str,
    t_label: str,
    k_label: str,
    table: Sequence[Sequence[float]],
    *,
    t: Sequence[int],
    k: Sequence[int],
    theme: str = "light",
    note: str = "",
) -> Chart:
    """A heat map of decimal logarithms: row t, column k; NaN is left white, −∞ is hatched as an exact zero."""
    look = THEMES[theme]
    return _paper(title, [_heat(t_label, k_label, table, t, k, look)], look, note)


def panel_chart(
    title: str, charts: Sequence[Chart], *, theme: str = "light", columns: int = 2, note: str = ""
) -> Chart:
    """Several charts on one page, each with its title."""
    look = THEMES[theme]
    width = max(c.layout.width for c in charts)
    height = max(c.layout.height for c in charts)
    marks: list[Mark] = []
    for i, chart in enumerate(charts):
        dx, dy = (i % columns) * width, (i // columns) * height
        marks += [replace(moved(m, dx, dy), panel=f"{i + 1}.") for m in chart.layout.marks]
    return _paper(title, [marks], look, note, margin=20.0, size=17.0)


# -- the pieces --------------------------------------------------------------------------------------------------------


def _paper(
    title: str, parts: Sequence[list[Mark]], theme: Theme, note: str, margin: float = 18.0, size: float = 13.0
) -> Chart:
    marks = [m for part in parts for m in part]
    left, top, right, bottom = extent(marks)
    heading = words(title, size)
    top -= heading.height + 16
    marks.append(_text("title", heading, left + heading.width / 2, top + heading.height / 2, theme.ink))
    if note:
        o = words(note, 9.5)
        bottom += 8 + o.height
        marks.append(_text("note", o, left + o.width / 2, bottom - o.height / 2, theme.faint))
    left, top, right, bottom = extent(marks)
    placed = tuple(moved(m, margin - left, margin - top) for m in marks)
    paper = (right - left + 2 * margin, bottom - top + 2 * margin)
    return Chart(Layout(*paper, theme.paper, theme.ink, title, note or title, placed))


def _text(name: str, label: Outline, x: float, y: float, ink: str) -> Mark:
    return Mark(name, "text", "chart", Style(), label=label, label_at=(x, y), ink=ink)


def _line(name: str, points: Sequence[tuple[float, float]], style: Style, title: str = "") -> Mark:
    return Mark(name, "stroke", "chart", style, path=rounded(list(points), 0.0), title=title)


def _ticks(low: float, high: float, most: int, whole: bool) -> list[float]:
    span = high - low or 1.0
    raw = span / most
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(s * base for s in (1, 2, 5, 10) if s * base >= raw * 0.999)
    step = max(1.0, round(step)) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(v: float, power: bool) -> Outline:
    if power and v == round(v):
        sign = "−" if v < 0 else ""
        return mathml_label(f"<msup><mn>10</mn><mn>{sign}{abs(v):.0f}</mn></msup>", f"10 to the power {v:.0f}", 11.0)
    return words(f"{v:g}".replace("-", "−"), 9.5)


def _lines(x_label: str, y_label: str, series: Sequence[Series], power: bool, theme: Theme) -> list[Mark]:
    points = [(x, y) for s in series for x, y in zip(s.x, s.y) if math.isfinite(y)] or [(0.0, 0.0)]
    x0, x1 = min(p[0] for p in points), max(p[0] for p in points)
    y0, y1 = min(p[1] for p in points), max(p[1] for p in points)
    x1 = x1 if x1 > x0 else x0 + 1
    pad = (y1 - y0) * 0.05 or max(abs(y1) * 0.1, 0.5)
    y0, y1 = y0 - pad, y1 + pad

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - x0) / (x1 - x0) * WIDTH, HEIGHT - (y - y0) / (y1 - y0) * HEIGHT

    grid = Style(stroke=theme.band_line, width=0.8)
    axis = Style(stroke=theme.ink, width=1.1)
    marks: list[Mark] = []
    for v in _ticks(y0, y1, 7, power):
        _, y = at(x0, v)
        o = _number(v, power)
        marks += [
            _line(f"y grid {v:g}", [(0, y), (WIDTH, y)], grid),
            _text(f"y {v:g}", o, -8 - o.width / 2, y, theme.ink),
        ]
    for v in _ticks(x0, x1, 8, True):
        x, _ = at(v, y0)
        o = words(f"{v:g}", 9.5)
        marks += [
            _line(f"x tick {v:g}", [(x, HEIGHT), (x, HEIGHT + 4)], axis),
            _text(f"x {v:g}", o, x, HEIGHT + 13, theme.ink),
        ]
    marks.append(_line("axes", [(0, 0), (0, HEIGHT), (WIDTH, HEIGHT)], axis))
    ends: list[tuple[float, Mark]] = []
    for i, s in enumerate(series):
        colour = COLOURS[i % len(COLOURS)] if theme.name != "print" else theme.ink
        style = Style(
            stroke=_on(colour, theme), width=2.0, dash=DASHES[(i // (1 if theme.name == "print" else 2)) % len(DASHES)]
        )
        runs: list[list[tuple[float, float]]] = [[]]
        for x, y in zip(s.x, s.y):
            if math.isfinite(y):
                runs[-1].append(at(x, y))
            elif runs[-1]:
                runs.append([])
        for j, run in enumerate(r for r in runs if r):
            path = run if len(run) > 1 else [run[0], (run[0][0] + 0.1, run[0][1])]
            marks.append(_line(f"{s.name} {j}" if j else s.name, path, style, title=s.name))
        last = next((r[-1] for r in reversed(runs) if r), None)
        if last is not None:
            o = words(s.name, 10.0)
            ends.append((last[1], _text(f"name {s.name}", o, WIDTH + 10 + o.width / 2, last[1], style.stroke)))
            if last[0] < WIDTH - 1:  # the line ends early: lead the eye to its name
                marks.append(
                    _line(
                        f"lead {s.name}",
                        [last, (WIDTH + 6, last[1])],
                        Style(stroke=theme.faint, width=0.6, dash=(1.5, 2.5)),
                    )
                )
    marks += _apart(ends)
    x_name, y_name = words(x_label, 10.5), words(y_label, 10.5)
    marks.append(_text("x label", x_name, WIDTH / 2, HEIGHT + 32, theme.ink))
    marks.append(_text("y label", y_name, y_name.width / 2 - 36, -16, theme.ink))
    return marks


def _on(colour: str, theme: Theme) -> str:
    """Lighter on dark paper."""
    if theme.name != "dark":
        return colour
    return "#" + "".join(f"{round(int(colour[k : k + 2], 16) * 0.55 + 255 * 0.45):02X}" for k in (1, 3, 5))


def _apart(ends: list[tuple[float, Mark]], gap: float = 13.0) -> list[Mark]:
    """Names at the ends of lines, moved just so far that none covers another."""
    ends = sorted(ends, key=lambda e: e[0])
    places = [y for y, _ in ends]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    over = places[-1] - HEIGHT if places else 0.0
    if over > 0:
        places[-1] -= over
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - gap)
    return [moved(m, 0.0, y - was) for (was, m), y in zip(ends, places)]


def _heat(
    t_label: str, k_label: str, table: Sequence[Sequence[float]], t: Sequence[int], k: Sequence[int], theme: Theme
) -> list[Mark]:
    rows, columns = _thin(len(table)), _thin(len(table[0]))
    values = [[table[i][j] for j in columns] for i in rows]
    some = [v for row in values for v in row if math.isfinite(v)] or [0.0]
    low, high = min(some), max(some)
    low, high = (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)
    side = 330.0
    w, h = side / len(columns), side / len(rows)
    scale = Scale(0.0, 1.0, False)
    marks: list[Mark] = []

    def level(v: float) -> int:
        return -1 if math.isnan(v) else -2 if v == -math.inf else round((v - low) / (high - low) * LEVELS)

    for i, row in enumerate(values):
        start = 0
        for j in range(1, len(row) + 1):  # neighbours of one colour are one box
            if j < len(row) and level(row[j]) == level(row[start]):
                continue
            found = level(row[start])
            if found != -1:
                fill = theme.band_line if found == -2 else scale.colour(found / LEVELS)
                box = ((start + j) / 2 * w, (i + 0.5) * h, (j - start) * w + 0.2, h + 0.2)
                said = "exactly 0" if found == -2 else f"10^{row[start]:.1f}"
                title = f"{t_label} = {t[rows[i]]}, {k_label} = {k[columns[start]]}: {said}"
                marks.append(
                    Mark(
                        f"cell {i} {start}",
                        "cell",
                        "cell",
                        Style(stroke="none", fill=fill, shape="box", radius=0.0),
                        box=box,
                        title=title,
                    )
                )
            start = j
    marks.append(
        _line("frame", [(0, 0), (0, side), (side, side), (side, 0), (0, 0)], Style(stroke=theme.faint, width=0.8))
    )
    shown_t, shown_k = [t[i] for i in rows], [k[j] for j in columns]
    for i, label in _labelled(shown_t):
        o = words(str(label), 9.5)
        marks.append(_text(f"t {label}", o, -6 - o.width / 2, (i + 0.5) * h, theme.ink))
    for j, label in _labelled(shown_k):
        marks.append(_text(f"k {label}", words(str(label), 9.5), (j + 0.5) * w, side + 11, theme.ink))
    marks.append(_text("k label", words(k_label, 10.5), side / 2, side + 28, theme.ink))
    marks.append(_text("t label", words(t_label, 10.5), -34, -12, theme.ink))
    return marks + _legend(low, high, side, scale, theme, any(v == -math.inf for row in values for v in row))


def _labelled(labels: Sequence[int]) -> list[tuple[int, int]]:
    """Which rows or columns carry their number: those nearest to round ones, the first always among them."""
    low, high = min(labels), max(labels)
    wanted = [v for v in _ticks(low, high, 6, True) if v - low > (high - low) / 12 or v == low]
    places = dict.fromkeys(
        [labels.index(low), *(min(range(len(labels)), key=lambda i: abs(labels[i] - v)) for v in wanted)]
    )
    return [(i, labels[i]) for i in places]


def _legend(low: float, high: float, side: float, scale: Scale, theme: Theme, zero: bool) -> list[Mark]:
    x, marks = side + 24, []
    for i in range(LEVELS):
        box = (x + 7, side - (i + 0.5) * side / LEVELS, 14.0, side / LEVELS + 0.3)
        marks.append(
            Mark(
                f"scale {i}",
                "cell",
                "scale",
                Style(stroke="none", fill=scale.colour(i / (LEVELS - 1)), shape="box", radius=0.0),
                box=box,
            )
        )
    for v in _ticks(low, high, 7, high - low > 4):
        o = _number(v, True) if high - low > 4 else words(f"{10**v:.2g}", 9.5)
        marks.append(
            _text(f"scale {v:g} name", o, x + 20 + o.width / 2, side - (v - low) / (high - low) * side, theme.ink)
        )
    if zero:
        o = words("exactly 0", 9.5)
        marks.append(
            Mark(
                "zero",
                "cell",
                "scale",
                Style(stroke="none", fill=theme.band_line, shape="box", radius=0.0),
                box=(x + 7, side + 16, 14.0, 10.0),
            )
        )
        marks.append(_text("zero name", o, x + 20 + o.width / 2, side + 16, theme.ink))
    return marks


def _thin(count: int) -> list[int]:
    if count <= MOST_CELLS:
        return list(range(count))
    return [round(i * (count - 1) / (MOST_CELLS - 1)) for i in range(MOST_CELLS)]
