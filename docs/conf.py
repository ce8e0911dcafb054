"""Sphinx configuration: `python -m sphinx -W docs docs/_build` builds the pages."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "extensions")]

project = "bpttgraph"
author = "The bpttgraph authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "public"]
html_theme = "alabaster"
html_theme_options = {"description": "From a recurrence to its checked gradient", "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
highlight_language = "none"

# API pages: docstrings put names and mathematics between single backticks.
default_role = "literal"
add_module_names = False
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
