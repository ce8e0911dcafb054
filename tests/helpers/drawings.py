"""What a drawing holds, by its source: arrows, texts, and a graph with hostile names."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

from bpttgraph.core.variables import Link, Variable, VariableGraph

SVG = "{http://www.w3.org/2000/svg}"


def edges_of(svg: str) -> dict[str, ET.Element]:
    groups = [g for g in ET.fromstring(svg).iter(SVG + "g") if "edge" in g.get("class", "").split()]
    found = {g.get("data-id", ""): g for g in groups}
    assert len(found) == len(groups)
    return found


def skeleton(svg: str) -> list[tuple[str | None, ...]]:
    return [(g.get("id"), g.get("class"), g.get("data-id")) for g in ET.fromstring(svg).iter(SVG + "g")]


HOSTILE = [
    "<script>alert(1)</script>",
    'a"b',
    "]]>",
    '"];',
    "&lt;&amp;",
    "a\\",
    "\\N\\G",
    "x\ny",
    "\x07",
    "'onload='",
    "paper",
    "-->",
]


def hostile_graph() -> VariableGraph:
    state = [Variable(n, n, 1, "value", column=0, level=1 + k) for k, n in enumerate(HOSTILE)]
    parameter = Variable('W"];}<b>', 'W"];}<b>', None, "parameter")
    variables = {v.name: v for v in (parameter, *state)}
    links = [Link(a, b) for a, b in pairwise(HOSTILE)] + [Link(parameter.name, HOSTILE[0])]
    return VariableGraph('</title><script>x</script>"', variables, tuple(links), {None: 1}, ("]]><i>",))
