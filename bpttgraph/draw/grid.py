"""The grid that every picture stands on: columns, rows, channels, gutters, rails, and the ways of the arrows."""

from __future__ import annotations

from dataclasses import dataclass

from .geometry import Path, Point, curve, join, rounded
from .labels import Outline
from .routes import Ways, plan_ways, travel
from .scene import Edge, Scene
from .template import ROW_HEIGHT, Net, Space, Template, build_templates, loops, net_of, space_of
from .theme import THEMES, Style, Theme

__all__ = ["Grid", "chain", "item_width", "make_grid"]

MARGIN = 18.0
RAIL_GAP = 28.0
BUS = 30.0


def item_width(outline: Outline, style: Style) -> float:
    """Room for the label: an ellipse needs more of it than a box."""
    if style.shape == "ellipse":
        return max(outline.width * 1.22 + 14, 30.0 if outline.width < 13 else 36.0)
    return max(outline.width + 18, 36.0)


@dataclass(slots=True)
class Grid:
    """All coordinates that the routes are made of."""

    scene: Scene
    theme: Theme
    ways: Ways
    templates: dict[tuple[str | None, str], Template]
    row_y: list[float]
    centre: list[float]
    half: list[float]
    gutter: float
    top: float
    bottom: float
    bus: float
    rail_y: dict[str, float]
    rail_x: float
    total_at: dict[str, Point]
    space: Space

    def template(self, slot: int, block: str | None) -> Template | None:
        kind = self.scene.slots[slot].kind
        return None if kind == "ellipsis" else self.templates[block, "outside" if kind == "outside" else "step"]

    def zone(self, row: int) -> tuple[float, float]:
        """Upper and lower edge of the boxes of a row."""
        return self.row_y[row] - ROW_HEIGHT / 2, self.row_y[row] + ROW_HEIGHT / 2

    def place(self, name: str) -> tuple[float, float, float, float]:
        """Centre, width and height of a shown item's box."""
        item = self.scene.items[name]
        if item.slot is None:
            x, y = self.total_at[name]
            return x, y, 50.0, ROW_HEIGHT
        template = self.template(item.slot, item.block)
        assert template is not None
        return (
            self.centre[item.slot] + template.x[item.base],
            self.row_y[item.row],
            template.width[item.base],
            ROW_HEIGHT,
        )

    # --- ways -------------------------------------------------------------------------------------------------------

    def lane_y(self, row: int, way: tuple[str, object]) -> float:
        lower = self.zone(row)[1] if row < len(self.row_y) else self.top + 6
        found: float = lower + self.space.under + self.space.lane * self.ways.lane(row, way)  # type: ignore[arg-type]
        return found

    def port(self, name: str, key: object) -> float:
        item = self.scene.items[name]
        assert item.slot is not None
        template = self.template(item.slot, item.block)
        assert template is not None
        return self.centre[item.slot] + template.port[item.base, key]

    def direct(self, edge: Edge) -> Path:
        source, target = self.scene.items[edge.source], self.scene.items[edge.target]
        assert target.slot is not None
        template = self.template(target.slot, target.block)
        assert template is not None
        start = (self.place(edge.source)[0], self.zone(source.row)[0])
        end = (self.port(edge.target, ("direct", source.base)), self.zone(target.row)[1])
        lane = template.lane.get((source.base, target.base))
        if lane is None:
            return curve(start, end)
        x = self.centre[target.slot] + lane
        low, high = (x, self.zone(source.row + 1)[1]), (x, self.zone(target.row - 1)[0])
        return join(curve(start, low), rounded([low, high]), curve(high, end))

    def tap(self, edge: Edge) -> Path:
        rail = self.rail_y[edge.source]
        target = self.scene.items[edge.target]
        if target.slot is None:
            x, y, _, height = self.place(edge.target)
            return rounded([(x, rail), (x, y + height / 2 if rail > y else y - height / 2)])
        template = self.template(target.slot, target.block)
        assert template is not None
        x = self.centre[target.slot] + template.lane[edge.source, target.base]
        port = self.port(edge.target, ("tap", edge.source))
        upper, lower = self.zone(target.row)
        if rail > lower:
            bend = self.zone(target.row - 1)[0] if target.row else self.bottom
            return join(rounded([(x, rail), (x, bend)]), curve((x, bend), (port, lower)))
        bend = self.zone(target.row + 1)[1] if target.row + 1 < len(self.row_y) else self.top
        return join(rounded([(x, rail), (x, bend)]), curve((x, bend), (port, upper)))

    def sum_up(self, edge: Edge) -> Path:
        """From a loss up to the bus above the bands and along it to the total."""
        source = self.scene.items[edge.source]
        x0, y, width, _ = self.place(edge.target)
        end = (x0 - width / 2 - 4, y)
        if source.slot is None:
            x, sy, w, _ = self.place(edge.source)
            return rounded([(x + w / 2, sy), end])
        template = self.template(source.slot, source.block)
        assert template is not None
        x = self.centre[source.slot] + template.lane[source.base, ""]
        start = (self.place(edge.source)[0], self.zone(source.row)[0])
        bend = self.zone(source.row + 1)[1] if source.row + 1 < len(self.row_y) else start[1] - 16
        return join(curve(start, (x, bend)), rounded([(x, bend), (x, y), end], 10))

    def between(self, edge: Edge) -> Path:
        """An arrow to another column, a loop of the folded graph, or what is left of one next to the ellipsis."""
        scene, ways = self.scene, self.ways
        source, target = scene.item(edge.source), scene.item(edge.target)
        s, e = edge.source_slot, edge.target_slot
        assert s is not None and e is not None
        sign = travel(edge) or (-1 if edge.delay < 0 else 1)
        net = net_of(edge, scene)
        points: list[Point]
        if edge.source in scene.hidden:
            points = [(self.centre[s] + sign * self.half[s], self.row_y[source.row])]
        elif ways.exit_top[edge.id]:
            x = self.place(edge.source)[0]
            points = [(x, self.zone(source.row)[0]), (x, self.lane_y(source.row + 1, ("out", net)))]
        else:
            x, y, width, _ = self.place(edge.source)
            points = [(x + sign * width / 2, y)]
        mode = ways.mode[edge.id]
        if mode != "straight":
            gutter = self.centre[s] + sign * (self.half[s] + self.gutter_offset(net))
            points.append((gutter, points[-1][1]))
            y = self.lane_y(target.row, ("in", net)) if mode == "lane" else self.side_y(edge)
            points.append((gutter, y))
        if edge.target in scene.hidden:
            points.append((self.centre[e] - sign * self.half[e], points[-1][1]))
            return rounded(points, self.space.radius)
        if mode == "lane":
            port = self.port(edge.target, net)
            return rounded([*points, (port, points[-1][1]), (port, self.zone(target.row)[1])], self.space.radius)
        x, _, width, _ = self.place(edge.target)
        return rounded([*points, (x - sign * width / 2, points[-1][1])], self.space.radius)

    def gutter_offset(self, net: Net) -> float:
        return _offset(self.scene, self.ways, net)

    def side_y(self, edge: Edge) -> float:
        """Where a lone arrow from another row meets the side of its node: beside the state's own arrow, if there is
        one."""
        target, row = self.scene.item(edge.target), self.row_y[self.scene.item(edge.target).row]
        rivals = sorted(
            {
                (self.scene.item(o.source).row, net_of(o, self.scene))
                for o in self.scene.edges
                if travel(o) == travel(edge)
                and self.scene.item(o.target).base == target.base
                and self.scene.item(o.target).block == target.block
                and self.ways.mode[o.id] in ("side", "straight")
            },
            reverse=True,
        )
        straight = [i for i, (r, _) in enumerate(rivals) if r == target.row]
        mine = rivals.index((self.scene.item(edge.source).row, net_of(edge, self.scene)))
        centre = straight[0] if straight else (len(rivals) - 1) / 2
        return row + (mine - centre) * 8

    def path(self, edge: Edge) -> Path:
        if self.scene.item(edge.source).role == "parameter":
            return self.tap(edge)
        if self.scene.item(edge.target).slot is None:
            return self.sum_up(edge)
        if travel(edge) or loops(edge, self.scene):
            return self.between(edge)
        return self.direct(edge)


def _offset(scene: Scene, ways: Ways, net: Net) -> float:
    """How far outside its column a way turns up or down."""
    return (50.0 + chain(ways, net) if scene.folded else space_of(scene).turn) + space_of(
        scene
    ).lane * ways.gutter.index(net)


def chain(ways: Ways, net: Net) -> float:
    """In the folded graph, longer delays of one state stand behind its shorter ones, like a chain of registers."""
    shorter = [n for n in ways.gutter if n[:2] == net[:2] and n[2] * net[2] > 0 and abs(n[2]) < abs(net[2])]
    return len(shorter) * (42.0 + 8.0 * len(ways.gutter))


def _row_heights(scene: Scene, ways: Ways, templates: dict[tuple[str | None, str], Template]) -> list[float]:
    """y of each row, the lowest at 0; channels are as high as their lanes and their widest S-curves need."""
    ys, space = [0.0], space_of(scene)
    for r in range(1, scene.rows.count):
        lanes = len(ways.channel.get(r, ()))
        reach = 0.0
        for t in templates.values():
            bases = [
                b for (block, row), order in scene.rows.order.items() if row == r and block == t.kind[0] for b in order
            ]
            xs = [
                (t.port[b, key], key[1])
                for b, key in t.port
                if b in bases and isinstance(key, tuple) and key[0] == "direct"
            ]
            reach = max([reach, *(abs(x - t.x.get(str(s), x)) for x, s in xs)])
        rise, most = space.steep
        ways_through = (space.under + 11.0 if lanes else 24.0) + space.lane * lanes + min(rise * reach, most)
        ys.append(ys[-1] - ROW_HEIGHT - max(space.channel, ways_through))
    return ys


def _sides(scene: Scene) -> dict[str, str]:
    """Rails of parameters that only outputs and losses use run above the bands, all others below.

    Between operations there is no room above: the arrow to the next operation leaves there.
    """
    if scene.data.label is not None:
        return {i.id: "below" for i in scene.items.values() if i.role == "parameter"}
    lowest: dict[str, int] = {}
    for e in scene.edges:
        if scene.item(e.source).role == "parameter":
            target = scene.item(e.target)
            row = target.row if target.slot is not None else scene.rows.count
            lowest[e.source] = min(lowest.get(e.source, row), row)
    return {
        i.id: "above" if lowest.get(i.id, 0) >= max(1, scene.rows.output_from) else "below"
        for i in scene.items.values()
        if i.role == "parameter"
    }


def make_grid(scene: Scene, labels: dict[str, Outline], band_labels: list[Outline]) -> Grid:
    theme = THEMES[scene.theme]
    ways = plan_ways(scene)
    side = _sides(scene)
    widths = {i.id: item_width(labels[i.id], theme.node[i.style]) for i in scene.items.values()}
    label_width = max([o.width for o, s in zip(band_labels, scene.slots) if s.kind == "step"], default=0.0)
    lanes = {e: m == "lane" for e, m in ways.mode.items()}
    templates = build_templates(scene, widths, side, lanes, label_width)
    row_y = _row_heights(scene, ways, templates)
    rails = [i for i in scene.items.values() if i.role == "parameter"]
    rail_x = MARGIN + max([widths[i.id] for i in rails], default=-24.0) + 4  # 4: the outer border
    space = space_of(scene)
    gutter = space.gutter + space.lane * max(0, len(ways.gutter) - 1) if any(travel(e) for e in scene.edges) else 14.0
    if scene.folded and ways.gutter:  # the loops of the blocks need their room
        gutter = 24.0 + max(_offset(scene, ways, net) for net in ways.gutter)
    centre, half, x = [], [], rail_x + 24
    for i, slot in enumerate(scene.slots):
        kind = "outside" if slot.kind == "outside" else "step"
        h = max(40.0, band_labels[i].width / 2 + 10) if slot.kind == "ellipsis" else templates[slot.block, kind].half
        # States from outside stand in no band, and need no more room than their box.
        h = h - 10 if slot.kind == "outside" else h
        if i:
            x += gutter + (14 if scene.slots[i - 1].block != slot.block else 0)
        centre.append(x + h)
        half.append(h)
        x += 2 * h
    lowest = space.under + space.lane * len(ways.channel[0]) if ways.channel.get(0) else 0.0
    top, bottom = row_y[-1] - ROW_HEIGHT / 2 - 28, row_y[0] + ROW_HEIGHT / 2 + max(space.floor, lowest)
    totals = [i for i in scene.items.values() if i.role == "total"]
    bus = top - 24
    total_at = {i.id: (x + 44 + 70 * k, bus) for k, i in enumerate(totals)}
    above = [i.id for i in rails if side[i.id] == "above"]
    below = [i.id for i in rails if side[i.id] == "below"]
    first = bus - BUS if totals else top - 20
    rail_y = {p: first - RAIL_GAP * (len(above) - 1 - k) for k, p in enumerate(above)}
    rail_y |= {p: bottom + 20 + RAIL_GAP * k for k, p in enumerate(below)}
    return Grid(
        scene, theme, ways, templates, row_y, centre, half, gutter, top, bottom, bus, rail_y, rail_x, total_at, space
    )
