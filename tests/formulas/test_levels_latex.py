"""LaTeX of every level and of the symbolic forms compiles with the amsmath that Debian packages."""

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from truth import CELLS, bound

LEVELS = ("chain", "local", "matrix", "elements", "numbers")
PREAMBLE = (
    "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n\\setlength{\\textwidth}{40cm}\n\\begin{document}\n"
)


def formulas(name: str) -> list[str]:
    rec = bound(name)
    g = rec.derive("all")
    d = rec.unroll(2).derive(g.names[0], cap=300)
    found = (
        [r.latex() for r in g.recursions] + [d.statement(level) for level in LEVELS] + [s.latex() for s in d.worked()]
    )
    if name != "seq2seq:feedback":  # its encoder and decoder are not two chains
        closed = rec.derive(g.names[0]).closed_form
        found += [closed.latex(), closed.latex(width=30)]
        found += [s.latex() for s in closed.forward] if len(closed.chains) == 1 else []
    found += [d.statement("local", width=40), rec.derive("all", reduce="mean").latex(width=30)]
    onehot = [i for i in rec.inputs if len(d.unrolled.shapes[i]) == 1]
    return [*found, rec.derive("all", onehot=onehot).latex()]


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(name: str, tmp_path: Path):
    text = PREAMBLE + "\n".join(f"\\[\n{f}\n\\]" for f in formulas(name)) + "\n\\end{document}\n"
    (tmp_path / "a.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-1500:]


@pytest.mark.parametrize("name", ["rnn", "lstm-peephole", "gru-reset-after", "deep-rnn"])
def test_mathml_is_well_formed(name: str):
    rec = bound(name)
    g = rec.derive("all")
    d = rec.unroll(2).derive(g.names[0])
    whole = [r.mathml() for r in g.recursions] + [d.statement(level, form="mathml") for level in LEVELS]
    whole += [s.mathml() for s in rec.derive(g.names[0]).closed_form.statements]
    for text in whole:
        root = ET.fromstring(text)
        assert root.tag.endswith("math")
