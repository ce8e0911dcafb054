"""The peers: each makes, from a work and its data, a function without arguments that returns the loss and all
gradients.

Gradients are a mapping with the names and shapes of `Work.data`: W, U, b, W_hy, b_y, h0 (and c0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .works import EQUATIONS, GATES, Work

__all__ = ["PEERS", "recorded"]

Array = np.ndarray[Any, Any]
Result = tuple[float, Mapping[str, Any]]
Call = Callable[[], Result]
NAMES = ("W", "U", "b", "W_hy", "b_y", "h0", "c0")


def ours(work: Work, data: Mapping[str, Array], **options: Any) -> Call:
    import bpttgraph as bg

    rec = bg.recurrence(EQUATIONS[work.cell])
    u = rec.unroll(steps=work.T, sizes={"x": work.V, "h": work.H, "y": work.V})
    given = {"x": data["x"], "target": data["target"], "W_hy": data["W_hy"], "b_y": data["b_y"], "h[0]": data["h0"]}
    if work.cell == "lstm":
        for k, gate in enumerate(GATES):
            rows = slice(k * work.H, (k + 1) * work.H)
            given |= {f"W_{gate}": data["W"][rows], f"U_{gate}": data["U"][rows], f"b_{gate}": data["b"][rows]}
        given["c[0]"] = data["c0"]
    else:
        given |= {"W_xh": data["W"], "W_hh": data["U"], "b_h": data["b"]}

    def call() -> Result:
        run = u.run(given, **options)
        loss = float(run.loss)
        g = run.gradients
        if work.cell == "lstm":
            stacked = {n: [g[f"{n}_{gate}"] for gate in GATES] for n in ("W", "U", "b")}
            return loss, {**stacked, "W_hy": g["W_hy"], "b_y": g["b_y"], "h0": g["h[0]"], "c0": g["c[0]"]}
        return loss, {
            "W": g["W_xh"],
            "U": g["W_hh"],
            "b": g["b_h"],
            "W_hy": g["W_hy"],
            "b_y": g["b_y"],
            "h0": g["h[0]"],
        }

    return call


def plain(work: Work, data: Mapping[str, Array]) -> Call:
    """Our plain interpreter: one node after the other, without the schedule over time."""
    return ours(work, data, schedule=False)


# -- hand-written NumPy ------------------------------------------------------------------------------------------------


def _sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def textbook(work: Work, data: Mapping[str, Array]) -> Call:
    """As courses write it: a loop forward, a loop backward, `+=` for the shared parameters; columns are examples."""
    W, U, b, W_hy, b_y = (data[n] for n in NAMES[:5])
    b, b_y = b[:, None], b_y[:, None]
    x = data["x"].transpose(0, 2, 1)
    target, T, H, B = data["target"], work.T, work.H, work.B
    columns = np.arange(B)

    def output(h: Array, t: int) -> tuple[Array, float]:
        z = W_hy @ h + b_y
        e = np.exp(z - z.max(axis=0))
        p = e / e.sum(axis=0)
        return p, -float(np.log(p[target[t], columns]).sum())

    def rnn() -> Result:
        h, p, loss = {-1: data["h0"].T}, {}, 0.0
        for t in range(T):
            h[t] = np.tanh(W @ x[t] + U @ h[t - 1] + b)
            p[t], e = output(h[t], t)
            loss += e
        dW, dU, db, dW_hy, db_y = (np.zeros_like(a) for a in (W, U, b, W_hy, b_y))
        dh_next = np.zeros((H, B))
        for t in reversed(range(T)):
            dy = p[t].copy()
            dy[target[t], columns] -= 1
            dW_hy += dy @ h[t].T
            db_y += dy.sum(axis=1, keepdims=True)
            dh = W_hy.T @ dy + dh_next
            dz = (1 - h[t] * h[t]) * dh
            db += dz.sum(axis=1, keepdims=True)
            dW += dz @ x[t].T
            dU += dz @ h[t - 1].T
            dh_next = U.T @ dz
        return loss, {"W": dW, "U": dU, "b": db[:, 0], "W_hy": dW_hy, "b_y": db_y[:, 0], "h0": dh_next.T}

    def lstm() -> Result:
        h, c, p, gates, loss = {-1: data["h0"].T}, {-1: data["c0"].T}, {}, {}, 0.0
        for t in range(T):
            z = W @ x[t] + U @ h[t - 1] + b
            i, f, o, g = _sigmoid(z[:H]), _sigmoid(z[H : 2 * H]), _sigmoid(z[2 * H : 3 * H]), np.tanh(z[3 * H :])
            c[t] = f * c[t - 1] + i * g
            h[t] = o * np.tanh(c[t])
            gates[t] = i, f, o, g
            p[t], e = output(h[t], t)
            loss += e
        dW, dU, db, dW_hy, db_y = (np.zeros_like(a) for a in (W, U, b, W_hy, b_y))
        dh_next, dc_next = np.zeros((H, B)), np.zeros((H, B))
        for t in reversed(range(T)):
            i, f, o, g = gates[t]
            dy = p[t].copy()
            dy[target[t], columns] -= 1
            dW_hy += dy @ h[t].T
            db_y += dy.sum(axis=1, keepdims=True)
            dh = W_hy.T @ dy + dh_next
            tc = np.tanh(c[t])
            dc = dh * o * (1 - tc * tc) + dc_next
            dz = np.vstack(
                [dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dh * tc * o * (1 - o), dc * i * (1 - g * g)]
            )
            dW += dz @ x[t].T
            dU += dz @ h[t - 1].T
            db += dz.sum(axis=1, keepdims=True)
            dh_next, dc_next = U.T @ dz, dc * f
        return loss, {
            "W": dW,
            "U": dU,
            "b": db[:, 0],
            "W_hy": dW_hy,
            "b_y": db_y[:, 0],
            "h0": dh_next.T,
            "c0": dc_next.T,
        }

    return rnn if work.cell == "rnn" else lstm


def products(work: Work, data: Mapping[str, Array]) -> Call:
    """The matrix products alone, in the best arrangement known: a lower bound for NumPy, with no gradients to
    compare."""
    W, U, W_hy = data["W"], data["U"], data["W_hy"]
    T, B, H = work.T, work.B, work.H
    x = data["x"].reshape(T * B, work.V)
    h, z, y = np.ones((T, B, H)), np.ones((T, B, len(U))), np.ones((T * B, work.V))

    def call() -> Result:
        x @ W.T
        for t in range(T):
            h[t] @ U.T
        h.reshape(T * B, H) @ W_hy.T
        y @ W_hy
        for t in range(T):
            z[t] @ U
        y.T @ h.reshape(T * B, H)
        z.reshape(T * B, -1).T @ h.reshape(T * B, H)
        z.reshape(T * B, -1).T @ x
        return float("nan"), {}

    return call


# -- PyTorch -----------------------------------------------------------------------------------------------------------


def _torch_loop(work: Work, data: Mapping[str, Array]) -> tuple[dict[str, Any], Callable[[], Any]]:
    """The parameters, and the loss as a loop."""
    import torch

    p = {n: torch.tensor(data[n], requires_grad=True) for n in NAMES if n in data}
    x, target = torch.tensor(data["x"]), torch.tensor(data["target"])

    def loop() -> Any:
        h, loss = p["h0"], torch.zeros((), dtype=torch.float64)
        c = p.get("c0")
        for t in range(work.T):
            z = x[t] @ p["W"].T + h @ p["U"].T + p["b"]
            if c is None:
                h = torch.tanh(z)
            else:
                i, f, o, g = z.chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            loss = loss + torch.nn.functional.cross_entropy(h @ p["W_hy"].T + p["b_y"], target[t], reduction="sum")
        return loss

    return p, loop


def torch_eager(work: Work, data: Mapping[str, Array]) -> Call:
    import torch

    p, loop = _torch_loop(work, data)

    def call() -> Result:
        loss = loop()
        return loss.item(), dict(zip(p, torch.autograd.grad(loss, list(p.values()))))

    return call


def torch_fused(work: Work, data: Mapping[str, Array]) -> Call:
    import torch

    H = work.H
    order = (
        [*range(2 * H), *range(3 * H, 4 * H), *range(2 * H, 3 * H)] if work.cell == "lstm" else list(range(H))
    )  # i f g o
    net = (torch.nn.LSTM if work.cell == "lstm" else torch.nn.RNN)(work.V, H, dtype=torch.float64)
    with torch.no_grad():
        for name, key in (("weight_ih_l0", "W"), ("weight_hh_l0", "U"), ("bias_ih_l0", "b")):
            getattr(net, name).copy_(torch.tensor(data[key][order]))
        net.bias_hh_l0.zero_()
    p = {n: torch.tensor(data[n], requires_grad=True) for n in ("W_hy", "b_y", "h0", "c0") if n in data}
    x, target = torch.tensor(data["x"]), torch.tensor(data["target"]).reshape(-1)
    own = [net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0]
    back = np.argsort(order)

    def call() -> Result:
        start = (p["h0"][None], p["c0"][None]) if "c0" in p else p["h0"][None]
        h, _ = net(x, start)
        z = h.reshape(-1, H) @ p["W_hy"].T + p["b_y"]
        loss = torch.nn.functional.cross_entropy(z, target, reduction="sum")
        found = torch.autograd.grad(loss, [*own, *p.values()])
        return loss.item(), {**{n: g[back] for n, g in zip(("W", "U", "b"), found)}, **dict(zip(p, found[3:]))}

    return call


# -- JAX, HIPS autograd, MyGrad ----------------------------------------------------------------------------------------


def jax_scan(work: Work, data: Mapping[str, Array]) -> Call:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    p = {n: jnp.asarray(data[n]) for n in NAMES if n in data}
    x, target = jnp.asarray(data["x"]), jnp.asarray(data["target"])

    def loss(p: Any) -> Any:
        def step(state: Any, x_t: Any) -> Any:
            h, c = state
            z = x_t @ p["W"].T + h @ p["U"].T + p["b"]
            if work.cell == "rnn":
                return (jnp.tanh(z), c), jnp.tanh(z)
            i, f, o, g = jnp.split(z, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        _, hs = jax.lax.scan(step, (p["h0"], p.get("c0", p["h0"])), x)
        logs = jax.nn.log_softmax(hs @ p["W_hy"].T + p["b_y"])
        return -jnp.take_along_axis(logs, target[..., None], axis=-1).sum()

    function = jax.jit(jax.value_and_grad(loss))

    def call() -> Result:
        value, found = jax.block_until_ready(function(p))
        return float(value), found

    return call


def _loop(work: Work, data: Mapping[str, Array], np_: Any, p: Mapping[str, Any]) -> Any:
    """The loss as a loop, for libraries that speak NumPy."""
    h, c, loss = p["h0"], p.get("c0"), 0.0
    H = work.H
    for t in range(work.T):
        z = np_.matmul(data["x"][t], p["W"].T) + np_.matmul(h, p["U"].T) + p["b"]
        if c is None:
            h = np_.tanh(z)
        else:
            i, f, o = (1.0 / (1.0 + np_.exp(-z[:, k * H : (k + 1) * H])) for k in range(3))
            c = f * c + i * np_.tanh(z[:, 3 * H :])
            h = o * np_.tanh(c)
        s = np_.matmul(h, p["W_hy"].T) + p["b_y"]
        e = s - np.max(np.asarray(getattr(s, "_value", getattr(s, "data", s))), axis=1, keepdims=True)
        logs = e - np_.log(np_.sum(np_.exp(e), axis=1, keepdims=True))
        loss = loss - np_.sum(logs[np.arange(work.B), data["target"][t]])
    return loss


def hips(work: Work, data: Mapping[str, Array]) -> Call:
    import autograd
    import autograd.numpy as anp

    p = {n: data[n] for n in NAMES if n in data}
    function = autograd.value_and_grad(lambda p: _loop(work, data, anp, p))
    return lambda: function(p)


def mygrad(work: Work, data: Mapping[str, Array]) -> Call:
    import mygrad as mg

    def call() -> Result:
        p = {n: mg.tensor(data[n]) for n in NAMES if n in data}
        loss = _loop(work, data, mg, p)
        loss.backward()
        return loss.item(), {n: t.grad for n, t in p.items()}

    return call


def own_tensors(work: Work, data: Mapping[str, Array]) -> Call:
    """Our own eager Tensors in the same loop."""
    import bpttgraph as bg

    def call() -> Result:
        p = {n: bg.tensor(data[n], name=n) for n in NAMES if n in data}
        loss = _loop(work, data, np, p)
        loss.backward()
        return loss.item(), {n: t.grad for n, t in p.items()}

    return call


def _tape(output: Any, sources: Callable[[Any], Any]) -> int:
    """How many nodes an output was computed through."""
    found, stack = {output}, [output]
    while stack:
        fresh = set(sources(stack.pop())) - found
        found |= fresh
        stack += fresh
    return len(found)


def recorded(name: str, work: Work, data: Mapping[str, Array]) -> int | None:
    """How many operations an eager tape records for a work (theirs and ours differ: one call here is three there)."""
    if name == "bpttgraph, eager Tensors":
        import bpttgraph as bg

        loss = _loop(work, data, np, {n: bg.tensor(data[n]) for n in NAMES if n in data})
        return _tape(loss, lambda node: [a for a in node.args if a.op is not None])
    if name == "PyTorch eager":
        _, loop = _torch_loop(work, data)
        return _tape(loop().grad_fn, lambda f: [g for g, _ in f.next_functions if g is not None and g.next_functions])
    return None


# name -> (maker, the packages it needs)
PEERS: dict[str, tuple[Callable[[Work, Mapping[str, Array]], Call], tuple[str, ...]]] = {
    "bpttgraph": (ours, ()),
    "bpttgraph, no schedule": (plain, ()),
    "bpttgraph, eager Tensors": (own_tensors, ()),
    "products alone": (products, ()),
    "textbook NumPy": (textbook, ()),
    "PyTorch eager": (torch_eager, ("torch",)),
    "PyTorch fused": (torch_fused, ("torch",)),
    "JAX jit+scan": (jax_scan, ("jax",)),
    "HIPS autograd": (hips, ("autograd",)),
    "MyGrad": (mygrad, ("mygrad",)),
}
