"""Sphinx configuration: `python -m sphinx -W docs docs/_build` builds the pages."""

project = "bpttgraph"
author = "The bpttgraph authors"
extensions = ["myst_parser"]
html_theme = "alabaster"
html_theme_options = {"description": "From a recurrence to its checked gradient", "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"
