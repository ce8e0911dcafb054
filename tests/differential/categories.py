"""All categories of comparison, and the differences of a case."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bpttgraph.errors import BPTTError, Fault

from . import compare, eager, formulas, printed
from .compare import Subject
from .trees import Case


@dataclass(frozen=True)
class Difference:
    category: str
    detail: str
    kind: str = "difference"  # or "crash", "refusal", "report this"


CATEGORIES: dict[str, Callable[[Subject], str | None]] = {
    "loss": compare.compare_loss,
    "values": compare.compare_values,
    "gradients": compare.compare_gradients,
    "triangle": compare.compare_triangle,
    "schedule": compare.compare_schedule,
    "memory": compare.compare_memory,
    "jacobians": formulas.compare_jacobians,
    "paths": formulas.compare_paths,
    "levels": formulas.compare_levels,
    "printed": printed.compare_printed,
    "symbolic": formulas.compare_symbolic,
    "closed": formulas.compare_closed,
    "code": formulas.compare_code,
    "code all": formulas.compare_code_all,
    "check": formulas.compare_check,
    "verify": formulas.compare_verify,
    "instance": formulas.compare_instance,
    "truncation": formulas.compare_truncation,
    "eager": eager.compare_eager,
    "replay": eager.compare_replay,
}


def differences(case: Case, only: Iterable[str] | None = None, subject: Subject | None = None) -> Iterator[Difference]:
    """Every difference, refusal and crash of a case, a category at most one."""
    s = subject or Subject(case)
    for category in only or CATEGORIES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = CATEGORIES[category](s)
            except BPTTError as error:
                ours = isinstance(error, Fault) or "report this" in str(error) or "is broken" in str(error)
                yield Difference(category, str(error).partition("\n")[0], "report this" if ours else "refusal")
                continue
            except Exception as error:  # any other exception is a fault of the package (or of the oracle)
                yield Difference(category, f"{type(error).__name__}: {error}".partition("\n")[0], "crash")
                continue
        if found:
            yield Difference(category, found)


def normal(message: str) -> str:
    """A message without the names and numbers of one case, to count messages of a kind."""
    message = re.sub(r"\([^()]*\[t[^()]*\)|'[^']*'|\"[^\"]*\"", "…", message)
    message = re.sub(r"\b[A-Za-z]\w?(\[[^\]]*\])|\b[A-Za-z](?=[\s,:.]|$)", "·", message)
    return re.sub(r"\d+", "#", message)[:140]
