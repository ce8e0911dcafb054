"""The benchmarks run, compare gradients before they time anything, and refuse a peer that computes something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import measure, peers
from benchmarks.__main__ import main
from benchmarks.growth import exponent
from benchmarks.scalars import compare_scalars
from benchmarks.training import compare_training
from benchmarks.works import Work

SMALL = [Work("rnn", 5, 4, 6, 1), Work("lstm", 5, 4, 6, 3)]


@pytest.mark.parametrize("work", SMALL, ids=lambda w: w.name)
def test_every_installed_peer_agrees(work: Work) -> None:
    found = measure.compare(work, seconds=0.0)
    assert {"bpttgraph", "textbook NumPy"} <= set(found["ms"])
    assert all(off < 1e-9 for off in found["disagreement"].values())
    assert set(found["ms"]) | set(found["missing"]) == set(peers.PEERS)


def test_a_peer_that_truncates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = peers.textbook

    def wrong(work: Work, data: Any) -> Any:
        call = right(work, data)

        def cut() -> Any:
            loss, gradients = call()
            return loss, {**gradients, "U": gradients["U"] * (1 - 1e-6)}

        return cut

    monkeypatch.setitem(peers.PEERS, "textbook NumPy", (wrong, ()))
    with pytest.raises(SystemExit, match="disagrees"):
        measure.compare(SMALL[0], ("bpttgraph", "textbook NumPy"), seconds=0.0)


def test_exponents() -> None:
    rows = [{"T": n, "ms": 0.5 * n**1.5} for n in (10, 100, 1000, 10_000)]
    assert exponent({"by": "T", "rows": rows}) == pytest.approx(1.5)


def test_scalars_and_training() -> None:
    found = compare_scalars(units=3, steps=4, rounds=1)
    assert {"bpttgraph, eager", "bpttgraph, replay"} <= set(found["ms"])
    training = compare_training("to be or not to be, that is the question. " * 4, iterations=3)
    assert training["first_gradients_differ_by"] < 1e-10
    bits = training["bits_per_character"]
    assert bits["bpttgraph"] == pytest.approx(bits["textbook NumPy"], rel=1e-6)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.works.WORKS", tuple(SMALL))
    target = tmp_path / "out.json"
    result = CliRunner().invoke(main, ["--seconds", "0", "--only", "H=5", "--json", str(target)])
    assert result.exit_code == 0, result.output
    found = json.loads(target.read_text())
    assert [r["work"] for r in found["results"]] == [w.name for w in SMALL]
    assert all(np.isfinite(t) and t > 0 for r in found["results"] for t in r["ms"].values())
    assert "ours is" in result.output and found["machine"]["threads"] == 1
