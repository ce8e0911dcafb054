"""Functions with the signatures of courses: how their arguments are made from an instance, and what they return.

Each driver gets the student's module (or class) and the instance in the course's layout, calls the student's own forward function to
make the cache, and returns gradients by the course's names, with "output", what the forward pass computed. Functions of one step are
driven over all steps, so that a mistake in one step has the same effect as in the sequence, and the same diagnosis.

A driver is found by the family in the profile (`# calls: cs231n_lstm`) and the name of the function. This runs in the child process
of `functions.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BPTTError

__all__ = ["DRIVERS", "run"]

Array = np.ndarray[Any, Any]
Data = Mapping[str, Array]
Driver = Callable[[Any, Data], dict[str, Any]]


def run(spec: str, family: str, data: Data, names: list[str]) -> dict[str, Any]:
    """Run `file.py:function` on an instance in the course's layout; gradients by the course's names.

    A function that is none of the course's gets the arrays that its parameters name, as without a profile.
    """
    from .functions import run_file

    path, _, function = spec.rpartition(":")
    drivers = DRIVERS.get(family, {})
    if function not in drivers and function.rpartition(".")[2] not in drivers:
        if "." in function:
            known = ", ".join(drivers) or "a function"
            raise BPTTError(f"{function} is none of the functions of this course", f"give {Path(path).name}:{known}")
        return run_file(spec, data, names)
    return run_file(spec, data, [family, function], child="from bpttgraph.homework.courses import _child; _child()")


def _child() -> None:
    from .functions import _child as serve

    def invoke(function: Any, data: Data, names: list[str]) -> dict[str, Any]:
        drivers = DRIVERS[names[0]]
        return (drivers.get(names[1]) or drivers[names[1].rpartition(".")[2]])(sys.modules["answer"], data)

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


# -- CS231n ------------------------------------------------------------------------------------------------------------------


def _cs231n_sequence(kind: str) -> Driver:
    def drive(code: Any, a: Data) -> dict[str, Any]:
        h, cache = getattr(code, f"{kind}_forward")(a["x"], a["h0"], a["Wx"], a["Wh"], a["b"])
        what = f"{kind}_backward"
        return {"output": h, **_named("dx dh0 dWx dWh db", getattr(code, what)(a["dh"], cache), what)}

    return drive


def _cs231n_rnn_step(code: Any, a: Data) -> dict[str, Any]:
    h, steps = a["h0"], a["x"].shape[1]
    caches: list[Any] = []
    output: list[Array] = []
    dx: list[Array] = []
    for t in range(steps):
        h, cache = code.rnn_step_forward(a["x"][:, t], h, a["Wx"], a["Wh"], a["b"])
        caches.append(cache)
        output.append(h)
    total: dict[str, Any] = {}
    dh = np.zeros_like(a["h0"])
    for t in reversed(range(steps)):
        found = _named("dx dh dWx dWh db", code.rnn_step_backward(a["dh"][:, t] + dh, caches[t]), "rnn_step_backward")
        dh = found["dh"]
        dx.insert(0, found["dx"])
        _add(total, found, "dWx dWh db")
    return {"output": np.stack(output, 1), "dx": np.stack(dx, 1), "dh0": dh, **total}


def _cs231n_lstm_step(code: Any, a: Data) -> dict[str, Any]:
    h, c, steps = a["h0"], np.zeros_like(a["h0"]), a["x"].shape[1]
    caches: list[Any] = []
    output: list[Array] = []
    dx: list[Array] = []
    for t in range(steps):
        h, c, cache = code.lstm_step_forward(a["x"][:, t], h, c, a["Wx"], a["Wh"], a["b"])
        caches.append(cache)
        output.append(h)
    total: dict[str, Any] = {}
    dh, dc = np.zeros_like(a["h0"]), np.zeros_like(a["h0"])
    for t in reversed(range(steps)):
        back = code.lstm_step_backward(a["dh"][:, t] + dh, dc, caches[t])
        found = _named("dx dh dc dWx dWh db", back, "lstm_step_backward")
        dh, dc = found["dh"], found["dc"]
        dx.insert(0, found["dx"])
        _add(total, found, "dWx dWh db")
    return {"output": np.stack(output, 1), "dx": np.stack(dx, 1), "dh0": dh, **total}


# -- deeplearning.ai ----------------------------------------------------------------------------------------------------------

_RNN = "dWax dWaa dba"
_LSTM = "dWf dbf dWi dbi dWc dbc dWo dbo"


def _parameters(a: Data, names: str) -> dict[str, Array]:
    """The dictionary of the course. The output layer is there because the forward functions want it; no gradient passes it."""
    units = a["a0"].shape[0]
    return {k[1:]: a[k[1:]] for k in names.split()} | {
        "Wya": np.zeros((2, units)), "Wy": np.zeros((2, units)), "by": np.zeros((2, 1)),
    }  # fmt: skip


def _picked(found: Any, what: str, names: str) -> dict[str, Any]:
    missing = [n for n in names.split() if not isinstance(found, Mapping) or n not in found]
    if missing:
        raise BPTTError(f"{what} returns no {missing[0]}", f"the course's returns a dictionary with {names}")
    return {n: found[n] for n in names.split()}


def _dlai_rnn(code: Any, a: Data) -> dict[str, Any]:
    output, _, caches = code.rnn_forward(a["x"], a["a0"], _parameters(a, _RNN))
    return {"output": output, **_picked(code.rnn_backward(a["da"], caches), "rnn_backward", f"dx da0 {_RNN}")}


def _dlai_lstm(code: Any, a: Data) -> dict[str, Any]:
    output, *_, caches = code.lstm_forward(a["x"], a["a0"], _parameters(a, _LSTM))
    return {"output": output, **_picked(code.lstm_backward(a["da"], caches), "lstm_backward", f"dx da0 {_LSTM}")}


def _dlai_cell(kind: str) -> Driver:
    lstm = kind == "lstm"
    names = _LSTM if lstm else _RNN
    what = f"{kind}_cell_backward"

    def drive(code: Any, a: Data) -> dict[str, Any]:
        parameters, steps = _parameters(a, names), a["x"].shape[2]
        state = [a["a0"], np.zeros_like(a["a0"])] if lstm else [a["a0"]]
        caches: list[Any] = []
        output: list[Array] = []
        dx: list[Array] = []
        for t in range(steps):
            *state, _, cache = getattr(code, f"{kind}_cell_forward")(a["x"][:, :, t], *state, parameters)
            caches.append(cache)
            output.append(state[0])
        total: dict[str, Any] = {}
        carry = [np.zeros_like(s) for s in state]
        back = "da_prev dc_prev" if lstm else "da_prev"
        for t in reversed(range(steps)):
            found = getattr(code, what)(a["da"][:, :, t] + carry[0], *carry[1:], caches[t])
            found = _picked(found, what, f"dxt {back} {names}")
            carry = [found[n] for n in back.split()]
            dx.insert(0, found["dxt"])
            _add(total, found, names)
        return {"output": np.stack(output, 2), "dx": np.stack(dx, 2), "da0": carry[0], **total}

    return drive


# -- CMU ---------------------------------------------------------------------------------------------------------------------


def _cell(code: Any, kind: str, a: Data, inputs: int, units: int) -> Any:
    cell = getattr(code, kind)(inputs, units)
    for name, array in a.items():
        if name[0] in "Wb":
            setattr(cell, name, np.array(array))
            setattr(cell, f"d{name}", np.zeros_like(array))
    return cell


def _cmu_rnn(code: Any, a: Data) -> dict[str, Any]:
    steps, (units, inputs) = len(a["x"]), a["W_ih"].shape
    cell = _cell(code, "RNNCell", a, inputs, units)
    h = [a["h0"]]
    for t in range(steps):
        h.append(np.asarray(cell.forward(a["x"][t], h[-1])))
    dh = np.zeros_like(a["h0"])
    dx: list[Array] = []
    for t in reversed(range(steps)):
        back = cell.backward(a["delta"][t] + dh, h[t + 1], a["x"][t], h[t])
        found = _named("dx dh", back, "RNNCell.backward")
        dh = found["dh"]
        dx.insert(0, found["dx"])
    return {"output": np.stack(h[1:]), "dx": np.stack(dx), "dh0": dh} | {
        f"d{n}": getattr(cell, f"d{n}") for n in ("W_ih", "W_hh", "b_ih", "b_hh")
    }


def _cmu_gru(code: Any, a: Data) -> dict[str, Any]:
    """A cell keeps the values of its last forward pass, so each step has a cell of its own."""
    steps, (units, inputs) = len(a["x"]), a["Wrx"].shape
    cells, h = [], [a["h0"]]
    for t in range(steps):
        cells.append(_cell(code, "GRUCell", a, inputs, units))
        h.append(np.asarray(cells[-1].forward(a["x"][t], h[-1])).reshape(units))
    total: dict[str, Any] = {}
    dh = np.zeros_like(a["h0"])
    dx: list[Array] = []
    for t in reversed(range(steps)):
        found = _named("dx dh", cells[t].backward(a["delta"][t] + dh), "GRUCell.backward")
        dh = np.asarray(found["dh"]).reshape(units)
        dx.insert(0, np.asarray(found["dx"]).reshape(inputs))
        names = [n for n in a if n[0] in "Wb"]
        grads = {f"d{n}": np.asarray(getattr(cells[t], f"d{n}")).reshape(a[n].shape) for n in names}
        _add(total, grads, " ".join(grads))
    return {"output": np.stack(h[1:]), "dx": np.stack(dx), "dh0": dh, **total}


# -- MIT and Edinburgh --------------------------------------------------------------------------------------------------------


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


def _mit(code: Any, a: Data) -> dict[str, Any]:
    states = [a["s0"]]
    for t in range(a["xs"].shape[1]):
        states.append(np.tanh(a["Wsx"] @ a["xs"][:, t : t + 1] + a["Wss"] @ states[-1] + a["Wss0"]))
    weights = {k: np.array(a[k]) for k in ("Wsx", "Wss", "Wo", "Wss0", "Wo0")}
    sizes = {"input_dim": a["Wsx"].shape[1], "hidden_dim": a["Wsx"].shape[0], "output_dim": a["Wo"].shape[0]}
    rnn = _object(code, "bptt", **weights, **sizes, init_state=np.array(a["s0"]), f1=np.tanh, df1=lambda s: 1 - s**2)
    found = rnn.bptt(np.array(a["xs"]), np.array(a["dLtdz2"]), np.hstack(states[1:]))
    return _named("dWsx dWss dWo dWss0 dWo0", found, "bptt")


def _edinburgh(code: Any, a: Data) -> dict[str, Any]:
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
    return {f"delta{k}": getattr(rnn, f"delta{k}") for k in "VUW"}


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
