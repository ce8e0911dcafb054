"""The closed form for a symbolic number of steps: a sum over losses and uses, with a product of step Jacobians between
them.

Several parameters share most of it. What reads the same for several of them is written once, with θ in the place of
their names; what belongs to none of them, such as the blocks of the step Jacobian, is written once anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..derive import Statement
from ..derive.symbolic import symbolic_of
from ..errors import BPTTError, Fault
from ..formulas.steps import rebased, renamed
from .blocks import Block, Display, Heading, Inline, Math, Para, Row, name, para
from .lines import rows_of, untagged

if TYPE_CHECKING:
    from ..unrolled import Unrolled
    from .choice import Choice

__all__ = ["closed_blocks", "reason", "row_letter", "symbolic_of"]

_T = Math("<mi>t</mi>", "t", 1)


def reason(what: str, error: BPTTError) -> Para:
    """One sentence that says why something is not there.

    Raises:
        Fault: if it is not there because of a fault of this program.
    """
    if isinstance(error, Fault):
        raise error
    return para(f"{what}, because {error.message}.")


def closed_blocks(choice: Choice, wrt: Sequence[str], level: int, at: str) -> list[Block]:
    """The closed forms of all names in `wrt`, and all that stands in them."""
    head = Heading(level, ("Closed form",), f"closed{at}")
    forms: dict[str, Any] = {}
    why: BPTTError | None = None
    for w in wrt:
        try:
            forms[w] = symbolic_of(choice.unrolled, w, choice.notation, choice.onehot).closed_form
            _ = forms[w].statements
        except BPTTError as error:
            forms.pop(w, None)
            if choice.unrolled.vgraph.variables[w].role == "parameter" or len(wrt) == 1:
                why = error
    if not forms:
        return [head, *([reason("There is none", why)] if why is not None else [])]
    theta = _free_letter(choice.unrolled)
    change = row_letter(choice.unrolled)
    mains = _grouped({w: [f.statements[0]] for w, f in forms.items()}, theta)
    shared, own = _shared({w: [_renamed(s, "r", change) for s in f.statements[1:]] for w, f in forms.items()})
    k = next(iter(forms.values())).step.k
    out: list[Block] = [
        head,
        para(
            "A sum over the losses ",
            _T,
            " and over the uses ",
            Math(f"<mi>{k}</mi>", k, 1),
            ". Between a loss and a use stands a "
            "product of step Jacobians, one for every step on the way back (none for ",
            Math(f"<mrow><mi>{k}</mi><mo>=</mo><mi>t</mi></mrow>", f"{k}=t", 3),
            ": then it is the unit matrix).",
        ),
    ]
    out += _displays(mains, theta, "The closed form")
    if shared:
        stacked = [c for f in forms.values() for c in f.chains if len(c.states) > 1 and f.between(c)]
        out += [
            (
                _about(stacked[0].vector("t"), [rebased("t", stacked[0].middle)(n) for n in stacked[0].states])
                if stacked
                else para("where")
            ),
            Display(tuple(_rows(shared)), "The step Jacobians and the loss"),
        ]
    if any(own.values()):
        out.append(para("What a parameter changes at the step of its use, all else held fixed:"))
        out += _displays(_grouped(own, theta), theta, "The immediate derivatives")
    return out if why is None else [*out, reason("For the others there is none", why)]


def _about(whole: str, states: Sequence[str]) -> Para:
    intro: list[Inline] = [name(whole), " stacks all that step ", _T, " hands on: "]
    for i, s in enumerate(states):
        intro += ["" if not i else " and " if i == len(states) - 1 else ", ", name(s)]
    return Para((*intro, ". So the step Jacobian is a block matrix; block by block:"))


def _free_letter(u: Unrolled) -> str:
    """A letter for "any of these parameters" that no equation uses."""
    taken = {v.base for v in u.vgraph.variables.values()}
    return next(x for x in ("θ", "ϑ", "Θ", "ω", "any") if x not in taken)


def row_letter(u: Unrolled) -> str:
    """A letter for the row of factors to the left of a derivative by a matrix: r, if no equation uses it."""
    taken = {v.base for v in u.vgraph.variables.values()}
    return "r" if "r" in u.parameters else next(x for x in ("r", "q", "v", "u", "z", "row") if x not in taken)


Group = tuple[tuple[str, ...], list[Statement]]


def _grouped(statements: dict[str, Sequence[Statement]], theta: str) -> list[Group]:
    """Statements with θ for the parameter, those that read the same together: (names, statements)."""
    by_text: dict[str, tuple[list[str], Statement]] = {}
    for w, found in statements.items():
        for s in found:
            general = _renamed(s, w, theta)
            by_text.setdefault(general.unicode(), ([], general))[0].append(w)
    made: dict[tuple[str, ...], list[Statement]] = {}
    for names, s in by_text.values():
        one = _renamed(s, theta, names[0]) if len(names) == 1 else s
        made.setdefault(tuple(names), []).append(one)
    return list(made.items())


def _renamed(s: Statement, old: str, new: str) -> Statement:
    def change(text: str) -> str:
        return new if text == old else text

    return Statement(s.variable, s.loss, renamed(untagged(s.left), change), renamed(untagged(s.terms), change))


def _shared(statements: dict[str, Sequence[Statement]]) -> tuple[list[Statement], dict[str, Sequence[Statement]]]:
    """What mentions no parameter, each once; and the rest by parameter. Without what says nothing, such as a = a."""
    from ..formulas.expr import Partial

    def mentions(e: Any, w: str) -> bool:
        if isinstance(e, tuple):
            return any(mentions(x, w) for x in e)
        if isinstance(e, Partial):
            return w in (e.source, e.target) or e.source.endswith(f".{w}")
        return any(
            mentions(getattr(e, f), w) for f in getattr(e, "__dataclass_fields__", ()) if f not in ("op", "attrs")
        )

    shared: dict[str, Statement] = {}
    own: dict[str, Sequence[Statement]] = {}
    for w, found in statements.items():
        telling = [s for s in found if (s.left,) != s.terms]
        own[w] = [s for s in telling if mentions(s.left, w)]
        shared |= {s.unicode(): s for s in telling if not mentions(s.left, w)}
    return list(shared.values()), own


def _displays(groups: list[Group], theta: str, label: str) -> list[Block]:
    """A display for each group; those of one parameter each in one display together."""
    out: list[Block] = []
    single = [s for names, found in groups if len(names) == 1 for s in found]
    for names, found in groups:
        if len(names) > 1:
            given: list[Inline] = ["For ", name(theta), " any of "]
            for i, n in enumerate(names):
                given += ["" if not i else ", ", name(n)]
            out += [Para((*given, ":")), Display(tuple(_rows(found)), label)]
    if single:
        out += [*([para("and")] if out else []), Display(tuple(_rows(single)), label)]
    return out


def _rows(statements: Sequence[Statement]) -> list[Row]:
    return [r for s in statements for r in rows_of(untagged(s.left), untagged(s.terms))]
