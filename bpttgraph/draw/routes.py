"""Ways of the arrows between columns: which side they leave and enter, and the lanes they share.

The ways are made so that no arrow can run through a box. Horizontal pieces run in the channels between the rows (or
along a row where nothing stands in between), vertical pieces in the gutters between the columns. Arrows that come
from the same state share one way up to where they part, like the wires of a circuit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .scene import Edge, Scene
from .template import Net, loops, net_of

__all__ = ["Ways", "plan_ways", "travel"]


@dataclass(slots=True)
class Ways:
    """`mode` of each arrow between columns ("straight", "side", "lane"); the nets in each channel and in the gutters.

    `channel[r]` lists the ways in the channel under row r: ("in", net) on its way into that row, ("out", net) for
    those that leave a node of the row below by its top because its side is blocked.
    """

    mode: dict[str, str] = field(default_factory=dict)
    exit_top: dict[str, bool] = field(default_factory=dict)
    channel: dict[int, list[tuple[str, Net]]] = field(default_factory=dict)
    gutter: list[Net] = field(default_factory=list)

    def lane(self, row: int, way: tuple[str, Net]) -> int:
        return self.channel[row].index(way)


def travel(edge: Edge) -> int:
    """+1 to the right, -1 to the left, 0 within the column or for parameters and totals."""
    if edge.source_slot is None or edge.target_slot is None:
        return 0
    return (edge.target_slot > edge.source_slot) - (edge.target_slot < edge.source_slot)


def _end(scene: Scene, name: str, sign: int) -> bool:
    """Whether the node is the last of its row in that direction."""
    item = scene.item(name)
    if item.slot is None or scene.slots[item.slot].kind == "outside":
        return True
    row = scene.rows.order[item.block, item.row]
    return row[-1 if sign > 0 else 0] == item.base


def plan_ways(scene: Scene) -> Ways:
    """Choose how every arrow between columns (and every loop of the folded graph) runs."""
    ways = Ways()
    crossing = [e for e in scene.edges if travel(e) or loops(e, scene)]
    fan: dict[tuple[Net, int], set[str]] = {}
    for e in crossing:
        target = scene.item(e.target)
        fan.setdefault((net_of(e, scene), target.row), set()).add(target.base)
    for e in crossing:
        source, target, sign = scene.item(e.source), scene.item(e.target), travel(e)
        net = net_of(e, scene)
        out = sign or (-1 if e.delay < 0 else 1)
        near = sign != 0 and abs((e.target_slot or 0) - (e.source_slot or 0)) == 1 and abs(e.delay) <= 1
        first, last = _end(scene, e.target, -sign), _end(scene, e.source, out)
        # In the folded graph a state's side belongs to its delay; what another block reads is not delayed.
        last = last and not (scene.folded and sign)
        alone = len(fan[net, target.row]) == 1
        if near and first and last and source.row == target.row:
            mode = "straight"
        elif near and first and alone:
            mode = "side"
        else:
            mode = "lane"
        ways.mode[e.id] = mode
        ways.exit_top[e.id] = not last
        if mode == "lane":
            _add(ways, target.row, ("in", net))
        if not last:
            _add(ways, source.row + 1, ("out", net))
        if mode != "straight" and net not in ways.gutter:
            ways.gutter.append(net)
    return ways


def _add(ways: Ways, row: int, way: tuple[str, Net]) -> None:
    lanes = ways.channel.setdefault(row, [])
    if way not in lanes:
        lanes.append(way)
