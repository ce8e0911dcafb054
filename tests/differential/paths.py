"""Paths of the chain rule, by walking every one of them: what `Derivation.count` must say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .trees import Case, Tree

Place = tuple[str, Any]  # a name and its step; None for what has no step


class Links:
    """Which named values an equation reads, in the unrolled recurrence."""

    def __init__(self, case: Case, outputs: tuple[str, ...]):
        self.case, self.outputs = case, outputs
        self.fixed = {(n, e.index[1]): e for e in case.equations if isinstance(e.index, tuple) for n in e.left}
        self.memo: dict[Place, list[Place]] = {}

    def of(self, place: Place) -> list[Place]:
        if place not in self.memo:
            self.memo[place] = list(dict.fromkeys(self._reads(place)))
        return self.memo[place]

    def _reads(self, place: Place) -> list[Place]:
        n, step = place
        case = self.case
        if n == "generic loss":
            return [p for y in self.outputs for p in ((y, step + self.case.defined[y].index), ("dE_d" + y, step))]
        e = self.fixed.get(place) or (case.once if step is None else case.defined).get(n)
        if e is None or (isinstance(e.index, int) and not 1 <= step - e.index <= case.steps):
            return []
        return self._names(
            e.right, None if e.index is None else step - e.index if isinstance(e.index, int) else step, None
        )

    def _names(self, e: Tree, t: Any, k: Any) -> list[Place]:
        if e.op == "name":
            n, i = e.value
            return [
                (
                    n,
                    (
                        None
                        if i is None
                        else t + i
                        if isinstance(i, int)
                        else {"at": 0, "T": self.case.steps, "k": k}[i[0]] + i[1]
                    ),
                )
            ]
        if e.op == "sum_t":
            return [p for s in self.case.loss_steps for p in self._names(e.args[0], s, None)]
        if e.op == "sum_k":
            return [p for s in range(1, t + 1) for p in self._names(e.args[0], t, s)]
        return [p for a in e.args for p in self._names(a, t, k)]

    def heads(self) -> list[tuple[int, Place]]:
        """The losses: (step, what it is)."""
        case = self.case
        if not case.plain_total:
            return [(case.steps, (case.total, None))]  # type: ignore[list-item]
        losses = case.losses or ("generic loss",)
        return [(s, (n, s)) for s in case.loss_steps for n in losses]

    def use(self, place: Place) -> int:
        """The step whose equation defines a place."""
        n, step = place
        e = None if place in self.fixed or step is None else self.case.defined.get(n)
        return (step or 0) - (e.index if e is not None and isinstance(e.index, int) else 0)

    def count(self, wrt: Place, most: int = 20_000) -> Counter[tuple[int, int]] | None:
        """(loss step, step of the use) -> number of paths; None if there are more than `most`."""
        found: Counter[tuple[int, int]] = Counter()
        for t, head in self.heads():
            walking = [head]
            while walking:
                place = walking.pop()
                for source in self.of(place):
                    if source == wrt:
                        found[t, self.use(place)] += 1
                    walking.append(source)
                if len(walking) > most or sum(found.values()) > most:
                    return None
            if head == wrt:
                found[t, self.use(head)] += 1
        return found
