"""Answers as code: the user's own Python function, `file.py:function`, run in a child process with a time limit.

The function gets what its parameters name: `x`, `target`, `W_hh`, `h0` for h[0], `data` for the whole instance. It
returns a mapping from names to arrays, or a tuple in the order of the recurrence's parameters; a mapping may hold its
loss as well.

This is for code of one's own (see `child`).
"""

from __future__ import annotations

import inspect
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.admitting import plain_numbers
from ...errors import BPTTError, nearest
from ..answers.files import arrays_of
from .child import FILE, SECONDS, bound, read_result, run_code
from .differences import differences

__all__ = ["by_differences", "call", "run_file", "serve"]

_CHILD = "from bpttgraph.homework.programs.functions import serve; serve()"


def call(function: Callable[..., Any], data: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Call a function with the arrays that its parameters name; its result by name.

    >>> call(lambda x, W: {"W": x @ W}, {"x": np.ones((1, 1)), "W": np.ones((1, 1))}, ["W"])
    {'W': array([[1.]])}
    """
    what = getattr(function, "__name__", "the function")
    spelled = {**data, **{k.replace("[", "").replace("]", ""): v for k, v in data.items()}}  # h0
    spelled |= {k.replace("[", "_").replace("]", ""): v for k, v in data.items()}  # h_0
    spelled |= {k.replace(".", "_"): v for k, v in data.items()} | {"data": dict(data)}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise BPTTError(
            f"{what} does not say what its arguments are", "write a function def gradient(x, W_hh, …)"
        ) from None
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for p in parameters:
        if p.kind is p.VAR_KEYWORD:
            named |= {k: v for k, v in spelled.items() if k.isidentifier() and k not in named and k != "data"}
        elif p.kind is p.VAR_POSITIONAL:
            continue
        elif p.name in spelled:
            value = spelled[p.name]
            value = {k: np.array(v) for k, v in value.items()} if p.name == "data" else np.array(value)
            if p.kind is p.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[p.name] = value
        elif p.default is p.empty:
            raise BPTTError(f"{what} asks for {p.name}, which is not in the data", nearest(p.name, list(spelled)))
    result = function(*positional, **named)
    if isinstance(result, Mapping):
        return {str(k): v for k, v in result.items()}
    if not isinstance(result, tuple | list):
        result = (result,)
    if len(result) > len(names):
        raise BPTTError(f"{what} returns {len(result)} arrays, but there are {len(names)} parameters",
                        f"return a dict by name, or {', '.join(names)} in this order")  # fmt: skip
    return dict(zip(names, result))


def run_file(
    spec: str, data: Mapping[str, Any], names: list[str], seconds: float = SECONDS, child: str = _CHILD
) -> dict[str, Any]:
    """Run `file.py:function` on `data` in a child process. `child` is what that process does (`courses` has its
    own).

    Example:
        >>> _ = Path("mine.py").write_text("def gradient(x, W): return {'W': x @ W}")
        >>> run_file("mine.py:gradient", {"x": np.ones((1, 2)), "W": np.ones((2, 1))}, ["W"])
        {'W': array([[2.]])}
    """
    path, _, function = spec.rpartition(":")
    if not path or not all(part.isidentifier() for part in function.split(".")):
        raise BPTTError(f"{spec!r} names no function", "write file.py:function")
    if not Path(path).is_file():
        raise BPTTError(f"there is no file {path}", "check the path of the answer")
    what = f"{function} in {Path(path).name}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        keys = list(data)
        np.savez(Path(folder, "data.npz"), *[np.asarray(data[k]) for k in keys])
        words = [str(Path(path).resolve()), function, folder, "\n".join(keys), "\n".join(names)]
        run_code(child, words, what, seconds)
        made = arrays_of(what, read_result(Path(folder, "answer.npz"), what))
    try:
        order = [str(name) for name in json.loads(made.pop("arr_0").tobytes())]
    except (KeyError, ValueError, TypeError):
        raise BPTTError(
            f"{what} put something else in the place of its result", "let the function return its gradients"
        ) from None
    return dict(zip(order, made.values()))


def by_differences(function: Any, data: Mapping[str, Any], key: str, names: list[str]) -> dict[str, tuple[Any, Any]]:
    """The gradients of the loss that a function (or `file.py:function`) returns as `key`, by differences, with their
    errors.

    Example:
        >>> value, error = by_differences(lambda W: {"E": np.sum(W**3)}, {"W": np.array([2.0])}, "E", ["W"])["W"]
        >>> bool(abs(value[0] - 12) <= error[0])
        True
    """
    if isinstance(function, str):
        child = "from bpttgraph.homework.programs.functions import _differences, serve; serve(_differences)"
        made = run_file(function, data, [key, *names], child=child)
        return {n: (made[n], made[f"±{n}"]) for n in names}
    return differences(lambda moved: _loss(function, moved, key), data, names)


def _loss(function: Callable[..., Any], data: Mapping[str, Any], key: str) -> float:
    return float(np.asarray(call(function, data, [])[key]))


def _differences(function: Any, data: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    made = differences(lambda moved: _loss(function, moved, names[0]), data, names[1:])
    return {n: v for n, (v, _) in made.items()} | {f"±{n}": e for n, (_, e) in made.items()}


def serve(invoke: Callable[[Any, dict[str, Any], list[str]], dict[str, Any]] = call) -> None:
    """What the child process does. Its last line of stderr is the message."""
    import importlib.util

    bound()
    path, function, folder, keys, names = sys.argv[1:]
    with np.load(Path(folder, "data.npz")) as file:
        data = {key: file[f"arr_{i}"] for i, key in enumerate(keys.split("\n"))}
    sys.path.insert(0, str(Path(path).parent))
    try:
        spec = importlib.util.spec_from_file_location("answer", path)
        if spec is None or spec.loader is None:
            sys.exit(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules["answer"] = module
        spec.loader.exec_module(module)
        head, _, method = function.partition(".")
        found = getattr(module, head, None)
        if not callable(getattr(found, method, None) if method else found):
            known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
            sys.exit(f"there is no function {function}: {nearest(function, known)}")
        result = invoke(found, data, names.split("\n"))
        arrays = {}
        for name, value in result.items():
            plain_numbers(value, f"what it returns for {name}")
            array = np.asarray(value.detach() if hasattr(value, "detach") else value)
            if array.dtype.kind not in "fiu":
                sys.exit(f"it returns no array of real numbers for {name}")
            arrays[name] = array
    except BPTTError as error:
        sys.exit(f"{error.message} ({error.hint})")
    except Exception as error:  # the user's own code: the last frame says where
        import traceback

        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        where = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}{where}")
    if sum(a.nbytes for a in arrays.values()) > FILE / 2:
        sys.exit(f"it returns more than {FILE // 2:,} bytes")
    names_of = np.frombuffer(json.dumps(list(arrays)).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, names_of, *arrays.values())
    part = Path(folder, f"answer.{os.getpid()}")  # should the code have forked, every process has its own
    part.write_bytes(buffer.getvalue())
    part.replace(Path(folder, "answer.npz"))
