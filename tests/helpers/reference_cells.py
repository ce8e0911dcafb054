"""Forward and backward equations of the cells, written by hand in NumPy from the published formulas: no rule table, no
graph.

Each function takes the data of one example and upstream gradients `up[t-1]` = ∂E_t/∂(output of step t), and returns the
outputs `(T, n)` and the gradients by name. `fed(t)` below is what arrives at an output from its own loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Data = dict[str, Any]
Answer = tuple[Any, dict[str, Any]]


def sig(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


class Sums(dict[str, Any]):
    """Gradients that are sums over steps."""

    def plus(self, **parts: Any) -> None:
        for name, part in parts.items():
            self[name] = self.get(name, 0) + part


def rnn(
    d: Data,
    classes: Any,
    last_only: bool,
    act: Callable[[Any], Any] = np.tanh,
    slope: Callable[[Any], Any] = lambda h: 1 - h * h,
) -> Any:
    """The canonical RNN with softmax and cross entropy (Goodfellow et al. 2016, equations 10.17 to 10.28): loss,
    outputs, gradients."""
    steps = len(d["x"])
    h, y, loss = [d["h[0]"]], [], 0.0
    for t in range(steps):
        h.append(act(d["W_hh"] @ h[-1] + d["W_xh"] @ d["x"][t] + d["b_h"]))
        o = np.exp(d["W_hy"] @ h[-1] + d["b_y"])
        y.append(o / o.sum())
        if not last_only or t == steps - 1:
            loss -= np.log(y[-1][classes[t]])
    g, carried = Sums(), np.zeros_like(h[0])
    for t in reversed(range(steps)):
        e = (y[t] - np.eye(len(y[t]))[classes[t]]) * (not last_only or t == steps - 1)
        delta = slope(h[t + 1]) * (d["W_hy"].T @ e + carried)
        g.plus(
            W_hy=np.outer(e, h[t + 1]), b_y=e, W_hh=np.outer(delta, h[t]), W_xh=np.outer(delta, d["x"][t]), b_h=delta
        )
        carried = d["W_hh"].T @ delta
    g["h[0]"] = carried
    return loss, np.array(y), g


def output_state(d: Data, up: Any) -> Answer:
    """Williams & Zipser 1989: y_t = tanh(W_x x_t + W_h y_{t-1} + b)."""
    y = [d["y[0]"]]
    for x in d["x"]:
        y.append(np.tanh(d["W_x"] @ x + d["W_h"] @ y[-1] + d["b"]))
    g, carried = Sums(), np.zeros_like(y[0])
    for t in reversed(range(len(d["x"]))):
        delta = (1 - y[t + 1] ** 2) * (up[t] + carried)
        g.plus(W_x=np.outer(delta, d["x"][t]), W_h=np.outer(delta, y[t]), b=delta)
        carried = d["W_h"].T @ delta
    g["y[0]"] = carried
    return np.array(y[1:]), g


def pre_activation(d: Data, up: Any) -> Answer:
    """Pascanu et al. 2013: s_t = W tanh(s_{t-1}) + U x_t + b; the derivative stands at the earlier step."""
    s = [d["s[0]"]]
    for x in d["x"]:
        s.append(d["W"] @ np.tanh(s[-1]) + d["U"] @ x + d["b"])
    g, carried = Sums(), np.zeros_like(s[0])
    for t in reversed(range(len(d["x"]))):
        bar = up[t] + carried
        g.plus(W=np.outer(bar, np.tanh(s[t])), U=np.outer(bar, d["x"][t]), b=bar)
        carried = (1 - np.tanh(s[t]) ** 2) * (d["W"].T @ bar)
    g["s[0]"] = carried
    return np.array(s[1:]), g


def jordan(d: Data, up: Any) -> Answer:
    """Jordan 1986: m_t = y_{t-1} + α m_{t-1}; without α in the data, m_t = y_{t-1}."""
    leaky = "α" in d
    m, y, h = [d["m[0]"] if leaky else 0.0], [d["y[0]"]], []
    for x in d["x"]:
        m.append(y[-1] + (d["α"] * m[-1] if leaky else 0))
        h.append(sig(d["W_x"] @ x + d["W_m"] @ m[-1] + d["b_h"]))
        y.append(sig(d["W_y"] @ h[-1] + d["b_y"]))
    g, m_bar = Sums(), np.zeros_like(y[0])
    for t in reversed(range(len(d["x"]))):
        do = y[t + 1] * (1 - y[t + 1]) * (up[t] + m_bar)  # m_bar is still that of the step after
        dh = h[t] * (1 - h[t]) * (d["W_y"].T @ do)
        g.plus(W_y=np.outer(do, h[t]), b_y=do, W_x=np.outer(dh, d["x"][t]), W_m=np.outer(dh, m[t + 1]), b_h=dh)
        m_bar = d["W_m"].T @ dh + (d["α"] * m_bar if leaky else 0)
        if leaky:
            g.plus(α=m_bar * m[t])
    g["y[0]"] = m_bar
    if leaky:
        g["m[0]"] = d["α"] * m_bar
    return np.array(y[1:]), g


def exp_trace(d: Data, up: Any) -> Answer:
    """Mozer 1989, with the forward recursion for μ: α_t = −x_t + x̄_{t-1} + μ ∘ α_{t-1}."""
    mu, trace, alpha = d["μ"], d["x̄[0]"], np.zeros_like(d["μ"])
    g, h = Sums(), []
    initial, reach = np.zeros_like(trace), np.ones_like(trace)
    for t, x in enumerate(d["x"]):
        alpha = -x + trace + mu * alpha
        trace = (1 - mu) * x + mu * trace
        reach = reach * mu
        h.append(np.tanh(d["W_h"] @ trace + d["b"]))
        delta = (1 - h[-1] ** 2) * up[t]
        direct = d["W_h"].T @ delta
        g.plus(W_h=np.outer(delta, trace), b=delta, μ=direct * alpha)
        initial = initial + direct * reach
    g["x̄[0]"] = initial
    return np.array(h), g


def deep(d: Data, up: Any, layers: int) -> Answer:
    """Stacked RNN (Zhang et al., section 10.3)."""
    steps = len(d["x"])
    h = {0: [None, *d["x"]], **{n: [d[f"h{n}[0]"]] for n in range(1, layers + 1)}}
    for t in range(1, steps + 1):
        for n in range(1, layers + 1):
            h[n].append(np.tanh(d[f"W{n}"] @ h[n - 1][t] + d[f"U{n}"] @ h[n][t - 1] + d[f"b{n}"]))
    g, carried = Sums(), {n: np.zeros_like(h[n][0]) for n in range(1, layers + 1)}
    for t in range(steps, 0, -1):
        from_above = up[t - 1]
        for n in range(layers, 0, -1):
            delta = (1 - h[n][t] ** 2) * (from_above + carried[n])
            g.plus(**{f"W{n}": np.outer(delta, h[n - 1][t]), f"U{n}": np.outer(delta, h[n][t - 1]), f"b{n}": delta})
            carried[n], from_above = d[f"U{n}"].T @ delta, d[f"W{n}"].T @ delta
    for n in range(1, layers + 1):
        g[f"h{n}[0]"] = carried[n]
    return np.array(h[layers][1:]), g


def bidirectional(d: Data, up: Any) -> Answer:
    """Schuster & Paliwal 1997: the error of the backward states runs forward in time."""
    steps = len(d["x"])
    f, r = [d["f[0]"]], {steps + 1: d[f"r[{steps + 1}]"]}
    for t in range(1, steps + 1):
        f.append(np.tanh(d["W_f"] @ d["x"][t - 1] + d["U_f"] @ f[-1] + d["b_f"]))
    for t in range(steps, 0, -1):
        r[t] = np.tanh(d["W_r"] @ d["x"][t - 1] + d["U_r"] @ r[t + 1] + d["b_r"])
    y = [d["V_f"] @ f[t] + d["V_r"] @ r[t] + d["c"] for t in range(1, steps + 1)]
    g, carried = Sums(), np.zeros_like(f[0])
    for t in range(steps, 0, -1):
        delta = (1 - f[t] ** 2) * (d["V_f"].T @ up[t - 1] + carried)
        g.plus(W_f=np.outer(delta, d["x"][t - 1]), U_f=np.outer(delta, f[t - 1]), b_f=delta)
        g.plus(V_f=np.outer(up[t - 1], f[t]), V_r=np.outer(up[t - 1], r[t]), c=up[t - 1])
        carried = d["U_f"].T @ delta
    g["f[0]"], carried = carried, np.zeros_like(r[1])
    for t in range(1, steps + 1):
        delta = (1 - r[t] ** 2) * (d["V_r"].T @ up[t - 1] + carried)
        g.plus(W_r=np.outer(delta, d["x"][t - 1]), U_r=np.outer(delta, r[t + 1]), b_r=delta)
        carried = d["U_r"].T @ delta
    g[f"r[{steps + 1}]"] = carried
    return np.array(y), g


def leaky(d: Data, up: Any) -> Answer:
    """Leaky integrator: two paths through time, the carry and the nonlinear one."""
    h, n = [d["h[0]"]], []
    for x in d["x"]:
        n.append(np.tanh(d["W"] @ h[-1] + d["U"] @ x))
        h.append((1 - d["α"]) * h[-1] + d["α"] * n[-1])
    g, carried = Sums(), np.zeros_like(h[0])
    for t in reversed(range(len(d["x"]))):
        bar = up[t] + carried
        delta = d["α"] * (1 - n[t] ** 2) * bar
        g.plus(W=np.outer(delta, h[t]), U=np.outer(delta, d["x"][t]), α=bar * (n[t] - h[t]))
        carried = (1 - d["α"]) * bar + d["W"].T @ delta
    g["h[0]"] = carried
    return np.array(h[1:]), g


def lstm(d: Data, up: Any, forget: str = "own", squash: str = "tanh", carousel: bool = False) -> Answer:
    """The LSTM family in the form of Greff et al. 2017, appendix, full gradient; peepholes where the data has p_i, p_f,
    p_o.

    `forget`: "own", "none" (1997) or "coupled" (f = 1 − i). `carousel`: the truncated rule of 1997, in which no error
    passes from the gates' and the cell's inputs back to the outputs of the step before.
    """
    gates = ["i", "o", "g"] + (["f"] if forget == "own" else [])
    peep = "p_i" in d
    h, c, rows = [d["h[0]"]], [d["c[0]"]], []
    for x in d["x"]:
        a = {k: d[f"W_{k}"] @ x + d[f"U_{k}"] @ h[-1] + d[f"b_{k}"] for k in gates}
        if peep:
            a["i"], a["f"] = a["i"] + d["p_i"] * c[-1], a["f"] + d["p_f"] * c[-1]
        v = {k: sig(a[k]) for k in gates if k != "g"}
        v["g"] = np.tanh(a["g"]) if squash == "tanh" else sig(a["g"])
        v["f"] = {"own": v.get("f"), "none": np.ones_like(c[0]), "coupled": 1 - v["i"]}[forget]
        c.append(v["f"] * c[-1] + v["i"] * v["g"])
        if peep:
            v["o"] = sig(a["o"] + d["p_o"] * c[-1])
        h.append(v["o"] * np.tanh(c[-1]))
        rows.append(v)
    g, dh, dc = Sums(), np.zeros_like(h[0]), np.zeros_like(c[0])
    for t in reversed(range(len(d["x"]))):
        v, old, new = rows[t], c[t], c[t + 1]
        delta = {}
        dy = up[t] + dh
        delta["o"] = dy * np.tanh(new) * v["o"] * (1 - v["o"])
        dc = dc + dy * v["o"] * (1 - np.tanh(new) ** 2) + (d["p_o"] * delta["o"] if peep else 0)
        delta["g"] = dc * v["i"] * (1 - v["g"] ** 2 if squash == "tanh" else v["g"] * (1 - v["g"]))
        delta["i"] = dc * (v["g"] - old if forget == "coupled" else v["g"]) * v["i"] * (1 - v["i"])
        if forget == "own":
            delta["f"] = dc * old * v["f"] * (1 - v["f"])
        for k in gates:
            g.plus(**{f"W_{k}": np.outer(delta[k], d["x"][t]), f"U_{k}": np.outer(delta[k], h[t]), f"b_{k}": delta[k]})
        dh = np.zeros_like(dh) if carousel else sum(d[f"U_{k}"].T @ delta[k] for k in gates)
        dc = dc * v["f"]
        if peep:
            g.plus(p_i=delta["i"] * old, p_f=delta["f"] * old, p_o=delta["o"] * new)
            dc = dc + d["p_i"] * delta["i"] + d["p_f"] * delta["f"]
    g["h[0]"], g["c[0]"] = dh, dc
    return np.array(h[1:]), g


def gru(d: Data, up: Any, after: bool = False) -> Answer:
    """GRU with the reset before (Cho et al. 2014, v3) or after the product (v1, cuDNN); z keeps the old state."""
    h, rows = [d["h[0]"]], []
    for x in d["x"]:
        z = sig(d["W_z"] @ x + d["U_z"] @ h[-1] + d["b_z"])
        r = sig(d["W_r"] @ x + d["U_r"] @ h[-1] + d["b_r"])
        inner = d["U"] @ h[-1] + d["b_hn"] if after else r * h[-1]
        n = np.tanh(d["W"] @ x + d["b_in"] + r * inner) if after else np.tanh(d["W"] @ x + d["U"] @ inner + d["b"])
        h.append((1 - z) * n + z * h[-1])
        rows.append((z, r, n, inner))
    g, carried = Sums(), np.zeros_like(h[0])
    for t in reversed(range(len(d["x"]))):
        (z, r, n, inner), old, x = rows[t], h[t], d["x"][t]
        bar = up[t] + carried
        dn = bar * (1 - z) * (1 - n * n)
        if after:
            r_bar, path = dn * inner, d["U"].T @ (r * dn)
            g.plus(U=np.outer(r * dn, old), b_in=dn, b_hn=r * dn)
        else:
            u = d["U"].T @ dn
            r_bar, path = u * old, r * u
            g.plus(U=np.outer(dn, inner), b=dn)
        dz, dr = bar * (old - n) * z * (1 - z), r_bar * r * (1 - r)
        g.plus(
            W=np.outer(dn, x),
            W_z=np.outer(dz, x),
            U_z=np.outer(dz, old),
            b_z=dz,
            W_r=np.outer(dr, x),
            U_r=np.outer(dr, old),
            b_r=dr,
        )
        carried = z * bar + path + d["U_z"].T @ dz + d["U_r"].T @ dr
    g["h[0]"] = carried
    return np.array(h[1:]), g


def mgu(d: Data, up: Any) -> Answer:
    """Zhou et al. 2016: one gate, f lets the candidate in."""
    h, rows = [d["h[0]"]], []
    for x in d["x"]:
        f = sig(d["W_f"] @ x + d["U_f"] @ h[-1] + d["b_f"])
        n = np.tanh(d["W"] @ x + d["U"] @ (f * h[-1]) + d["b"])
        h.append((1 - f) * h[-1] + f * n)
        rows.append((f, n))
    g, carried = Sums(), np.zeros_like(h[0])
    for t in reversed(range(len(d["x"]))):
        (f, n), old, x = rows[t], h[t], d["x"][t]
        bar = up[t] + carried
        dn = bar * f * (1 - n * n)
        u = d["U"].T @ dn
        df = (bar * (n - old) + u * old) * f * (1 - f)
        g.plus(W=np.outer(dn, x), U=np.outer(dn, f * old), b=dn, W_f=np.outer(df, x), U_f=np.outer(df, old), b_f=df)
        carried = (1 - f) * bar + f * u + d["U_f"].T @ df
    g["h[0]"] = carried
    return np.array(h[1:]), g
