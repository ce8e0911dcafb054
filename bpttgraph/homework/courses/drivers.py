"""Functions with the signatures of courses: how their arguments are made from an instance, and what they return.

Each driver gets the student's module (or class) and the instance in the course's layout. It calls the student's own
forward function to make the cache and yields what that computed (None where the forward pass is ours), then it yields
gradients by the course's names. Functions of one step are driven over all steps, so that a mistake in one step has the
same effect as in the sequence, and the same diagnosis.

A driver is found by the family in the profile (`# calls: cs231n_lstm`) and the name of the function. This runs in the
child process of `programs.functions`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BPTTError
from ..programs.differences import differences
from ..programs.functions import run_file, serve

__all__ = ["DRIVERS", "run"]

Array = np.ndarray[Any, Any]
Data = Mapping[str, Array]
Driver = Callable[[Any, Data], Iterator[Any]]
_CHILD = "from bpttgraph.homework.courses.drivers import serve_course; serve_course()"


def run(
    spec: str, family: str, data: Data, names: list[str], loss: tuple[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Run `file.py:function` on an instance in the course's layout; gradients by the course's names, "output" of its
    forward pass.

    With `loss`, the name of the upstream gradient and those of arrays: the gradients of the forward pass by these
    arrays, by differences, and their errors as "±name". A function that is none of the course's gets the arrays that
    its parameters name, as without a profile.

    Example:
        >>> _ = Path("mine.py").write_text("def gradient(a): return {'da': 2 * a}")
        >>> run("mine.py:gradient", "mit_rnn", {"a": np.array([1.0, 3.0])}, ["da"])["da"].tolist()
        [2.0, 6.0]
    """
    path, _, function = spec.rpartition(":")
    drivers = DRIVERS.get(family, {})
    if function not in drivers and function.rpartition(".")[2] not in drivers:
        if "." in function:
            known = ", ".join(drivers) or "a function"
            raise BPTTError(f"{function} is none of the functions of this course", f"give {Path(path).name}:{known}")
        return run_file(spec, data, names)
    told = [family, function] + ([] if loss is None else [loss[0], *loss[1]])
    return run_file(spec, data, told, child=_CHILD)


def serve_course() -> None:
    """What the child process does for a function of a course."""

    def invoke(function: Any, data: Data, names: list[str]) -> dict[str, Any]:
        family, called, *wrt = names
        drivers, code = DRIVERS[family], sys.modules["answer"]
        drive = drivers.get(called) or drivers[called.rpartition(".")[2]]
        if not wrt:
            passes = drive(code, data)
            output, found = next(passes), next(passes)
            return found if output is None else {"output": output, **found}

        def loss(moved: Data) -> float:
            return float(np.sum(np.asarray(next(drive(code, moved)), float) * data[wrt[0]]))

        made = differences(loss, data, wrt[1:])
        return {n: v for n, (v, _) in made.items()} | {f"±{n}": e for n, (_, e) in made.items()}

    serve(invoke)


def _named(names: str, values: Any, what: str) -> dict[str, Any]:
    wanted = names.split()
    if not isinstance(values, tuple | list) or len(values) != len(wanted):
        returned = f"{len(values)} values" if isinstance(values, tuple | list) else f"a {type(values).__name__}"
        raise BPTTError(f"{what} returns {returned}", f"the course's returns {', '.join(wanted)}")
    return dict(zip(wanted, values))


def _add(total: dict[str, Any], found: Mapping[str, Any], names: str) -> None:
    for name in names.split():
        total[name] = total.get(name, 0.0) + np.asarray(found[name])


# -- CS231n ------------------------------------------------------------------------------------------------------------


def _cs231n_sequence(kind: str) -> Driver:
    def drive(code: Any, a: Data) -> Iterator[Any]:
        h, cache = getattr(code, f"{kind}_forward")(a["x"], a["h0"], a["Wx"], a["Wh"], a["b"])
        yield h
        what = f"{kind}_backward"
        yield _named("dx dh0 dWx dWh db", getattr(code, what)(a["dh"], cache), what)

    return drive


def _cs231n_rnn_step(code: Any, a: Data) -> Iterator[Any]:
    h, steps = a["h0"], a["x"].shape[1]
    caches: list[Any] = []
    output: list[Array] = []
    dx: list[Array] = []
    for t in range(steps):
        h, cache = code.rnn_step_forward(a["x"][:, t], h, a["Wx"], a["Wh"], a["b"])
        caches.append(cache)
        output.append(h)
    yield np.stack(output, 1)
    total: dict[str, Any] = {}
    dh = np.zeros_like(a["h0"])
    for t in reversed(range(steps)):
        found = _named("dx dh dWx dWh db", code.rnn_step_backward(a["dh"][:, t] + dh, caches[t]), "rnn_step_backward")
        dh = found["dh"]
        dx.insert(0, found["dx"])
        _add(total, found, "dWx dWh db")
    yield {"dx": np.stack(dx, 1), "dh0": dh, **total}


def _cs231n_lstm_step(code: Any, a: Data) -> Iterator[Any]:
    h, c, steps = a["h0"], np.zeros_like(a["h0"]), a["x"].shape[1]
    caches: list[Any] = []
    output: list[Array] = []
    dx: list[Array] = []
    for t in range(steps):
        h, c, cache = code.lstm_step_forward(a["x"][:, t], h, c, a["Wx"], a["Wh"], a["b"])
        caches.append(cache)
        output.append(h)
    yield np.stack(output, 1)
    total: dict[str, Any] = {}
    dh, dc = np.zeros_like(a["h0"]), np.zeros_like(a["h0"])
    for t in reversed(range(steps)):
        back = code.lstm_step_backward(a["dh"][:, t] + dh, dc, caches[t])
        found = _named("dx dh dc dWx dWh db", back, "lstm_step_backward")
        dh, dc = found["dh"], found["dc"]
        dx.insert(0, found["dx"])
        _add(total, found, "dWx dWh db")
    yield {"dx": np.stack(dx, 1), "dh0": dh, **total}


# -- deeplearning.ai ---------------------------------------------------------------------------------------------------

_RNN = "dWax dWaa dba"
_LSTM = "dWf dbf dWi dbi dWc dbc dWo dbo"


def _parameters(a: Data, names: str) -> dict[str, Array]:
    """The dictionary of the course. The output layer is there because the forward functions want it; no gradient passes
    it."""
    units = a["a0"].shape[0]
    return {k[1:]: a[k[1:]] for k in names.split()} | {
        "Wya": np.zeros((2, units)), "Wy": np.zeros((2, units)), "by": np.zeros((2, 1)),
    }  # fmt: skip


def _picked(found: Any, what: str, names: str) -> dict[str, Any]:
    missing = [n for n in names.split() if not isinstance(found, Mapping) or n not in found]
    if missing:
        raise BPTTError(f"{what} returns no {missing[0]}", f"the course's returns a dictionary with {names}")
    return {n: found[n] for n in names.split()}


def _dlai_rnn(code: Any, a: Data) -> Iterator[Any]:
    output, _, caches = code.rnn_forward(a["x"], a["a0"], _parameters(a, _RNN))
    yield output
    yield _picked(code.rnn_backward(a["da"], caches), "rnn_backward", f"dx da0 {_RNN}")


def _dlai_lstm(code: Any, a: Data) -> Iterator[Any]:
    output, *_, caches = code.lstm_forward(a["x"], a["a0"], _parameters(a, _LSTM))
    yield output
    yield _picked(code.lstm_backward(a["da"], caches), "lstm_backward", f"dx da0 {_LSTM}")


def _dlai_cell(kind: str) -> Driver:
    lstm = kind == "lstm"
    names = _LSTM if lstm else _RNN
    what = f"{kind}_cell_backward"

    def drive(code: Any, a: Data) -> Iterator[Any]:
        parameters, steps = _parameters(a, names), a["x"].shape[2]
        state = [a["a0"], np.zeros_like(a["a0"])] if lstm else [a["a0"]]
        caches: list[Any] = []
        output: list[Array] = []
        dx: list[Array] = []
        for t in range(steps):
            *state, _, cache = getattr(code, f"{kind}_cell_forward")(a["x"][:, :, t], *state, parameters)
            caches.append(cache)
            output.append(state[0])
        yield np.stack(output, 2)
        total: dict[str, Any] = {}
        carry = [np.zeros_like(s) for s in state]
        back = "da_prev dc_prev" if lstm else "da_prev"
        for t in reversed(range(steps)):
            found = getattr(code, what)(a["da"][:, :, t] + carry[0], *carry[1:], caches[t])
            found = _picked(found, what, f"dxt {back} {names}")
            carry = [found[n] for n in back.split()]
            dx.insert(0, found["dxt"])
            _add(total, found, names)
        yield {"dx": np.stack(dx, 2), "da0": carry[0], **total}

    return drive


# -- CMU ---------------------------------------------------------------------------------------------------------------


def _cell(code: Any, kind: str, a: Data, inputs: int, units: int) -> Any:
    """An object of the student's class with the weights of the instance, in the attributes that the class has for
    them."""
    cell = getattr(code, kind)(inputs, units)
    names = [n for n in a if n[0] in "Wb"]
    absent = {n for n in names if not hasattr(cell, n)}
    own = sorted(n for n, v in vars(cell).items() if n not in names and n[0] in "Wb" and isinstance(v, np.ndarray))
    if absent and own:
        said = (
            f"{kind} has no {', '.join(n for n in names if n in absent)}, which the profile gives it; it has"
            f" {', '.join(own)}"
        )
        raise BPTTError(
            said, "its years differ: write a profile with the names of this class (bpttgraph profiles NAME prints one)"
        )
    for name in names:
        there = getattr(cell, name, None)
        if isinstance(there, np.ndarray) and there.shape != a[name].shape:
            said = f"{kind}.{name} has shape {there.shape}, but the profile gives it {a[name].shape}"
            raise BPTTError(said, "write a profile with the layout of this class")
        setattr(cell, name, np.array(a[name]))
        if hasattr(cell, f"d{name}"):
            setattr(cell, f"d{name}", np.zeros_like(a[name]))
    return _Watched(cell, kind, absent)


class _Watched:
    """A cell whose constructor made none of its weights: they must all be read by what is called of it."""

    def __init__(self, cell: Any, kind: str, absent: set[str]):
        self.cell, self.kind, self.unread = cell, kind, absent
        if absent:
            unread = self.unread

            def read(it: Any, name: str) -> Any:
                unread.discard(name)
                return object.__getattribute__(it, name)

            cell.__class__ = type(kind, (type(cell),), {"__getattribute__": read})

    def forward(self, *args: Any) -> Array:
        found = np.asarray(self.cell.forward(*args))
        if self.unread:
            said = f"{self.kind} never reads {', '.join(sorted(self.unread))}, which the profile gives it"
            raise BPTTError(said, "write a profile with the names of this class (bpttgraph profiles NAME prints one)")
        return found

    def gradient(self, name: str) -> Array:
        made = getattr(self.cell, f"d{name}", None)
        if made is None:
            raise BPTTError(f"{self.kind}.backward leaves no d{name}", f"the course's class has an attribute d{name}")
        return np.asarray(made)


def _cmu_rnn(code: Any, a: Data) -> Iterator[Any]:
    steps, (units, inputs) = len(a["x"]), a["W_ih"].shape
    cell = _cell(code, "RNNCell", a, inputs, units)
    h = [a["h0"]]
    for t in range(steps):
        h.append(cell.forward(a["x"][t], h[-1]))
    yield np.stack(h[1:])
    dh = np.zeros_like(a["h0"])
    dx: list[Array] = []
    for t in reversed(range(steps)):
        back = cell.cell.backward(a["delta"][t] + dh, h[t + 1], a["x"][t], h[t])
        found = _named("dx dh", back, "RNNCell.backward")
        dh = found["dh"]
        dx.insert(0, found["dx"])
    yield {"dx": np.stack(dx), "dh0": dh} | {f"d{n}": cell.gradient(n) for n in ("W_ih", "W_hh", "b_ih", "b_hh")}


def _cmu_gru(code: Any, a: Data) -> Iterator[Any]:
    """A cell keeps the values of its last forward pass, so each step has a cell of its own."""
    steps, (units, inputs) = len(a["x"]), a["Wrx"].shape
    cells, h = [], [a["h0"]]
    for t in range(steps):
        cells.append(_cell(code, "GRUCell", a, inputs, units))
        h.append(cells[-1].forward(a["x"][t], h[-1]).reshape(units))
    yield np.stack(h[1:])
    total: dict[str, Any] = {}
    dh = np.zeros_like(a["h0"])
    dx: list[Array] = []
    for t in reversed(range(steps)):
        found = _named("dx dh", cells[t].cell.backward(a["delta"][t] + dh), "GRUCell.backward")
        dh = np.asarray(found["dh"]).reshape(units)
        dx.insert(0, np.asarray(found["dx"]).reshape(inputs))
        names = [n for n in a if n[0] in "Wb"]
        grads = {f"d{n}": cells[t].gradient(n).reshape(a[n].shape) for n in names}
        _add(total, grads, " ".join(grads))
    yield {"dx": np.stack(dx), "dh0": dh, **total}


# -- MIT and Edinburgh -------------------------------------------------------------------------------------------------


def _object(code: Any, method: str, **attributes: Any) -> Any:
    """An object of the student's class with these attributes, made without its constructor."""
    owner = next(
        (
            v
            for v in vars(code).values()
            if isinstance(v, type) and v.__module__ == code.__name__ and hasattr(v, method)
        ),
        None,
    )
    if owner is None:  # a function of the module, written apart from its class
        owner = type("RNN", (), {method: getattr(code, method)})
    made: Any = object.__new__(owner)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def _mit(code: Any, a: Data) -> Iterator[Any]:
    yield None
    states = [a["s0"]]
    for t in range(a["xs"].shape[1]):
        states.append(np.tanh(a["Wsx"] @ a["xs"][:, t : t + 1] + a["Wss"] @ states[-1] + a["Wss0"]))
    weights = {k: np.array(a[k]) for k in ("Wsx", "Wss", "Wo", "Wss0", "Wo0")}
    sizes = {"input_dim": a["Wsx"].shape[1], "hidden_dim": a["Wsx"].shape[0], "output_dim": a["Wo"].shape[0]}
    rnn = _object(code, "bptt", **weights, **sizes, init_state=np.array(a["s0"]), f1=np.tanh, df1=lambda s: 1 - s**2)
    found = rnn.bptt(np.array(a["xs"]), np.array(a["dLtdz2"]), np.hstack(states[1:]))
    yield _named("dWsx dWss dWo dWss0 dWo0", found, "bptt")


def _edinburgh(code: Any, a: Data) -> Iterator[Any]:
    yield None
    steps = len(a["x"])
    s = np.zeros((steps + 1, len(a["U"])))
    y = np.zeros((steps, len(a["W"])))
    s[-1] = a["s0"]
    for t in range(steps):
        s[t] = 1 / (1 + np.exp(-(a["V"][:, a["x"][t]] + a["U"] @ s[t - 1])))
        z = np.exp(a["W"] @ s[t])
        y[t] = z / z.sum()
    weights = {k: np.array(a[k]) for k in "VUW"} | {f"delta{k}": np.zeros_like(a[k]) for k in "VUW"}
    sizes = {"vocab_size": a["V"].shape[1], "hidden_dims": len(a["U"]), "out_vocab_size": len(a["W"])}
    rnn = _object(code, "acc_deltas_bptt", **weights, **sizes)
    rnn.acc_deltas_bptt([int(k) for k in a["x"]], [int(k) for k in a["d"]], y, s, steps)
    yield {f"delta{k}": getattr(rnn, f"delta{k}") for k in "VUW"}


DRIVERS: dict[str, dict[str, Driver]] = {
    "cs231n_rnn": {"rnn_backward": _cs231n_sequence("rnn"), "rnn_step_backward": _cs231n_rnn_step},
    "cs231n_lstm": {"lstm_backward": _cs231n_sequence("lstm"), "lstm_step_backward": _cs231n_lstm_step},
    "dlai_rnn": {"rnn_backward": _dlai_rnn, "rnn_cell_backward": _dlai_cell("rnn")},
    "dlai_lstm": {"lstm_backward": _dlai_lstm, "lstm_cell_backward": _dlai_cell("lstm")},
    "cmu_rnn": {"RNNCell.backward": _cmu_rnn},
    "cmu_gru": {"GRUCell.backward": _cmu_gru},
    "mit_rnn": {"bptt": _mit},
    "edinburgh_rnn": {"acc_deltas_bptt": _edinburgh},
}
