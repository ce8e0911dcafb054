"""Level `matrix`: adjoints with names, shaped like their variable, as textbooks and programs write them.

The adjoint of a variable h[2] is called h̄[2] (dE/dh[2] as a column). Where the equation is φ(a) for one function φ of
an unnamed pre-activation a, the adjoint of a is called δ_h[2]; most later statements are then a matrix times a δ, and
a parameter's gradient is a sum of outer products δ h[k−1]ᵀ. Softmax followed by cross entropy is δ = ŷ − target; this
assumes that the target is a distribution (one-hot, or entries that sum to 1), and the statement list says so.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from ..core.graph import Node
from ..core.variables import Link
from ..formulas.expr import Expr, partial, product, stack as stacked, subtract, symbol, transpose
from ..formulas.transposed import outer_of, turned_times
from .adjoint_names import adjoint_name, delta_name
from .factored import Statement
from .local import Local, local_jacobian
from .onehot import in_classes
from .parts import Part, Piece, has_partial, tag, untagged
from .pulled import pulled
from .read import Reader
from .stacked import Stacked, stacks
from .terms import Factors

__all__ = ["Adjoints", "Part", "Piece", "adjoint_name", "delta_name"]

_LINEAR = ("neg", "identity", "expand", "sum", "take", "pad", "transpose", "concat", "square")


class Adjoints:
    """The named adjoints of one derivation, for one target or several at once.

    Args:
        factors: of the derivation. wrt: the variables whose gradients are wanted. weight: ∂E/∂E_t.
        split: bases whose adjoint and δ stay two statements; None: wherever the adjoint is a sum.
        onehot: inputs and targets that hold unit vectors.
        alike: bases whose steps get statements of one form, with 0 for what does not reach a loss: what depends on
            itself over time (h[t] on h[t-2] alone, and the loss stands at T), and the rows of a stacked equation.
    """

    def __init__(
        self, factors: Factors, wrt: Iterable[str], weight: Expr | None = None, split: set[str] | None = None,
        onehot: frozenset[str] = frozenset(), alike: frozenset[str] = frozenset(),
    ):  # fmt: skip
        self.factors, self.paths = factors, factors.paths
        self.wrt = tuple(wrt)
        self.weight = factors.weight if weight is None else weight
        self.assumptions: dict[str, None] = {}
        self._node = self.paths.unrolled.node
        self._reader = Reader()
        self._split, self.onehot, self.alike = split, onehot, alike
        self._bars: dict[tuple[str, str], Local] = {}
        self._scales: dict[str, Expr] = {}
        self._stacks = stacks(self.paths.unrolled, self.paths.variables)

    # -- pre-activations

    def pre(self, name: str) -> Node | None:
        """The unnamed argument a of an equation φ(a); None if it is not of this form, or wanted itself."""
        node = self._node(name)
        if name in self.wrt or node.op is None or len(node.args) != 1 or node.args[0].name is not None:
            return None
        fits = (node.op.kind == "elementwise" and node.op.name not in _LINEAR) or node.op.name in (
            "softmax",
            "log_softmax",
        )
        return node.args[0] if fits and node.args[0].op is not None and len(node.shape) < 2 else None

    def _local(self, target: str, source: str, stack: Node | None = None) -> Local:
        """∂(pre-activation of target, or target)/∂source; of the whole `stack` that target belongs to."""
        key = (target if stack is None else f"[{target}]", source)
        if key not in self._bars:
            inner = stack or self.pre(target)
            self._bars[key] = local_jacobian(self._node(target) if inner is None else inner, self._node(source))
        return self._bars[key]

    @cached_property
    def several(self) -> set[str]:
        """Bases with some variable that more than one equation reads: their adjoint gets a statement of its own."""
        found = set()
        for name, links in self.paths.readers.items():
            v = self.paths.variables[name]
            if len({x.target for x in links}) > 1:
                found.add(v.base)
        return found

    # -- statements

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All adjoints, last first, then the gradients of `wrt` in the order given."""
        made: list[Part] = []
        final = {w: self._part_of_wrt(w) for w in self.wrt}
        for heads in self.paths.groups():
            self._group(heads, made, final)
        parts = (*made, *final.values())
        for part in parts if self.onehot else ():
            part.pieces = [replace(p, expr=in_classes(p.expr, self.onehot)) for p in part.pieces]
        for name in sorted(self.onehot):
            self.assumptions[
                f"{name} is one-hot: 𝐞 is the unit vector of its class, so that δ 𝐞ᵀ adds δ to one column"
            ] = None
        return parts

    @property
    def statements(self) -> tuple[Statement, ...]:
        return tuple(p.statement for p in self.parts)

    @property
    def closed(self) -> bool:
        """Whether every statement is a formula: no derivative of an abstract function is left in it."""
        return not any(has_partial(p.expr) for part in self.parts for p in part.pieces)

    def _part_of_wrt(self, w: str) -> Part:
        v, total = self.paths.variables[w], self.paths.total
        return Part(w, w, "gradient", total, v.step or 0, partial(total, (), w, v.shape))

    def _names(self, heads: tuple[tuple[int, str], ...]) -> list[str]:
        """Variables between any of `wrt` and the losses, in topological order."""
        paths, step = self.paths, heads[0][0] if heads else 0
        order, losses = list(paths.variables), {name for _, name in heads}

        def closed(
            names: Iterable[str], found: set[str], links: Mapping[str, list[Link]], end: str, among: Container[str]
        ) -> set[str]:
            """`found` and what its links lead to, and all further steps of what is to be alike."""
            bases: set[str] = set()
            for name in names:
                v = paths.variables[name]
                onward = any(getattr(x, end) in found and paths.passes(x, step) for x in links.get(name, ()))
                if name in among and (onward or (v.base in self.alike & bases and v.role != "initial")):
                    found.add(name)
                    bases.add(v.base)
            return found

        leads = closed(reversed(order), set(losses), paths.readers, "target", order)
        rows = {
            m
            for n in leads
            if n in self._stacks
            for m in self._stacks[n].members
            if paths.variables[m].base in self.alike
        }
        leads |= closed(reversed(order), leads | rows, paths.readers, "target", order) if rows else set()
        leads |= closed(self.wrt, set(leads), paths.readers, "target", self.wrt)  # a parameter may be listed anywhere
        reached = closed(order, set(self.wrt), paths.read, "source", leads)
        return [n for n in order if n in reached and n in leads and n not in self.wrt]

    def _group(self, heads: tuple[tuple[int, str], ...], made: list[Part], final: dict[str, Part]) -> None:
        paths, variables = self.paths, self.paths.variables
        whole = len(heads) == len(paths.heads)
        mark = "" if whole else str(heads[0][0])
        total = paths.total if whole else heads[0][1]
        losses = {name for _, name in heads}
        names = self._names(heads)
        kept = {*names, *self.wrt}
        step = heads[0][0] if heads else 0
        known: dict[str, Expr] = {}
        for name in reversed(names):
            links = [x for x in paths.readers.get(name, ()) if x.target in kept and paths.passes(x, step)]
            links = sorted((x for x in links if x.target in known), key=lambda x: abs(x.delay))
            v = variables[name]
            if name in losses and not links and self.pre(name) is None:
                known[name] = self.weight
                continue
            pieces = [self._piece(*x) for x in self._read_by(links, known, made, mark, total)]
            if name in losses:
                pieces.insert(0, Piece(name, "", self.weight))
            known[name] = self._conclude(name, v.shape, v.step or 0, pieces, mark, total, made)
        for w in self.wrt:
            if w in losses:
                final[w].pieces.append(Piece(w, "", self.weight))
            links = [x for x in paths.readers.get(w, ()) if x.target in known and paths.passes(x, step)]
            for reader in self._read_by(links, known, made, mark, total):
                final[w].pieces += self._gradient(*reader)

    def _read_by(
        self, links: list[Link], known: dict[str, Expr], made: list[Part], mark: str, total: str
    ) -> list[tuple[str, str, Expr, str, Local]]:
        """Who reads a variable: source, target, adjoint of the target, ids, local Jacobian; all rows of a stacked
        equation at once."""
        found: list[tuple[str, str, Expr, str, Local]] = []
        targets = {x.target: x.id for x in links}
        for x in links:
            stack = self._stacks.get(x.target)
            whole = stack is not None and all(m in targets and known[m].shape for m in stack.members)
            local = self._local(stack.members[0], x.source, stack.node) if whole and stack is not None else Local()
            if stack is None or not local.closed:
                found.append((x.source, x.target, known[x.target], x.id, self._local(x.target, x.source)))
            elif x.target == stack.members[0]:
                ids = " ".join(targets[m] for m in stack.members)
                found.append((x.source, x.target, self._whole(stack, known, made, mark, total), ids, local))
        return found

    def stack_of(self, name: str) -> str:
        """What the stacked equation is called that `name` is some rows of; empty if there is none."""
        return self._stacks[name].name if name in self._stacks else ""

    def _whole(self, stack: Stacked, known: dict[str, Expr], made: list[Part], mark: str, total: str) -> Expr:
        """The adjoint of a stacked equation, one below the other; its statement is made when it is first read."""
        left = symbol(delta_name(stack.name, mark), stack.node.shape)
        if left.name not in known:
            v, value = self.paths.variables[stack.members[0]], stacked(*[known[m] for m in stack.members])
            value = value if stack.own is None else turned_times(stack.own, value)
            made.append(
                Part(left.name, v.name, "delta", total, v.step or 0, left, [Piece("", "", value)], stack.members)
            )
            known[left.name] = left
        return left

    def _conclude(
        self, name: str, shape: tuple[int, ...], step: int, pieces: list[Piece], mark: str, total: str, made: list[Part]
    ) -> Expr:
        """Write the statements of one variable; what later statements call its adjoint (or its δ)."""
        bar = symbol(adjoint_name(name, mark), shape)
        inner = self.pre(name)
        if inner is None:
            made.append(Part(bar.name, name, "adjoint", total, step, bar, pieces))
            return bar
        delta = symbol(delta_name(name, mark), inner.shape)
        simple, rest = self._softmax_pieces(name, pieces)
        out = Part(delta.name, name, "delta", total, step, delta, simple)
        base = self.paths.variables[name].base
        apart = base in self.several if self._split is None else base in self._split
        if rest and apart and not (simple and len(rest) == 1):
            made.append(Part(bar.name, name, "adjoint", total, step, bar, rest))
            rest = [Piece("", "", bar)]
        for piece in rest:
            value = self._of_inner(name, inner, untagged(piece.expr))
            out.pieces.append(Piece(piece.source, piece.target, tag(value, piece.ids), piece.ids))
        made.append(out)
        return delta

    def _of_inner(self, name: str, inner: Node, adjoint: Expr) -> Expr:
        """The adjoint of the pre-activation of a variable, from that of the variable."""
        own = local_jacobian(self._node(name), inner).jacobian
        if own is not None:
            return turned_times(own, adjoint)
        symbol_of = partial(name, self.paths.variables[name].shape, delta_name(name), inner.shape)
        return product(transpose(symbol_of), adjoint)

    def _softmax_pieces(self, name: str, pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
        """The pieces that are softmax with cross entropy, as c (ŷ − target), and the others."""
        node = self._node(name)
        if node.op is None or node.op.name != "softmax":
            return [], pieces
        simple, rest = [], []
        for piece in pieces:
            loss = self._node(piece.target) if piece.target else None
            fits = loss is not None and loss.op is not None and loss.op.name == "cross_entropy" and loss.args[0] is node
            if fits and loss is not None and loss.args[1].op is None and loss.args[1] is not node:
                target = self._reader(loss.args[1])
                scale = self._scales[piece.target]
                seen = product(scale, subtract(symbol(name, node.shape), target))
                simple.append(Piece(name, piece.target, tag(seen, piece.ids), piece.ids))
                self.assumptions["each target is a distribution (one-hot, or entries that sum to 1)"] = None
            else:
                rest.append(piece)
        return simple, rest

    def _piece(self, source: str, target: str, adjoint: Expr, ids: str, local: Local) -> Piece:
        """What one equation contributes to the adjoint of a variable that it reads."""
        v = self.paths.variables
        self._scales[target] = adjoint
        if local.jacobian is None:
            part = pulled(self.pre(target) or self._node(target), self._node(source), adjoint)
            if part is not None:
                return Piece(source, target, tag(part, ids), ids)
            link = next(x for x in self.paths.readers[source] if x.target == target)
            j: Expr = partial(target, v[target].shape, source, v[source].shape, immediate=self.paths.immediate(link))
            return Piece(source, target, tag(product(transpose(j), adjoint), ids), ids)
        return Piece(source, target, tag(turned_times(local.jacobian, adjoint), ids), ids)

    def along(self, links: tuple[Link, ...]) -> list[Expr]:
        """One path alone, from the loss down to the variable: its product, simplified and shaped like the variable."""
        if not links:
            return [self.weight]
        value = self._passed(Piece(links[0].target, "", self.weight))
        for link in links[:-1]:
            value = self._passed(self._piece(*self._alone(link, value)))
        return [p.expr for p in self._gradient(*self._alone(links[-1], value))]

    def _passed(self, piece: Piece) -> Expr:
        """The adjoint of a variable as the equation below it needs it: that of its pre-activation, where it has one."""
        inner = self.pre(piece.source)
        if inner is None:
            return untagged(piece.expr)
        simple, _ = self._softmax_pieces(piece.source, [piece])
        return untagged(simple[0].expr) if simple else self._of_inner(piece.source, inner, untagged(piece.expr))

    def _alone(self, link: Link, adjoint: Expr) -> tuple[str, str, Expr, str, Local]:
        return link.source, link.target, adjoint, link.id, self._local(link.target, link.source)

    def _gradient(self, source: str, target: str, adjoint: Expr, ids: str, local: Local) -> list[Piece]:
        """What one use contributes to the gradient, shaped like the parameter."""
        if local.contacts is None:
            return [self._piece(source, target, adjoint, ids, local)]
        pieces = []
        for c in local.contacts:
            left = turned_times(c.left, adjoint)
            made = outer_of(c.right, left) if c.flipped else outer_of(left, c.right)
            pieces.append(Piece(source, target, tag(made, ids), ids))
        return pieces
