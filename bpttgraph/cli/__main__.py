"""`python -m bpttgraph.cli` is the command line, too."""

from ..__main__ import run

run()
