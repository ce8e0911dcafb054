"""Lines of answers in other settings than one network with vectors: sensitivities that go forward, matrices as states,
blocks, batches. A line that is right is never blamed, and no level of feedback below "why" prints what mends one.

Right answers, typed by hand, are spoilt at random in the text alone; the lines that were spoilt are the truth.
"""

from __future__ import annotations

import json
import random
import re

import pytest

import bpttgraph as bg

SETTINGS = {
    "scalar sensitivities": (
        "h[t] = tanh(w * h[t-1] + u * x[t])\nE[t] = squared_error(h[t], q[t])",
        {"steps": 4, "sizes": 1},
        """e[t] = h[t] - q[t]
p[t] = (1 - h[t]^2) * (h[t-1] + w * p[t-1])
r[t] = (1 - h[t]^2) * (x[t] + w * r[t-1])
dw = sum_t e[t] * p[t]
du = sum_t e[t] * r[t]""",
    ),
    "matrix sensitivities": (
        "h[t] = tanh(W h[t-1] + b)\nE[t] = squared_error(h[t], q[t])",
        {"steps": 4},
        """e[t] = h[t] - q[t]
s[t] = 1 - h[t]^2
P[t] = diag(s[t]) @ (I + W @ P[t-1])
db = sum_t P[t].T @ e[t]""",
    ),
    "matrix state": (
        """F[t] = a * F[t-1] + outer(v[t], k[t])
y[t] = F[t] g[t]
v[t] = V x[t]
k[t] = K x[t]
g[t] = G x[t]
E[t] = squared_error(y[t], q[t])""",
        {"steps": 4},
        """e[t] = y[t] - q[t]
D[t] = outer(e[t], g[t]) + a * D[t+1]
m[t] = F[t].T @ e[t]
dv[t] = D[t] @ k[t]
dk[t] = D[t].T @ v[t]
dG = sum_t outer(m[t], x[t])
dV = sum_t outer(dv[t], x[t])
dK = sum_t outer(dk[t], x[t])""",
    ),
    "blocks": (
        """encoder:
h[t] = tanh(A h[t-1] + B x[t])
decoder:
s[t] = tanh(C s[t-1] + D y[t])
z[t] = V s[t]
E[t] = squared_error(z[t], q[t])
decoder.s[0] = encoder.h[T]""",
        {"steps": {"encoder": 3, "decoder": 4}},
        """e[t] = decoder.z[t] - decoder.q[t]
m[t] = (1 - decoder.s[t]^2) * (decoder.V.T @ e[t] + decoder.C.T @ m[t+1])
ddecoder.C = sum_t outer(m[t], decoder.s[t-1])
ddecoder.V = sum_t outer(e[t], decoder.s[t])""",
    ),
    "a gate at the output": (
        """h[t] = tanh(A h[t-1] + B x[t] + d * h[t-1])
r[t] = sigmoid(R h[t])
z[t] = V (r[t] * h[t])
E[t] = squared_error(z[t], q[t])""",
        {"steps": 4},
        """e[t] = z[t] - q[t]
k[t] = V.T @ e[t]
c[t] = k[t] * h[t] * r[t] * (1 - r[t])
l[t] = k[t] * r[t] + R.T @ c[t] + A.T @ m[t+1] + d * m[t+1]
m[t] = (1 - h[t]^2) * l[t]
dA = sum_t outer(m[t], h[t-1])
dR = sum_t outer(c[t], h[t])
dV = sum_t outer(e[t], r[t] * h[t])""",
    ),
}
SPOILT = (
    (r"\.T\b", ""),
    (r"\[t\+1\]", "[t+2]"),
    (r"\[t-1\]", "[t]"),
    (r" \+ (?=[A-Zadk])", " - "),
    (r" - (?=(decoder\.)?q)", " + "),
    (r"(?<=[a-z]\[t\]) \* [a-z]\[t\]", ""),
    (r"\(1 - ((?:decoder\.)?\w)\[t\]\^2\)", r"(1 - \1[t])"),
    (r"= sum_t ", "= 2 * sum_t "),
)


def spoilt(answer: str, seed: int, most: int = 2) -> tuple[str, set[int]]:
    """An answer with a slip in up to `most` lines, and their numbers."""
    r, lines = random.Random(seed), answer.splitlines()
    chosen = set()
    for k in r.sample(range(len(lines)), most):
        left, _, right = lines[k].partition(" = ")
        whole = "= " + right
        places = [(m, new) for old, new in SPOILT for m in re.finditer(old, whole)]
        if places:
            m, new = r.choice(places)
            lines[k] = f"{left} {whole[: m.start()]}{m.expand(new)}{whole[m.end() :]}"
            chosen.add(k + 1)
    return "\n".join(lines), chosen


@pytest.mark.parametrize("batch", [None, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_right_lines_are_not_blamed(setting: str, batch: int | None) -> None:
    recurrence, options, answer = SETTINGS[setting]
    u = bg.recurrence(recurrence).unroll(**options)
    assert bg.verify(u, answer, batch=batch).right
    found = spoilt_lines = 0
    for seed in range(6):
        text, numbers = spoilt(answer, seed)
        try:
            verdict = bg.verify(u, text, batch=batch)
        except bg.BPTTError:  # a slip that fits no shape
            continue
        wrong = {x["line"] for x in json.loads(verdict.to_json())["lines"] if x["status"] == "wrong"}
        assert wrong <= numbers, (text, numbers, wrong)
        assert not (verdict.right and wrong)
        found, spoilt_lines = found + len(wrong), spoilt_lines + len(numbers) * (not verdict.right)
    assert spoilt_lines and 3 * found >= spoilt_lines, (found, spoilt_lines)


def parts(text: str) -> set[str]:
    """The names of a formula, each with its step or transpose, and its brackets' contents."""
    return set(re.findall(r"[A-Za-z_]\w*(?:\[[^\]]*\]|\.T\b)(?:\^2)?|\(1 [-+] [^()]*\)", text))


@pytest.mark.parametrize("setting", ["a gate at the output", "scalar sensitivities"])
def test_levels_below_why_print_nothing_of_a_correction(setting: str) -> None:
    recurrence, options, answer = SETTINGS[setting]
    u = bg.recurrence(recurrence).unroll(**options)
    seen = 0
    for seed in range(20, 30):
        text, _ = spoilt(answer, seed)
        try:
            verdict = bg.verify(u, text)
        except bg.BPTTError:
            continue
        lines = text.splitlines()
        for x in json.loads(verdict.to_json("why"))["lines"]:
            if x["status"] != "wrong":
                continue
            seen += 1
            new = parts(x["correction"]) - parts(lines[x["line"] - 1])
            for level in ("none", "verdict", "where"):
                for said in (verdict.report(level), verdict.to_json(level)):
                    assert not [part for part in new if part in said], (new, said)
                    assert x["cause"] not in said and (not x["correction"] or x["correction"] not in said)
    assert seen > 3
