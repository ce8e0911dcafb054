"""bpttgraph."""
