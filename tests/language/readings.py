"""`judge(case)`: is a pasted text read as what it means? Loss and gradients of both are compared on the same data.

A case is a dictionary: `text` as pasted; `means` the same with explicit operators, and `or` other right readings;
`expect`: "same", "note" (the same, and a note has one of the words `note_about`) or "refuse" (the message has one of
the words `error_about`, which are separated by bars); `sizes` and `let` by the names of the meaning; `rename` from a
name of the text to one of the meaning where their letters differ.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import bpttgraph as bg

STEPS = 3
TOLERANCE = 1e-8
MOST_ORDERS = 120
KINDS = ("right", "misread", "refused", "silent", "crashed")
ROLES = ("states", "outputs", "losses", "inputs", "parameters", "defined")
Case = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of `KINDS`: "silent" is a right reading or refusal without the word that it must say."""

    kind: str
    reason: str = ""


RIGHT = Verdict("right")


@dataclass(frozen=True)
class Key:
    """A piece of data, such as `W`, `h[0]` or `dE_dy`: what stands before a name, the name, what stands after it."""

    head: str
    name: str
    tail: str

    @classmethod
    def of(cls, text: str) -> Key:
        m = re.fullmatch(r"(d[^\W\d_]+_d)?(.+?)(\[-?\d+\])?", text, re.DOTALL)
        assert m is not None, text
        return cls("dE_d" if m[1] else "", m[2], m[3] or "")


class Reading:
    """A text that was accepted, with numbers."""

    def __init__(self, text: str, let: Mapping[str, str], sizes: Mapping[str, Any]):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.rec = bg.recurrence(text, let=dict(let) or None)
            self.unrolled = self.rec.unroll(STEPS, sizes=dict(sizes) or None)
            self.data = self.unrolled.instance(seed=1)
            self.run = self.unrolled.run(self.data)
        self.notes = [str(w.message) for w in caught]
        self.notes += [str(n) for n in (*self.rec.notes, *getattr(self.unrolled, "notes", ()))]
        self.keys = {Key.of(k): k for k in self.data}

    def shape(self, key: Key) -> tuple[int, ...]:
        return np.shape(self.data[self.keys[key]])


def judge(case: Case) -> Verdict:
    """What becomes of a case; nothing is raised."""
    try:
        with np.errstate(all="ignore"):
            return refusal(case) if case["expect"] == "refuse" else same(case)
    except Exception as error:  # whatever is no refusal of the package's own is a crash
        return Verdict("crashed", f"{type(error).__name__}: {error}")


def refusal(case: Case) -> Verdict:
    try:
        Reading(case["text"], {}, {})
    except bg.BPTTError as error:
        if says(told(error), case["error_about"]):
            return RIGHT
        return Verdict("silent", f"the message does not say {case['error_about']}: {error.message}")
    return Verdict("misread", "accepted")


def same(case: Case) -> Verdict:
    verdicts = []
    for meaning in (case["means"], *case.get("or", ())):
        verdict = compared(case, meaning)
        if verdict.kind == "right":
            return verdict
        verdicts.append(verdict)
    worst = {v.kind: v for v in reversed(verdicts)}
    return next(worst[k] for k in ("silent", "refused", "misread") if k in worst)


def compared(case: Case, meaning: str) -> Verdict:
    """The text against one meaning."""
    rename = case.get("rename", {})
    try:
        bare = rec_of(case["text"])
    except bg.BPTTError as error:
        return Verdict("refused", error.message)
    meant = rec_of(meaning)
    known = {n: f for n, f in case.get("let", {}).items() if n in meant.abstract}
    found, left, free = matched(bare.abstract, meant.abstract, rename)
    if left or free:
        return Verdict("misread", f"functions without a formula: {bare.abstract}, not {meant.abstract}")
    let = {n: known[w] for n, w in found.items() if w in known}
    given = {n: tuple(s) if isinstance(s, list) else s for n, s in case["sizes"].items()}
    back = {w: n for n, w in names_of(bare, meant, rename).items()}
    sizes = {back[n]: s for n, s in given.items() if n in back}
    try:
        reference = Reading(meaning, known, {n: s for n, s in given.items() if n in every_name(meant)})
    except bg.BPTTError as error:
        return Verdict("refused", f"the meaning cannot be run yet: {error.message}")
    try:
        reading = Reading(case["text"], let, sizes)
    except bg.BPTTError as error:
        # Do only the sizes not fit, or is it another model?
        try:
            reading = Reading(case["text"], let, {})
            reference = Reading(meaning, known, {})
        except bg.BPTTError:
            return Verdict("refused", error.message)
        reason = difference(reading, reference, rename)
        return Verdict("misread", reason) if reason else Verdict("refused", error.message)
    reason = difference(reading, reference, rename)
    if reason:
        return Verdict("misread", reason)
    if case["expect"] == "note" and not says("\n".join(reading.notes), case["note_about"]):
        return Verdict("silent", f"no note says {case['note_about']}")
    return RIGHT


def rec_of(text: str) -> bg.Recurrence:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bg.recurrence(text)


def told(error: bg.BPTTError) -> str:
    """A message with its hint, without the name and size pairs that it may list."""
    return re.sub(r"\([^()]*=[^()]*\)", "", error.message) + "\n" + (error.hint or "")


def says(text: str, words: str) -> bool:
    """Whether one of the words stands in the text; a word of letters only as a whole one."""
    low = text.lower()
    for word in words.lower().split("|"):
        plain = word.isascii() and word.isalnum()
        if re.search(rf"(?<![a-z0-9]){word}(?![a-z0-9])", low) if plain else word in low:
            return True
    return False


# -- names ------------------------------------------------------------------------------------------------------------


def every_name(rec: bg.Recurrence) -> list[str]:
    return list(dict.fromkeys(n for role in ROLES for n in getattr(rec, role)))


def letters(name: str) -> str:
    """The letters of a name in an order of their own: W_ih^z, W^{(z)}_{ih} and W_zih are one."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name)).translate({ord("ϕ"): "φ", ord("ϵ"): "ε"})
    return "".join(sorted(c for c in plain if c.isalnum() or unicodedata.combining(c)))


def matched(
    names: Iterable[str], wanted: Iterable[str], rename: Mapping[str, str]
) -> tuple[dict[str, str], list[str], list[str]]:
    """Names of the text with those of the meaning, and what is left of either: by the name, then by its letters, at
    last the only one left."""
    free, found = list(wanted), {}
    spelled = {letters(n): w for n, w in rename.items()}

    def exact(name: str) -> list[str]:
        return [w for w in free if w == rename.get(name, name)]

    def respelled(name: str) -> list[str]:
        return [w for w in free if w == spelled.get(letters(name))]

    def loose(name: str) -> list[str]:
        return [w for w in free if letters(w) == letters(name)]

    left = list(names)
    for way in (exact, respelled, loose):
        for name in list(left):
            close = way(name)
            if len(close) == 1:
                found[name] = close[0]
                free.remove(close[0])
                left.remove(name)
    if len(left) == len(free) == 1:
        found[left.pop()] = free.pop()
    return found, left, free


def names_of(text: bg.Recurrence, meant: bg.Recurrence, rename: Mapping[str, str]) -> dict[str, str]:
    """The names of a text with those of its meaning, role by role."""
    found: dict[str, str] = {}
    for role in ROLES:
        mine = [n for n in getattr(text, role) if n not in found]
        theirs = [n for n in getattr(meant, role) if n not in found.values()]
        found.update(matched(mine, theirs, rename)[0])
    return found


# -- numbers ----------------------------------------------------------------------------------------------------------


def difference(reading: Reading, reference: Reading, rename: Mapping[str, str]) -> str:
    """What differs between two readings, or "" if they are one model."""
    sure = names_of(reading.rec, reference.rec, rename)
    reason = "other data: {} instead of {}".format(*(", ".join(r.data) for r in (reading, reference)))
    want = reference.run
    for names in itertools.islice(pairings(reading, reference, sure), MOST_ORDERS):
        pairs = {k: Key(k.head, names[k.name], k.tail) for k in reading.keys}
        if set(pairs.values()) != set(reference.keys):
            continue
        wrong = [k for k, w in pairs.items() if reading.shape(k) != reference.shape(w)]
        if wrong:
            shapes = (f"{reading.keys[k]} {reading.shape(k)} not {reference.shape(pairs[k])}" for k in wrong)
            reason = "shapes: " + "; ".join(shapes)
            continue
        back = {reading.keys[k]: reference.keys[w] for k, w in pairs.items()}
        got = reading.unrolled.run({k: reference.data[w] for k, w in back.items()})
        if differ(got.loss, want.loss):
            reason = f"the loss is {float(got.loss):.6g}, not {float(want.loss):.6g}"
            continue
        wrong_gradients = [k for k in got.gradients if differ(got.gradients[k], want.gradients[back[k]])]
        if not wrong_gradients:
            return ""
        reason = "the gradients by " + ", ".join(wrong_gradients)
    return reason


def pairings(reading: Reading, reference: Reading, sure: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """All ways to name the data of a text as its meaning does: those that are sure, and the others by what they are."""

    def kinds(r: Reading, names: set[str]) -> dict[str, tuple[Any, ...]]:
        of: dict[str, list[Any]] = defaultdict(list)
        for k in r.keys:
            if k.name in names:
                of[k.name].append((k.head, k.tail, r.shape(k)))
        return {n: tuple(sorted(map(str, ks))) for n, ks in of.items()}

    mine, theirs = {k.name for k in reading.keys}, {k.name for k in reference.keys}
    base = {n: w for n, w in sure.items() if n in mine and w in theirs}
    groups: dict[tuple[Any, ...], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for n, kind in kinds(reading, mine - base.keys()).items():
        groups[kind][0].append(n)
    for n, kind in kinds(reference, theirs - set(base.values())).items():
        groups[kind][1].append(n)
    if any(len(a) != len(b) for a, b in groups.values()):
        return
    orders = ([dict(zip(a, order)) for order in itertools.permutations(b)] for a, b in groups.values())
    for choice in itertools.product(*orders):
        yield {**base, **{n: w for part in choice for n, w in part.items()}}


def differ(a: Any, b: Any) -> bool:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return True
    return bool(np.max(np.abs(a - b), initial=0.0) > TOLERANCE * max(1.0, float(np.max(np.abs(b), initial=0.0))))
