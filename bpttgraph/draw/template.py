"""One column's arrangement, worked out once for all steps, so that the same node stands at the same place in every
step.

Nodes of one row stand side by side. Whatever has to get past a row (a long edge, a tap from a parameter's rail) is
given a free vertical lane there, and every arrow that ends at a node has a port of its own on its lower or upper side.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from .scene import Edge, Item, Scene

__all__ = ["ROW_HEIGHT", "Net", "Space", "Template", "build_templates", "loops", "net_of", "space_of"]

ROW_HEIGHT = 30.0


@dataclass(frozen=True, slots=True)
class Space:
    """Distances: between ports of a node, nodes of a row, lanes of a channel, columns, and so on.

    `under`: from a row down to its first lane. `turn`: from a column out to its first way up or down. `steep`: how much
    a channel grows with the width of the curves in it. `side`: what a node is wider than its ports.
    """

    port: float = 8.5
    outer: float = 8.5  # the same for ports beside the middle ones
    gap: float = 22.0
    lane: float = 8.0
    gutter: float = 30.0
    channel: float = 30.0
    wall: float = 6.5  # between free lanes
    clear: float = 10.0  # between a box and the lane beside it
    head: float = 6.0  # and as much more where an arrow ends at the side of the box
    under: float = 17.0
    turn: float = 11.0
    floor: float = 18.0  # from the lowest row down to the edge of the band
    pad: float = 12.0
    least: float = 46.0  # half a column, at least: in the roomy one, a fraction beside a lone node
    side: float = 14.0
    radius: float = 8.0
    steep: tuple[float, float] = (0.14, 26.0)


# Room for a second arrow beside every arrow, and for a fraction beside that.
_ROOMY = Space(
    port=25.0,
    outer=46.0,
    gap=26.0,
    lane=22.0,
    gutter=84.0,
    channel=78.0,
    wall=24.0,
    clear=27.0,
    under=62.0,
    turn=38.0,
    floor=66.0,
    pad=26.0,
    least=58.0,
    side=34.0,
    radius=20.0,
    steep=(0.34, 60.0),
    head=0.0,
)
_NARROW = Space()


def space_of(scene: Scene) -> Space:
    """How far apart things stand in this view."""
    return _ROOMY if scene.view == "backward" else _NARROW


Net = tuple[str, str, int, int]  # arrows that share a way: source block and base, delay, and the step modulo the delay
Kind = tuple[str | None, str]  # block, and "step" or "outside"


@dataclass(slots=True)
class Template:
    """Centres and widths relative to the middle of the column. `half` is half its width."""

    kind: Kind
    x: dict[str, float] = field(default_factory=dict)
    width: dict[str, float] = field(default_factory=dict)
    lane: dict[tuple[str, str], float] = field(default_factory=dict)  # (source, target base) -> x of its free lane
    port: dict[tuple[str, object], float] = field(default_factory=dict)  # (target base, entry) -> x on its side
    half: float = 0.0


def net_of(edge: Edge, scene: Scene) -> Net:
    source = scene.item(edge.source)
    step = scene.slots[source.slot].step or 0 if source.slot is not None else 0
    return str(source.block), source.base, edge.delay, step % max(1, abs(edge.delay))


def loops(edge: Edge, scene: Scene) -> bool:
    """An arrow of the folded graph that comes back to its own column (or, in odd input, one that does not go
    upwards)."""
    if edge.source_slot is None or edge.source_slot != edge.target_slot:
        return False
    return edge.delay != 0 or scene.item(edge.target).row <= scene.item(edge.source).row


@dataclass(slots=True)
class _Entries:
    """What arrives at one node: from lanes of other columns (left or right), from below, and taps from below and
    above."""

    left: dict[object, None] = field(default_factory=dict)
    right: dict[object, None] = field(default_factory=dict)
    direct: dict[str, None] = field(default_factory=dict)
    below: dict[str, None] = field(default_factory=dict)
    above: dict[str, None] = field(default_factory=dict)

    def sides(self) -> tuple[list[object], list[object]]:
        """Entries left and right of the direct ones, from the outside in; taps fill up the emptier side."""
        left, right = list(self.left), list(self.right)
        for tap in reversed(self.below):
            (right if len(right) <= len(left) else left).append(("tap", tap))
        return left, right

    def need(self, space: Space) -> float:
        left, right = self.sides()
        if self.direct:
            lower = 2 * max(len(left), len(right)) * space.outer + (len(self.direct) - 1) * space.port
        else:
            lower = (len(left) + len(right) - 1) * space.outer
        upper = 2 * ((len(self.above) + 1) // 2) * space.port
        return max(lower, upper) + space.side


class _Free:
    """Finds free vertical lanes between the boxes of the rows they pass; a box is given with the room it needs."""

    def __init__(self, boxes: dict[int, list[tuple[float, float]]], label_edge: float, space: Space):
        self.boxes, self.label_edge, self.space = boxes, label_edge, space
        self.used: list[tuple[float, range]] = []

    def take(self, wanted: float, rows: range, top: bool = False) -> float:
        walls = [span for r in rows for span in self.boxes.get(r, ())]
        walls += [(x - self.space.wall, x + self.space.wall) for x, span in self.used if set(span) & set(rows)]
        if top:  # leave the step's label, top left in the band, alone
            walls.append((-1e6, self.label_edge))
        spots = [wanted] + [edge for wall in walls for edge in wall]
        free = [x for x in spots if not any(a + 1e-6 < x < b - 1e-6 for a, b in walls)]
        x = min(free, key=lambda x: (round(abs(x - wanted), 3), x), default=wanted)
        if len(rows) or top:
            self.used.append((x, rows))
        return x


def _kind(item: Item, scene: Scene) -> Kind:
    assert item.slot is not None
    return item.block, "outside" if scene.slots[item.slot].kind == "outside" else "step"


def build_templates(
    scene: Scene, widths: dict[str, float], side: dict[str, str], lanes: dict[str, bool], label_width: float
) -> dict[Kind, Template]:
    """Arrange every kind of column.

    Args:
        widths: the width that each shown item needs for its label.
        side: "below" or "above" for each parameter's rail.
        lanes: for each edge from another column, whether it comes in by a lane under the target's row.
        label_width: the room for a step's label in the top left corner of its band.
    """
    space = space_of(scene)
    entries: dict[tuple[Kind, str], _Entries] = defaultdict(_Entries)
    directs: dict[Kind, dict[tuple[str, str], None]] = defaultdict(dict)
    taps: dict[Kind, dict[tuple[str, str], None]] = defaultdict(dict)
    exits: dict[Kind, dict[str, None]] = defaultdict(dict)
    base_row: dict[tuple[Kind, str], int] = {}
    width: dict[tuple[Kind, str], float] = {}
    sideways = {scene.item(e).base for e in (x.target for x in scene.edges if lanes.get(x.id) is False)}
    for item in scene.items.values():
        if item.slot is not None:
            key = (_kind(item, scene), item.base)
            base_row[key] = item.row
            # In coarse units, so that two-digit steps leave everything where it was.
            width[key] = max(width.get(key, 0.0), -(-widths[item.id] // 8) * 8)
    for edge in scene.edges:
        source, target = scene.item(edge.source), scene.item(edge.target)
        if target.slot is None:
            if source.slot is not None and source.id in scene.items:
                exits[_kind(source, scene)][source.base] = None
            continue
        if target.id in scene.hidden:
            continue
        kind = _kind(target, scene)
        entry = entries[kind, target.base]
        if source.slot is None:
            (entry.below if side[source.id] == "below" else entry.above)[source.id] = None
            taps[kind][source.id, target.base] = None
        elif lanes.get(edge.id):
            from_right = edge.source_slot is not None and edge.target_slot is not None
            from_right = from_right and (edge.source_slot or 0) > (edge.target_slot or 0)
            from_right = from_right or (loops(edge, scene) and edge.delay >= 0)
            (entry.right if from_right else entry.left)[net_of(edge, scene)] = None
        elif source.slot == target.slot and not loops(edge, scene):
            entry.direct[source.base] = None
            directs[kind][source.base, target.base] = None

    templates: dict[Kind, Template] = {}
    for kind in dict.fromkeys(k for k, _ in base_row):
        t = templates[kind] = Template(kind)
        boxes: dict[int, list[tuple[float, float]]] = {}
        for r in range(scene.rows.count):
            row = [b for b in scene.rows.order.get((kind[0], r), ()) if (kind, b) in base_row]
            for b in row:
                t.width[b] = max(width[kind, b], entries[kind, b].need(space))
            x = -(sum(t.width[b] for b in row) + space.gap * (len(row) - 1)) / 2
            for b in row:
                t.x[b] = x + t.width[b] / 2
                x += t.width[b] + space.gap
            room = {b: t.width[b] / 2 + space.clear + space.head * (b in sideways) for b in row}
            boxes[r] = [(t.x[b] - room[b], t.x[b] + room[b]) for b in row]
        half = max([abs(x) + t.width[b] / 2 for b, x in t.x.items()], default=0.0) + space.pad
        half = max(half, space.least, label_width + 20) if kind[1] == "step" else half
        free = _Free(boxes, -half + label_width + 16, space)
        _fill(t, entries, directs[kind], taps[kind], exits[kind], base_row, side, free, scene.rows.count, space)
        reach = max([abs(x) for x in t.lane.values()], default=0.0) + space.pad
        t.half = max(half, reach)
    return templates


def _fill(
    t: Template,
    entries: dict[tuple[Kind, str], _Entries],
    directs: dict[tuple[str, str], None],
    taps: dict[tuple[str, str], None],
    exits: dict[str, None],
    base_row: dict[tuple[Kind, str], int],
    side: dict[str, str],
    free: _Free,
    count: int,
    space: Space,
) -> None:
    """Ports and lanes: losses' way out first (straight up), then long edges, then taps."""
    for base in exits:
        r = base_row[t.kind, base]
        t.lane[base, ""] = free.take(t.x[base], range(r + 1, count), top=True)
    approach: dict[tuple[str, str], float] = {}
    for source, target in directs:
        passed = range(base_row[t.kind, source] + 1, base_row[t.kind, target])
        approach[source, target] = t.x[source]
        if passed:
            middle = t.x[source] if abs(t.x[source]) > abs(t.x[target]) else t.x[target]
            approach[source, target] = t.lane[source, target] = free.take(middle, passed)
    for base, x in t.x.items():
        entry = entries[t.kind, base]
        middle_ones = sorted(entry.direct, key=lambda s: approach[s, base])
        for i, s in enumerate(middle_ones):
            t.port[base, ("direct", s)] = x + (i - (len(middle_ones) - 1) / 2) * space.port
        left, right = entry.sides()
        if not middle_ones:
            for i, key in enumerate([*left, *reversed(right)]):
                t.port[base, key] = x + (i - (len(left) + len(right) - 1) / 2) * space.outer
        else:
            edge = (len(middle_ones) - 1) / 2 * space.port
            for sign, group in ((-1, left), (1, right)):
                for i, key in enumerate(reversed(group)):
                    t.port[base, key] = x + sign * (edge + (i + 1) * space.outer)
        for i, tap in enumerate(entry.above):
            # On both sides of the middle, where the node's own arrow leaves.
            t.port[base, ("tap", tap)] = x + (1 + i // 2) * space.port * (1 if i % 2 == 0 else -1)
    for param, base in taps:
        r = base_row[t.kind, base]
        above = side[param] == "above"
        passed = range(r + 1, count) if above else range(r)
        t.lane[param, base] = free.take(t.port[base, ("tap", param)], passed, top=above)
    # Taps that had to move aside keep their order at the node, so that they do not cross each other.
    for base in t.x:
        for where in ("below", "above"):
            mine = [p for p, b in taps if b == base and side[p] == where]
            slots = sorted(t.port[base, ("tap", p)] for p in mine)
            for p, x in zip(sorted(mine, key=lambda p: t.lane[p, base]), slots):
                t.port[base, ("tap", p)] = x
