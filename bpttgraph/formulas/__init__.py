"""Formulas: the algebra of ordered products, and its printers."""
