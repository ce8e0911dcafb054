"""The differential tester: random recurrences, an oracle that shares no code with the package, comparisons, and a
shrinker.

    python -m tests.differential --seeds 0:2000 --only gradients,code --show

prints every difference, shrunk, with its seed. `trees` are the expressions and their text, `generate` makes random
ones, `oracle` evaluates them, `compare` has one comparison a category, `shrink` makes a failing case small.
"""
