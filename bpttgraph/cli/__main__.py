"""`python -m bpttgraph.cli` is the command line, too."""

from . import main

raise SystemExit(main(prog_name="bpttgraph"))
