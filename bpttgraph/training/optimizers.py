"""Optimisers: small, and real. Each keeps its slots beside the parameters, so that a checkpoint can hold them.

Sources: B. Polyak (1964) for momentum; J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods (2011) for Adagrad;
D. Kingma, J. Ba, Adam (2015), Algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BPTTError, nearest

__all__ = ["OPTIMIZERS", "Optimizer", "optimizer", "schedule"]

Array = np.ndarray[Any, Any]
OPTIMIZERS = ("sgd", "momentum", "adagrad", "adam")


@dataclass
class Optimizer:
    """One optimiser. `slots` holds an array for each parameter and quantity it remembers, `count` the steps taken.

    Example:
        >>> p, adam = {"w": np.array([1.0])}, Optimizer("adam")
        >>> adam.step(p, {"w": np.array([5.0])}, rate=0.1)
        >>> round(float(p["w"][0]), 6), adam.count
        (0.9, 1)
    """

    name: str
    momentum: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-8
    slots: dict[str, Array] = field(default_factory=dict)
    count: int = 0

    def step(self, parameters: dict[str, Array], gradients: Mapping[str, Array], rate: float) -> None:
        """Change the parameters in place.

        >>> p = {"w": np.array([1.0])}
        >>> Optimizer("sgd").step(p, {"w": np.array([0.5])}, rate=0.1)
        >>> float(p["w"][0])
        0.95
        """
        self.count += 1
        for name, w in parameters.items():
            w -= rate * self._direction(name, gradients[name])

    def _slot(self, kind: str, name: str, like: Array) -> Array:
        key = f"{kind}/{name}"
        if key not in self.slots:
            self.slots[key] = np.zeros_like(like)
        return self.slots[key]

    def _direction(self, name: str, g: Array) -> Array:
        if self.name == "sgd":
            return g
        if self.name == "momentum":
            v = self._slot("velocity", name, g)
            v *= self.momentum
            v += g
            return v
        if self.name == "adagrad":
            s = self._slot("squares", name, g)
            s += g * g
            return g / np.sqrt(s + self.epsilon)
        m, v = self._slot("mean", name, g), self._slot("squares", name, g)
        m += (1 - self.momentum) * (g - m)
        v += (1 - self.second) * (g * g - v)
        m_hat, v_hat = m / (1 - self.momentum**self.count), v / (1 - self.second**self.count)
        return m_hat / (np.sqrt(v_hat) + self.epsilon)


def optimizer(name: str) -> Optimizer:
    """An optimiser by name: sgd, momentum, adagrad or adam.

    Example:
        >>> optimizer("adam").name
        'adam'
    """
    if name not in OPTIMIZERS:
        raise BPTTError(f"there is no optimiser {name!r}", nearest(name, OPTIMIZERS))
    return Optimizer(name)


def schedule(text: str, rate: float, total: int) -> Callable[[int], float]:
    """The learning rate at each iteration: "constant", "linear" or "cosine" down to zero at the end, or "halve:1000".

    >>> at = schedule("halve:10", 0.8, 100)
    >>> at(0), at(10), at(25)
    (0.8, 0.4, 0.2)
    """
    kind, _, every = text.partition(":")
    if kind == "halve" and every.isdigit() and int(every) > 0:
        return lambda i: rate * 0.5 ** (i // int(every))
    if every or kind not in ("constant", "linear", "cosine"):
        raise BPTTError(f"{text!r} is no schedule of the learning rate", "write constant, linear, cosine or halve:1000")
    if kind == "constant":
        return lambda i: rate

    def left(i: int) -> float:
        x = min(i / max(total, 1), 1.0)
        return 1 - x if kind == "linear" else (1 + math.cos(math.pi * x)) / 2

    return lambda i: rate * left(i)
