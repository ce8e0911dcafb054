"""Shape inference: what a lecture's habits decide, and contradictions that name both places."""

from __future__ import annotations

from typing import Any

import pytest

import bpttgraph as bg


def shapes(text: str, sizes: Any = None) -> dict[str, tuple[int, ...]]:
    return bg.recurrence(text).unroll(2, sizes=sizes).shapes


@pytest.mark.parametrize(
    ("text", "name", "rank"),
    [
        ("h[t] = tanh(W h[t-1] + U x[t] + b)", "b", 1),
        ("h[t] = tanh(W h[t-1] + U x[t] + b)", "U", 2),
        ("h[t] = tanh(w h[t-1] + x[t])", "w", 0),  # a small letter beside a vector is a number
        ("h[t] = tanh(w @ h[t-1] + x[t])", "w", 2),  # unless it is multiplied as a matrix
        ("h[t] = (1 - α) * h[t-1] + α * tanh(U x[t])", "α", 1),  # one for each unit
        ("h[t] = (1 - α) h[t-1] + α tanh(U x[t])", "α", 0),
        ("h[t] = h[t-1] + η * g[t]", "η", 1),
        ("h[t] = tanh(W h[t-1]) + p * h[t-1] + x[t]", "p", 1),
        ("y[t] = v^T h[t]; h[t] = tanh(W h[t-1] + x[t])", "y", 0),
        ("h[t] = tanh(W h[t-1] + x[t]); y[t] = dot(v, h[t])", "v", 1),
        ("h[t] = tanh(W h[t-1] + x[t]); y[t] = dot(v, h[t])", "y", 0),
        ("A[t] = outer(k[t], v[t]) + A[t-1]; y[t] = A[t] q[t]", "A", 2),
        ("A[t] = outer(k[t], v[t]) + A[t-1]; y[t] = A[t] q[t]", "q", 1),
        ("h[t] = diag(d) h[t-1] + x[t]", "d", 1),
        ("h[t] = clip(W h[t-1] + x[t], -5, 5)", "h", 1),
    ],
)
def test_ranks(text: str, name: str, rank: int) -> None:
    assert len(shapes(text)[name]) == rank


def test_sizes_travel() -> None:
    net = "h[t] = tanh(W h[t-1] + U x[t]); y[t] = [h[t]; x[t]]"
    assert shapes(net, {"x": 3, "h": 5})["y"] == (8,)
    assert shapes(net, {"y": 8, "x": 2})["h"] == (6,)
    fused = "[a[t]; b[t]; c[t]] = W x[t]; y[t] = a[t] + b[t] * c[t]"
    assert shapes(fused, {"W": (9, 2)})["y"] == (3,)
    assert shapes(fused, {"y": 4})["W"] == (12, 2)
    blocks = bg.cell("seq2seq").unroll(2, sizes={"h": 7, "decoder.x": 3}).shapes
    assert blocks["encoder.h"] == blocks["decoder.h"] == (7,) and blocks["decoder.x"] == (3,)


def test_free_sizes_differ() -> None:
    found = shapes("a[t] = tanh(W a[t-1] + U x[t]); b[t] = tanh(V b[t-1] + Q a[t] + P z[t])", {"a": 3})
    sizes = [found[n][0] for n in ("x", "z", "a", "b")]
    assert len(set(sizes)) == 4 and found["a"] == (3,) and min(sizes) > 1


@pytest.mark.parametrize(
    ("text", "sizes", "first", "second"),
    [
        ("h[t] = tanh(W h[t-1] + U x[t])", {"h": 3, "U": (4, 2)}, "U has shape (4, 2)", "h has size 3"),
        ("h[t] = tanh(W h[t-1] + U x[t])", {"x": 3, "U": (4, 2)}, "size 2", "size 3"),
        ("h[t] = tanh(W h[t-1] + U x[t])\ny[t] = h[t] + dot(h[t], h[t]) * x[t]", {"h": 3, "x": 2}, "line 2", "size 2"),
        (
            (
                "h[t] = tanh(h[t-1] + x[t])\ny[t] = norm(h[t])\nz[t] = W @ y[t] + y[t] * [y[t]; y[t]]\nE[t] = dot(z[t],"
                " y[t])"
            ),
            None,
            "",
            "",
        ),
        ("h[t] = [x[t]; x[t]] + h[t-1]", {"h": 5}, "5", "2 equal blocks"),
        ("[a[t]; b[t]] = W x[t]; y[t] = a[t] + b[t]", {"W": (5, 2)}, "5", "2 equal blocks"),
        ("h[t] = tanh(h[t-1]); E[t] = squared_error(h[t], z[t])", {"h": 3, "z": 2}, "size", "size"),
        (
            "h[t] = tanh(h[t-1] + x[t]); E[t] = h[t]; E = sum_t E[t]",
            {"h": 3},
            "E is a loss, a number",
            "a vector (line 1: E[t] = h[t])",
        ),
    ],
)
def test_contradictions_name_both_places(text: str, sizes: Any, first: str, second: str) -> None:
    with pytest.raises(bg.BPTTError) as caught:
        shapes(text, sizes)
    message = caught.value.message
    if first:
        assert "contradict each other" in message and first in message and second in message, message
        assert message.count("(") >= 2
    assert "hint: " in str(caught.value)


@pytest.mark.parametrize(
    "sizes", [{"h": 0}, {"h": -1}, {"h": 2.5}, {"h": "3"}, {"h": True}, {"W": (2, 0)}, {"h": 10**9}, {"q": 3}]
)
def test_sizes_that_make_no_sense(sizes: Any) -> None:
    with pytest.raises(bg.BPTTError, match="sizes: ") as caught:
        shapes("h[t] = tanh(W h[t-1] + x[t])", sizes)
    assert "hint: " in str(caught.value)


@pytest.mark.parametrize(
    ("sizes", "u", "v", "w"),
    [
        (None, (3,), (3,), (6, 2)),
        (1, (1,), (1,), (2, 1)),
        ({"u": 2, "v": 3}, (2,), (3,), None),
        ({"W": (5, 2), "u": 2}, (2,), (3,), (5, 2)),
        ({"W": (6, 2)}, (3,), (3,), (6, 2)),
        ({"u": 4}, (4,), (4,), None),
        ({"u": 2, "v": ()}, (2,), (), None),
        ({"v": ()}, (), (), None),
    ],
)
def test_a_stack_is_taken_apart_into_the_sizes_of_its_names(sizes: Any, u: Any, v: Any, w: Any) -> None:
    """Equal blocks are only what is assumed where nothing else is said."""
    found = shapes("[u[t]; v[t]] = W x[t]", sizes)
    rows = sum((s or (1,))[0] for s in (u, v))
    assert found["u"] == u and found["v"] == v and found["W"] == (w or (rows, found["x"][0]))


def test_a_stack_that_cannot_be_shared_out() -> None:
    with pytest.raises(bg.BPTTError, match="2 equal blocks"):
        shapes("[u[t]; v[t]] = W x[t]", {"W": (5, 2)})
    with pytest.raises(bg.BPTTError, match="contradict"):
        shapes("[u[t]; v[t]] = W x[t]", {"W": (5, 2), "u": 2, "v": 2})
