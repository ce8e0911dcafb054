"""`python -m tests.differential --seeds 0:2000 [--only gradients,code] [--show]`: the sweep, in two processes, with
progress."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .categories import CATEGORIES, Difference, differences, normal
from .compare import Subject, acceptable
from .generate import random_recurrence
from .operations import OPS
from .shrink import shrink
from .trees import Case


def one(seed: int, only: tuple[str, ...], plain: bool = False) -> tuple[int, list[Difference], float]:
    subject = Subject(random_recurrence(seed, acceptable, plain))
    return seed, list(differences(subject.case, only, subject)), subject.most


def several(seeds: range, only: tuple[str, ...]) -> list[tuple[int, list[Difference], float]]:
    return [one(seed, only) for seed in seeds]


def shrunk(case: Case, difference: Difference, seconds: float = 20.0) -> tuple[Case, Difference]:
    """The smallest case with the same category and kind of failure (of a crash or refusal: the same message)."""
    best = difference

    def fails(candidate: Case) -> bool:
        nonlocal best
        try:
            if not acceptable(candidate):
                return False
        except Exception:  # not a recurrence that the oracle can evaluate
            return False
        for d in differences(candidate, [difference.category]):
            if d.kind == difference.kind and (
                d.kind == "difference" or normal(d.detail)[:40] == normal(difference.detail)[:40]
            ):
                best = d
                return True
        return False

    return shrink(case, fails, seconds), best


def signature(case: Case, difference: Difference) -> str:
    """The same for cases that differ only in their names: to count kinds."""
    order: dict[str, str] = {}

    def called(m: re.Match[str]) -> str:
        return m[0] if m[0] in (*OPS, "sum_t", "sum_k", "t", "T") else order.setdefault(m[0], f"v{len(order)}")

    text = re.sub(r"[^\W\d][\w']*", called, case.text)
    detail = normal(difference.detail)[:60] if difference.kind != "difference" else ""
    return f"{difference.category}|{difference.kind}|{detail}|{text}"


def kinds_of(seeds: range, only: tuple[str, ...], most: int, seconds: float) -> list[tuple[int, Case, Difference]]:
    """The differences of some seeds, shrunk: at most so many of a category and message."""
    found, seen = [], Counter[str]()
    for seed in seeds:
        for d in one(seed, only)[1]:
            key = f"{d.category}|{d.kind}|{normal(d.detail)[:60] if d.kind != 'difference' else ''}"
            seen[key] += 1
            if d.kind != "refusal" and seen[key] <= most:
                found.append((seed, *shrunk(random_recurrence(seed, acceptable), d, seconds)))
    return found


def show_kinds(seeds: range, only: tuple[str, ...], most: int, seconds: float, processes: int) -> None:
    """Differences grouped by their shrunk text, the most frequent first."""
    groups: dict[str, list[tuple[int, Case, Difference]]] = {}
    chunk = max(1, len(seeds) // (2 * processes))
    with ProcessPoolExecutor(processes) as pool:
        waiting = [
            pool.submit(kinds_of, seeds[i : i + chunk], only, most, seconds) for i in range(0, len(seeds), chunk)
        ]
        for future in waiting:
            for seed, case, d in future.result():
                groups.setdefault(signature(case, d), []).append((seed, case, d))
    ordered = sorted(groups.values(), key=lambda g: (list(CATEGORIES).index(g[0][2].category), -len(g)))
    for group in ordered:
        seed, case, d = group[0]
        print(
            f"{d.category}: {d.kind}, {len(group)} of those shrunk, seeds {[s for s, _, _ in group[:4]]}:"
            f" {d.detail}\n{case}\n"
        )


def sweep(seeds: range, only: tuple[str, ...], processes: int = 2) -> Iterator[tuple[int, list[Difference], float]]:
    """The differences of each seed, with progress on a terminal."""
    chunk = max(1, min(20, len(seeds) // (4 * processes) or 1))
    start, done = time.monotonic(), 0
    with ProcessPoolExecutor(processes) as pool:
        waiting = [pool.submit(several, seeds[i : i + chunk], only) for i in range(0, len(seeds), chunk)]
        for future in as_completed(waiting):
            for found in future.result():
                done += 1
                yield found
            if sys.stderr.isatty():
                rate = done / (time.monotonic() - start)
                print(
                    f"\r{done}/{len(seeds)}  {rate:.0f} a second, {(len(seeds) - done) / rate:.0f} s left ",
                    end="",
                    file=sys.stderr,
                )
    if sys.stderr.isatty():
        print(file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--seeds", default="0:300", help="from:to, or one seed")
    parser.add_argument("--only", default="", help=f"of {', '.join(CATEGORIES)}")
    parser.add_argument("--show", action="store_true", help="print every difference as generated, do not shrink")
    parser.add_argument(
        "--most", type=int, default=3, help="how many differences of a kind are shrunk and printed (default 3)"
    )
    parser.add_argument("--refusals", action="store_true", help="also show the refusals")
    parser.add_argument("--seconds", type=float, default=20.0, help="to shrink one difference")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--kinds", action="store_true", help="shrink up to --most differences of a message, and group them by text"
    )
    given = parser.parse_args()
    low, colon, high = given.seeds.partition(":")
    seeds = range(int(low), int(high)) if colon else range(int(low), int(low) + 1)
    only = tuple(given.only.split(",")) if given.only else tuple(CATEGORIES)
    if given.kinds:
        show_kinds(seeds, only, given.most, given.seconds, given.processes)
        return 0
    counts: Counter[tuple[str, str]] = Counter()
    refusals: Counter[str] = Counter()
    examples: dict[str, int] = {}
    shown: Counter[tuple[str, str, str]] = Counter()
    failed: set[int] = set()
    most = 0.0
    start = time.monotonic()
    for seed, found, units in sweep(seeds, only, given.processes):
        most = max(most, units)
        for d in found:
            counts[d.category, d.kind] += 1
            if d.kind == "refusal":
                refusals[normal(d.detail)] += 1
                examples.setdefault(normal(d.detail), seed)
            else:
                failed.add(seed)
            if d.kind == "refusal" and not given.refusals:
                continue
            key = (d.category, d.kind, normal(d.detail) if d.kind != "difference" else "")
            shown[key] += 1
            if shown[key] > given.most:
                print(f"seed {seed}: {d.category}: {d.kind}", flush=True) if given.show else None
                continue
            case = random_recurrence(seed, acceptable)
            case, d = (case, d) if given.show else shrunk(case, d, given.seconds)
            print(f"seed {seed}: {d.category}: {d.kind}: {d.detail}\n{case}\n", flush=True)
    seconds = time.monotonic() - start
    print(
        f"{len(seeds)} recurrences, {seconds:.0f} s; differences in {len(failed)}; right ones within {most:.0f} units"
        " of rounding"
    )
    for (category, kind), n in sorted(counts.items()):
        print(f"  {category:12} {kind:12} {n}")
    for message, n in refusals.most_common():
        print(f"  refused {n:5} times, first seed {examples[message]}: {message}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
