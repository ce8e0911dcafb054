"""`python -m tests.language.pasted [WORD] [-v] [--write]`: the pasted cases, a table by construct; `--write` renews
`open.txt`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from .readings import KINDS, Verdict, judge

HERE = Path(__file__).parent
OPEN = HERE / "open.txt"


def cases() -> dict[str, dict[str, Any]]:
    """All cases by their ids."""
    lines = [
        line for f in ("given", "pasted") for line in (HERE / f"{f}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    found = {c["id"]: c for c in map(json.loads, lines)}
    assert len(found) == len(lines)
    return found


def known_open() -> dict[str, str]:
    """The ids of the cases that are known to fail, and how."""
    rows = (line.split() for line in OPEN.read_text(encoding="utf-8").splitlines())
    return {row[0]: row[1] for row in rows if row and row[0] != "#"}


HEADER = """\
# The cases that are not read right yet, and what becomes of them: `python -m tests.language.pasted --write` renews it.
"""


def written(verdicts: dict[str, Verdict]) -> None:
    rows = [f"{name} {v.kind}\n" for name, v in verdicts.items() if v.kind != "right"]
    OPEN.write_text(HEADER + "".join(rows), encoding="utf-8")


def table(every: dict[str, dict[str, Any]], verdicts: dict[str, Verdict]) -> str:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, v in verdicts.items():
        counts[every[name]["construct"]][v.kind] += 1
    width = max(map(len, (*counts, "construct")))
    rows = ["construct".ljust(width) + "".join(k.rjust(9) for k in KINDS)]
    for construct in sorted(counts):
        rows.append(construct.ljust(width) + "".join(f"{counts[construct][k] or '.':>9}" for k in KINDS))
    total = Counter(v.kind for v in verdicts.values())
    rows.append(f"{len(verdicts)} cases: " + ", ".join(f"{total[k]} {k}" for k in KINDS))
    return "\n".join(rows)


def main() -> int:
    ask = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    ask.add_argument("word", nargs="?", default="", help="only cases whose id or construct contains this word")
    ask.add_argument("-v", "--verbose", action="store_true", help="print every case that is not right")
    ask.add_argument("--write", action="store_true", help="renew the list of open cases")
    options = ask.parse_args()
    every = {n: c for n, c in cases().items() if options.word in n or options.word in c["construct"]}
    verdicts = {n: judge(c) for n, c in every.items()}
    if options.verbose:
        for n, v in verdicts.items():
            if v.kind != "right":
                print(f"{n} {every[n]['construct']}: {v.kind}: {v.reason[:200]}\n{every[n]['text']}\n")
    print(table(every, verdicts))
    if options.write and not options.word:
        written(verdicts)
    return 0 if all(v.kind == "right" for v in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
