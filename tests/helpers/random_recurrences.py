"""Random recurrences as Hypothesis strategies."""

from __future__ import annotations

from hypothesis import strategies as st

STATES = ("p", "q", "r")


@st.composite
def expressions(draw: st.DrawFn, names: tuple[str, ...], depth: int = 2) -> str:
    """A vector made of earlier states, values of this step and parameters; all vectors have one size."""
    leaf = st.sampled_from(
        [f"W_{draw(st.integers(1, 4))} @ {n}" for n in names] + [f"v_{draw(st.integers(1, 3))}", *names]
    )
    if depth == 0:
        return draw(leaf)
    a = draw(expressions(names, depth - 1))
    match draw(st.integers(0, 9)):
        case 0:
            return f"tanh({a})"
        case 1:
            return f"sigmoid({a})"
        case 2:
            return f"({a}) * ({draw(expressions(names, depth - 1))})"
        case 3:
            return f"({a}) - ({draw(expressions(names, depth - 1))})"
        case 4:
            return f"softmax({a})"
        case 5:
            return f"({a}) / (2 + ({draw(leaf)})^2)"
        case 6:
            return f"mean({a}) * ({draw(leaf)})"
        case 7:
            return f"-softplus({a})"
        case 8:
            return f"(1 - α) * ({a}) + α * ({draw(leaf)})"
        case _:
            return f"({a}) + ({draw(expressions(names, depth - 1))})"


@st.composite
def recurrences(draw: st.DrawFn) -> str:
    count = draw(st.integers(1, 3))
    lines = []
    for i in range(count):
        now = [f"{s}[t]" for s in STATES[:i]]
        before = [f"{s}[t-{draw(st.integers(1, 2))}]" for s in STATES[:count]]
        lines.append(f"{STATES[i]}[t] = tanh({draw(expressions((*now, *before, 'x[t]')))})")
    if draw(st.booleans()):
        lines.append(f"L[t] = squared_error({STATES[count - 1]}[t], z[t])")
    return "\n".join(lines)
