"""The truth: a recurrence's trees evaluated in plain NumPy with complex numbers. Shares no code with the package.

Values are computed on demand, `value("h", 3)`, so that no order of computation is assumed. Every array is (P, B,
*shape): P variants of the data at once (one moved entry each, see `data.moves`), B examples. A derivative is an
imaginary part divided by a tiny step; functions with a kink decide by the real part, and `margin` is how far the
nearest kink was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .data import draw
from .operations import ENTRYWISE, KINKS, OPS
from .trees import Case, Tree

Array = np.ndarray[Any, Any]


class World:
    """One evaluation of a case. `moved` replaces data by key, at all uses or only at those of step `only`; `shift` is
    added to values, (name, step) -> array. `outputs` are the names whose given gradients make the loss, where there is
    no loss."""

    ops: Mapping[str, Callable[..., Any]] = OPS
    kinks: Mapping[str, Callable[..., Any]] = KINKS

    def __init__(
        self,
        case: Case,
        data: Mapping[str, Array] | None = None,
        moved: Mapping[str, Array] | None = None,
        only: int | None = None,
        shift: Mapping[Any, Array] | None = None,
        outputs: tuple[str, ...] = (),
    ):
        self.case, self.moved, self.only, self.shift, self.outputs = (
            case,
            dict(moved or {}),
            only,
            dict(shift or {}),
            outputs,
        )
        self.data: dict[str, Array] = {} if data is None else dict(data)
        self.memo: dict[Any, Array] = {}
        self.margin, self.defined, self.once = np.inf, case.defined, case.once
        self.fixed = {(n, e.index[1]): e for e in case.equations if isinstance(e.index, tuple) for n in e.left}

    def leaf(self, key: str, step: int | None, use: int | None) -> Array:
        """The data of a key as (P, B, *shape)."""
        if key not in self.data:
            absent = key in self.case.absent
            self.data[key] = (
                np.zeros(self.case.shapes[key.partition("[")[0]])
                if absent
                else draw(self.case, key, self.case.data_seed)
            )
        array = self.data[key]
        base = key.partition("[")[0]
        if self.case.kinds.get(base) == "classes":
            array = np.eye(self.case.shapes[base][0])[array]
        shape = self.case.shapes[key[4:] if key.startswith("dE_d") else base]
        moved = key in self.moved and self.only in (None, use)
        array = self.moved[key] if moved else array[None]  # (P, *as given)
        array = array if step is None else array[:, step - 1]
        return array[:, None] if array.ndim == 1 + len(shape) else array

    def value(self, n: str, step: int | None, use: int | None = None) -> Array:
        """A name at a step, as an equation of step `use` reads it."""
        e = self.fixed.get((n, step)) or (self.once if step is None else self.defined).get(n)
        if e is not None and isinstance(e.index, int) and not 1 + e.index <= (step or 0) <= self.case.steps + e.index:
            e = None
        if e is None:
            inside = step is not None and n not in self.defined and 1 <= step <= self.case.steps
            key = n if step is None or inside else f"{n}[{step}]"
            found = self.leaf(key, step if inside else None, use)
            return found + self.shift[n, step] if (n, step) in self.shift else found
        # a value without a step is passed through for each step apart
        memo = (n, step, use if e.index is None and self.only is not None else None)
        if memo not in self.memo:
            t = use if e.index is None else step - e.index if isinstance(e.index, int) else max(step, 0)  # type: ignore[operator]
            whole = self.tree(e.right, t, None)
            rank, start = len(self.case.shapes[n]), 0
            for left in e.left:
                part = whole
                if len(e.left) > 1:
                    size = (self.case.shapes[left] or (1,))[0]
                    part, start = whole[..., start : start + size], start + size
                    part = part[..., 0] if rank == 0 else part
                elif whole.ndim - 2 < rank:  # a number for every entry
                    part = whole.reshape(*whole.shape, *[1] * rank) + np.zeros(self.case.shapes[n])
                self.memo[(left, *memo[1:])] = part + self.shift[left, step] if (left, step) in self.shift else part
        return self.memo[memo]

    def tree(self, e: Tree, t: int | None, k: int | None) -> Array:
        if e.op == "num":
            return np.full((1, 1), float(e.value))
        if e.op == "name":
            n, i = e.value
            step = (
                None
                if i is None
                else t + i
                if isinstance(i, int)
                else {"at": 0, "T": self.case.steps, "k": k}[i[0]] + i[1]
            )
            return self.value(n, step, t)
        if e.op == "sum_t":  # over the steps chosen by the loss
            parts = [self.tree(e.args[0], s, None) for s in self.case.loss_steps]
            return sum(parts[1:], parts[0]) / (len(parts) if self.case.reduce == "mean" else 1)
        if e.op == "sum_k":
            parts = [self.tree(e.args[0], t, s) for s in range(1, (t or 0) + 1)]
            return sum(parts[1:], parts[0])
        args = [self.tree(a, t, k) for a in e.args]
        if e.op in ENTRYWISE and len(args) > 1:  # a number beside a vector stands beside every entry
            rank = max(a.ndim for a in args)
            args = [a.reshape(*a.shape, *[1] * (rank - a.ndim)) for a in args]
        if e.op in self.kinks:
            distance = self.kinks[e.op](*[a.real for a in args])
            self.margin = min(self.margin, float(np.abs(distance).min(initial=np.inf)))
        return self.ops[e.op](*args)

    def losses(self) -> dict[int, Array]:
        """The loss of each step, (P, B), with its weight; a total of one's own stands at the last step."""
        case = self.case
        if case.total is not None and not case.plain_total:
            return {case.steps: self.value(case.total, None)}
        weight = 1 / len(case.loss_steps) if case.reduce == "mean" else 1.0
        found: dict[int, Array] = {}
        for s in case.loss_steps:
            terms = [self.value(n, s) for n in case.losses]
            for n in self.outputs:
                y, g = self.value(n, s + self.defined[n].index), self.leaf("dE_d" + n, s, None)
                terms.append((y * g).sum(tuple(range(2, max(y.ndim, g.ndim)))))
            found[s] = sum(terms[1:], terms[0]) * weight
        return found

    def everything(self) -> dict[str, Array]:
        """Every value by its name in the package: `h[2]`, `k`."""
        found: dict[str, Array] = {}
        counted = self.case.losses if self.case.plain_total else ()
        for e in self.case.equations:
            for n in e.left:
                if e.index is None and e.left[0] != self.case.total:
                    found[n] = self.value(n, None)
                elif isinstance(e.index, tuple):
                    found[f"{n}[{e.index[1]}]"] = self.value(n, e.index[1])
                elif isinstance(e.index, int):
                    for s in self.case.loss_steps if n in counted else range(1, self.case.steps + 1):
                        found[f"{n}[{s + e.index}]"] = self.value(n, s + e.index)
        return found


# -- the functions, on arrays (P, B, *shape) ---------------------------------------------------------------------------
