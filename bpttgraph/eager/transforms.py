"""Transformations of functions: grad, value_and_grad, vjp, jvp, linearize, jacobian, hessian, hvp; and trace,
gradients.

Each calls the function once with fresh Tensors in place of its arguments, and reads the graph that this leaves. A
derivative is made by the same rules from the same graph, so it is a graph again if it depends on somebody else's
Tensors, and any nesting of forward and reverse mode works. Perturbations cannot be confused: every transformation
differentiates by nodes of its own.

Arguments may be numbers, arrays, Tensors, or dicts, lists and tuples of these. Results are shaped like the arguments.
**Results are plain numbers and arrays, unless they depend on a Tensor of the caller's; then they are Tensors.**
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import primitives as P
from ..core.autodiff import forward
from ..core.graph import Graph, Node, needed
from ..errors import BPTTError, expect
from .calls import Call, expect_callable, fit, reverse_nodes
from .front.joining import array, stack
from .recording import recorded
from .reverse import zero
from .tensor import Tensor, constant
from .trees import leaves, names, numeric, rebuild
from .value import current

__all__ = ["grad", "gradients", "hessian", "hvp", "jacobian", "jvp", "linearize", "trace", "value_and_grad", "vjp"]


def _argnums(argnums: int | Sequence[int]) -> tuple[tuple[int, ...], bool]:
    if isinstance(argnums, int | np.integer) and not isinstance(argnums, bool):
        return (int(argnums),), True
    if not isinstance(argnums, tuple | list) or not all(isinstance(n, int | np.integer) for n in argnums):
        raise BPTTError(
            f"argnums={argnums!r:.40} chooses no arguments",
            "give the number of a positional argument, or a tuple of them",
        )
    return tuple(map(int, argnums)), False


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the value of `f` and its gradient.

    Args:
        f: returns a scalar; with `has_aux`, a pair of a scalar and anything else.
        argnums: which positional argument to differentiate by, or several of them (then the gradient is a tuple).

    Returns:
        A function with the arguments of `f`; it returns (value, gradient), or ((value, aux), gradient).

    Raises:
        BPTTError: if the value is not a scalar.

    Example:
        >>> value_and_grad(lambda p: p["w"] * p["w"] + p["b"])({"w": 3.0, "b": 1.0})
        (10.0, {'w': 6.0, 'b': 1.0})
    """
    expect_callable(f)
    chosen, single = _argnums(argnums)

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, [n % len(args) if args and n < 0 else n for n in chosen], args, kwargs, has_aux)
        output = call.output
        if output.size != 1:
            raise BPTTError(
                f"grad needs a scalar, but {getattr(f, '__name__', 'the function')} returned shape {output.shape}",
                "reduce it (np.sum, np.mean), or use bg.jacobian, or bg.vjp with a cotangent",
            )
        found = call.shaped(call.pull([None]))
        value = call.settle(output)
        return ((value, call.aux) if has_aux else value), (found[0] if single else tuple(found))

    return _labelled(value_and_gradient, "value and gradient", f)


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function. Nest it for higher derivatives. See `value_and_grad`.

    >>> import numpy as np
    >>> round(grad(grad(np.tanh))(0.5), 6)
    -0.726862
    """
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return _labelled(gradient, "gradient", f)


def _labelled(made: Callable[..., Any], what: str, f: Any) -> Callable[..., Any]:
    made.__name__ = f"{what.replace(' ', '_')}_of_{getattr(f, '__name__', 'function')}"
    made.__doc__ = f"The {what} of {getattr(f, '__name__', 'a function')}."
    return made


def vjp(f: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """The value of `f`, and the function that pulls a cotangent back: one gradient for each argument.

    >>> y, pull = vjp(lambda a, b: a * b, 2.0, 3.0)
    >>> y, pull(1.0)
    (6.0, (3.0, 2.0))
    """
    call = Call(f, range(len(args)), args, kwargs)
    value = rebuild(call.result, [call.settle(o) for o in call.outputs])

    def pull(cotangent: Any = None) -> tuple[Any, ...]:
        """Gradients, one for each argument, for a cotangent shaped like the value."""
        given = [None] * len(call.outputs) if cotangent is None else leaves(cotangent)
        if len(given) != len(call.outputs):
            if len(call.outputs) != 1:
                raise BPTTError(
                    f"the function has {len(call.outputs)} outputs, but {len(given)} cotangents were given",
                    "give one for each output",
                )
            given = [cotangent]
        return tuple(call.shaped(call.pull(given)))

    return value, pull


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Forward mode: the value of `f`, and how it changes along `tangents`.

    Args:
        primals, tangents: tuples with one entry for each argument (or, for one argument, the thing itself).

    >>> jvp(lambda a, b: a * b, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    """
    if not isinstance(primals, tuple):
        primals, tangents = (primals,), (tangents,)
    expect(tangents, list | tuple, "the tangents of several arguments", "give a tuple with one for each argument")
    value, push = linearize(f, *primals, **kwargs)
    return value, push(*tangents)


def linearize(f: Callable[..., Any], *primals: Any, **kwargs: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of `f`, and its derivative at this point as a linear function of a change of the arguments.

    >>> y, push = linearize(lambda x: x * x, 3.0)
    >>> y, push(1.0), push(2.0)
    (9.0, 6.0, 12.0)
    """
    call = Call(f, range(len(primals)), primals, kwargs)
    value = rebuild(call.result, [call.settle(o) for o in call.outputs])

    def push(*tangents: Any) -> Any:
        """The change of the value for given changes of the arguments."""
        given = leaves(list(tangents))
        if len(given) != len(call.inputs):
            given = [array(t) for t in tangents]
        if len(given) != len(call.inputs):
            raise BPTTError(
                f"there are {len(call.inputs)} arguments, but {len(given)} changes were given",
                "give one change for each argument",
            )
        seeds: dict[Node, Node] = {}
        with recorded(), np.errstate(all="ignore"):
            for t, change in zip(call.inputs, given):
                if not numeric(change) and not isinstance(change, bool):
                    raise BPTTError(f"a change cannot be {change!r:.60}", "give numbers in the shape of the argument")
                kind = np.asarray(t.value).dtype
                made = (
                    change
                    if isinstance(change, Tensor)
                    else constant(np.asarray(change, np.result_type(np.asarray(change), kind))[()])
                )
                if made.shape != t.shape:
                    raise BPTTError(
                        f"the change has shape {made.shape}, but the argument has shape {t.shape}",
                        "give one number for each entry of the argument",
                    )
                seeds[t] = made
            changed = forward(seeds, call.outputs)
            found: list[Any] = []
            for o in call.outputs:
                d = changed.get(o)
                found.append(fit(d, o) if isinstance(d, Tensor) else constant(zero(o)))
        live = call.live(call.outputs) or any(isinstance(t, Tensor) for t in given)
        return rebuild(
            call.result,
            (
                found
                if live
                else [
                    np.asarray(d.value).item() if o.value.__class__ is float else d.value
                    for d, o in zip(found, call.outputs)
                ]
            ),
        )

    return value, push


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, mode: str = "rev") -> Callable[..., Any]:
    """The Jacobian of `f`, as a function: shape of the output followed by shape of the argument.

    Args:
        mode: "rev" (one pass for each entry of the output) or "fwd" (one pass for each entry of the argument).

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    chosen, single = _argnums(argnums)
    if mode not in ("rev", "fwd"):
        raise BPTTError(f"jacobian: mode {mode!r} is not known", 'write mode="rev" or mode="fwd"')

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, [n % len(args) if args and n < 0 else n for n in chosen], args, kwargs)
        parts: list[list[Any]] = []
        for k, output in enumerate(call.outputs):
            if mode == "rev":
                rows = []
                for i in range(output.size):
                    seeds: list[Any] = [np.zeros(o.shape) for o in call.outputs]
                    seeds[k] = _unit(output, i)
                    rows.append(call.pull(seeds))
                parts.append(
                    [_assemble([row[j] for row in rows], output.shape, t.shape) for j, t in enumerate(call.inputs)]
                )
            else:
                parts.append([_columns(call, k, t) for t in call.inputs])
        trees = [call.shaped(row) for row in parts]
        whole = [rebuild(call.result, [tree[n] for tree in trees]) for n in range(len(call.tree))]
        return whole[0] if single else tuple(whole)

    return _labelled(jacobian_of, "jacobian", f)


def _unit(t: Tensor, i: int) -> Any:
    unit = np.zeros(t.shape, np.result_type(np.asarray(t.value), np.float32))
    unit.reshape(-1)[i] = 1.0
    return unit[()]


def _assemble(rows: Sequence[Any], out: tuple[int, ...], inner: tuple[int, ...]) -> Any:
    if not rows:
        return np.zeros(out + inner)
    if not out and len(rows) == 1:
        return rows[0]
    if any(isinstance(r, Tensor) for r in rows):
        return P.reshape(stack(rows), shape=out + inner)
    return np.stack([np.asarray(r) for r in rows]).reshape(out + inner)


def _columns(call: Call, k: int, t: Tensor) -> Any:
    """One column for each entry of an argument, by forward mode."""
    output = call.outputs[k]
    columns = []
    with recorded(), np.errstate(all="ignore"):
        for i in range(t.size):
            change = forward({t: constant(_unit(t, i))}, [output]).get(output)
            columns.append(constant(zero(output)) if not isinstance(change, Tensor) else fit(change, output))
        if not t.shape:
            made: Any = columns[0]
        elif not columns:
            return np.zeros(output.shape + t.shape)
        else:
            made = P.reshape(stack(columns, axis=-1), shape=output.shape + t.shape)
    return made if call.live([output]) else made.data


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The matrix of second derivatives of a scalar function, as a function; for dict arguments a dict of dicts.

    >>> hessian(lambda x: x * x * x)(2.0)
    12.0
    """
    return _labelled(jacobian(grad(f, argnums), argnums), "hessian", f)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any, **kwargs: Any) -> Any:
    """The second derivative of a scalar function applied to a change, without forming the matrix: forward over reverse.

    >>> import numpy as np
    >>> hvp(lambda x: (x * x * x).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    single = not isinstance(primals, tuple)
    if single:
        primals, tangents = (primals,), (tangents,)
    derivative = grad(f, 0 if single else tuple(range(len(primals))))
    return jvp(derivative, primals, tangents, **kwargs)[1]


def gradients(output: Tensor, targets: Any, cotangent: Any = None) -> Any:
    """The derivative of a Tensor by other Tensors of its graph, as Tensors that can be differentiated again.

    Args:
        output: a scalar, or any Tensor with a `cotangent` of its shape.
        targets: a Tensor, or a dict, list or tuple of Tensors; the result has the same form.

    >>> from bpttgraph import tensor
    >>> w = tensor(3.0)
    >>> first = gradients(w * w * w, w)
    >>> first.item(), gradients(first, w).item()
    (27.0, 18.0)
    """
    if not isinstance(output, Tensor):
        raise BPTTError(
            f"gradients needs a Tensor, not a {type(output).__name__}",
            "compute the loss from Tensors: x = bg.tensor(data)",
        )
    node = current(output)
    if cotangent is None and node.size != 1:
        raise BPTTError(
            f"gradients starts from a scalar, but the output has shape {node.shape}",
            "reduce it (np.sum), or give the cotangent",
        )
    wanted = leaves(targets)
    for t in wanted:
        if not isinstance(t, Tensor):
            raise BPTTError(
                f"gradients by a {type(t).__name__}: there is a derivative only by Tensors",
                "make it a Tensor before it is used: bg.tensor(x)",
            )
    before = {n.serial for n in needed([node])}
    # a Tensor that was assigned into stands for its value as the output last read it
    now = [t.latest if t.latest is not None and t.latest.serial in before else t for t in wanted]
    return rebuild(targets, reverse_nodes([node], [cotangent], now))


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of a call of `f`: leaves are named like its arguments (or the keys of dicts), the output like the
    function.

    >>> import numpy as np
    >>> def step(h, x, W):
    ...     return np.tanh(W @ h + x)
    >>> g = trace(step, np.ones(2), np.ones(2), np.eye(2))
    >>> [g.name(n) for n in g]
    ['h', 'x', 'W', 'matvec.1', 'add.1', 'step']
    """
    chosen = [i for i, a in enumerate(args) if leaves(a) and all(numeric(x) for x in leaves(a))]
    call = Call(f, chosen, args, kwargs)
    title = getattr(f, "__name__", "y")
    title = "y" if title == "<lambda>" else title
    if isinstance(call.result, Mapping):
        titles = [n or title for n in names(call.result, title)]
    else:
        titles = [title] if len(call.outputs) == 1 else [f"{title}.{i + 1}" for i in range(len(call.outputs))]
    outputs = []
    taken = {n.name for n in needed(call.outputs)}
    for output, name in zip(call.outputs, titles):
        if output.name is None and name not in taken and output.op is not None:
            output.named(name)
            taken.add(name)
        outputs.append(output)
    for node in needed(outputs):
        if node.is_constant:
            node.role = "constant"
    return Graph(outputs)
