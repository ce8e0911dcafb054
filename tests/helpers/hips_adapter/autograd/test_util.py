"""`check_grads(f, argnum, modes, order)(*args)` and `combo_check`, in our terms."""

from itertools import product
from typing import Any

import bpttgraph as bg


def check_grads(f: Any, argnum: Any = 0, modes: Any = ("fwd", "rev"), order: int = 2) -> Any:
    chosen = (argnum,) if isinstance(argnum, int) else tuple(argnum)

    def check(*args: Any, **kwargs: Any) -> None:
        def only(*picked: Any) -> Any:
            given = list(args)
            for n, value in zip(chosen, picked):
                given[n] = value
            return f(*given, **kwargs)

        only.__name__ = getattr(f, "__name__", "f")
        for oracle in ("auto", "differences") if order == 1 else ("auto",):
            report = bg.check_grads(only, tuple(args[n] for n in chosen), order, tuple(modes), oracle=oracle)
            assert report.right, str(report)

    return check


def combo_check(f: Any, *options: Any, **more: Any) -> Any:
    def check(*args: Any, **kwargs: Any) -> None:
        for chosen in product(*args):
            for values in product(*kwargs.values()):
                check_grads(f, *options, **more)(*chosen, **dict(zip(kwargs, values)))

    return check
