"""Numbers for an unrolled recurrence: random instances, admission of data, runs with gradients, contributions and Jacobians.

Arrays inside have the batch in front, `(B, *shape)`; the user's `x` is `(T, n)` or `(T, B, n)`. A stack of seeds goes in front of the
batch, so that the whole (t, k) triangle of contributions, or all rows of a Jacobian, is one reverse pass over stacked arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff import Backward, Plan, backward, evaluate, evaluate_absolute
from ..errors import BPTTError, nearest
from ..graph import Node, leaf
from ..primitives import expand
from .unroll import no_collection

if TYPE_CHECKING:
    from .unroll import Head, Unrolled

__all__ = ["Numbers", "Run"]

Array = np.ndarray[Any, Any]
Reading = Callable[[Sequence[Node], Mapping[Node, Any]], list[Any]]


class _CutFor:
    """The edges that the gradient of a loss at `column` does not pass, as a container."""

    def __init__(self, cuts: Mapping[tuple[int, int, int], range], column: int):
        self.cuts, self.column = cuts, column

    def __contains__(self, key: object) -> bool:
        return self.column in self.cuts.get(key, ())  # type: ignore[call-overload]


class Numbers:
    """Evaluation of one unrolled recurrence, compiled once."""

    def __init__(self, unrolled: Unrolled):
        self.u = unrolled
        # One seed a loss: 1 for the gradient, a unit vector over the losses for the contributions. When the total is not a
        # sum of them, the seed of the total is passed back to them first.
        self.seeds = {head: leaf(f"seed[{head.name}]", batched=unrolled.node(head.name).batched) for head in unrolled.heads}

    # -- the reverse pass ---------------------------------------------------------------------------------------------

    def groups(self) -> list[tuple[list[Head], Any]]:
        """Losses that share a set of cut edges, with that set: one group without truncation."""
        cuts = self.u.edge_cuts
        if not cuts:
            return [(list(self.u.heads), ())]
        found: dict[tuple[int, ...], list[Head]] = {}
        kinds = list(dict.fromkeys(cuts.values()))
        # Cut edges that a loss cannot reach do not matter; losses of one window group see the same borders.
        rule = self.u.truncation
        assert rule is not None
        for head in self.u.heads:
            key: tuple[int, ...] = tuple(head.column in kind for kind in kinds) if len(kinds) < 64 else (-(-head.column // rule.stride),)
            found.setdefault(() if rule.carousel else key, []).append(head)
        return [(heads, _CutFor(cuts, heads[0].column)) for heads in found.values()]

    def reverse(self, targets: Iterable[Node]) -> list[Backward]:
        """One reverse pass for each group of losses, from the seeds to `targets`."""
        targets = list(targets)
        passes = []
        for heads, cut in self.groups():
            seeds: dict[Node, Node] = {}
            for head in heads:
                node, seed = self.u.node(head.name), self.seeds[head]
                seeds[node] = expand(seed, shape=node.shape)
            passes.append(backward(seeds, targets, cut))
        return passes

    def adjoint(self, target: Node) -> list[Node]:
        """The summands of the adjoint of `target`, one for each group of losses that reaches it."""
        return [p.adjoints[target] for p in self.reverse([target]) if target in p.adjoints]

    @cached_property
    def leaf_nodes(self) -> dict[str, Node]:
        """Parameters and initial states: what `gradients` lists."""
        initial = {n.name: n for rows in self.u.leaves.values() for _, n in rows if n.role == "initial" and n.name}
        return {**self.u.parameters, **initial}

    @cached_property
    def forward_plan(self) -> Plan:
        nodes = [self.u.node(name) for name in self.u.order_of_names]
        return Plan(nodes)

    @cached_property
    def full_plan(self) -> tuple[Plan, dict[str, list[Node]]]:
        """Forward and reverse pass as one plan, and the gradient nodes of each leaf."""
        with no_collection():
            passes = self.reverse(self.leaf_nodes.values())
            gradients = {name: [p.adjoints[node] for p in passes if node in p.adjoints] for name, node in self.leaf_nodes.items()}
            outputs = [self.u.node(name) for name in self.u.order_of_names] + [g for found in gradients.values() for g in found]
            return Plan(outputs), gradients

    # -- instances ----------------------------------------------------------------------------------------------------

    def instance(self, seed: int = 0, batch: int | None = None) -> dict[str, Array]:
        if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch <= 100_000):
            raise BPTTError(f"batch={batch!r} is not a number of examples", "write batch=3, or None for a single example")
        rng = np.random.default_rng(seed)
        lead = () if batch is None else (batch,)
        data: dict[str, Array] = {}
        order = {"input": 0, "target": 1, "initial": 2, "parameter": 3, "upstream": 4}
        keys = sorted(self.u.leaves, key=lambda k: order[self.u.leaves[k][0][1].role])
        for key in keys:
            rows = self.u.leaves[key]
            node = rows[0][1]
            length = () if rows[0][0] is None else (self.length(key),)
            shape = length + (() if node.role == "parameter" else lead) + node.shape
            if node.role == "target" and self.is_class(key):
                data[key] = rng.integers(0, node.shape[0], size=shape[:-1])
            elif node.role == "parameter" and len(node.shape) == 2:
                data[key] = rng.normal(size=shape) * 0.7 * min(1.0, (4 / node.shape[1]) ** 0.5)
            else:
                data[key] = rng.normal(size=shape) * (0.7 if node.role != "upstream" else 1.0)
        return data

    def length(self, key: str) -> int:
        """How many steps a sequence has: those of its block."""
        place = self.u._places[self.u.leaves[key][0][1].name or ""]
        return self.u.steps.get(place.block, self.u.columns)

    def is_class(self, key: str) -> bool:
        """Whether a target is a class: compared by cross entropy, and a vector."""
        nodes = {n.serial for _, n in self.u.leaves[key]}
        found = False
        for head in self.u.heads:
            stack = [self.u.node(head.name)]
            while stack:
                node = stack.pop()
                for slot, arg in enumerate(node.args):
                    if arg.serial in nodes and slot == 1 and node.op is not None and node.op.name == "cross_entropy":
                        found = True
                    if arg.name is None:
                        stack.append(arg)
            if found:
                break
        return found and len(self.u.leaves[key][0][1].shape) == 1

    # -- admission ----------------------------------------------------------------------------------------------------

    def admit(self, data: Mapping[str, Any]) -> tuple[dict[Node, Array], int | None, set[Node]]:
        """Check data and spread it over the leaves.

        Returns the leaves' arrays, one row an example, the batch size (or None), and the leaves that all examples share.
        """
        leaves = self.u.leaves
        for key in data:
            if key not in leaves and key not in self.unused:
                raise BPTTError(f"data: there is no {key} here", nearest(str(key), list(leaves)))
        values: dict[Node, Array] = {}
        shared: set[Node] = set()
        batches: dict[str, int] = {}
        arrays: dict[str, Array] = {}
        for key, value in data.items():
            arrays[key] = _array(key, value)
        kinds = [a.dtype for a in arrays.values() if a.dtype.kind in "fc"]
        dtype = np.result_type(*kinds) if kinds else np.dtype(float)
        others = [(arrays[k].ndim, r[0][1], r[0][0] is not None) for k, r in leaves.items() if k in arrays and not self.is_class(k)]
        batched = any(n.batched and axes == len(n.shape) + timed + 1 for axes, n, timed in others)
        for key, rows in leaves.items():
            node = rows[0][1]
            array = arrays.get(key)
            if array is None and node.role == "initial":
                stem = key.partition("[")[0]
                if stem in arrays and stem in self.unused:  # the first input of a generator
                    array = arrays[stem][0]
                else:
                    array = np.zeros(node.shape, dtype)
            if array is None and node.role == "upstream":
                array = np.random.default_rng(0).normal(size=(self.length(key), *node.shape)).astype(dtype.type(0).real.dtype)
            if array is None:
                raise BPTTError(f"data: {key} is missing", f"it has shape {self.describe(key)}; u.instance() makes a complete example")
            if node.role == "parameter":
                if array.shape != node.shape:
                    raise BPTTError(f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}",
                                    f"reshape or transpose {key}")  # fmt: skip
                values[node] = array if array.dtype.kind in "fc" else array.astype(dtype)
                continue
            if rows[0][0] is None:
                core = array.astype(dtype) if array.dtype.kind not in "fc" else array
                if array.shape == node.shape:
                    core = core[None]
                    shared.add(node)
                elif array.ndim == len(node.shape) + 1 and array.shape[1:] == node.shape:
                    batches[key] = array.shape[0]
                else:
                    raise BPTTError(f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}", f"reshape {key}")
                values[node] = core
                continue
            array, batch = self.sequence(key, array, dtype, batched)
            if batch is not None:
                batches[key] = batch
            else:
                shared.update(n for _, n in rows)
            for row, n in rows:
                values[n] = array[row]
        sizes = {b for b in batches.values() if b != 1} or set(batches.values())
        if len(sizes) > 1:
            named = ", ".join(f"{k}: {b}" for k, b in batches.items())
            raise BPTTError(f"data: the batch sizes differ ({named})", "give every input the same number of examples")
        batch = sizes.pop() if sizes else None
        # What all examples share gets a row for each of them: its gradient is the sum over these rows.
        return {n: np.broadcast_to(v, (batch or 1, *n.shape)) if n.batched else v for n, v in values.items()}, batch, shared

    @cached_property
    def unused(self) -> set[str]:
        """Names that may be in the data although nothing of this unrolling reads them (targets of steps without a loss, …)."""
        rec = self.u.recurrence
        fed = {d.bases[0] for d in self.u.definitions if d not in rec.definitions}
        states = {f"{b}[{s}]" for b in rec.states for s in (0, 1, *(t + 1 for t in self.u.steps.values()))}
        return {*rec.inputs, *rec.parameters, *fed, *states, *(k for k in self.u.shapes if k in rec.inputs)} - set(self.u.leaves)

    def describe(self, key: str) -> str:
        node = self.u.leaves[key][0][1]
        dims = ", ".join(map(str, node.shape))
        if node.role == "parameter":
            return f"({dims}{',' if len(node.shape) == 1 else ''})"
        if self.u.leaves[key][0][0] is None:
            return f"({dims}{',' if len(node.shape) == 1 else ''}) or (B, {dims})" if dims else "() or (B,)"
        t = self.length(key)
        classes = f" or classes ({t},) or ({t}, B)" if self.is_class(key) else ""
        return (f"({t}, {dims}) or ({t}, B, {dims})" if dims else f"({t},) or ({t}, B)") + classes

    def sequence(self, key: str, array: Array, dtype: Any, batched: bool) -> tuple[Array, int | None]:
        """A sequence as (T, B, *shape), with its batch size."""
        node, length = self.u.leaves[key][0][1], self.length(key)
        wrong = BPTTError(f"data: {key} has shape {array.shape}, but it must be {self.describe(key)}",
                          f"the first axis is time (T = {length}), the last ones are {node.shape}")  # fmt: skip
        rows = len(array) if array.ndim else 0
        if rows != length and not (self.u.inputs != "every" and rows >= 1 and node.role == "input"):
            raise wrong
        if self.classes(key, array, batched):
            classes = node.shape[0]
            if array.size and (array.min() < 0 or array.max() >= classes):
                raise BPTTError(f"data: {key} has a class outside 0 to {classes - 1}", "classes count from 0")
            hot = np.eye(classes, dtype=np.zeros(1, dtype).real.dtype)[array]
            return (hot[:, None] if array.ndim == 1 else hot), (None if array.ndim == 1 else array.shape[1])
        if array.dtype.kind not in "fc":
            array = array.astype(np.zeros(1, dtype).real.dtype)
        if array.shape[1:] == node.shape:
            return array[:, None], None
        if array.ndim == len(node.shape) + 2 and array.shape[2:] == node.shape:
            return array, array.shape[1]
        raise wrong

    def classes(self, key: str, array: Array, batched: bool) -> bool:
        """Whether targets are given as class numbers, `(T,)` or `(T, B)`.

        Whole numbers of shape `(T, n)` with n classes could be either: they are one-hot vectors if they look so and nothing else
        in the data has a batch.
        """
        if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or not self.is_class(key):
            return False
        if array.shape[1:] != self.u.leaves[key][0][1].shape:
            return True
        hot = np.all((array == 0) | (array == 1)) and np.all(array.sum(axis=1) == 1)
        return batched or not hot

    def run(self, data: Mapping[str, Any]) -> Run:
        if self.u.recurrence.abstract:
            names = ", ".join(self.u.recurrence.abstract)
            first = self.u.recurrence.abstract[0]
            raise BPTTError(f"{names} {'is' if ',' not in names else 'are'} abstract: there are no numbers",
                            f'bind: --let {first}=tanh on the command line, let={{"{first}": "tanh"}} in Python')  # fmt: skip
        return Run(self, data, *self.admit(data))


def _array(key: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.asarray(None)
    if array.dtype.kind not in "fciub":
        raise BPTTError(f"data: {key} is not an array of numbers", "give nested lists or a NumPy array of floats")
    if array.dtype.kind == "f" and array.dtype.itemsize < 4:
        array = array.astype(np.float32)
    if not np.all(np.isfinite(array)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BPTTError(f"data: {key} holds {array[place]} at index {place}", "every number must be finite")
    return array


class _Gradients(Mapping[str, Array]):
    """Gradients by name. Lists parameters and initial states; any other variable (`x`, `c[2]`) can be asked for as well."""

    def __init__(self, run: Run):
        self._run = run

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.numbers.leaf_nodes)

    def __len__(self) -> int:
        return len(self._run.numbers.leaf_nodes)

    def __getitem__(self, name: str) -> Array:
        return self._run.gradient(name)


class _Values(Mapping[str, Array]):
    """Values by name, in order of computation."""

    def __init__(self, run: Run):
        self._run = run

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.u.order_of_names)

    def __len__(self) -> int:
        return len(self._run.u.order_of_names)

    def __contains__(self, name: object) -> bool:
        return name in self._run.u._nodes

    def __getitem__(self, name: str) -> Array:
        return self._run._outside(name)


class Run:
    """The numbers of one run.

    Attributes:
        loss: the total loss, summed over the batch. batch: its size, None for a single example.
        values: arrays of all named variables, `values["h[2]"]` of shape `(n,)` or `(B, n)`.
        gradients: of the total loss, by parameter and initial state (each in its own shape); other variables on request.
    """

    def __init__(self, numbers: Numbers, data: Mapping[str, Any], leaves: dict[Node, Array], batch: int | None, shared: set[Node]):
        self.numbers, self.data, self.leaves, self.batch, self._shared = numbers, data, leaves, batch, shared
        self.u = numbers.u
        plan, self._gradient_nodes = numbers.full_plan
        self._dtype = np.result_type(*{v.dtype for v in leaves.values()}) if leaves else np.dtype(float)
        self._real = np.zeros(1, self._dtype).real.dtype
        ones = np.full(batch or 1, self.u.weight, self._real)
        self._seeds: dict[Node, Any] = {s: ones if s.batched else self.u.weight for s in numbers.seeds.values()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"), no_collection():
            slots = plan({**leaves, **self._seeds})
        self._slots = {node.serial: slots[i] for i, node in enumerate(plan.nodes)}
        self.loss = self._total()
        self.values: Mapping[str, Array] = _Values(self)
        self.gradients: Mapping[str, Array] = _Gradients(self)

    def _total(self) -> Any:
        value = self._slots[self.u.node(self.u.total).serial]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.sum(value)[()]

    def array(self, name: str) -> Array:
        """The value with the batch in front, `(B, *shape)`; `(*shape)` for what does not depend on the example."""
        node = self.u.node(name)
        value = np.asarray(self._slots[node.serial])
        if node.batched and value.ndim == len(node.shape):
            value = value[None]
        return value

    def _outside(self, name: str) -> Array:
        node = self.u.node(name)
        value = self.array(name)
        if not node.batched:
            return value
        if self.batch is None:
            return value[0]
        return np.broadcast_to(value, (self.batch, *node.shape)) if len(value) == 1 else value

    def gradient(self, name: str) -> Array:
        """dE/d(name), in the shape in which `name` was given. `name` may be any variable, or a whole input sequence (`x`)."""
        if name in self.numbers.leaf_nodes:
            node = self.numbers.leaf_nodes[name]
            found = [self._slots[g.serial] for g in self._gradient_nodes[name]]
            return self._shaped(node, found)
        if name in self.u.leaves:
            return np.stack([self.gradient(n.name or "") for _, n in self.u.leaves[name]])
        node = self.u.node(name)
        return self._shaped(node, self._evaluate(self.numbers.adjoint(node)))

    def _evaluate(self, nodes: list[Node], seeds: Mapping[Node, Any] | None = None, read: Reading | None = None) -> list[Array]:
        """Numbers for nodes of the reverse pass: their values, or whatever else `read` reads off the graph."""
        known = {n: self._slots[n.serial] for n in self.numbers.forward_plan.nodes}
        given: dict[Node, Any] = {**known, **self._seeds, **(seeds or {})}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            return (read or evaluate)(nodes, given)

    def _shaped(self, node: Node, parts: list[Any]) -> Array:
        """Sum the parts and bring them to the shape of the data: without a batch, or summed over what all examples share."""
        if not parts:
            total = np.zeros(node.shape, self._dtype)
        else:
            total = np.asarray(sum(parts[1:], parts[0]))
        if not node.batched:
            return np.array(np.broadcast_to(total, node.shape))
        total = np.broadcast_to(total, (self.batch or 1, *node.shape))
        if self.batch is None or node in self._shared:
            return np.sum(total, axis=0)
        return np.array(total)

    def contributions(self, name: str) -> Array:
        """The (t, k) triangle: `[t-1, k-1]` is dE_t/dW through the use at step k, shape `(T, T, *shape)`; its sum is the gradient.

        For a parameter used in one block and a loss in another, t counts the steps of the loss's block, k those of the use's.
        """
        if name not in self.numbers.leaf_nodes:
            raise BPTTError(f"there is no parameter {name}", nearest(name, list(self.u.parameters)))
        return self.triangle(name)

    def _stack(self, losses: int) -> dict[Node, Any]:
        """Seeds for all losses at once: seed t is the t-th unit vector along a new first axis."""
        stack = {}
        for head, seed in self.numbers.seeds.items():
            unit = np.zeros((losses, self.batch or 1) if seed.batched else (losses,), self._real)
            unit[head.step - 1] = self.u.weight
            stack[seed] = unit
        return stack

    def absolute_contributions(self, name: str) -> Array:
        """S: the triangle with the sum of the absolute values of all path products, the unit (times u) of a verdict's errors."""
        seeds = set(self.numbers.seeds.values())
        return self.triangle(name, lambda nodes, given: evaluate_absolute(nodes, given, seeds))

    def triangle(self, name: str, read: Reading | None = None) -> Array:
        """`contributions`, or another reading of the same reverse pass: sums of absolute values, rounding errors.

        For what is neither a parameter nor an initial state all uses stand together, `(T, 1, *shape)`.
        """
        u = self.u
        target = u.node(name)
        heads = list(u.heads)
        losses = max(u.steps.get(u._loss_block, u.columns), max(h.step for h in heads))
        if name not in self.numbers.leaf_nodes:
            result = np.zeros((losses, 1, *target.shape), self._dtype)
            self._add(result[:, 0], self._evaluate(self.numbers.adjoint(target), self._stack(losses), read), target)
            return result
        # Definitions without a step between the parameter and its uses (s = σ(α)) are passed through for each step apart.
        untimed = [u.node(v) for v in u.order_of_names if u.column(v) is None]
        timeless = [target, *(n for n in untimed if n is not target and n.role not in ("parameter", "total"))]
        passes = self.numbers.reverse(timeless)
        by_step: dict[int, dict[Node, list[Node]]] = {}
        for p in passes:
            for source, found in p.contributions.items():
                for consumer, _, part in found:
                    owner = consumer.name or consumer.owner or ""
                    column = u.column(owner)
                    if column is None:
                        continue
                    block = u._places[owner].block
                    by_step.setdefault(column - u.offset.get(block, 0), {}).setdefault(source, []).append(part)
        uses = max([u.steps.get(u._places[name].block, u.columns), *by_step])
        parts_of: list[tuple[int, Node]] = []
        for k, sources in by_step.items():
            seeds: dict[Node, Node] = {}
            for source, parts in sources.items():
                summed = parts[0]
                for part in parts[1:]:
                    summed = summed + part
                if source is target:
                    parts_of.append((k, summed))
                else:
                    seeds[source] = summed
            adjoint = backward(seeds, [target]).adjoints.get(target) if seeds else None
            if adjoint is not None:
                parts_of.append((k, adjoint))
        result = np.zeros((losses, uses, *target.shape), self._dtype)
        values = self._evaluate([node for _, node in parts_of], self._stack(losses), read)
        for (k, _), value in zip(parts_of, values):
            self._add(result[:, k - 1], [value], target)
        return result

    @staticmethod
    def _add(result: Array, values: list[Array], target: Node) -> None:
        """Add stacked cotangents of `target`, summed over the batch, to `result`."""
        for value in values:
            summed = np.sum(value, axis=1) if target.batched and np.ndim(value) == len(target.shape) + 2 else value
            result += np.broadcast_to(summed, result.shape)

    def jacobian(self, output: str, by: str) -> Array:
        """The total derivative ∂output/∂by, numerator layout: `(m, n)`, with a batch `(B, m, n)`. Truncation does not apply.

        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> u.run(u.instance()).jacobian("h[3]", "h[1]").shape
        (4, 4)
        """
        a, b = self.u.node(output), self.u.node(by)
        seed = leaf("seed", a.shape, batched=a.batched)
        size, batch = int(np.prod(a.shape)), self.batch or 1
        eye = np.eye(size, dtype=self._real)
        apart = a.batched and not b.batched
        if apart:  # the reverse pass sums a parameter over the batch, so each example needs seeds of its own
            eye = np.einsum("bc,ij->bicj", np.eye(batch, dtype=self._real), eye)
        elif a.batched:
            eye = np.broadcast_to(eye[:, None], (size, batch, size))
        adjoint = backward({a: seed}, [b]).adjoints.get(b)
        lead = (batch * size,) if apart else (size, batch) if b.batched else (size,)
        value = np.zeros((*lead, *b.shape), self._dtype)
        if adjoint is not None:
            value += self._evaluate([adjoint], {seed: eye.reshape(-1, *((batch,) if a.batched else ()), *a.shape)})[0]
        if not a.batched and not b.batched:
            return value.reshape(*a.shape, *b.shape)
        value = (np.moveaxis(value, 1, 0) if b.batched else value).reshape(batch, *a.shape, *b.shape)
        return value[0] if self.batch is None else value
