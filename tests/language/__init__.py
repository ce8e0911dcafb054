"""The language as people write it: pasted texts with what they mean, and random mixtures of real constructs.

`given.jsonl` and `pasted.jsonl` hold one case a line: a text as pasted, and the same recurrence in plain language with
explicit operators (`means`). `readings` compares the two, `test_pasted` runs all cases, `open.txt` names those that are
known to fail and how. `mixtures` writes random recurrences in random mixtures of notations.
"""
