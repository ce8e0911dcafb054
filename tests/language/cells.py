"""Random recurrences of the kinds that people write: gates, leaky and Euler steps, matrix states, layers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .trees import Equation, Name, Node, Recurrence, Shape

ACTIVATIONS = ("tanh", "tanh", "tanh", "sigmoid", "relu", "softplus", "silu", "elu", "leaky_relu", "gelu")
ALIASES = ("hardtanh", "softsign", "mish", "swish")
ABSTRACT = ("φ", "ψ", "f", "g")
BOUND = ("tanh", "sigmoid", "sin", "softplus")
STATES = ("h", "s", "m", "q", "r", "a")
INPUTS = ("x", "u", "v", "w", "p")
GATES = ("z", "g", "f", "o", "l")
MATRICES = "WUVABCDFGKMNPQR"
SCALARS = ("α", "λ", "γ", "ρ", "η")
UNSAID = ("l", "l-1", "0")
"""Labels of what stands for a layer where they are written out."""
LABELLED = ("", "role", "role", "number")
"""What tells matrices apart: letters, the names they stand between, numbers."""


def num(word: str) -> Node:
    return Node("num", word=word)


def add(a: Node, b: Node) -> Node:
    return Node("add", (a, b), shape=a.shape or b.shape)


def sub(a: Node, b: Node) -> Node:
    return Node("sub", (a, b), shape=a.shape or b.shape)


def had(a: Node, b: Node) -> Node:
    return Node("had", (a, b), shape=a.shape)


def scale(a: Node, b: Node) -> Node:
    return Node("scale", (a, b), shape=b.shape)


def call(word: str, *args: Node) -> Node:
    return Node("call", args, word=word, shape=args[0].shape)


def fraction(a: Node, b: Node) -> Node:
    return Node("frac", (a, b), shape=a.shape or b.shape)


def dot(a: Node, b: Node) -> Node:
    return Node("dot", (a, b))


@dataclass
class Writer:
    """Writes one recurrence. Nothing is read that has no shape; all names differ in their letters."""

    r: random.Random
    rows: str
    shapes: dict[Name, Shape] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    let: dict[str, str] = field(default_factory=dict)
    traits: set[str] = field(default_factory=set)
    template: Equation | None = None
    bottom: tuple[Name, Node] | None = None

    def __post_init__(self) -> None:
        r = self.r
        self.sizes = r.sample((2, 3, 4, 5, 6), 5)
        self.state_names = r.sample(STATES, len(STATES))
        self.input_names = r.sample(INPUTS, len(INPUTS))
        self.gate_names = r.sample(GATES, len(GATES))
        self.scalar_names = r.sample(SCALARS, len(SCALARS))
        self.matrix_letters = r.sample(MATRICES, len(MATRICES))
        self.labelled = r.choice(LABELLED)
        self.activation = self.some_function()
        self.n_in, self.n_state = self.sizes[0], self.sizes[1]
        self.x = self.input((self.n_in,))

    # -- names --------------------------------------------------------------------------------------------------------

    def named(self, name: Name, shape: Shape, at: int | None = None) -> Node:
        assert self.shapes.setdefault(name, shape) == shape
        return Node("name", name=name, at=at, shape=shape)

    def input(self, shape: Shape) -> Node:
        return self.named(Name(self.input_names.pop(0)), shape, 0)

    def scalar(self) -> Node:
        """A parameter that is a number."""
        return self.named(Name(self.scalar_names.pop(0)), ())

    def matrix(self, out: int, inner: int, role: str) -> Node:
        shape = (inner, out) if self.rows == "W" else (out, inner)
        if self.labelled == "role":
            letter = self.matrix_letters[0] if len(role) > 1 else self.matrix_letters[1 + (role in "".join(INPUTS))]
            name = Name(letter, role)
        elif self.labelled == "number":
            name = Name(self.matrix_letters[0], str(1 + sum(n.base == self.matrix_letters[0] for n in self.shapes)))
        else:
            name = Name(self.matrix_letters.pop())
        taken = {"".join(sorted(n.base + n.label)) for n in self.shapes}
        if "".join(sorted(name.base + name.label)) in taken:
            name = Name(self.matrix_letters.pop())
        return self.named(name, shape)

    def bias(self, n: int, label: str) -> Node:
        name = Name("b", label if self.labelled else "")
        if name in self.shapes:
            name = Name("b", f"{label}{sum(n.base == 'b' for n in self.shapes)}")
        return self.named(name, (n,))

    def some_function(self) -> str:
        r = self.r
        roll = r.random()
        if roll < 0.7:
            return r.choice(ACTIVATIONS)
        if roll < 0.85:
            self.traits.add("alias")
            return r.choice(ALIASES)
        name = r.choice(ABSTRACT)
        self.gate_names = [g for g in self.gate_names if g != name]
        self.let[name] = r.choice(BOUND)
        self.traits.add("abstract function")
        return name

    # -- pieces -------------------------------------------------------------------------------------------------------

    def apply(self, m: Node, v: Node) -> Node:
        n = m.shape[1] if self.rows == "W" else m.shape[0]
        return Node("apply", (m, v), shape=(n,))

    def affine(self, target: str, n: int, sources: list[Node], bias: float = 0.5) -> Node:
        """A x_t + B h_{t-1} + b, or W [h_{t-1}; x_t] + b."""
        r = self.r
        if len(sources) > 1 and r.random() < 0.15:
            self.traits.add("stack")
            whole = Node("stack", tuple(sources), shape=(sum(s.shape[0] for s in sources),))
            total = self.apply(self.matrix(n, whole.shape[0], target), whole)
        else:
            terms = []
            for s in sources:
                origin = next(e.name for e in s.walk() if e.name is not None and e.at is not None)
                roles = origin.base + target if r.random() < 0.7 or self.labelled != "role" else target
                terms.append(self.apply(self.matrix(n, s.shape[0], roles), s))
            total = terms[0]
            for t in terms[1:]:
                total = add(total, t)
        if r.random() < bias:
            total = add(total, self.bias(n, target))
        return total

    def gate(self, before: Node, n: int) -> Node:
        name = Name(self.gate_names.pop(0))
        inner = self.affine(name.base, n, [self.x, before])
        if self.r.random() < 0.12 and before.shape == (n,):
            self.traits.add("peephole")
            inner = add(inner, had(self.named(Name("p", name.base), (n,)), before))
        self.define(name, call("sigmoid", inner), self.r.choice(("gate", "update", "")))
        return self.named(name, (n,), 0)

    def define(self, name: Name, right: Node, remark: str = "") -> None:
        self.shapes.setdefault(name, right.shape)
        self.equations.append(Equation(name, right, remark=remark))

    def one_minus(self, e: Node) -> Node:
        return sub(num("1"), e)

    # -- states -------------------------------------------------------------------------------------------------------

    def simple(self, name: Name, below: Node, n: int) -> None:
        """tanh(A x_t + B h_{t-1} + b), perhaps leaky or with a second delay."""
        r = self.r
        before = self.named(name, (n,), -1)
        sources = [below, before] if r.random() < 0.5 else [before, below]
        new = call(self.activation, self.affine(name.base, n, sources))
        roll = r.random()
        if roll < 0.25 and self.scalar_names:
            self.traits.add("leaky")
            a = self.scalar()
            new = add(scale(self.one_minus(a), before), scale(a, new))
        elif roll < 0.4:
            self.traits.add("Euler")
            step = self.named(Name("Δt"), ())
            if r.random() < 0.5:
                step = fraction(step, self.named(Name("τ"), ()))
            new = add(before, scale(step, add(Node("neg", (before,), shape=before.shape), new)))
        elif roll < 0.5 and self.scalar_names:
            self.traits.add("decay")
            rate = Node("exp", (Node("neg", (self.scalar(),)),))
            new = add(scale(rate, before), new)
        elif roll < 0.54 and below.shape:
            self.traits.add("pi")
            turns = scale(num("2"), scale(Node("pi"), self.named(Name("ω"), ())))
            new = add(new, scale(call("sin", turns), before))
        elif roll < 0.58:
            self.traits.add("identity")
            m = self.matrix(n, n, name.base)
            flow = sub(Node("unit", shape=(n, n)), scale(self.named(Name("ε"), ()), m))
            new = add(Node("apply", (flow, before), shape=(n,)), new)
        elif roll < 0.64:
            self.traits.add("delay 2")
            new = add(new, had(self.named(Name("d"), (n,)), self.named(name, (n,), -2)))
        elif roll < 0.7:
            self.traits.add("divided")
            self.matrix_letters = [letter for letter in self.matrix_letters if letter != "N"] or self.matrix_letters
            count = Name("N")
            if count not in self.shapes:
                share = fraction(num("1"), self.named(count, ()))
                new = add(scale(share, self.apply(self.matrix(n, n, name.base), before)), new)
        self.define(name, new, "hidden state")

    def gated(self, name: Name, n: int) -> None:
        """z ⊙ h_{t-1} + (1 - z) ⊙ candidate."""
        r = self.r
        self.traits.add("gated")
        before = self.named(name, (n,), -1)
        z = self.gate(before, n)
        inner = before
        reset = r.random() < 0.4
        if reset:
            self.traits.add("reset gate")
            inner = had(self.gate(before, n), before)
        sources = [self.x, inner] if reset or r.random() < 0.5 else [self.x]
        candidate = call(self.activation, self.affine(name.base, n, sources))
        if r.random() < 0.4:
            self.traits.add("accent")
            tilde = Name(name.base, accent="~")
            self.define(tilde, candidate, "candidate")
            candidate = self.named(tilde, (n,), 0)
        kept, new = (z, self.one_minus(z)) if r.random() < 0.5 else (self.one_minus(z), z)
        self.define(name, add(had(kept, before), had(new, candidate)), "the new state")

    def long_short(self, name: Name, n: int) -> None:
        """c = f ⊙ c + i ⊙ tanh(…), h = o ⊙ tanh(c)."""
        self.traits.add("cell")
        before, cell = self.named(name, (n,), -1), Name("c")
        f, i = self.gate(before, n), self.gate(before, n)
        memory = self.named(cell, (n,), -1)
        new = call("tanh", self.affine("c", n, [self.x, before]))
        self.define(cell, add(had(f, memory), had(i, new)), "cell")
        out = call("tanh", self.named(cell, (n,), 0))
        if self.r.random() < 0.6:
            out = had(self.gate(before, n), out)
        self.define(name, out, "hidden state")

    def matrix_state(self) -> None:
        """S = λ S + v k^T, o = S q: columns; S = λ S + k^T v, o = q S: rows."""
        r = self.r
        self.traits.add("matrix state")
        out, inner = self.sizes[1], self.sizes[2]
        v, k, q = (self.named(Name(b), (s,), 0) for b, s in (("v", out), ("k", inner), ("q", inner)))
        a, b = (k, v) if self.rows == "W" else (v, k)
        state = Name("S")
        shape = (a.shape[0], b.shape[0])
        before, now = self.named(state, shape, -1), self.named(state, shape, 0)
        write = Node("outer", (a, b), shape=shape)
        if r.random() < 0.4:
            self.traits.add("scalar per step")
            write = scale(self.named(Name("β"), (), 0), write)
        kept = before if r.random() < 0.3 else scale(self.scalar(), before)
        if r.random() < 0.25:
            self.traits.add("delta rule")
            kept = self.forgotten(before, k)
        self.define(state, add(kept, write), "memory")
        self.define(Name("o"), Node("apply", (now, q), shape=(out,)), "read-out")

    def layered(self, base: str) -> Node:
        """Two layers alike, and the equation of layer l that says both."""
        r = self.r
        self.traits.add("layer index")
        w, u = self.matrix_letters[:2]
        bias, leaky = r.random() < 0.6, r.random() < 0.2
        sizes = {"0": self.n_in, "1": self.n_state, "2": self.sizes[3]}
        a = self.scalar() if leaky else None

        def layer(label: str, below: Node, n: int) -> Equation:
            name = Name(base, label)
            before = self.named(name, (n,), -1)
            inner = below.shape[0]
            shape = (inner, n) if self.rows == "W" else (n, inner)
            from_below = self.apply(self.named(Name(w, label), shape), below)
            total = add(from_below, self.apply(self.named(Name(u, label), (n, n)), before))
            if bias:
                total = add(total, self.named(Name("b", label), (n,)))
            new = call(self.activation, total)
            if a is not None:
                new = add(scale(self.one_minus(a), before), scale(a, new))
            return Equation(name, new, remark="layer")

        for label, below in (("1", self.x), ("2", self.named(Name(base, "1"), (sizes["1"],), 0))):
            self.shapes[Name(base, label)] = (sizes[label],)
            self.equations.append(layer(label, below, sizes[label]))
        below = self.named(Name(base, "l-1"), (sizes["0"],), 0)
        self.template = layer("l", below, sizes["1"])
        self.bottom = (Name(base, "0"), self.x)
        return self.named(Name(base, "2"), (sizes["2"],), 0)

    def forgotten(self, before: Node, k: Node) -> Node:
        """S (I - k k^T): columns; (I - k^T k) S: rows. S has the keys on the side of its product with q."""
        square = Node("outer", (k, k), shape=k.shape * 2)
        inner = sub(Node("unit", shape=square.shape), square)
        pair = (inner, before) if self.rows == "W" else (before, inner)
        return Node("matrices", pair, shape=before.shape)

    # -- the whole ----------------------------------------------------------------------------------------------------

    def top(self, h: Node) -> None:
        """An output, and perhaps a loss."""
        r = self.r
        roll = r.random()
        if roll < 0.25:
            return
        n = self.sizes[2]
        y = Name("y", accent=r.choice(("", "", "^")))
        if roll < 0.33:
            self.traits.add("dot")
            self.define(y, dot(self.named(Name("w", "o"), h.shape), h), "output")
            return
        right = self.affine("y", n, [h])
        if r.random() < 0.4:
            right = call("softmax", right)
            self.traits.add("softmax")
        self.define(y, right, "output")
        if r.random() < 0.55:
            return
        self.traits.add("loss")
        guess = self.named(y, (n,), 0)
        target = self.named(Name("y") if y.accent else Name("d"), (n,), 0)
        if right.op == "call" and right.word == "softmax":
            loss: Node = Node("neg", (dot(target, Node("log", (guess,), shape=(n,))),))
        else:
            loss = Node("norm2", (sub(guess, target),))
            if r.random() < 0.5:
                loss = scale(fraction(num("1"), num("2")), loss)
        if r.random() < 0.5:
            self.equations.append(Equation(Name("E"), loss))
        else:
            self.traits.add("total")
            self.equations.append(Equation(Name("L"), loss, at=None, weight=r.choice(("", "1/3"))))

    def recurrence(self) -> Recurrence:
        r = self.r
        name = Name(self.state_names.pop(0))
        n = self.n_state
        kind = r.choices(("simple", "gated", "cell", "matrix", "layers", "layered"), (6, 5, 3, 2, 2, 1))[0]
        if kind == "matrix":
            self.shapes.clear()
            self.matrix_state()
        elif kind == "layered":
            self.top(self.layered(name.base))
        elif kind == "layers":
            self.traits.add("two layers")
            first, second = (Name(name.base, str(i)) for i in (1, 2))
            self.simple(first, self.x, n)
            self.simple(second, self.named(first, (n,), 0), self.sizes[3])
            self.top(self.named(second, (self.sizes[3],), 0))
        else:
            {"gated": self.gated, "cell": self.long_short}.get(kind, lambda a, b: self.simple(a, self.x, b))(name, n)
            self.top(self.named(name, (n,), 0))
        initial = (name,) if kind in ("simple", "gated") and r.random() < 0.15 else ()
        read = {e.name for q in self.equations for e in q.right.walk() if e.name is not None}
        defined = {q.left for q in self.equations}
        shapes = {k: s for k, s in self.shapes.items() if k in read | defined}
        written = tuple(self.equations)
        if self.template is not None:
            written = (self.template, *written[2:])
            shapes |= {n: s for n, s in self.shapes.items() if n.label in UNSAID}
            shapes[Name(name.base, "0")] = self.x.shape
        called = {e.word for q in self.equations for e in q.right.walk() if e.op == "call"}
        let = tuple((f, b) for f, b in self.let.items() if f in called)
        traits = tuple(sorted(self.traits))
        return Recurrence(tuple(self.equations), shapes, self.rows, let, initial, traits, written, self.bottom)


def random_recurrence(r: random.Random, rows: str = "") -> Recurrence:
    """One that can be written; names that run out begin anew."""
    while True:
        try:
            return Writer(r, rows).recurrence()
        except (IndexError, AssertionError):
            continue
