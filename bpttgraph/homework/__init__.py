"""Homework: is a gradient right, and if not, which term is missing?

An answer (formulas, arrays or a Python function) is read, compared with the truth parameter by parameter, and a wrong one is
explained by the mistake that reproduces it.
"""

from __future__ import annotations
