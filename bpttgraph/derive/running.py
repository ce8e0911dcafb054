"""Printed code is run before anybody sees it: here, and nowhere else in the package, text is executed.

The text is our own (`numpy_code` wrote it), but names of the user's equations stand in it. So it is parsed first, and
only what such code needs is let through: assignments, loops over ranges, arithmetic, calls of functions that the text
itself defines, and a list of NumPy functions. It then runs in a namespace of its own with nothing in it but NumPy and
`math`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from ..core.primitives import TABLE
from ..errors import Fault
from .code import Code

__all__ = ["admit", "run"]

_NODES = (
    ast.Module,
    ast.Import,
    ast.alias,
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Return,
    ast.Assign,
    ast.AugAssign,
    ast.For,
    ast.If,
    ast.Assert,
    ast.Expr,
    ast.Name,
    ast.Load,
    ast.Store,
    ast.Constant,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.Slice,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.GeneratorExp,
    ast.comprehension,
    ast.keyword,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.MatMult,
    ast.Pow,
    ast.USub,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.Eq,
    ast.NotEq,
)
_MODULES = {
    "np": frozenset(
        [
            *(op.readings["numpy"] for op in TABLE.values() if op.readings.get("numpy")),
            "array",
            "concatenate",
            "dot",
            "expm1",
            "eye",
            "full",
            "logaddexp",
            "ones",
            "outer",
            "pi",
            "ravel",
            "reshape",
            "shape",
            "vectorize",
            "where",
            "zeros",
            "zeros_like",
        ]
    ),
    "math": frozenset(["erf", "erfc"]),
}
_IMPORTED: dict[str, ModuleType] = {"numpy": np, "math": math}
_BUILTINS = {"range": range, "sum": sum, "max": max, "min": min}


def admit(text: str) -> None:
    """Raise `Fault` unless the text is code of the kind that `numpy_code` writes.

    >>> admit("import numpy as np\\n\\n\\ndef f(x):\\n    return np.tanh(x)\\n")
    >>> admit("import os")
    Traceback (most recent call last):
    bpttgraph.errors.Fault: the printed code imports os: it is not run
      hint: this is a fault of bpttgraph
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise _refused(f"is not Python ({error})") from None
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise _refused(f"holds {type(node).__name__}")
        if isinstance(node, ast.Import):
            for module in node.names:
                if (module.name, module.asname) not in (("numpy", "np"), ("math", None)):
                    raise _refused(f"imports {module.name}")
        elif isinstance(node, ast.Attribute):
            whose = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr not in _MODULES.get(whose, ("T", "shape")):
                raise _refused(f"uses .{node.attr}")
        elif (name := _named(node)) and name.startswith("__"):
            raise _refused(f"uses {name}")
    known = _bound(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
            raise _refused(f"uses {node.id}, which it does not define")
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            raise _refused("calls something that is no function")


def _named(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
            return str(name)
    return ""


def _bound(tree: ast.Module) -> set[str]:
    """Every name that the text gives a meaning, and the few builtins."""
    found = set(_BUILTINS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
    return found


def _refused(what: str) -> Fault:
    return Fault(f"the printed code {what}: it is not run", "this is a fault of bpttgraph")


def _import(name: str, *_: Any, **__: Any) -> ModuleType:
    return _IMPORTED[name]


def run(code: Code, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the printed function returns: gradients by the names of the equations.

    Args:
        code: as printed. arguments: by the identifiers of `code.arguments` and `code.lengths`.

    Raises:
        Fault: if the text is not of the kind that is run, or raises an error itself.
    """
    admit(code.text)
    space: dict[str, Any] = {"__builtins__": {**_BUILTINS, "__import__": _import}}
    try:
        # The one place where the package executes text: admitted above, without builtins. It is written by ourselves,
        # but for an expression that a programmer gave as `bpttgraph.primitive(…, code=…)`; no file is read for it.
        exec(code.text, space)
        function: Callable[..., dict[str, Any]] = space[code.function]
        with np.errstate(all="ignore"):
            return function(**arguments)
    except Exception as error:
        raise _refused(f"ends in {type(error).__name__}: {error}") from error
