"""Hand-made variable graphs for the tests of the pictures: a tiny builder, and the systems a lecture shows.

Kept apart from the recurrences on purpose: a picture depends on the variable graph alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bpttgraph.core.variables import Link, Variable, VariableGraph

# base -> role, and what its equation reads. A name without an index is a parameter.
System = dict[str, str]
_READ = re.compile(r"([^\s\[]+)(?:\[t([+-]\d+)?\])?")


def build(
    title: str,
    system: System,
    steps: int,
    folded: bool = False,
    carry: str = "",
    block: str | None = None,
    first: int = 1,
    total: str = "",
    loss_steps: Callable[[int], bool] = lambda t: True,
) -> VariableGraph:
    """`system` maps "h:state" to "x[t] h[t-1] W_hh"; leaves have an empty right side."""
    dot = f"{block}." if block else ""
    roles = {key.split(":")[0]: key.split(":")[1] for key in system}
    reads = {
        key.split(":")[0]: [(m[1], int(m[2] or 0), "[" in m[0]) for m in _READ.finditer(text)]
        for key, text in system.items()
    }
    level: dict[str, int] = {}
    for base in roles:
        within = [level[b] for b, d, indexed in reads[base] if indexed and d == 0]
        level[base] = 0 if roles[base] in ("input", "target", "upstream") else 1 + max(within, default=0)
    names = lambda base, t: f"{dot}{base}[{'t' if folded else t}]"  # noqa: E731
    variables: dict[str, Variable] = {}
    links: dict[tuple[str, str, int], Link] = {}
    uses: dict[str, int] = {}

    def add(v: Variable) -> None:
        variables.setdefault(v.name, v)

    for base in roles:
        for name, _, indexed in reads[base]:
            if not indexed:
                add(Variable(name, name, None, "parameter", shape=(2, 3)))
    for t in range(1, (1 if folded else steps) + 1):
        for base, role in roles.items():
            if role == "loss" and not loss_steps(t):
                continue
            step = None if folded else t
            column = None if folded else first + t - 1
            for name, delay, indexed in reads[base]:
                if not indexed:
                    uses[name] = uses.get(name, 0) + 1
                    links[name, names(base, t), 0] = Link(name, names(base, t), uses=(uses[name],))
                    continue
                if not folded and not 1 <= t + delay <= steps:
                    add(
                        Variable(
                            names(name, t + delay),
                            dot + name,
                            t + delay,
                            "initial",
                            block,
                            first + t + delay - 1,
                            level[name],
                            (3,),
                            carry=name == carry,
                        )
                    )
                source = names(name, t + delay)
                links[source, names(base, t), -delay] = Link(source, names(base, t), -delay)
            add(
                Variable(
                    names(base, t), dot + base, step, role, block, column, level[base], (3,), "tanh", base == carry
                )
            )
    if total:
        add(Variable(total, total, None, "total", level=max(level.values()) + 1))
        for v in list(variables.values()):
            if v.role == "loss":
                links[v.name, total, 0] = Link(v.name, total)
    return VariableGraph(
        title, variables, tuple(links.values()), {} if folded else {block: steps}, ("loss at every step",), folded
    )


LOSS = {"y:output": "h[t] W_hy b_y", "target:target": "", "E:loss": "y[t] target[t]"}
RNN = {"x:input": "", "h:state": "x[t] h[t-1] W_hh W_xh b_h", **LOSS}
GATES = {f"{g}:value": f"x[t] h[t-1] W_{g} U_{g} b_{g}" for g in "ifog"}
LSTM = {"x:input": "", **GATES, "c:state": "f[t] c[t-1] i[t] g[t]", "h:state": "o[t] c[t]", **LOSS}
GRU = {
    "x:input": "",
    "z:value": "x[t] h[t-1] W_z U_z b_z",
    "r:value": "x[t] h[t-1] W_r U_r b_r",
    "n:value": "x[t] r[t] h[t-1] W U b",
    "h:state": "z[t] n[t] h[t-1]",
    **LOSS,
}
DEEP = {
    "x:input": "",
    "h1:state": "x[t] h1[t-1] W1 U1 b1",
    "h2:state": "h1[t] h2[t-1] W2 U2 b2",
    "y:output": "h2[t] W_y b_y",
    "target:target": "",
    "E:loss": "y[t] target[t]",
}
BI = {
    "x:input": "",
    "hf:state": "x[t] hf[t-1] W_f U_f b_f",
    "hb:state": "x[t] hb[t+1] W_b U_b b_b",
    "y:output": "hf[t] hb[t] V_f V_b b_y",
    "target:target": "",
    "E:loss": "y[t] target[t]",
}
ELMAN = {"x:input": "", "h:state": "x[t] h[t-1] W_1 W_2", "x̂:output": "h[t] W_3"}
JORDAN = {
    "x:input": "",
    "m:state": "y[t-1] m[t-1] alpha",
    "h:value": "x[t] m[t] W_x W_m b_h",
    "y:state": "h[t] W_y b_y",
    "target:target": "",
    "E:loss": "y[t] target[t]",
}
PEEPHOLE = {
    "x:input": "",
    "i:value": "x[t] h[t-1] c[t-1] W_i U_i p_i b_i",
    "f:value": "x[t] h[t-1] c[t-1] W_f U_f p_f b_f",
    "g:value": "x[t] h[t-1] W_g U_g b_g",
    "c:state": "f[t] c[t-1] i[t] g[t]",
    "o:value": "x[t] h[t-1] c[t] W_o U_o p_o b_o",
    "h:state": "o[t] c[t]",
    **LOSS,
}
SECOND_ORDER = {
    "x:input": "",
    "h:state": "x[t] h[t-1] h[t-2] W U V",
    "u:state": "x[t] u[t-1] h[t-1] a",
    "y:output": "h[t] u[t]",
}


def seq2seq(steps: int, folded: bool = False) -> VariableGraph:
    """An encoder whose last state starts a decoder that feeds its output back."""
    enc = build("", {"x:input": "", "h:state": "x[t] h[t-1] W U b"}, steps, folded, block="encoder")
    dec_system = {
        "h:state": "y[t-1] h[t-1] V Z a",
        "y:output": "h[t] W_y",
        "target:target": "",
        "E:loss": "y[t] target[t]",
    }
    dec = build("", dec_system, steps, folded, block="decoder", first=steps + 1, total="E")
    variables = {**enc.variables, **dec.variables}
    join = Link("encoder.h[t]", "decoder.h[t]") if folded else Link(f"encoder.h[{steps}]", "decoder.h[0]")
    return VariableGraph(
        "Sequence to sequence, folded" if folded else f"Sequence to sequence, {steps} + {steps} steps",
        variables,
        (*enc.links, join, *dec.links),
        {} if folded else {"encoder": steps, "decoder": steps},
        ("output fed back",),
        folded,
    )


_SYSTEMS = {
    "rnn": ("Vanilla RNN", RNN, ""),
    "lstm": ("LSTM", LSTM, "c"),
    "gru": ("GRU, reset before the product", GRU, ""),
    "deep-rnn": ("Deep RNN, two layers", DEEP, ""),
    "bidirectional": ("Bidirectional RNN", BI, ""),
    "elman": ("Elman net", ELMAN, ""),
    "jordan": ("Jordan net, leaky memory", JORDAN, ""),
    "lstm-peephole": ("LSTM with peepholes", PEEPHOLE, "c"),
    "second-order": ("Second order", SECOND_ORDER, ""),
}
NAMES = [*_SYSTEMS, "seq2seq"]


def sample(name: str, steps: int = 3, folded: bool = False) -> VariableGraph:
    """One of the systems by name, over so many steps."""
    if name == "seq2seq":
        return seq2seq(steps, folded)
    title, system, carry = _SYSTEMS[name]
    loss = any(":loss" in key for key in system)
    label = "folded" if folded else f"{steps} step{'s' * (steps > 1)}"
    return build(f"{title}, {label}", system, steps, folded, carry, total="E" if loss else "")
