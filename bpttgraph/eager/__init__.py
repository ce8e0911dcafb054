"""Eager arrays: Tensor, the NumPy front, transformations, replay. Written on the core alone."""
