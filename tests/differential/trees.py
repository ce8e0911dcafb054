"""Small expression trees, random recurrences made of them, and their text in the equation language.

Nothing here, and nothing in `oracle`, comes from the package: a tree is generated, printed by this module, read by the
package, and evaluated by the oracle. `Case` holds a recurrence with everything that a run needs: steps, choice of
losses, shapes, batch, seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """`op` is "num" (`value`), "name" (`value` = (name, index)), an operator, "stack", "sum_t", "sum_k", or a
    function's name.

    The index of a name is None (no step), an int d for t + d, ("at", n) for the step n, ("T", 0) for the last step, or
    ("k", d).
    """

    op: str
    args: tuple[Tree, ...] = ()
    value: Any = None

    def walk(self) -> Iterator[Tree]:
        yield self
        for arg in self.args:
            yield from arg.walk()


@dataclass(frozen=True)
class Equation:
    """`left` are one name, or several for an unpacked stack; `index` as in a name: 0 for t, ("at", 0) for an initial
    state, None."""

    left: tuple[str, ...]
    index: Any
    right: Tree


@dataclass(frozen=True)
class Case:
    """A recurrence and how it is run.

    Attributes:
        shapes: of every name. kinds: how the data of a name are drawn, "positive", "distribution" or "classes"; "" is
            normal.
        single: keys of data that are given without a batch; absent: initial states that are not given (zero).
        style: how products are printed, "@" or " ".
    """

    seed: int
    equations: tuple[Equation, ...]
    shapes: dict[str, Shape]
    steps: int = 3
    loss: Any = "every"
    reduce: str = "sum"
    batch: int | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    single: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    style: str = "@"
    data_seed: int = 0

    @property
    def text(self) -> str:
        return "\n".join(f"{left_text(e)} = {show(e.right, self.style)}" for e in self.equations)

    @property
    def defined(self) -> dict[str, Equation]:
        """The equation of each name that is defined for every step or, if it is not, for no step."""
        return {**self.once, **{n: e for e in self.equations if isinstance(e.index, int) for n in e.left}}

    @property
    def once(self) -> dict[str, Equation]:
        return {e.left[0]: e for e in self.equations if e.index is None}

    @property
    def losses(self) -> tuple[str, ...]:
        """One-step losses: what the total sums, else what is named E, L, C, J or made like a loss, and read by
        nothing."""
        if self.total is not None:
            found = [
                n.value[0] for n in self.once[self.total].right.walk() if n.op == "name" and n.value[1] is not None
            ]
            return tuple(dict.fromkeys(found))
        read = {n.value[0] for e in self.equations for n in e.right.walk() if n.op == "name" and n.value[1] is not None}
        timed = [e for e in self.equations if isinstance(e.index, int) and e.left[0] not in read and len(e.left) == 1]
        return tuple(
            e.left[0] for e in timed if e.left[0] in "ELCJ" or e.right.op in ("cross_entropy", "squared_error")
        )

    @property
    def total(self) -> str | None:
        """The name of a total of one's own."""
        return next((e.left[0] for e in self.equations if e.index is None and is_total(e.right)), None)

    @property
    def plain_total(self) -> bool:
        """Whether there is no total, or one that only sums one-step losses, each of them once.

        A state that it sums is no loss: what other equations read makes a total as it is written.
        """
        e = self.once.get(self.total or "")
        read = {n.value[0] for x in self.equations if x is not e for n in x.right.walk() if n.op == "name"}
        sums = e is not None and len(self.losses) == sum(n.op == "sum_t" for n in e.right.walk())
        return e is None or (_plain_sum(e.right) and sums and not read & set(self.losses))

    @property
    def loss_steps(self) -> tuple[int, ...]:
        choice = {"every": range(1, self.steps + 1), "last": [self.steps]}
        return tuple(choice[self.loss] if isinstance(self.loss, str) else self.loss)

    @property
    def parameters(self) -> tuple[str, ...]:
        found = {
            n.value[0]: None for e in self.equations for n in e.right.walk() if n.op == "name" and n.value[1] is None
        }
        return tuple(n for n in found if n not in self.defined)

    @property
    def sizes(self) -> dict[str, Shape]:
        """The shape of every name that occurs, for `unroll`; losses are numbers anyway."""
        names = {n.value[0] for e in self.equations for n in e.right.walk() if n.op == "name"} | {
            n for e in self.equations for n in e.left
        }
        return {n: s for n, s in self.shapes.items() if n in names and (s or n not in self.losses) and n != self.total}

    def options(self) -> dict[str, Any]:
        return {"steps": self.steps, "loss": self.loss if isinstance(self.loss, str) else list(self.loss),
                "reduce": self.reduce, "sizes": self.sizes}  # fmt: skip

    def __str__(self) -> str:
        parts = [f"steps={self.steps}", f"loss={self.loss!r}", f"reduce={self.reduce!r}", f"sizes={self.sizes}"]
        parts += [f"batch={self.batch}"] * (self.batch is not None)
        parts += [f"{what}={sorted(keys)}" for what, keys in (("single", self.single), ("absent", self.absent)) if keys]
        kinds = {n: k for n, k in self.kinds.items() if n in self.sizes}
        parts += [f"kinds={kinds}"] * bool(kinds) + [f"data_seed={self.data_seed}"]
        return "\n".join(["    " + line for line in self.text.splitlines()]) + "\n    # " + ", ".join(parts)


def is_total(e: Tree) -> bool:
    return any(n.op in ("sum_t",) or (n.op == "name" and isinstance(n.value[1], tuple)) for n in e.walk())


def _plain_sum(e: Tree) -> bool:
    if e.op == "add":
        return all(_plain_sum(a) for a in e.args)
    return e.op == "sum_t" and e.args[0].op == "name"


# -- making trees ------------------------------------------------------------------------------------------------------


def num(value: float) -> Tree:
    return Tree("num", (), value)


def name(n: str, index: Any = None) -> Tree:
    return Tree("name", (), (n, index))


def call(op: str, *args: Tree) -> Tree:
    return Tree(op, args)


# -- shapes ------------------------------------------------------------------------------------------------------------

REDUCE = ("sum", "mean", "norm")
PAIR = ("dot", "cross_entropy", "squared_error")


def shape_of(e: Tree, shapes: dict[str, Shape]) -> Shape:
    """The shape of a tree, from those of its names.

    Raises:
        ValueError: if shapes do not fit.
    """
    if e.op == "num":
        return ()
    if e.op == "name":
        return shapes[e.value[0]]
    args = [shape_of(a, shapes) for a in e.args]
    if e.op in ("add", "sub", "mul", "div", "pow", "blend") or (e.op in ("max", "min") and len(args) == 2):
        return _common(args)
    if e.op == "matmul":
        a, b = args
        if not a or not b:
            return a or b
        _need(len(a) == 2 and a[1] == b[0])
        return (*a[:-1], *b[1:])
    if e.op == "T":
        _need(len(args[0]) == 2)
        return args[0][::-1]
    if e.op in ("stack", "concat"):
        _need(all(len(a) <= 1 for a in args))
        return (sum((a or (1,))[0] for a in args),)
    if e.op in REDUCE or (e.op in ("max", "min") and len(args) == 1):
        _need(args[0] != ())
        return ()
    if e.op in PAIR:
        _need(args[0] == args[1] and (len(args[0]) == 1 or e.op == "squared_error"))
        return ()
    if e.op == "outer":
        _need(len(args[0]) == len(args[1]) == 1)
        return (*args[0], *args[1])
    if e.op == "diag":
        _need(len(args[0]) == 1)
        return args[0] * 2
    if e.op in ("softmax", "log_softmax"):
        _need(len(args[0]) == 1)
    if e.op in ("clip", "leaky_relu", "elu"):
        _need(all(a.op == "num" for a in e.args[1:]))
    return args[0]


def _need(condition: bool) -> None:
    if not condition:
        raise ValueError("shapes do not fit")


def _common(shapes: list[Shape]) -> Shape:
    found = {s for s in shapes if s}
    _need(len(found) <= 1)
    return found.pop() if found else ()


def well_formed(case: Case) -> bool:
    """Whether the shapes of all equations fit."""
    try:
        timed = {n for e in case.equations if isinstance(e.index, int) for n in e.left}
        _need(all(n in timed for e in case.equations if isinstance(e.index, tuple) for n in e.left))
        for e in case.equations:
            found, left = shape_of(e.right, case.shapes), [case.shapes[n] for n in e.left]
            if len(left) > 1:
                _need(len(set(left)) == 1 and len(left[0]) <= 1 and found == (sum((s or (1,))[0] for s in left),))
            elif not (e.right.op == "num" and isinstance(e.index, tuple)):
                _need(found == left[0])
    except ValueError:
        return False
    return True


# -- text --------------------------------------------------------------------------------------------------------------

INFIX = {"add": " + ", "sub": " - ", "mul": " * ", "div": " / "}


def left_text(e: Equation) -> str:
    names = [index_text(n, e.index) for n in e.left]
    return names[0] if len(names) == 1 else f"[{'; '.join(names)}]"


def index_text(n: str, index: Any) -> str:
    if index is None:
        return n
    if isinstance(index, int):
        return f"{n}[t{index:+d}]" if index else f"{n}[t]"
    return (
        f"{n}[{index[1]}]" if index[0] == "at" else f"{n}[{index[0]}{index[1]:+d}]" if index[1] else f"{n}[{index[0]}]"
    )


def show(e: Tree, style: str = "@") -> str:
    """The text of a tree; brackets around every inner operation but a sum of sums."""
    if e.op == "num":
        return f"{e.value:g}" if e.value >= 0 else f"({e.value:g})"
    if e.op == "name":
        return index_text(*e.value)
    if e.op in INFIX:
        left, right = show(e.args[0], style), _inner(e.args[1], style)
        whole = e.op in ("add", "sub") or e.args[0].op not in ("sum_t", "sum_k")
        keep = (e.op in ("add", "sub") and e.args[0].op in ("add", "sub", "mul", "matmul")) or e.args[0].op not in (
            *INFIX,
            "neg",
        )
        return (left if keep and whole else f"({left})") + INFIX[e.op] + right
    if e.op == "matmul":
        space = style == " " and e.args[0].op in ("name", "T") and e.args[1].op != "num"
        return _inner(e.args[0], style) + (" " if space else " @ ") + _inner(e.args[1], style)
    if e.op == "pow":
        return _inner(e.args[0], style) + "^" + _inner(e.args[1], style)
    if e.op == "neg":
        return "-" + _inner(e.args[0], style)
    if e.op == "T":
        return _inner(e.args[0], style) + ("^T" if style == " " else ".T")
    if e.op == "stack":
        return "[" + "; ".join(show(a, style) for a in e.args) + "]"
    if e.op == "sum_t":
        return "sum_t " + _inner(e.args[0], style)
    if e.op == "sum_k":
        return "sum_{k=1}^{t} " + _inner(e.args[0], style)
    return f"{e.op}({', '.join(show(a, style) for a in e.args)})"


def _inner(e: Tree, style: str) -> str:
    text = show(e, style)
    return f"({text})" if e.op in (*INFIX, "matmul", "pow", "neg", "T", "sum_t", "sum_k") else text


# -- changing trees ----------------------------------------------------------------------------------------------------


def places(e: Tree, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Tree]]:
    """Every subtree with its path, the largest first."""
    yield path, e
    for i, arg in enumerate(e.args):
        yield from places(arg, (*path, i))


def put(e: Tree, path: tuple[int, ...], new: Tree) -> Tree:
    """The tree with `new` at a path."""
    if not path:
        return new
    args = list(e.args)
    args[path[0]] = put(args[path[0]], path[1:], new)
    return replace(e, args=tuple(args))
