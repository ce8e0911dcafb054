"""Growth: how time and memory grow with T, H and B, and our other jobs beside their peers."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from .measure import fit, installed, interleaved
from .peers import ours, textbook
from .works import EQUATIONS, Work

STEPS = 3  # of the derivation

__all__ = ["beside_peers", "growth", "start_up"]


def _peak(call: Callable[[], Any]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def growth(largest: int = 10_000) -> Iterator[dict[str, Any]]:
    """Time, memory and exponents of a run (T, H, B), and of derivation, picture, checks and verdicts (T)."""
    import bpttgraph as bg

    steps = [n for n in (10, 30, 100, 300, 1000, 3000, 10_000) if n <= largest]
    for cell in ("rnn", "lstm"):
        rows = []
        for T in steps:
            work = Work(cell, 16, 8, T, 1)
            data = work.data()
            call, peer = ours(work, data), textbook(work, data)
            t = interleaved({"ours": call, "textbook": peer}, 0.3)
            fresh = _peak(
                lambda work=work, data=data: ours(work, data)()
            )  # with its buffers, which later calls use again
            rows.append({"T": T, "ms": 1e3 * t["ours"], "textbook_ms": 1e3 * t["textbook"], "MiB": fresh})
        yield {"what": f"run, {cell} H=16 V=8", "by": "T", "rows": rows}
        for by, sizes in (("H", [16, 32, 64, 128, 256]), ("B", [1, 4, 16, 64, 256])):
            rows = []
            for n in sizes:
                work = Work(cell, n if by == "H" else 32, 65, 25, n if by == "B" else 1)
                data = work.data()
                t = interleaved({"ours": ours(work, data), "textbook": textbook(work, data)}, 0.3)
                rows.append({by: n, "ms": 1e3 * t["ours"], "textbook_ms": 1e3 * t["textbook"]})
            yield {"what": f"run, {cell} V=65 T=25", "by": by, "rows": rows}
    rec = bg.cell("lstm")
    jobs: dict[str, Callable[[int], Any]] = {
        "unroll, lstm": lambda T: len(rec.unroll(T).graph.nodes),
        "derivation (factored, all parameters), lstm": lambda T: [
            rec.unroll(T).derive(n).factored for n in ("U_f", "W_i")
        ],
        "folded picture, lstm": lambda T: rec.unroll(T).draw(fold=True).svg,
        "check of all gradients and triangles, rnn": lambda T: _check("rnn", T),
        "check of all gradients and triangles, lstm": lambda T: _check("lstm", T),
        "verdict on arrays, rnn": lambda T: _verdict(T, formulas=False),
        "verdict on formulas, rnn": lambda T: _verdict(T, formulas=True),
        "check of a derivation, rnn W_hh": lambda T: _derivation(T),
    }
    checks = ("check", "verdict")
    for name, job in jobs.items():
        sizes = (
            steps[2:] or steps[-1:]
            if name.startswith(checks)
            else [n for n in (10, 30, 100, 300, 1000) if n <= largest]
        )
        rows = []
        for T in sizes:
            start = time.process_time()
            job(T)
            rows.append({"T": T, "ms": 1e3 * (time.process_time() - start)})
        yield {"what": name, "by": "T", "rows": rows}


def _check(cell: str, steps: int) -> None:
    import bpttgraph as bg
    from bpttgraph.check import check_gradients

    if not check_gradients(bg.cell(cell).unroll(steps)).right:
        raise SystemExit("the check calls our own gradient wrong")


ANSWER = """delta_y[t] = y[t] - target[t]
dh[t] = W_hy.T delta_y[t] + W_hh.T delta[t+1]
delta[t] = dh[t] * (1 - h[t]^2)
dW_hh = sum_t outer(delta[t], h[t-1])
dW_xh = sum_t outer(delta[t], x[t])
db_h = sum_t delta[t]
dW_hy = sum_t outer(delta_y[t], h[t])
db_y = sum_t delta_y[t]"""


def _verdict(steps: int, formulas: bool) -> None:
    import bpttgraph as bg

    u = bg.cell("rnn").unroll(steps)
    data = u.instance()
    if not bg.verify(u, ANSWER if formulas else dict(u.run(data).gradients), data).right:
        raise SystemExit("a right answer is called wrong")


def _derivation(steps: int) -> None:
    import bpttgraph as bg

    u = bg.cell("rnn").unroll(steps)
    if not u.derive("W_hh").check().right:
        raise SystemExit("the check calls our own derivation wrong")


def exponent(found: dict[str, Any], key: str = "ms") -> float:
    return fit([row[found["by"]] for row in found["rows"]], [row[key] for row in found["rows"]])


def start_up() -> dict[str, float]:
    """Milliseconds from equations to the first gradient of an RNN at T=25, warm imports; and for the import itself."""
    import subprocess
    import sys

    import bpttgraph as bg

    work = Work("rnn", 100, 65, 25, 1)
    data = work.data()
    given = {
        "x": data["x"][:, 0],
        "target": data["target"][:, 0],
        "W_xh": data["W"],
        "W_hh": data["U"],
        "b_h": data["b"],
        "W_hy": data["W_hy"],
        "b_y": data["b_y"],
        "h[0]": data["h0"][0],
    }

    def first() -> Any:
        u = bg.recurrence(EQUATIONS["rnn"]).unroll(25, sizes={"x": 65, "h": 100, "y": 65})
        return u.run(given).gradients["W_hh"]

    def loaded() -> None:
        subprocess.run([sys.executable, "-c", "import bpttgraph"], check=True)

    def empty() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True)

    found = interleaved({"equations to first gradient, rnn T=25": first, "import": loaded, "python alone": empty}, 1.0)
    return {name: 1e3 * t for name, t in found.items()}


def beside_peers() -> Iterator[dict[str, Any]]:
    """Derivation beside sympy.diff, picture beside dot, check beside torch.autograd.gradcheck."""
    import bpttgraph as bg

    yield {
        "what": f"derivation of a scalar LSTM's U_f, T={STEPS}",
        "ms": {k: 1e3 * t for k, t in interleaved(_derivations(bg), 1.0).items()},
    }
    u = bg.cell("rnn").unroll(20)
    calls: dict[str, Callable[[], Any]] = {
        "bpttgraph (our grid)": lambda: bg.cell("rnn").unroll(20).draw(fold=False).svg
    }
    layout = _dot(u)
    if layout is not None:
        calls["dot (its own layout)"] = layout
    yield {"what": "picture of an unrolled rnn, T=20", "ms": {k: 1e3 * t for k, t in interleaved(calls, 0.0).items()}}
    if installed(("torch",)):
        yield {
            "what": "check of all gradients, rnn H=6 T=20",
            "ms": {k: 1e3 * t for k, t in interleaved(_checks(bg), 0.0).items()},
        }


def _derivations(bg: Any) -> dict[str, Callable[[], Any]]:
    import sympy

    def own() -> Any:
        return bg.cell("lstm").unroll(STEPS, sizes=1).derive("U_f").sympy(level="local")

    def diff() -> Any:
        h, c = sympy.symbols("h0 c0", real=True)
        w = {f"{k}{g}": sympy.Symbol(f"{k}{g}", real=True) for k in "wub" for g in "ifog"}
        loss = 0
        for t in range(1, STEPS + 1):
            x, g = sympy.symbols(f"x{t} dE{t}", real=True)
            z = {k: w[f"w{k}"] * x + w[f"u{k}"] * h + w[f"b{k}"] for k in "ifog"}
            i, f, o = (1 / (1 + sympy.exp(-z[k])) for k in "ifo")
            c = f * c + i * sympy.tanh(z["g"])
            h = o * sympy.tanh(c)
            loss += g * h
        return sympy.diff(loss, w["uf"])

    return {"bpttgraph": own, "sympy.diff": diff}


def _dot(u: Any) -> Callable[[], Any] | None:
    """Graphviz's own layout of the same variables and edges."""
    try:
        import pygraphviz
    except ImportError:
        return None
    edges = [(link.source, link.target) for link in u.vgraph.links]

    def call() -> Any:
        graph = pygraphviz.AGraph(directed=True)
        graph.add_edges_from(edges)
        return graph.draw(prog="dot", format="svg")

    return call


def _checks(bg: Any) -> dict[str, Callable[[], Any]]:
    import torch

    from bpttgraph.check import check_gradients

    u = bg.cell("rnn").unroll(20, sizes={"x": 3, "h": 6, "y": 4})
    data = u.instance(seed=0)
    names = ("W_hh", "W_xh", "b_h", "W_hy", "b_y")
    p = [torch.tensor(data[n], requires_grad=True) for n in names]
    x, target = torch.tensor(data["x"]), torch.tensor(data["target"])

    def loss(W: Any, U: Any, b: Any, V: Any, c: Any) -> Any:
        h, total = torch.tensor(data["h[0]"]), 0.0
        for t in range(20):
            h = torch.tanh(W @ h + U @ x[t] + b)
            total = total + torch.nn.functional.cross_entropy((V @ h + c)[None], target[t : t + 1])
        return total

    return {
        "bpttgraph (complex step, differences, error bounds)": lambda: (
            check_gradients(u, names, data, triangle=False).right
        ),
        "torch.autograd.gradcheck": lambda: torch.autograd.gradcheck(loss, p),
    }
