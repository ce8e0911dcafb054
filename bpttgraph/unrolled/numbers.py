"""Numbers for an unrolled recurrence: random instances, admission of data, runs with gradients, contributions and
Jacobians.

Arrays inside have the batch in front, `(B, *shape)`; the user's `x` is `(T, n)` or `(T, B, n)`. A stack of seeds goes
in front of the batch, so that the whole (t, k) triangle of contributions, or all rows of a Jacobian, is one reverse
pass over stacked arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from math import prod
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.autodiff import Backward, Plan, backward, evaluate, evaluate_absolute
from ..core.graph import Node, leaf
from ..core.primitives import batch_sum, expand
from ..equations.admission import Admission, Admitted
from ..errors import BPTTError, expect, nearest
from ..machine.bounds import MOST_NUMBERS, within
from .nodes import no_collection

if TYPE_CHECKING:
    from ..schedule import Scheduled
    from .chunks import Checkpointed
    from .graph import UnrolledGraph
    from .nodes import Head

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

    def __init__(self, unrolled: UnrolledGraph):
        self.u = unrolled

    @cached_property
    def seeds(self) -> dict[Head, Node]:
        """One seed a loss and example: 1 for the gradient, a unit vector over the losses for the contributions."""
        return {head: leaf(f"seed[{head.name}]", batched=True) for head in self.u.heads}

    # -- the reverse pass ----------------------------------------------------------------------------------------------

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
            key: tuple[int, ...] = (
                tuple(head.column in kind for kind in kinds) if len(kinds) < 64 else (-(-head.column // rule.stride),)
            )
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
                seed = seed if node.batched else batch_sum(seed)  # a loss that holds no data counts for every example
                seeds[node] = expand(seed, shape=node.shape)
            passes.append(backward(seeds, targets, cut))
        return passes

    def adjoint(self, target: Node) -> list[Node]:
        """The summands of the adjoint of `target`, one for each group of losses that reaches it."""
        return [p.adjoints[target] for p in self.reverse([target]) if target in p.adjoints]

    @cached_property
    def leaf_names(self) -> tuple[str, ...]:
        """Parameters and initial states: what `gradients` lists."""
        slots = self.u.slots
        return tuple(k for role in ("parameter", "initial") for k, s in slots.items() if s.role == role)

    @cached_property
    def leaf_nodes(self) -> dict[str, Node]:
        """Their nodes."""
        initial = {n.name: n for rows in self.u.leaves.values() for _, n in rows if n.role == "initial" and n.name}
        return {**self.u.parameters, **initial}

    @cached_property
    def untimed(self) -> list[Node]:
        """Values without a step that are made of such values and parameters alone, such as s = σ(α)."""
        u = self.u
        found = [u.node(v) for v in u.order_of_names if u.column(v) is None and v not in u.built.made_of_steps]
        return [n for n in found if n.role != "parameter"]

    @cached_property
    def passes(self) -> list[Backward]:
        """The reverse passes to all parameters, initial states and values without a step."""
        return self.reverse([*self.leaf_nodes.values(), *self.untimed])

    def uses(self, name: str) -> dict[int, list[Node]]:
        """What reaches a parameter or initial state through its uses in each step: summands of its adjoint, by step.

        Definitions without a step between the parameter and its uses (s = σ(α)) are passed through for each step apart.
        """
        u, target = self.u, self.leaf_nodes[name]
        sources: dict[int, dict[Node, list[Node]]] = {}
        for p in self.passes:
            for source in (target, *self.untimed):
                for consumer, _, part in p.contributions.get(source, ()):
                    step = u.use_step(consumer)
                    if step is not None:
                        sources.setdefault(step, {}).setdefault(source, []).append(part)
        found: dict[int, list[Node]] = {}
        for use, parts in sources.items():
            own = parts.pop(target, [])
            seeds = {source: reduce(add, summands) for source, summands in parts.items()}
            adjoint = backward(seeds, [target]).adjoints.get(target) if seeds else None
            nodes = [*([reduce(add, own)] if own else []), *([adjoint] if adjoint is not None else [])]
            if nodes:
                found[use] = nodes
        return found

    @cached_property
    def forward_plan(self) -> Plan:
        nodes = [self.u.node(name) for name in self.u.order_of_names]
        return Plan(nodes)

    @cached_property
    def full_plan(self) -> tuple[Plan, dict[str, list[Node]]]:
        """Forward and reverse pass as one plan, and the gradient nodes of each leaf."""
        with no_collection():
            passes = self.passes
            gradients = {
                name: [p.adjoints[node] for p in passes if node in p.adjoints] for name, node in self.leaf_nodes.items()
            }
            outputs = [self.u.node(name) for name in self.u.order_of_names] + [
                g for found in gradients.values() for g in found
            ]
            return Plan(outputs), gradients

    # -- admission ----------------------------------------------------------------------------------------------------

    @cached_property
    def admission(self) -> Admission:
        """What the data must hold."""
        slots = self.u.slots
        rec = self.u.recurrence
        fed = {d.bases[0] for d in self.u.definitions if d not in rec.definitions}
        states = {f"{b}[{s}]" for b in rec.states for s in (0, 1, *(t + 1 for t in self.u.steps.values()))}
        # names that may be there although nothing of this unrolling reads them (targets of steps without a loss, …)
        unused = {*rec.inputs, *rec.parameters, *fed, *states, *(k for k in self.u.shapes if k in rec.inputs)} - set(
            slots
        )
        return Admission(slots, unused, self.u.inputs != "every")

    def spread(self, admitted: Admitted) -> tuple[dict[Node, Array], set[Node]]:
        """The data as one array for each leaf, a row for each example, and the leaves that all examples share.

        What all examples share gets a row for each of them: its gradient is the sum over these rows.
        """
        values: dict[Node, Array] = {}
        shared: set[Node] = set()
        batch = admitted.batch or 1
        for key, rows in self.u.leaves.items():
            array = admitted.array(key)
            for row, node in rows:
                value = array if row is None else array[row]
                values[node] = np.broadcast_to(value, (batch, *node.shape)) if node.batched else value
                if key in admitted.shared:
                    shared.add(node)
        return values, shared

    def run(self, data: Mapping[str, Any], schedule: bool = True, memory: str = "all") -> Run:
        if self.u.recurrence.abstract:
            names = ", ".join(self.u.recurrence.abstract)
            first = self.u.recurrence.abstract[0]
            raise BPTTError(
                f"{names} {'is' if ',' not in names else 'are'} abstract: there are no numbers",
                f'bind: --let {first}=tanh on the command line, let={{"{first}": "tanh"}} in Python',
            )
        admitted = self.admission.admit(data)
        dtype = admitted.dtype
        found: Scheduled | Checkpointed | None = None
        # Complex numbers serve the check by complex step, which must share nothing with what it checks.
        expect(memory, str, "memory", 'write memory="all" or memory="sqrt"')
        if memory not in ("all", "sqrt"):
            raise BPTTError(f"memory={memory!r} is not known", 'write memory="all" or memory="sqrt"')
        if memory == "sqrt" and dtype.kind == "c":
            raise BPTTError(
                'memory="sqrt" computes with real numbers; complex data go through the unrolled graph',
                "leave out memory",
            )
        if memory == "sqrt":
            from .chunks import Checkpointed

            found = Checkpointed(self.u, admitted, dtype)
        elif schedule and dtype.kind == "f" and self.u.schedule.applies:
            found = self.u.schedule.run(admitted, dtype)
        return Run(self, data, admitted, dtype, found)


def _again(u: Any, data: dict[str, Array], how: str) -> Run:
    found: Run = u.run(data, how != "plain", "all" if how == "plain" else how)
    return found


class _Gradients(Mapping[str, Array]):
    """Gradients by name. Lists parameters and initial states; any other variable (`x`, `c[2]`) can be asked for as
    well."""

    def __init__(self, run: Run):
        self._run = run

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.numbers.leaf_names)

    def __len__(self) -> int:
        return len(self._run.numbers.leaf_names)

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
        return name in self._run.u.nodes

    def __getitem__(self, name: str) -> Array:
        expect(name, str, "the name of a value", 'write a text, such as values["h[2]"]')
        return self._run._outside(name)


class Run:
    """The numbers of one run.

    Loss and gradients come from the schedule over time where it applies; what is asked beyond them (Jacobians,
    contributions, gradients of inner variables) is read off the unrolled graph, which is evaluated when it is first
    needed.

    Attributes:
        loss: the total loss, summed over the batch. batch: its size, None for a single example.
        values: arrays of all named variables, `values["h[2]"]` of shape `(n,)` or `(B, n)`; in a batch, every value of
            a step has a row for each example, also where it holds no data.
        gradients: of the total loss, by parameter and initial state (each in its own shape); other variables on
            request.

    Example:
        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> run = u.run(u.instance())
        >>> triangle = run.contributions("W_hh")
        >>> triangle.shape, bool(abs(triangle.sum((0, 1)) - run.gradients["W_hh"]).max() < 1e-12)
        ((3, 3, 4, 4), True)
    """

    def __init__(
        self,
        numbers: Numbers,
        data: Mapping[str, Any],
        admitted: Admitted,
        dtype: Any,
        scheduled: Scheduled | Checkpointed | None,
    ):
        self.numbers, self.data, self.batch = numbers, data, admitted.batch
        self.u = numbers.u
        self._admitted, self._scheduled = admitted, scheduled
        self._dtype = np.dtype(dtype)
        self.loss = self._total() if scheduled is None else scheduled.loss

    def __reduce__(self) -> Any:
        """What travels to another process is the recipe: the recurrence and the data, as they were when the run was
        made."""
        a, how = self._admitted, "plain"
        arrays = dict(a.arrays)
        if self._scheduled is not None:
            kept = self._scheduled.data()
            arrays |= {k: v for k, v in kept.items() if k not in a.classes and v.shape == arrays[k].shape}
            how = "all" if kept else "sqrt"
        data = self.numbers.admission.outward(Admitted(arrays, a.batch, a.shared, a.dtype, a.classes))
        return _again, (self.u, data, how)

    # Made when asked for: a reference back to this run would keep the memory of the schedule from being used again.

    @property
    def values(self) -> Mapping[str, Array]:
        return _Values(self)

    @property
    def gradients(self) -> Mapping[str, Array]:
        return _Gradients(self)

    # -- the plain evaluation of the unrolled graph --------------------------------------------------------------------

    @property
    def _real(self) -> Any:
        return np.zeros(1, self._dtype).real.dtype

    @cached_property
    def _spread(self) -> tuple[dict[Node, Array], set[Node]]:
        # the user's arrays may have changed since (a step of training): the schedule has copies
        if self._scheduled is not None:
            kept = self._scheduled.data()
            a = self._admitted
            classes = {k: n for k, n in a.classes.items() if k not in kept}
            return self.numbers.spread(Admitted({**a.arrays, **kept}, a.batch, a.shared, a.dtype, classes))
        return self.numbers.spread(self._admitted)

    @property
    def leaves(self) -> dict[Node, Array]:
        """The data, one array for each leaf of the graph."""
        return self._spread[0]

    @property
    def shared_leaves(self) -> set[Node]:
        """The leaves with a batch that was given for all examples at once: their gradient is summed over it."""
        return self._spread[1]

    @cached_property
    def _seeds(self) -> dict[Node, Any]:
        ones = np.full(self.batch or 1, self.u.weight, self._real)
        return dict.fromkeys(self.numbers.seeds.values(), ones)

    @property
    def gradient_nodes(self) -> dict[str, list[Node]]:
        """The nodes of the reverse pass whose sum is a gradient, by the key of the data."""
        return self.numbers.full_plan[1]

    @cached_property
    def node_values(self) -> dict[int, Any]:
        """The value of every node of the unrolled graph and its reverse pass."""
        plan = self.numbers.full_plan[0]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"), no_collection():
            slots = plan({**self.leaves, **self._seeds})
        return {node.serial: slots[i] for i, node in enumerate(plan.nodes)}

    def _total(self) -> Any:
        value = self.node_values[self.u.node(self.u.total).serial]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.sum(np.broadcast_to(value, self.batch or 1))[()]

    def finite(self) -> Run:
        """This run, if all that leads to the gradients is a number.

        Raises:
            BPTTError: naming the first value that is none, with its step, or the gradient.
        """
        quick = [self.loss, *self.gradients.values()]
        if all(np.all(np.isfinite(a)) for a in quick):
            return self
        fix = "choose numbers on which every function is defined: smaller weights, fewer steps, or data of your own"
        for name in self.u.order_of_names:
            value = self.array(name)
            if not np.all(np.isfinite(value)):
                made = next((d.text for d in self.u.definitions if name.partition("[")[0] in d.bases), "")
                what = "not a number" if np.any(np.isnan(value)) else "infinite"
                raise BPTTError(f"{name} is {what} on these numbers" + (f", by {made}" if made else ""), fix)
        name = next(n for n, g in self.gradients.items() if not np.all(np.isfinite(g)))
        raise BPTTError(f"the gradient by {name} is not a finite number here, though all values are", fix)

    # -- reading -------------------------------------------------------------------------------------------------------

    def array(self, name: str) -> Array:
        """The value with the batch in front, `(B, *shape)`; `(*shape)` for what does not depend on the example."""
        node = self.u.node(name)
        value = np.asarray(self.node_values[node.serial])
        if node.batched and value.ndim == len(node.shape):
            value = value[None]
        return value

    def _outside(self, name: str) -> Array:
        quick: Array | None = self._scheduled.value(name) if self._scheduled is not None else None
        if quick is not None:
            return quick[0] if self.batch is None else quick
        node = self.u.node(name)
        value = self.array(name)
        if self.batch is None:
            return value[0] if node.batched else value
        # of a step, so each example has it
        each = node.batched or self.u.column(name) is not None or name == self.u.total
        return np.broadcast_to(value, (self.batch, *node.shape)) if each else value

    def gradient(self, name: str) -> Array:
        """dE/d(name), in the shape in which `name` was given. `name` may be any variable, or a whole input sequence
        (`x`)."""
        expect(name, str, "the name of a variable", 'write a name such as "W_hh"')
        slot = self.u.slots.get(name)
        if self._scheduled is not None and slot is not None and slot.role in ("parameter", "initial"):
            found = self._scheduled.gradient(name)
            if slot.role == "parameter":
                return np.zeros(slot.shape, self._dtype) if found is None else found.copy()
            if self.batch is None and found is not None:
                result: Array = found[0].copy()
                return result
            total = np.zeros((1, *slot.shape), self._dtype) if found is None else found
            if len(total) != (self.batch or 1):
                total = np.broadcast_to(total, (self.batch or 1, *slot.shape))
            return np.sum(total, axis=0) if self.batch is None or name in self._admitted.shared else np.array(total)
        if name in self.numbers.leaf_nodes:
            node = self.numbers.leaf_nodes[name]
            parts = [self.node_values[g.serial] for g in self.gradient_nodes[name]]
            return self.summed_up(node, parts)
        if name in self.u.leaves and slot is not None and slot.length:
            rows = {row or 0: self.gradient(n.name or "") for row, n in self.u.leaves[name]}
            unread = np.zeros_like(next(iter(rows.values())))
            return np.stack([rows.get(row, unread) for row in range(slot.length)])
        if name == self.u.total and all(name != head.name for head in self.u.heads):
            return np.ones((), self._dtype)  # the loss by itself: the reverse pass begins behind it, at its summands
        node = self.u.node(name)
        return self.summed_up(node, self.read_nodes(self.numbers.adjoint(node)))

    def read_nodes(
        self, nodes: list[Node], seeds: Mapping[Node, Any] | None = None, read: Reading | None = None
    ) -> list[Array]:
        """Numbers for nodes of the reverse pass: their values, or whatever else `read` reads off the graph."""
        known = {n: self.node_values[n.serial] for n in self.numbers.forward_plan.nodes}
        given: dict[Node, Any] = {**known, **self._seeds, **(seeds or {})}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            return (read or evaluate)(nodes, given)

    def summed_up(self, node: Node, parts: list[Any]) -> Array:
        """Sum the parts and bring them to the shape of the data: without a batch, or summed over what all examples
        share."""
        if not parts:
            total = np.zeros(node.shape, self._dtype)
        else:
            total = np.asarray(sum(parts[1:], parts[0]))
        if not node.batched:
            return np.array(np.broadcast_to(total, node.shape))
        total = np.broadcast_to(total, (self.batch or 1, *node.shape))
        if self.batch is None or node in self.shared_leaves:
            found: Array = np.sum(total, axis=0)
            return found
        return np.array(total)

    def contributions(self, name: str) -> Array:
        """The (t, k) triangle: `[t-1, k-1]` is dE_t/dW through the use at step k, shape `(T, T, *shape)`; its sum is
        the gradient.

        For a parameter used in one block and a loss in another, t counts the steps of the loss's block, k those of the
        use's. Uses before the first step (h[0] = V c) stand with those of step 1; uses in a total of one's own stand at
        the step of their sum, or with the last step (a in E = a sum_t E[t]).
        """
        expect(name, str, "the name of a parameter", 'write a name such as "W_hh"')
        if name not in self.numbers.leaf_nodes:
            raise BPTTError(f"there is no parameter {name}", nearest(name, list(self.u.parameters)))
        return self.triangle(name)

    def loss_seeds(self, losses: Sequence[int]) -> dict[Node, Any]:
        """Seeds for some losses at once: a unit vector for each of them along a new first axis."""
        stack = {}
        place = {t: i for i, t in enumerate(losses)}
        for head, seed in self.numbers.seeds.items():
            unit = np.zeros((len(place), self.batch or 1), self._real)
            if head.step in place:
                unit[place[head.step]] = self.u.weight
            stack[seed] = unit
        return stack

    def absolute_contributions(self, name: str) -> Array:
        """S: the triangle with the sum of the absolute values of all path products, the unit (times u) of a verdict's
        errors."""
        seeds = set(self.numbers.seeds.values())
        return self.triangle(name, lambda nodes, given: evaluate_absolute(nodes, given, seeds))

    def triangle(self, name: str, read: Reading | None = None) -> Array:
        """`contributions`, or another reading of the same reverse pass: sums of absolute values, rounding errors.

        For what is neither a parameter nor an initial state all uses stand together, `(T, 1, *shape)`.
        """
        u = self.u
        target = u.node(name)
        heads = list(u.heads)
        losses = max(u.steps.get(u.loss_block, u.columns), max(h.step for h in heads))
        if name not in self.numbers.leaf_nodes:
            self._within(name, losses, 1)
            result = np.zeros((losses, 1, *target.shape), self._dtype)
            self.add_cotangents(
                result[:, 0],
                self.read_nodes(self.numbers.adjoint(target), self.loss_seeds(range(1, losses + 1)), read),
                target,
            )
            return result
        self._within(name, losses, u.steps.get(u.places[name].block, u.columns))  # before the graph is built
        parts = [(k, node) for k, nodes in self.numbers.uses(name).items() for node in nodes]
        uses = max([u.steps.get(u.places[name].block, u.columns), *(k for k, _ in parts)])
        result = np.zeros((losses, uses, *target.shape), self._dtype)
        values = self.read_nodes([node for _, node in parts], self.loss_seeds(range(1, losses + 1)), read)
        for (k, _), value in zip(parts, values):
            self.add_cotangents(result[:, k - 1], [value], target)
        return result

    def _within(self, name: str, losses: int, uses: int) -> None:
        """Whether a triangle can be held in memory; with a batch, each example's row is there until it is summed up."""
        size = max(1, prod(self.u.node(name).shape)) * losses * max(uses, self.batch or 1)
        what = f"the triangle of {name}, {losses:,} losses by {uses:,} uses of its own shape, has {{}} numbers"
        within(size, MOST_NUMBERS, what, "take fewer steps or smaller sizes; run.gradients has the sum, for any number")

    @staticmethod
    def add_cotangents(result: Array, values: list[Array], target: Node) -> None:
        """Add stacked cotangents of `target`, summed over the batch, to `result`."""
        for value in values:
            summed = np.sum(value, axis=1) if target.batched and np.ndim(value) == len(target.shape) + 2 else value
            result += np.broadcast_to(summed, result.shape)

    def jacobian(self, output: str, by: str) -> Array:
        """The total derivative ∂output/∂by, numerator layout: `(m, n)`, with a batch `(B, m, n)`. Truncation does not
        apply.

        >>> import bpttgraph as bg
        >>> u = bg.cell("rnn").unroll(3)
        >>> u.run(u.instance()).jacobian("h[3]", "h[1]").shape
        (4, 4)
        """
        a, b = self.u.node(output), self.u.node(by)
        seed = leaf("seed", a.shape, batched=a.batched)
        size, batch = int(np.prod(a.shape)), self.batch or 1
        amount = size * batch * max(1, prod(b.shape)) * (batch if a.batched and not b.batched else 1)
        within(amount, MOST_NUMBERS, f"∂{output}/∂{by} has {{}} numbers", "take smaller sizes or a smaller batch")
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
            value += self.read_nodes([adjoint], {seed: eye.reshape(-1, *((batch,) if a.batched else ()), *a.shape)})[0]
        if not a.batched and not b.batched:
            return value.reshape((*a.shape, *b.shape))
        value = (np.moveaxis(value, 1, 0) if b.batched else value).reshape(batch, *a.shape, *b.shape)
        return value[0] if self.batch is None else value
