"""The command line as a user meets it: files, exit status, messages, and nothing half-written."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpttgraph.cli import main

ROOT = Path(__file__).parents[2]


def run(*args: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(args), input=text, catch_exceptions=False)


RNN = "h[t] = tanh(W h[t-1] + U x[t] + b)\ny[t] = softmax(V h[t])\nE[t] = cross_entropy(y[t], target[t])\n"


def test_derive_writes_a_folder(tmp_path: Path) -> None:
    done = run("derive", "rnn", "--steps", "3", "--wrt", "W_hh", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "backward-W_hh.svg",
        "check.json",
        "derivation.html",
        "derivation.md",
        "forward.svg",
    ]
    check = json.loads((tmp_path / "out" / "check.json").read_text(encoding="utf-8"))
    assert check["right"] is True
    assert "6 chain-rule terms" in done.output and "Right:" in done.output
    page = (tmp_path / "out" / "derivation.html").read_text(encoding="utf-8")
    assert "<math" in page and "<svg" in page and "http-equiv" not in page
    assert "bpttgraph derive rnn --wrt W_hh --steps 3" in page


def test_derive_writes_the_same_bytes_again(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "bpttgraph",
            "derive",
            "gru",
            "--steps",
            "2",
            "-o",
            "out",
            "--format",
            "html,md,svg,json,png,dot,tex,beamer,typ",
        ]
        (tmp_path / seed).mkdir()
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=tmp_path / seed, env=env, check=True, capture_output=True)
    names = sorted(p.name for p in (tmp_path / "1" / "out").iterdir())
    assert len(names) >= 9 and "slides.tex" in names
    for name in names:
        assert (tmp_path / "1" / "out" / name).read_bytes() == (tmp_path / "2" / "out" / name).read_bytes(), name


def test_standard_input_and_files(tmp_path: Path) -> None:
    latex = (
        r"$$a^{< t>} = g_1(W_{aa}a^{< t-1>} + W_{ax}x^{< t>} + b_a)$$"
        + "\n"
        + r"$$y^{< t>} = g_2(W_{ya}a^{< t>} + b_y)$$"
    )
    done = run("derive", "-", "--wrt", "W_aa", text=latex)
    assert done.exit_code == 0 and "∂⁺a₁/∂W_aa" in done.output and "not checked: g_1, g_2 abstract" in done.output
    done = run("derive", "-", "--let", "g_1=tanh", "--let", "g_2=softmax", text=latex)
    assert done.exit_code == 0 and "Right:" in done.output
    (tmp_path / "mine.txt").write_text(RNN, encoding="utf-8")
    done = run("derive", str(tmp_path / "mine.txt"), "--wrt", "W")
    assert done.exit_code == 0 and "of mine: 6 chain-rule terms" in done.output


def test_a_folder_and_a_missing_file_are_called_so(tmp_path: Path) -> None:
    folder, missing = run("derive", str(tmp_path)), run("derive", str(tmp_path / "slide.txt"))
    assert folder.exit_code == missing.exit_code == 2
    assert "is a folder" in folder.stderr and "there is no file" in missing.stderr and "lstm" not in missing.stderr


def test_the_options_reach_the_unrolling() -> None:
    args = [
        "derive",
        "lstm",
        "--wrt",
        "U_f",
        "--steps",
        "2",
        "--loss",
        "last",
        "--truncate",
        "chunk:1",
        "--size",
        "h=2",
        "--reduce",
        "mean",
    ]
    done = run(*args)
    assert done.exit_code == 0 and "1 chain-rule term " in done.output and "mean over 1 steps" in done.output
    done = run("derive", "seq2seq", "--steps", "encoder=4,decoder=2", "--wrt", "encoder.W_hh", "--inputs", "feedback")
    assert done.exit_code == 0 and "encoder: T = 4" in done.output
    done = run("derive", "rnn", "--wrt", "h[0]", "--size", "1", "--loss", "2,3")
    assert done.exit_code == 0
    done = run(
        "derive",
        "rnn-abstract",
        "--let",
        "f_1(x, h; a, b) = tanh(a h + b x)",
        "--let",
        "f_2(x, h; w) = w h",
        "--seed",
        "4",
        "--batch",
        "2",
    )
    assert done.exit_code == 0 and "Right:" in done.output


def test_wrt_all() -> None:
    done = run("derive", "gru", "--steps", "2", "--wrt", "all")
    assert done.exit_code == 0 and done.output.count("chain-rule term") == 10 and "∂E/∂h[0]" in done.output


def test_wrt_all_is_one_backward_pass(tmp_path: Path) -> None:
    done = run("derive", "lstm", "--wrt", "all")
    assert done.exit_code == 0 and done.output.count("δ_f[t] = fₜ ∘ (1 − fₜ) ∘ cₜ₋₁ ∘ c̄ₜ") == 1
    assert "∂E/∂U_f = ∑[t=1..T] δ_f[t] hₜ₋₁ᵀ" in done.output and "∂E/∂c₀ = f₁ ∘ c̄₁" in done.output
    assert "Right: 106 comparisons" in done.output  # the printed code is run: one for each of its 14 gradients
    done = run("derive", "rnn", "--wrt", "all", "-o", str(tmp_path / "out"), "--format", "html,md")
    assert done.exit_code == 0
    said = (tmp_path / "out" / "derivation.md").read_text(encoding="utf-8")
    assert "the full backward pass" in said and "def backward(T" in said and "bpttgraph derive rnn --wrt all -o" in said
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["derivation.html", "derivation.md", "forward.svg"]
    done = run("derive", "rnn", "--wrt", "all", "--wrt", "W_hh")
    assert done.exit_code == 2 and "every parameter and initial state already" in done.stderr


def test_any_number_of_steps(tmp_path: Path) -> None:
    done = run("derive", "rnn", "--steps", "T")
    assert done.exit_code == 0 and "for any number of steps T" in done.output
    assert "δ_h[T+1] = 0" in done.output and "∑[t=1..T] ∑[k=1..t]" in done.output and "Right:" in done.output
    done = run("derive", "seq2seq", "--steps", "T")
    assert "∑[k=1..T_encoder]" in done.output and "δᵈᵉᶜ_h[T+1] = 0" in done.output
    text = "a[t] = tanh(A a[t-1] + U x[t])\nb[t] = tanh(B b[t+1] + C a[t])"
    assert (
        "none, because recurrence has chains of states"
        in run("derive", "-", "--steps", "T", "--wrt", "A", text=text).output
    )
    assert "def backward(T" in run("derive", "rnn", "--steps", "T", "--detail", "full").output
    done = run("derive", "rnn", "--steps", "T", "--wrt", "x[1]", "-o", str(tmp_path / "out"))
    assert done.exit_code == 2 and "stands at one step" in done.stderr and not (tmp_path / "out").exists()
    done = run("derive", "rnn", "--steps", "T", "-o", str(tmp_path / "out"), "--format", "html")
    page = (tmp_path / "out" / "derivation.html").read_text(encoding="utf-8")
    assert "for any number of steps" in page and "bpttgraph derive rnn --steps T -o" in page


def test_levels_detail_and_notation_on_the_terminal() -> None:
    done = run("derive", "rnn", "--detail", "slide", "--notation", "goodfellow")
    assert (
        done.exit_code == 0
        and "∂h₁/∂W⁽¹⁾_hh" in done.output
        and "their effects on the loss add up" in " ".join(done.output.split())
    )
    done = run("derive", "rnn", "--level", "matrix", "--level", "numbers", "--seed", "3")
    assert "Level matrix:" in done.output and "h̄₁ = W_hyᵀ δ_y[1]" in done.output and "✓" in done.output
    for cell in ("lstm", "gru-reset-after", "rnn-abstract", "bidirectional"):
        for detail in ("slide", "lecture", "full"):
            levels = [x for level in ("chain", "local", "matrix", "elements", "numbers") for x in ("--level", level)]
            assert run("derive", cell, "--steps", "2", "--detail", detail, *levels).exit_code == 0, (cell, detail)


def test_the_command_that_repeats_it_is_whole(tmp_path: Path) -> None:
    """Run the line that the page prints: the same bytes."""
    options = [
        "--wrt",
        "b_h",
        "--steps",
        "2",
        "--loss",
        "last",
        "--size",
        "h=2",
        "--detail",
        "full",
        "--notation",
        "werbos",
    ]
    options += ["--level", "matrix", "--level", "numbers", "--seed", "2", "--batch", "3", "-o", str(tmp_path / "out")]
    assert run("derive", "rnn", *options).exit_code == 0
    page = tmp_path / "out" / "derivation.html"
    first = page.read_bytes()
    line = html.unescape(re.search(r"bpttgraph derive [^<]*", first.decode())[0])  # type: ignore[index]
    page.unlink()
    assert run(*shlex.split(line)[1:]).exit_code == 0
    assert page.read_bytes() == first


def test_the_command_that_repeats_it_says_what_was_written_and_no_defaults(tmp_path: Path) -> None:
    for options in ([], ["--loss", "every"], ["--reduce", "sum", "--notation", "pascanu"]):
        assert run("derive", "rnn", "--wrt", "b_h", *options, "-o", str(tmp_path), "--format", "md").exit_code == 0
        page = (tmp_path / "derivation.md").read_text(encoding="utf-8")
        assert " ".join(["bpttgraph derive rnn --wrt b_h", *options, "-o"]) in page


def test_an_option_that_was_written_holds_though_it_is_the_default(tmp_path: Path) -> None:
    """The loss of the answer's instance counts unless somebody says another one, be it the usual one."""
    (tmp_path / "answer.txt").write_text(
        "delta[t] = (1 - h[t]^2) * (W_hy.T @ (y[t] - target[t]) + W_hh.T @ delta[t+1])\n"
        "dW_hh = sum_t outer(delta[t], h[t-1])\n",
        encoding="utf-8",
    )
    command = ("check", "rnn", "--answer", str(tmp_path / "answer.txt"))
    assert run(*command).exit_code == run(*command, "--loss", "every").exit_code == 0
    assert run(*command, "--loss", "last").exit_code == 1


def test_draw_in_every_format(tmp_path: Path) -> None:
    for suffix, magic in {"svg": b"<", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph"}.items():
        target = tmp_path / f"x.{suffix}"
        assert run("draw", "rnn", "--view", "folded", "-o", str(target)).exit_code == 0
        assert magic in target.read_bytes()[:200]


def test_cells_and_doctor() -> None:
    listed = run("cells").output
    assert "lstm-fused" in listed and "[ifgo ifog fico ifco fgio]" in listed
    assert "Neural Computation" in run("cells", "lstm").output
    rows = json.loads(run("cells", "--json").output)
    assert {"name", "title", "source", "variants"} <= rows[0].keys() and len(rows) >= 20
    assert "h[t]" in json.loads(run("cells", "gru", "--json").output)["source_text"]
    doctor = json.loads(run("doctor", "--json").output)
    assert any(e["used"] for e in doctor["engines"])
    assert "Drawing engines" in run("doctor").output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bpttgraph.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'sympy', 'networkx', 'graphviz', 'ziamath', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]")


BAD = {
    "unbalanced bracket": ("h[t] = tanh(W h[t-1] + x[t]", [], "line 1", "^"),
    "abstract with numbers": (
        "h[t] = phi(W h[t-1] + x[t])",
        ["--let", "phi=tahn"],
        "tahn is not a known function",
        "tanh",
    ),
    "contradicting shapes": (
        "h[t] = tanh(W h[t-1] + U x[t])\ny[t] = h[t] + x[t]",
        ["--size", "h=3", "--size", "x=2"],
        "contradict",
        "size 3",
    ),
    "undefined state": ("y[t] = tanh(W h[t-1] + U x[t])", [], "no line defines h[t]", "did you mean y[t-1]?"),
    "no steps": (RNN, ["--steps", "0"], "at least 1 step", "steps=3"),
    "loss outside": (RNN, ["--loss", "4"], "loss step 4 is outside", "1 to 3"),
    "no such parameter": (RNN, ["--wrt", "W_h"], "no variable W_h", "did you mean"),
    "circular": ("a[t] = tanh(b[t] + x[t])\nb[t] = tanh(a[t])", [], "circular definition within a step", "a[t] → b[t]"),
    "two definitions": ("h[t] = tanh(W h[t-1] + x[t])\nh[t] = h[t-1]", [], "h is defined twice", "line 1"),
    "100 kB of brackets": ("h[t] = " + "(" * 100_000, [], "characters", "hint"),
    "too deep": ("h[t] = " + "(" * 9_000, [], "hint", "hint"),
    "empty": ("   \n# nothing\n", [], "hint", "hint"),
    "bad truncation": (RNN, ["--truncate", "window"], "is not a truncation", "sliding:4"),
    "bad size": (RNN, ["--size", "h=three"], "not a whole number", "h=3"),
    "unknown size": (RNN, ["--size", "hh=3"], "there is no hh", "did you mean h"),
    "bad format": (RNN, ["--format", "docx"], "docx is not a format", "html"),
    "bad let": (RNN, ["--let", "phi"], "is not NAME=VALUE", "--let phi=tanh"),
    "let for nothing": (RNN, ["--let", "phi=tanh"], "no equation calls φ", "hint"),
    "code": ("__import__('os').system('touch pwned')", [], "hint", "hint"),
    "one step names too many": (
        "E = E_1 + E_2 + E_3\nE_t = dot(h_t, h_t)\nh_t = tanh(W h_{t-1})",
        ["--steps", "2"],
        "step 3",
        "steps=3",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_message_and_no_file(case: str, tmp_path: Path) -> None:
    text, options, *says = BAD[case]
    done = run("derive", "-", *options, "-o", str(tmp_path / "out"), text=text)
    assert done.exit_code == 2, done.output
    for words in says:
        assert words in done.stderr, done.stderr
    assert done.stderr.startswith("bpttgraph: ") and "Traceback" not in done.stderr
    assert "hint:" in done.stderr and len(done.stderr) < 1500
    assert list(tmp_path.iterdir()) == [] and not Path("pwned").exists()


def test_other_bad_arguments(tmp_path: Path) -> None:
    for args, says in {
        ("derive", "lsmt"): "did you mean lstm",
        ("derive", "lstm-fused:foo"): "no variant 'foo'",
        ("draw", "rnn", "-o", str(tmp_path / "a.bmp")): ".svg, .png, .pdf or .dot",
        ("draw", "rnn", "--view", "sideways", "-o", str(tmp_path / "a.svg")): "sideways",
        ("draw", "rnn", "-o", str(tmp_path / "no" / "a.svg")): "there is no folder",
        ("drive", "rnn"): "derive",
        ("derive", "rnn", "--batch", "0"): "batch=0",
    }.items():
        done = run(*args)
        assert done.exit_code == 2 and says in done.stderr, (args, done.output, done.stderr)
        assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = run("derive", "rnn", "-o", str(tmp_path / "out"))
    assert done.exit_code == 2 and "is a file" in done.stderr
    assert (tmp_path / "out").read_text() == "a file"


def test_input_that_is_not_text() -> None:
    done = run("derive", "-", text=b"h[t] = \xff\xfe")
    assert done.exit_code == 2 and "UTF-8" in done.stderr


def test_a_gradient_of_ours_that_is_wrong_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from bpttgraph.core import primitives

    monkeypatch.setitem(primitives.TABLE["tanh"].__dict__, "rule", (lambda y, x: 1.0 - y,))
    done = run("derive", "rnn")
    assert done.exit_code == 3 and "WRONG" in done.output  # nobody handed in an answer


def test_one_hot_names_change_formulas_code_and_the_instance(tmp_path: Path) -> None:
    words = ("derive", "char-lm", "--wrt", "W_hh", "--onehot", "x,target")
    done = run(*words, "--steps", "T", "--detail", "full")
    assert (
        done.exit_code == 0 and "δ_y[t] = yₜ − 𝐞(targetₜ)" in done.output and "delta_y[t, target[t]]" not in done.output
    )
    assert "−(𝐞(targetₜ)/yₜ)ᵀ" in done.output  # the closed form, too
    assert run(*words, "-o", str(tmp_path / "out"), "--format", "html,md,json").exit_code == 0
    page = html.unescape((tmp_path / "out" / "derivation.html").read_text(encoding="utf-8"))
    assert "--onehot x,target" in page and "are one-hot: " in page and "numbers of classes, from 0" in page
    check = (tmp_path / "out" / "check.json").read_text(encoding="utf-8")
    assert "one-hot target and x" in check
    for bad, message in (("q", "there is no input or target q"), ("h", "there is no input or target h")):
        failed = run(*words[:-1], bad)
        assert failed.exit_code == 2 and message in failed.output


def test_no_format_and_no_blocks(tmp_path: Path) -> None:
    for empty in ("", " , "):
        failed = run("derive", "rnn", "--format", empty, "-o", str(tmp_path / "out"))
        assert failed.exit_code == 2 and "names no format" in failed.output and not (tmp_path / "out").exists()
    failed = run("derive", "rnn", "--steps", "T=3")
    assert failed.exit_code == 2 and "write steps=3" in failed.output and "None" not in failed.output
