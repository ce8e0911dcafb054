"""Eager arrays: Tensor, the NumPy front, transformations, replay. Written on the core alone.

The functions of NumPy stand in tables, which are filled here: whoever meets a Tensor meets them.
"""

from . import front as front
