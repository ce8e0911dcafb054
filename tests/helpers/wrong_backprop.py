"""Hand-written BPTT with a mistake in it, as students hand it in: plain NumPy loops, no graph, no rule table.

`rnn`, `lstm` and `gru` take the data of one example and the name of a mistake ("" for none), and return the gradients
by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Data = dict[str, Any]

# mistake -> the key under which the catalogue has it (one of several for some)
RNN = {
    "overwrite": "overwritten:first:all",
    "last step only": "only-last-use:last:all",
    "no carry": "no-carry",
    "direct term only at T": "direct-term:h<-y:early",
    "no derivative": "derivative-omitted:tanh:h",
    "derivative of the state before": "derivative-shifted:tanh:h:-1",
    "pre-activation in 1 - h^2": "derivative-of-preactivation:tanh:h",
    "tanh twice": "derivative-of-output:tanh:h",
    "inverse derivative": "derivative-reciprocal:tanh:h",
    "carry after derivative": "after-derivative:h<-h",
    "carry without derivative": "recursion-skips-derivative:h<-h",
    "W not transposed": "matrix-not-transposed:W_hh",
    "dW transposed": "transposed:W_hh",
    "h[t] for h[t-1]": "operand-shifted:h.0.0.0.0:+1same",
    "x of the step before": "operand-shifted:h.0.0.1.0:-1nothing",
    "softmax sign": "scale:-1",
    "no one-hot": "target-not-subtracted:y",
    "mean": "scale:0.2",
    "h[0] dropped": "initial-state:h[0]:dropped",
    "h[0] is dh[1]": "initial-state:h[0]:next",
    "window 2": "truncated:sliding:2",
    "chunks of 2": "truncated:chunk:2",
    "double counting": "double-counting",
    "clipped": "clipped:",
}
LSTM = {
    "cell path dropped": "link-dropped:c<-c",
    "carried without f": "factor-omitted:c.0.1:left-out",
    "f of the wrong step": "operand-shifted:c.0.1:-1same",
    "h into c only at T": "direct-term:c<-h:early",
    "o missing": "factor-omitted:h.1:left-out",
    "tanh' of c missing": "derivative-omitted:tanh:h.1",
    "1 - c^2": "derivative-of-preactivation:tanh:h.1",
    "c for tanh c": "operand-bare:h.0:bare",
    "gate derivative of a gate": "derivative-of-output:all:sigmoid",
    "f uses c[t]": "operand-shifted:c.0.0:+1same",
    "i and g swapped": "factor-own:c.1.0:both",
    "no dh through o": "link-dropped:h<-o",
    "bias copied": "copied:b_f:b_i",
    "tanh' for sigmoid'": "derivative-of-other:sigmoid:i",
}
GRU = {
    "carry dropped": "link-dropped:h<-h",
    "r path dropped": "link-dropped:r<-n",
    "z without -n": "term-dropped:z<-h:2",
    "U uses h": "operand-part:n.0.0.1.0:part1",
    "other reset": "other-reset",
    "z swapped": "update-gate-convention:h:z",
}


def sig(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def softmax(a: Any) -> Any:
    e = np.exp(a - a.max())
    return e / e.sum()


class Sums(dict[str, Any]):
    def plus(self, **parts: Any) -> None:
        for name, part in parts.items():
            self[name] = self.get(name, 0) + part


def rnn(d: Data, bug: str = "") -> dict[str, Any]:
    """The canonical RNN with softmax and cross entropy at every step."""
    xs, targets = d["x"], d["target"]
    last = len(xs)
    h, a, p = [d["h[0]"]], [None], [None]
    for x in xs:
        a.append(d["W_hh"] @ h[-1] + d["W_xh"] @ x + d["b_h"])
        h.append(np.tanh(a[-1]))
        p.append(softmax(d["W_hy"] @ h[-1] + d["b_y"]))
    names = {"W_hh": 0, "W_xh": 0, "b_h": 0, "W_hy": 0, "b_y": 0, "h[0]": 0}
    total = Sums(names)
    single = bug in ("window 2", "double counting")  # these treat every loss on its own
    for losses in [[t] for t in range(1, last + 1)] if single else [list(range(1, last + 1))]:
        carried, g, dh = np.zeros_like(h[0]), Sums(), np.zeros_like(h[0])
        for t in range(last, 0, -1):
            if single and t > losses[0]:
                continue
            times = losses[0] - t + 1.0 if bug == "double counting" else 1.0
            dy = np.zeros_like(p[1])
            if t in losses:
                dy = p[t].copy()
                if bug != "no one-hot":
                    dy[targets[t - 1]] -= 1
                if bug == "softmax sign":
                    dy = -dy
                if bug == "mean":
                    dy = dy / last
            if (bug == "window 2" and t == losses[0] - 2) or (bug == "chunks of 2" and t % 2 == 0):
                carried = 0 * carried
            direct = d["W_hy"].T @ dy
            if bug == "direct term only at T" and t < last:
                direct = 0 * direct
            dh = direct + (0 if bug == "no carry" else carried)
            slope = {
                "": 1 - h[t] ** 2,
                "no derivative": np.ones_like(dh),
                "derivative of the state before": 1 - h[t - 1] ** 2,
                "pre-activation in 1 - h^2": 1 - a[t] ** 2,
                "tanh twice": 1 - np.tanh(h[t]) ** 2,
                "inverse derivative": 1 / (1 - h[t] ** 2),
            }.get(bug, 1 - h[t] ** 2)
            delta = slope * direct + carried if bug == "carry after derivative" else slope * dh
            state = h[t] if bug == "h[t] for h[t-1]" else h[t - 1]
            x = (xs[t - 2] if t > 1 else 0 * xs[0]) if bug == "x of the step before" else xs[t - 1]
            new = {
                "W_hh": np.outer(delta, state),
                "W_xh": np.outer(delta, x),
                "b_h": delta,
                "W_hy": np.outer(dy, h[t]),
                "b_y": dy,
            }
            if bug == "dW transposed":
                new["W_hh"] = new["W_hh"].T
            if bug == "overwrite":
                g.update(new)
            elif bug != "last step only" or t == last:
                g.plus(**{n: times * v for n, v in new.items()})
            matrix = d["W_hh"] if bug == "W not transposed" else d["W_hh"].T
            carried = matrix @ (dh if bug == "carry without derivative" else delta)
            if bug == "no carry" or (bug == "window 2" and t == 1 and losses[0] == 2):
                carried = 0 * carried
        g["h[0]"] = {"h[0] dropped": 0 * carried, "h[0] is dh[1]": dh}.get(bug, carried)
        total.plus(**{n: g.get(n, 0) for n in names})
    if bug == "clipped":
        total = Sums({n: np.clip(v, -0.5, 0.5) for n, v in total.items()})
    return dict(total)


def lstm(d: Data, bug: str = "") -> dict[str, Any]:
    """LSTM with forget gate; `dE_dh` is the gradient that each output is given."""
    xs, up = d["x"], d["dE_dh"]
    h, c, rows, cells = [d["h[0]"]], [d["c[0]"]], [None], "ifog"
    for x in xs:
        v = {k: d[f"W_{k}"] @ x + d[f"U_{k}"] @ h[-1] + d[f"b_{k}"] for k in cells}
        v = {k: np.tanh(a) if k == "g" else sig(a) for k, a in v.items()}
        c.append(v["f"] * c[-1] + v["i"] * v["g"])
        h.append(v["o"] * np.tanh(c[-1]))
        rows.append(v)
    g, dh, dc = Sums(), np.zeros_like(h[0]), np.zeros_like(c[0])
    last = len(xs)
    for t in range(last, 0, -1):
        v, tc = rows[t], np.tanh(c[t])
        bar = up[t - 1] + dh
        slope = {"tanh' of c missing": 1.0, "1 - c^2": 1 - c[t] ** 2}.get(bug, 1 - tc * tc)
        into = bar * (1.0 if bug == "o missing" else v["o"]) * slope
        if bug == "h into c only at T" and t < last:
            into = 0 * into
        cbar = into + (0 if bug == "cell path dropped" else dc)
        before = c[t] if bug == "f uses c[t]" else c[t - 1]
        i, new = (v["g"], v["i"]) if bug == "i and g swapped" else (v["i"], v["g"])
        back = {"o": bar * (c[t] if bug == "c for tanh c" else tc), "f": cbar * before, "i": cbar * new, "g": cbar * i}
        delta = {}
        for k in cells:
            s = v[k]
            if k != "g" and bug == "gate derivative of a gate":
                s = sig(s)
            own = 1 - s * s if k == "g" or (k == "i" and bug == "tanh' for sigmoid'") else s * (1 - s)
            delta[k] = own * back[k]
            g.plus(
                **{f"W_{k}": np.outer(delta[k], xs[t - 1]), f"U_{k}": np.outer(delta[k], h[t - 1]), f"b_{k}": delta[k]}
            )
        dh = sum(d[f"U_{k}"].T @ delta[k] for k in cells if not (k == "o" and bug == "no dh through o"))
        f = {"carried without f": 1.0, "f of the wrong step": rows[t - 1]["f"] if t > 1 else v["f"]}.get(bug, v["f"])
        dc = cbar * f
        if bug == "cell path dropped":
            dc = 0 * dc
    g["h[0]"], g["c[0]"] = dh, dc
    if bug == "bias copied":
        g["b_f"] = g["b_i"]
    return dict(g)


def gru(d: Data, bug: str = "") -> dict[str, Any]:
    """GRU, reset before the product; z keeps the old state."""
    xs, up = d["x"], d["dE_dh"]
    h, rows = [d["h[0]"]], [None]
    for x in xs:
        z = sig(d["W_z"] @ x + d["U_z"] @ h[-1] + d["b_z"])
        r = sig(d["W_r"] @ x + d["U_r"] @ h[-1] + d["b_r"])
        n = np.tanh(d["W"] @ x + d["U"] @ (r * h[-1]) + d["b"])
        h.append((1 - z) * n + z * h[-1])
        rows.append((z, r, n))
    g, dh = Sums(), np.zeros_like(h[0])
    for t in range(len(xs), 0, -1):
        (z, r, n), prev, bar = rows[t], h[t - 1], up[t - 1] + dh
        keep = 1 - z if bug == "z swapped" else z
        dz = bar * (prev if bug == "z without -n" else n - prev if bug == "z swapped" else prev - n)
        dn = (1 - n * n) * bar * (1 - keep)
        if bug == "other reset":
            dr, through, matrix = dn * (d["U"] @ prev), d["U"].T @ (dn * r), np.outer(dn * r, prev)
        else:
            back = d["U"].T @ dn
            dr, through, matrix = back * prev, back * r, np.outer(dn, prev if bug == "U uses h" else r * prev)
        if bug == "r path dropped":
            dr = 0 * dr
        az, ar = z * (1 - z) * dz, r * (1 - r) * dr
        x = xs[t - 1]
        g.plus(W_z=np.outer(az, x), U_z=np.outer(az, prev), b_z=az, W_r=np.outer(ar, x), U_r=np.outer(ar, prev), b_r=ar)
        g.plus(W=np.outer(dn, x), U=matrix, b=dn)
        dh = (0 if bug == "carry dropped" else bar * keep) + through + d["U_z"].T @ az + d["U_r"].T @ ar
    g["h[0]"] = dh
    return dict(g)
