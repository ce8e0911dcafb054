"""The inside of one step for view `cell`: gates with their equations, products and sums as circles, the cell line.

It is read off the primitives of one unrolled step; steps are named by their distance from it, t, t−1, ….
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.graph import Node
from ..core.names import to_latex, to_mathml, to_unicode
from ..errors import BPTTError

if TYPE_CHECKING:
    from ..draw.network import Network, Part, Wire
    from ..unrolled.unroll import Unrolled

__all__ = ["inside"]

_SUMS = ("add", "sub", "neg")
_CIRCLES = {"mul": ("×", r"\times"), "add": ("+", "+"), "sub": ("−", "-"), "div": ("÷", r"\div")}
_PLAIN = ("identity", "expand", "reshape")


def inside(u: Unrolled) -> Network:
    """The step in the middle of the last block."""
    from ..draw.network import Network

    block = u.recurrence.blocks[-1] if u.recurrence.blocks else None
    step = (u.steps[block] + 1) // 2
    return _Inside(u, block, u.offset.get(block, 0) + step, step).network(Network)


class _Inside:
    def __init__(self, u: Unrolled, block: str | None, column: int, step: int):
        from ..draw.network import Part, Wire

        self.u, self.block, self.column, self.step = u, block, column, step
        self.variables = u.vgraph.variables
        self.make_part, self.make_wire = Part, Wire
        self.parts: dict[str, Part] = {}
        self.wires: dict[tuple[str, str, int], Wire] = {}
        self.top: set[str] = set()

    def network(self, kind: type[Network]) -> Network:
        chosen = [
            v for v in self.variables.values() if v.column == self.column and v.role in ("state", "value", "output")
        ]
        if not chosen:
            raise BPTTError("this step has no inside: nothing is computed in it", "draw view='forward'")
        for v in chosen:
            self.define(v.name)
        self.find_line([v.name for v in chosen if v.carry])
        wires = tuple(
            self.make_wire(
                w.id, w.source, w.target, "cell-line" if {w.source, w.target} <= self.top else w.cls, w.title
            )
            for w in self.wires.values()
        )
        styles = {p.style for p in self.parts.values()}
        names = {
            "input": "input",
            "state": "state",
            "carry": "cell state",
            "value": "gate, value or function",
            "op": "entry by entry",
            "output": "output",
        }
        legend = [("edge:forward", "value")]
        legend += [("edge:cell-line", "cell line")] if any(w.cls == "cell-line" for w in wires) else []
        legend += [("edge:recurrent", "from another step")] if any(w.cls == "recurrent" for w in wires) else []
        legend += [("node:" + s if s != "op" else "op:", names[s]) for s in names if s in styles]
        first = frozenset(n for n in self.parts if n in self.variables and self.variables[n].column != self.column)
        conventions = ("one step; parameters stand inside the boxes", *self.u.recurrence.conventions)
        title = f"{self.u.recurrence.title}: the inside of one step"
        return kind(title, self.parts, wires, conventions, first, frozenset(self.top), tuple(legend))

    # -- names relative to t

    def relative(self, name: str) -> str:
        v = self.variables[name]
        if v.step is None:
            return name
        d = v.step - self.step
        if v.block != self.block:  # its own step
            return name
        return f"{v.base}[t{d:+d}]" if d else f"{v.base}[t]"

    def words(self, mathml: str, tex: str, names: list[str]) -> tuple[str, str]:
        for n in sorted(set(names), key=len, reverse=True):
            mathml = mathml.replace(to_mathml(n), to_mathml(self.relative(n)))
            tex = tex.replace(to_latex(n), to_latex(self.relative(n)))
        return mathml, tex

    # -- parts

    def leaf(self, name: str) -> str:
        v = self.variables[name]
        if name not in self.parts:
            style = "carry" if v.carry else "input" if v.role in ("input", "target") else v.role
            style = "state" if style == "initial" else style
            mathml, tex = to_mathml(self.relative(name)), to_latex(self.relative(name))
            self.parts[name] = self.make_part(name, style, mathml, tex, to_unicode(self.relative(name)))
        return name

    def define(self, name: str) -> None:
        """The parts of one equation, and the node that it defines."""
        node = self.u.node(name)
        op = node.op.name if node.op else ""
        while op in _PLAIN and node.args[0].name is None:
            node = node.args[0]
            op = node.op.name if node.op else ""
        v = self.variables[name]
        style = "carry" if v.carry else v.role
        left, left_tex = to_mathml(self.relative(name)), to_latex(self.relative(name))
        if self.affine(node) or (op not in _CIRCLES and len(node.args) == 1 and self.affine(node.args[0])):
            from ..derive import equation

            body, tex, sources = self.formula(equation(self.u.node(name)), self.u.node(name))
            self.parts[name] = self.make_part(
                name,
                style,
                f"<mrow>{left}<mo>=</mo>{body}</mrow>",
                f"{left_tex} = {tex}",
                to_unicode(self.relative(name)),
            )
            for s in sources:
                self.wire(s, name)
            return
        inner = self.build(node, name)
        self.parts[name] = self.make_part(name, style, left, left_tex, to_unicode(self.relative(name)))
        self.wire(inner, name)

    def build(self, node: Node, owner: str) -> str:
        """The part that stands for a node inside an equation; returns its id."""
        if node.name is not None and node.name != owner:
            return self.leaf(node.name) if self.variables[node.name].column != self.column else self.placed(node.name)
        op = node.op.name if node.op else ""
        if op in _PLAIN:
            return self.build(node.args[0], owner)
        key = self.u.graph.name(node) + (" op" if node.name == owner else "")
        if key in self.parts:
            return key
        if self.affine(node) or self.simple(node):
            from ..derive import formula

            body, tex, sources = self.formula(formula(node), node)
            self.parts[key] = self.make_part(key, "value", body, tex, "")
            for s in sources:
                self.wire(s, key)
            return key
        sources = [self.build(a, owner) for a in node.args if not a.is_constant]
        if op in _CIRCLES:
            sign, tex = _CIRCLES[op]
            self.parts[key] = self.make_part(key, "op", f"<mo>{sign}</mo>", tex, {"mul": "product"}.get(op, op))
        else:
            label = node.op.symbol if node.op else op
            self.parts[key] = self.make_part(key, "value", to_mathml(label), to_latex(label), label)
        for i, s in enumerate(sources):
            self.wire(s, key, i)
        return key

    def placed(self, name: str) -> str:
        return name if name in self.parts else self.leaf(name)

    def formula(self, e: object, node: Node) -> tuple[str, str, list[str]]:
        import re

        from ..derive import to_latex as tex_of, to_mathml as mathml_of

        names = self.read(node)
        inner = re.sub(r"^\s*<math[^>]*>|</math>\s*$", "", mathml_of(e))  # type: ignore[arg-type]
        body, tex = self.words(inner, tex_of(e), names)  # type: ignore[arg-type]
        sources = [self.placed(n) for n in names if self.variables[n].role != "parameter"]
        return body, tex, sources

    def read(self, node: Node) -> list[str]:
        """The named variables that an equation (or a part of it) reads."""
        found: dict[str, None] = {}
        stack, top = [node], True
        while stack:
            n = stack.pop(0)
            if n.name is not None and not top:
                found[n.name] = None
            else:
                stack += n.args
            top = False
        return list(found)

    def affine(self, node: Node) -> bool:
        """Sums of parameters and of parameters times values: what stands inside a gate."""
        seen, parameter = [node], False
        while seen:
            n = seen.pop()
            if n.name is not None and n is not node:
                parameter = parameter or n.role == "parameter"
            elif n.op is None:
                continue
            elif n.op.name in _SUMS or n.op.kind == "linear":
                seen += n.args
            elif self.weighted(n):
                parameter = True  # whatever the weights stand in front of belongs to the gate
            else:
                return False
        return parameter

    def weighted(self, node: Node) -> bool:
        """A product with a parameter."""

        def behind(a: Node) -> Node:
            while a.name is None and a.op is not None and a.op.kind == "linear":
                a = a.args[0]
            return a

        assert node.op is not None
        return (node.op.kind == "bilinear" or node.op.name == "mul") and any(
            behind(a).role == "parameter" for a in node.args
        )

    def simple(self, node: Node) -> bool:
        """1 − z: a constant and one variable."""
        named = [a for a in node.args if not a.is_constant]
        constants = [
            a for a in node.args if a.is_constant or (a.op and a.op.name == "expand" and a.args[0].is_constant)
        ]
        return (
            bool(constants) and len([a for a in named if a.name]) == 1 and len(node.args) == 2 and len(constants) == 1
        )

    def wire(self, source: str, target: str, slot: int = 0) -> None:
        if any(key[:2] == (source, target) for key in self.wires) and slot == 0:
            return
        later = source in self.variables and self.variables[source].column not in (self.column, None)
        cls = "recurrent" if later and self.variables[source].role in ("state", "initial") else "forward"
        name = f"{source}->{target}" + (f" {slot}" if (source, target, 0) in self.wires else "")
        self.wires[source, target, slot] = self.make_wire(name, source, target, cls)

    def find_line(self, carried: list[str]) -> None:
        """The first carried state's way from its old value through circles to its new one."""
        for name in carried[:1]:
            base = self.variables[name].base
            old = [n for n in self.parts if n in self.variables and n != name and self.variables[n].base == base]
            line, at = [name], name
            while at not in old:
                back = [w.source for w in self.wires.values() if w.target == at]
                ahead = [s for s in back if s in old] or [
                    s for s in back if self.parts[s].style == "op" and self._reaches(old, s)
                ]
                if not ahead:
                    return
                at = ahead[0]
                line.append(at)
            self.top = set(line)

    def _reaches(self, old: list[str], part: str) -> bool:
        """By circles only: not through a gate."""
        return any(
            w.source in old or (self.parts[w.source].style == "op" and self._reaches(old, w.source))
            for w in self.wires.values()
            if w.target == part
        )
