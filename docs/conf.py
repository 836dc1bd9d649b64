"""Sphinx: MyST pages in English, and in Chinese what users read."""

project = "Yunzhuo"
author = "The Yunzhuo authors"
copyright = "The Yunzhuo authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
highlight_language = "text"  # most blocks are shell sessions and output
html_theme = "furo"
html_title = "Yunzhuo 云晫"
html_static_path: list[str] = []
exclude_patterns = ["_build"]
nitpicky = False
