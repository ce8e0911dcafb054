"""Truth: when a gradient counts as right.

A gradient of the reverse pass is compared with two oracles that share no derivative rule with it: the complex step (a
forward evaluation with a tiny imaginary part) and central differences with Richardson's extrapolation. Errors are
measured in `u·S`, the rounding unit times the sum of the absolute values of all path products: the size of the rounding
error that any correct computation of this sum may make. There are no `atol` and `rtol`: with the customary values,
truncated BPTT passes.
"""

from __future__ import annotations

from .gradients import check_derivation, check_gradients
from .printed import verified
from .report import Finding, Report

__all__ = ["Finding", "Report", "check_derivation", "check_gradients", "verified"]
