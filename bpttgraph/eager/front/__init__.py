"""The NumPy front: NumPy's functions on Tensors, a module for each family.

Each says which rule of the core a function is, or how it is put together from rules, and enters it into the tables of
`dispatch`. The functions work on plain arrays too. A new family is a module that enters itself, named here.
"""

from . import (
    elementwise as elementwise,
    joining as joining,
    linear as linear,
    making as making,
    picking as picking,
    plain as plain,
    reductions as reductions,
    shapes as shapes,
)
