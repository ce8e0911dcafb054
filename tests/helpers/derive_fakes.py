"""Unrolled recurrences built by hand, for the tests of derivations: no parser and no unroller in the way."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from bpttgraph.core import primitives as op
from bpttgraph.core.autodiff import backward, evaluate
from bpttgraph.core.graph import Graph, Node, constant, leaf
from bpttgraph.core.variables import Link, Variable, VariableGraph


class Fake:
    """What `Derivation` asks of an unrolled recurrence, filled in one equation at a time."""

    def __init__(
        self, *, scalar: bool = False, batched: bool = True, blocked: Callable[[Link, int], bool] | None = None
    ):
        self.scalar, self.batched = scalar, batched
        self.nodes: dict[str, Node] = {}
        self.variables: dict[str, Variable] = {}
        self.links: list[Link] = []
        self.heads: tuple[tuple[int, str], ...] = ()
        self.weight, self.conventions = 1.0, ("columns",)
        self.recurrence = SimpleNamespace(rows=False)
        self._blocked = blocked

    def _enter(self, node: Node, name: str, role: str) -> Node:
        base, _, step = name.partition("[")
        node.name, node.base, node.role = name, base, role
        node.step = int(step[:-1]) if step else None
        kind = node.op.name if node.op else ""
        self.nodes[name] = node
        self.variables[name] = Variable(name, base, node.step, role, column=node.step, shape=node.shape, kind=kind)
        return node

    def leaf(self, name: str, *shape: int, role: str = "parameter") -> Node:
        if name in self.nodes:
            return self.nodes[name]
        dims = () if self.scalar else shape
        return self._enter(leaf(name, dims, batched=self.batched and role != "parameter", role=role), name, role)

    def define(self, name: str, node: Node, role: str = "value") -> Node:
        if node.name is not None:
            node = op.TABLE["identity"](node)
        found: dict[str, None] = {}
        todo = list(node.args)
        while todo:
            n = todo.pop()
            if n.name is None:
                todo.extend(n.args)
                n.owner = name
            else:
                found[n.name] = None
        self._enter(node, name, role)
        for source in sorted(found, key=list(self.variables).index):
            step = self.variables[source].step
            delay = 0 if step is None or node.step is None else node.step - step
            self.links.append(Link(source, name, delay, cut="partly" if self._blocked else ""))
        return node

    def loss(self, t: int, node: Node) -> None:
        self.define(f"E[{t}]", node, "loss")
        self.heads = (*self.heads, (t, f"E[{t}]"))

    @property
    def vgraph(self) -> VariableGraph:
        return VariableGraph("fake", self.variables, tuple(self.links), {None: len(self.heads)})

    @property
    def graph(self) -> Graph:
        return Graph([self.nodes[name] for _, name in self.heads])

    def node(self, name: str) -> Node:
        return self.nodes[name]

    def blocked(self, link: Link, loss_step: int) -> bool:
        return self._blocked is not None and self._blocked(link, loss_step)

    # numbers

    def total(self) -> Node:
        total: Node | None = None
        for _, name in self.heads:
            total = self.nodes[name] if total is None else total + self.nodes[name]
        assert total is not None
        return self.weight * total

    def data(self, seed: int = 0, batch: int = 2) -> dict[Node, Any]:
        rng = np.random.default_rng(seed)
        found: dict[Node, Any] = {}
        for name, node in self.nodes.items():
            if node.op is None:
                value = rng.normal(size=((batch,) if node.batched else ()) + node.shape) * 0.8
                if name.startswith("target") and node.shape:
                    value = np.exp(value) / np.sum(np.exp(value), axis=-1, keepdims=True)
                found[node] = value
        return found

    def run(self, seed: int = 0, batch: int = 2) -> FakeRun:
        data = self.data(seed, batch)
        values = evaluate(list(self.nodes.values()), data)
        return FakeRun(dict(zip(self.nodes, values)), batch if self.batched else None)

    def gradient(self, wrt: str, seed: int = 0, batch: int = 2) -> Any:
        node, total = self.nodes[wrt], self.total()
        seed_node = op.batch_copy(constant(1.0), total) if total.batched else constant(1.0)
        adjoint = backward({total: seed_node}, [node]).adjoints[node]
        return evaluate([adjoint], self.data(seed, batch))[0]


class FakeRun:
    def __init__(self, values: dict[str, Any], batch: int | None):
        self.values, self.batch = values, batch

    def array(self, name: str) -> Any:
        return np.asarray(self.values[name])


def _output(u: Fake, t: int, h: Node, n: int, y_size: int, losses: str, T: int) -> None:
    if losses == "last" and t != T:
        return
    if u.scalar:
        y = u.define(f"y[{t}]", u.leaf("W_hy") * h + u.leaf("b_y"))
        u.loss(t, 0.5 * op.square(y - u.leaf(f"target[{t}]", role="target")))
        return
    y = u.define(f"y[{t}]", op.softmax(u.leaf("W_hy", y_size, n) @ h + u.leaf("b_y", y_size)))
    u.loss(t, op.cross_entropy(y, u.leaf(f"target[{t}]", y_size, role="target")))


def _gate(u: Fake, name: str, t: int, terms: list[tuple[str, Node]], f: Any = op.sigmoid, n: int = 3) -> Node:
    total: Any = u.leaf(f"b_{name}", n)
    for weight, source in terms:
        total = u.leaf(f"{weight}_{name}", n, *(source.shape or (1,))) @ source + total
    return u.define(f"{name}[{t}]", f(total))


def rnn(T: int = 3, losses: str = "every", layers: int = 1, n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    for t in range(1, T + 1):
        below = u.leaf(f"x[{t}]", 2, role="input")
        for layer in range(1, layers + 1):
            s = "" if layers == 1 else str(layer)
            before = u.nodes.get(f"h{s}[{t - 1}]") or u.leaf(f"h{s}[0]", n, role="initial")
            a = (
                u.leaf(f"W_hh{s}", n, n) @ before
                + u.leaf(f"W_xh{s}", n, *(below.shape or (1,))) @ below
                + u.leaf(f"b{s}", n)
            )
            below = u.define(f"h{s}[{t}]", op.tanh(a), "state")
        _output(u, t, below, n, 4, losses, T)
    return u


def leaky(T: int = 3, losses: str = "every", n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    h = u.leaf("h[0]", n, role="initial")
    for t in range(1, T + 1):
        x = u.leaf(f"x[{t}]", 2, role="input")
        m = u.define(f"n[{t}]", op.tanh(u.leaf("W", n, n) @ h + u.leaf("U", n, 2) @ x))
        a = u.leaf("a")
        h = u.define(f"h[{t}]", (1 - a) * h + a * m, "state")
        _output(u, t, h, n, 4, losses, T)
    return u


def jordan(T: int = 3, losses: str = "every", n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    y, m = u.leaf("y[0]", 4, role="initial"), u.leaf("m[0]", 4, role="initial")
    for t in range(1, T + 1):
        m = u.define(f"m[{t}]", y + u.leaf("mu") * m)
        x = u.leaf(f"x[{t}]", 2, role="input")
        h = u.define(f"h[{t}]", op.sigmoid(u.leaf("W_x", n, 2) @ x + u.leaf("W_m", n, 4) @ m))
        y = u.define(f"y[{t}]", op.sigmoid(u.leaf("W_y", 4, n) @ h))
        if losses == "every" or t == T:
            u.loss(t, op.squared_error(y, u.leaf(f"target[{t}]", 4, role="target")))
    return u


def lstm(T: int = 3, losses: str = "every", kind: str = "lstm", n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    h, c = u.leaf("h[0]", n, role="initial"), u.leaf("c[0]", n, role="initial")
    for t in range(1, T + 1):
        reads = [("W", u.leaf(f"x[{t}]", 2, role="input")), ("U", h)]

        def gate(name: str, cell: Node, t: int = t, reads: list[tuple[str, Node]] = reads) -> Node:
            total: Any = u.leaf(f"b_{name}", n)
            for weight, source in reads:
                total = u.leaf(f"{weight}_{name}", n, *(source.shape or (1,))) @ source + total
            if kind == "peephole":
                total = total + u.leaf(f"p_{name}", n) * cell
            return u.define(f"{name}[{t}]", op.sigmoid(total))

        i = gate("i", c)
        f = gate("f", c) if kind != "1997" else None
        g = _gate(u, "g", t, reads, op.tanh, n)
        if kind == "peephole":
            c = u.define(f"c[{t}]", f * c + i * g, "state")
            o = gate("o", c)
        else:
            o = gate("o", c)
            c = u.define(f"c[{t}]", (f * c if f is not None else c) + i * g, "state")
        h = u.define(f"h[{t}]", o * op.tanh(c), "state")
        _output(u, t, h, n, 4, losses, T)
    return u


def gru(T: int = 3, losses: str = "every", after: bool = False, n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    h = u.leaf("h[0]", n, role="initial")
    for t in range(1, T + 1):
        x = u.leaf(f"x[{t}]", 2, role="input")
        z, r = (_gate(u, name, t, [("W", x), ("U", h)], n=n) for name in "zr")
        W, U, b = u.leaf("W", n, 2), u.leaf("U", n, n), u.leaf("b", n)
        m = u.define(f"n[{t}]", op.tanh(W @ x + (r * (U @ h + u.leaf("c", n)) if after else U @ (r * h)) + b))
        h = u.define(f"h[{t}]", (1 - z) * m + z * h, "state")
        _output(u, t, h, n, 4, losses, T)
    return u


def mgu(T: int = 3, losses: str = "every", n: int = 3, **kw: Any) -> Fake:
    u = Fake(**kw)
    h = u.leaf("h[0]", n, role="initial")
    for t in range(1, T + 1):
        x = u.leaf(f"x[{t}]", 2, role="input")
        f = _gate(u, "f", t, [("W", x), ("U", h)], n=n)
        m = u.define(f"n[{t}]", op.tanh(u.leaf("W", n, 2) @ x + u.leaf("U", n, n) @ (f * h) + u.leaf("b", n)))
        h = u.define(f"h[{t}]", (1 - f) * h + f * m, "state")
        _output(u, t, h, n, 4, losses, T)
    return u
