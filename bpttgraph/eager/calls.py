"""One call of a function, with fresh Tensors for the arguments to differentiate by: what every transformation reads.

The call leaves a graph. What in it was made before the call belongs to the caller: only what depends on that is handed
back as Tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import arrays as A, primitives as P
from ..core.autodiff import backward
from ..core.graph import Node, _serial, needed
from ..errors import BPTTError
from .front.joining import array
from .recording import recorded
from .reverse import reverse_values, seed, zero
from .tensor import Tensor, constant
from .trees import leaves, names, numeric, rebuild
from .value import current

__all__ = ["Call", "expect_callable", "fit", "reverse_nodes"]


def _fresh(x: Any, name: str | None) -> Tensor:
    """A node of our own to differentiate by; if the caller gave a Tensor it stays connected to it."""
    if isinstance(x, Tensor):
        found: Tensor = P.identity(x)
        return found
    made = Tensor(x)
    return made.named(name) if name else made


class Call:
    """One call of a function, with fresh Tensors for the chosen arguments."""

    def __init__(
        self,
        f: Callable[..., Any],
        argnums: Sequence[int],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        has_aux: bool = False,
    ):
        name = getattr(f, "__name__", "the function")
        expect_callable(f)
        for n in argnums:
            if not 0 <= n < len(args):
                raise BPTTError(
                    f"{name} was called with {len(args)} positional argument(s), so there is no argument number {n}",
                    "arguments to differentiate by are positional, counted from 0",
                )
        try:
            kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            named = [p.name for p in inspect.signature(f).parameters.values() if p.kind in kinds]
        except (TypeError, ValueError):
            named = []
        self.start = next(_serial)  # a Tensor with a lower number is the caller's
        self.inputs: list[Tensor] = []
        self.tree: list[Any] = []
        given = list(args)
        with recorded():
            for n in argnums:
                label = named[n] if n < len(named) and named[n] not in ("args", "xs") else None
                found = leaves(args[n])
                for x in found:
                    if not numeric(x):
                        what = "None" if x is None else f"a {type(x).__name__}"
                        raise BPTTError(
                            f"argument {n} of {name} has {what} in it, by which there is no derivative",
                            "differentiate by numbers and arrays only; choose them with argnums=",
                        )
                fresh = [_fresh(x, label_) for x, label_ in zip(found, names(args[n], label))]
                self.inputs += fresh
                self.tree.append(args[n])
                given[n] = rebuild(args[n], fresh)
            try:
                result = f(*given, **kwargs)
            except ValueError as error:  # NumPy wraps what we say about an assignment into its own words
                if isinstance(error.__cause__, BPTTError):
                    raise error.__cause__ from None
                raise
        self.aux: Any = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise BPTTError(
                    f"with has_aux=True {name} must return two things, the value and the rest", "return loss, extra"
                )
            result, aux = result
            self.aux = rebuild(aux, [self.settle(x) for x in leaves(aux)])
        if result is None:
            raise BPTTError(f"{name} returned None", "return the result: is a return statement missing?")
        if isinstance(result, np.ndarray) and result.dtype.kind == "O":
            result = array(result.tolist())
        self.result = result
        self.outputs = [self._output(x, name) for x in leaves(result)]

    @staticmethod
    def _output(x: Any, name: str) -> Tensor:
        if isinstance(x, Tensor):
            return current(x)
        if not numeric(x):
            raise BPTTError(
                f"{name} returned {'None' if x is None else f'a {type(x).__name__}'}, which has no derivative",
                "return numbers, arrays or Tensors",
            )
        return constant(np.asarray(x, float)[()] if np.asarray(x).dtype.kind != "c" else np.asarray(x)[()])

    @property
    def output(self) -> Tensor:
        if len(self.outputs) != 1 or isinstance(self.result, Mapping | list | tuple):
            raise BPTTError(
                f"the function returned {len(self.outputs)} values, but one is needed here",
                "return one Tensor, or use has_aux=True for the rest",
            )
        return self.outputs[0]

    def settle(self, x: Any) -> Any:
        """A result as the caller may have it: plain, unless it depends on Tensors that are not ours."""
        if not isinstance(x, Tensor):
            return x
        return x if self.live([x]) else x.data

    def live(self, nodes: Sequence[Tensor]) -> bool:
        """Whether something depends on a Tensor of the caller's."""
        return any(
            n.op is None and n.serial < self.start and "value" not in n.attrs for n in needed(map(current, nodes))
        )

    def shaped(self, found: Sequence[Any]) -> list[Any]:
        """Leaves as one tree for each chosen argument."""
        out, start = [], 0
        for tree in self.tree:
            count = len(leaves(tree))
            out.append(rebuild(tree, found[start : start + count]))
            start += count
        return out

    def pull(self, cotangents: Sequence[Any]) -> list[Any]:
        """Reverse mode: the cotangent of each input."""
        live = self.live(self.outputs) or any(isinstance(g, Tensor) for g in cotangents)
        if not live:
            seeds: dict[Tensor, Any] = {}
            for output, g in zip(self.outputs, cotangents):
                g = seed(output, g)
                seeds[output] = seeds[output] + g if output in seeds else g
            found = reverse_values(seeds, self.inputs)
            return [found[t] if t in found else zero(t) for t in self.inputs]
        return reverse_nodes(self.outputs, cotangents, self.inputs)


def reverse_nodes(outputs: Sequence[Tensor], cotangents: Sequence[Any], inputs: Sequence[Tensor]) -> list[Any]:
    """Reverse mode, recorded."""
    seeds: dict[Node, Node] = {}
    with recorded(), np.errstate(all="ignore"):
        for output, g in zip(outputs, cotangents):
            g = current(g if isinstance(g, Tensor) and g.shape == output.shape else constant(seed(output, g)))
            seeds[output] = seeds[output] + g if output in seeds else g
        found = backward(seeds, inputs).adjoints
        return [fit(found[t], t) if t in found else constant(zero(t)) for t in inputs]


def fit(g: Any, t: Tensor) -> Any:
    """A recorded cotangent with the kind of its primal."""
    if np.iscomplexobj(g.value) and not np.iscomplexobj(t.value):
        g = A.real(g)
    return P.expand(g, shape=t.shape)


def expect_callable(f: Any) -> None:
    """An error for what is no function."""
    if not callable(f):
        raise BPTTError(f"{f!r:.40} is not a function", "write bg.grad(f)(x), not bg.grad(f(x))")
