"""The core: nodes and graphs, the rule table, the reverse and forward passes over them, rounding, names."""
