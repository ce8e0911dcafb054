"""The picture of a cause: what the answer leaves out is crossed out at its place, and the triangle shows what it
counts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import bpttgraph as bg
from bpttgraph.cli import main
from bpttgraph.homework.diagnosis.explain import Diagnosis
from bpttgraph.homework.truth.truth import Truth
from bpttgraph.homework.verdict.picture import cause_figure

NEVER = "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]))\ndW_hh = sum_t outer(delta[t], h[t-1])\n"


def wrong(cell: str, key: str, steps: int = 4) -> bg.Verdict:
    u = bg.cell(cell).unroll(steps)
    data = u.instance(0)
    found = Diagnosis(Truth(u, data))
    mutant = next(m for m in found.mutants if m.key == key)
    return bg.verify(u, {n: v[0] for n, v in found.trial([(mutant,)]).items()}, data)


CARRY = {f"h[{t}]->h[{t + 1}]" for t in range(4)}


@pytest.mark.parametrize(
    ("cell", "key", "name", "crossed", "counted"),
    [
        ("rnn", "no-carry", "W_hh", CARRY, np.eye(4)),
        ("rnn", "use-forgotten:1:W_hh", "W_hh", {"W_hh->h[1]"}, np.tri(4) * (np.arange(4) > 0)),
        ("rnn", "truncated:sliding:2", "W_hh", set(), np.tri(4) - np.tri(4, k=-2)),
        ("rnn", "matrix-not-transposed:W_hh", "W_hh", CARRY, None),
        ("lstm", "link-dropped:c<-c", "U_f", {f"c[{t}]->c[{t + 1}]" for t in range(4)}, None),
    ],
)
def test_what_is_wrong_stands_at_its_place(cell, key, name, crossed, counted):
    figure = cause_figure(wrong(cell, key), name)
    marks = figure.layout.marks
    assert {m.id.rpartition(" fault ")[0] for m in marks if m.cls == "fault"} == crossed
    cells = {m.id: m.title for m in marks if m.cls == "cell"}
    if counted is None:
        assert not cells
    else:
        shown = {(int(t), int(k)): float(v) for t, k, v in (re.findall(r"-?[\d.]+", s) for s in cells.values())}
        assert shown == {(t + 1, k + 1): counted[t, k] for t in range(4) for k in range(t + 1)}
    assert "exactly what you get" in figure.layout.description


def test_no_picture_without_a_place():
    rnn = bg.cell("rnn").unroll(4)
    data = rnn.instance(0)
    with pytest.raises(bg.BPTTError, match="nothing is wrong"):
        cause_figure(bg.verify(rnn, dict(rnn.run(data).gradients), data))
    noise = np.random.default_rng(0).normal(size=(4, 4))
    with pytest.raises(bg.BPTTError, match="no single place"):
        cause_figure(bg.verify(rnn, {"W_hh": noise}, data))


def test_on_the_command_line_and_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.txt").write_text(NEVER)
    for name in ("cause.svg", "cause.png", "cause.pdf"):
        done = CliRunner().invoke(main, ["check", "rnn", "--answer", "wrong.txt", "--picture", name])
        assert done.exit_code == 1 and Path(name).stat().st_size > 5000, done.output
    done = CliRunner().invoke(main, ["check", "rnn", "--answer", "wrong.txt", "--picture", "cause.gif"])
    assert done.exit_code != 0 and not Path("cause.gif").exists()
    verdict = bg.verify(bg.cell("rnn"), NEVER)
    assert "<svg" in verdict._repr_html_()
    verdict.feedback = "where"
    assert "<svg" not in verdict._repr_html_()
