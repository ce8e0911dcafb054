"""Breaking the code on purpose: a wrong sign, transpose, step, tolerance, buffer, escape … each must be noticed by a test.

    python -m tests.breakages                    all of them, with progress, and a table
    python -m tests.breakages matvec "exit"      those whose names contain a word
    python -m tests.breakages --write            put the table into docs/explanation/checked.md

Each is one replacement in one file of a copy of the tree, and the few tests that are meant to catch it. Caught means that one of them
fails by an assertion or by an error of ours that says what is wrong: a module that can no longer be imported proves nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "checked.md"
TREE = ("bpttgraph", "tests", "docs", "examples", "benchmarks", "pyproject.toml", "README.md")
SECONDS = 600
KINDS = {
    "sign": "a sign, or what is subtracted from what",
    "transpose": "a transpose, or two sides exchanged",
    "step": "an index in time",
    "index": "another index, a size or a count",
    "term": "a term, a factor or a condition left out",
    "constant": "a wrong number",
    "tolerance": "a tolerance, in one direction or the other",
    "buffer": "memory: a wrong place, nothing cleared, overwritten for added",
    "state": "what is carried from one call or piece to the next",
    "bracket": "a bracket left out in print",
    "escape": "an escape left out",
}


@dataclass(frozen=True)
class Breakage:
    """One replacement: `old` stands exactly once in `file`; `tests` are the ids of tests that must notice `new`."""

    name: str
    kind: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


TABLE: tuple[Breakage, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a breakage: caught by `test`, or not; `words` are the last lines of pytest."""

    caught: bool
    test: str
    words: str
    seconds: float


def run(b: Breakage, tree: Path) -> Outcome:
    """Break a copy of the tree (made if `tree` is not there), run the tests, and mend it again."""
    if not tree.exists() or not any(tree.iterdir()):
        for name in TREE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True)
            else:
                tree.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tree / name)
    place, start = tree / b.file, time.monotonic()
    whole = place.read_text(encoding="utf-8")
    place.write_text(whole.replace(b.old, b.new), encoding="utf-8")
    try:
        # nothing installed may stand in for the copy, and no byte code of another text
        settings = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=short", "-m", "slow or not slow", *b.tests]
        done = subprocess.run(command, cwd=tree, env=os.environ | settings, capture_output=True, text=True, timeout=SECONDS)
    finally:
        place.write_text(whole, encoding="utf-8")
    words = done.stdout[-2000:] + done.stderr[-500:]
    test = (re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE) or [""])[0]
    empty = re.search(r"^E +(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|NameError)", done.stdout, re.MULTILINE)
    return Outcome(done.returncode == 1 and bool(test) and not empty, test, words, time.monotonic() - start)


def table() -> str:
    """The table of the documentation."""
    lines = ["| what was broken | how | what noticed |", "|---|---|---|"]
    for b in TABLE:
        tests = ", ".join(f"`{t.removeprefix('tests/')}`" for t in b.tests)
        lines.append(f"| {b.name.replace('|', '&#124;')} | {b.kind} | {tests} |")
    return "\n".join(lines) + "\n"


def in_docs() -> str:
    return PAGE.read_text(encoding="utf-8")


def write() -> None:
    """Put the table between its marks on the page."""
    text = in_docs()
    start, end = "<!-- breakages -->\n", "<!-- end of breakages -->"
    before, _, rest = text.partition(start)
    PAGE.write_text(before + start + "\n" + table() + "\n" + end + rest.partition(end)[2], encoding="utf-8")


def main(words: list[str]) -> int:
    if "--write" in words:
        write()
        return 0
    chosen = [b for b in TABLE if not words or any(w in b.name for w in words)]
    missed: list[Breakage] = []
    with tempfile.TemporaryDirectory() as folder:
        for i, b in enumerate(chosen, 1):
            found = run(b, Path(folder) / "tree")
            missed += [] if found.caught else [b]
            said = found.test if found.caught else "NOT CAUGHT\n" + found.words
            print(f"{i}/{len(chosen)} {found.seconds:5.1f} s  {b.name}: {said}", flush=True)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} caught" + "".join(f"\n  not caught: {b.name}" for b in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
