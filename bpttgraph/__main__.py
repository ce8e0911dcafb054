"""`python -m bpttgraph` is the command line."""

from .cli import main

main(prog_name="bpttgraph")
