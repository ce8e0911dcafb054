"""Every public function and method, with something of a wrong type in each place: an explanation, or Python's own word
about a keyword that is not there."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpttgraph as bg
from bpttgraph.errors import BPTTError, Fault
from bpttgraph.homework.courses.audit import audit

REC = bg.recurrence("h[t] = tanh(W h[t-1] + x[t]); h[0] = w; L[t] = dot(a, h[t])")
U = REC.unroll(3, sizes={"h": 3})
DATA = U.instance(seed=0)
RUN = U.run(DATA)
D, G = U.derive("W"), REC.derive("W")
RIGHT = dict(RUN.gradients)
VERDICT, REPORT = bg.verify(U, RIGHT, data=DATA), D.check(DATA)
X = np.array([0.3, 0.2])
T = bg.tensor(X, name="q")
DOUBLE = bg.primitive(lambda x: 2.0 * x, name="double")
BAD: tuple[Any, ...] = (None, 1.5, "x", [], object())


def f(x: Any) -> Any:
    return np.sum(np.tanh(x))


def loss() -> Any:
    return f(bg.tensor(X))


Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
CALLS: dict[str, Call] = {
    "recurrence": (bg.recurrence, ("h[t] = phi(W h[t-1])",), {"let": {"phi": "tanh"}}),
    "cell": (bg.cell, ("rnn",), {"let": None}),
    "cells": (bg.cells, (), {}),
    "unroll": (REC.unroll, (), {"steps": 3}),
    "derive for any T": (REC.derive, ("W",), dict.fromkeys(("truncate", "sizes")) | {"loss": "every", "inputs": "every",
                         "reduce": "sum", "notation": "pascanu", "onehot": ()}),
    "draw the folded graph": (REC.draw, (), {"labels": "math", "theme": "light", "fit": None}),
    "instance": (U.instance, (), {"seed": 0, "batch": None}),
    "run": (U.run, (DATA,), {"memory": "all"}),
    "derive": (U.derive, ("W",), {"cap": 100, "notation": "pascanu", "onehot": ()}),
    "draw": (U.draw, (), {"view": "forward", "fold": "auto", "labels": "math", "theme": "light", "fit": None}),
    "flow": (U.flow, (), {"data": None, "wrt": None}),
    "node": (U.node, ("h[1]",), {}),
    "to_networkx": (U.graph.to_networkx, (), {}),
    "contributions": (RUN.contributions, ("W",), {}),
    "jacobian of a run": (RUN.jacobian, ("h[2]", "h[1]"), {}),
    "latex": (D.latex, (), {"level": "chain", "width": 80}),
    "sympy": (D.sympy, (), {"level": "local"}),
    "check": (D.check, (DATA,), {}),
    "at": (G.at, (), {"steps": 3}),
    "latex for any T": (G.latex, (), {"width": 80}),
    "code": (G.code, (), {"name": "backward"}),
    "save": (lambda *a: U.draw().save(*a), ("picture.svg",), {}),
    "gradcheck": (bg.gradcheck, (f, (X,)), {"kwargs": None, "seed": 0}),
    "check_grads": (bg.check_grads, (f, (X,)), {"order": 1, "modes": ("rev",), "kwargs": None, "seed": 0}),
    "verify": (bg.verify, (U, RIGHT), {"data": DATA}),
    "report": (VERDICT.report, (), {}),
    "json of a verdict": (VERDICT.to_json, (), {}),
    "json of a report": (REPORT.to_json, (), {}),
    "audit": (audit, ("no such file",), {}),
    "tensor": (bg.tensor, (X,), {"name": "x"}),
    "backward": (lambda *a, **k: loss().backward(*a, **k), (), {"grad": None}),
    "detach": (bg.detach, (T,), {}),
    "stop_gradient": (bg.stop_gradient, (T,), {}),
    "array": (bg.array, ([T[0], T[1]],), {"dtype": float}),
    "stack": (bg.stack, ([T, T],), {"axis": 0}),
    "zeros": (bg.zeros, (3,), {"dtype": float}),
    "grad": (bg.grad, (f,), {"argnums": 0}),
    "a gradient": (bg.grad(f), (X,), {}),
    "value_and_grad": (bg.value_and_grad, (f,), {"argnums": 0}),
    "a value and a gradient": (bg.value_and_grad(f), (X,), {}),
    "vjp": (bg.vjp, (f, X), {}),
    "a pullback": (bg.vjp(f, X)[1], (1.0,), {}),
    "jvp": (bg.jvp, (f, X, X), {}),
    "linearize": (bg.linearize, (f, X), {}),
    "a linear map": (bg.linearize(f, X)[1], (X,), {}),
    "jacobian": (bg.jacobian, (f,), {}),
    "a Jacobian": (bg.jacobian(np.tanh), (X,), {}),
    "hessian": (bg.hessian, (f,), {}),
    "a Hessian": (bg.hessian(f), (X,), {}),
    "hvp": (bg.hvp, (f, X, X), {}),
    "gradients": (bg.gradients, (np.sum(T), [T]), {}),
    "trace": (bg.trace, (lambda x: x, X), {}),
    "primitive": (bg.primitive, (lambda x: x,), {"name": "sq", "symbol": "s", "derivative": lambda y, x: 1.0,
                  "slope": None, "code": "x"}),
    "defvjp": (bg.defvjp, (DOUBLE, lambda g, y, x: 2.0 * g), {}),
    "replay": (bg.replay, (bg.tensor(1.0) * bg.tensor(2.0),), {}),
    "a program": (bg.replay(bg.tensor(1.0) * bg.tensor(2.0)), ([1.0, 2.0],), {}),
    "draw_graph": (bg.draw_graph, (np.sum(T * T),), {}),
    "no_grad": (bg.no_grad, (), {}),
}  # fmt: skip
# what stands inside of what is given
INSIDE: dict[str, Callable[[Any], Any]] = {
    "an array of the data": lambda x: U.run({**DATA, "W": x}),
    "a name of the data": lambda x: U.run({**DATA, x: X} if x.__hash__ else {}),
    "an array of an answer": lambda x: bg.verify(U, {**RIGHT, "W": x}, data=DATA),
    "a size": lambda x: REC.unroll(3, sizes={"h": x}),
    "an entry of a shape": lambda x: REC.unroll(3, sizes={"W": (x, 3)}),
    "what a function is": lambda x: bg.recurrence("h[t] = phi(W h[t-1])", let={"phi": x}),
    "a step of a loss": lambda x: REC.unroll(3, loss=[x]),
    "the steps of a block": lambda x: bg.cell("seq2seq").unroll({"encoder": x}),
    "a name of a one-hot vector": lambda x: U.derive("W", onehot=[x]),
    "a number of an argument": lambda x: bg.grad(f, argnums=(x,)),
    "an entry of a point": lambda x: bg.grad(f)([X, x]),
    "a cotangent": lambda x: bg.vjp(lambda a: (a, a), 1.0)[1]((1.0, x)),
    "a tangent": lambda x: bg.jvp(np.multiply, (1.0, 2.0), (1.0, x)),
    "a derivative": lambda x: bg.grad(bg.primitive(lambda a: a, name="one", derivative=[x]))(1.0),
    "a rule": lambda x: bg.grad(bg.defvjp(bg.primitive(lambda a: a, name="one"), x))(1.0),
    "a mode": lambda x: bg.check_grads(f, X, modes=(x,)),
    "a number of a program": lambda x: bg.replay(bg.tensor(1.0) * bg.tensor(2.0))([1.0, x]),
    "one of several Tensors": lambda x: bg.stack([T, x]),
    "what a gradient is by": lambda x: bg.gradients(np.sum(T), [x]),
}


def wrong(name: str) -> Iterator[tuple[str, Any, Callable[[], Any]]]:
    """The call with something wrong in one place: the place, what stands there, and the call."""
    call, args, kwargs = CALLS[name]
    known = inspect.signature(call).parameters.values()
    places = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][len(args) :]
    for bad in BAD:
        for i in range(len(args)):
            yield str(i), bad, lambda i=i, bad=bad: call(*args[:i], bad, *args[i + 1 :], **kwargs)
        for key in dict.fromkeys((*kwargs, *places)):
            yield key, bad, lambda key=key, bad=bad: call(*args, **{**kwargs, key: bad})
    yield "an unknown keyword", 1, lambda: call(*args, **kwargs, unknown=1)


def explained(call: Callable[[], Any]) -> None:
    """Whatever it does, it ends in no exception but one that explains."""
    try:
        call()
    except BPTTError as error:
        assert error.message and not isinstance(error, Fault), error
    except TypeError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        unbound = "unexpected keyword argument" in str(error) or "missing" in str(error)
        assert unbound, f"{error} ({Path(last.filename).name}, line {last.lineno})"


@pytest.mark.parametrize("name", CALLS)
def test_something_wrong_in_each_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, args, kwargs = CALLS[name]
    if name != "audit":
        call(*args, **kwargs)  # right as it stands, so that only what is put in can be wrong
    for place, bad, attempt in wrong(name):
        try:
            explained(attempt)
        except Exception as error:
            raise AssertionError(f"{name}, {place} = {bad!r:.30}: {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("what", INSIDE)
def test_something_wrong_inside(what: str) -> None:
    for bad in BAD:
        try:
            explained(lambda bad=bad: INSIDE[what](bad))  # type: ignore[misc]
        except Exception as error:
            raise AssertionError(f"{what} {bad!r:.30}: {type(error).__name__}: {error}") from error


def test_every_public_name_is_called() -> None:
    """A function that is added is added here, too."""
    called = {getattr(call, "__name__", "") for call, _, _ in CALLS.values()}
    functions = {n for n in bg.__all__ if not inspect.isclass(getattr(bg, n))}
    assert functions - called == {"train"}  # `test_arguments` has all of its settings
