"""Derivations: the formula reading of the graph.

`Derivation` writes a gradient as a sum of chain-rule products; `formula` and `local_jacobian` read single nodes;
`expr` is the algebra they are written in, and LaTeX, MathML, Unicode text and SymPy its printers.
"""

from ..formulas.latex import to_latex
from ..formulas.mathml import to_mathml
from ..formulas.notation import NOTATIONS, in_notation, legend
from ..formulas.printers import to_text
from ..formulas.same import same
from ..formulas.to_sympy import to_sympy
from ..formulas.typst import to_typst
from .derivation import Derivation, Term
from .evaluate import evaluate
from .factored import Statement
from .local import Contact, Local, local_jacobian
from .paths import Run, Unrolled
from .read import equation, formula
from .symbolic import SymbolicDerivation
from .worked import WorkedStep

__all__ = [
    "NOTATIONS",
    "Contact",
    "Derivation",
    "Local",
    "Run",
    "Statement",
    "SymbolicDerivation",
    "Term",
    "Unrolled",
    "WorkedStep",
    "equation",
    "evaluate",
    "formula",
    "in_notation",
    "legend",
    "local_jacobian",
    "same",
    "to_latex",
    "to_mathml",
    "to_sympy",
    "to_text",
    "to_typst",
]
