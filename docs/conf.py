"""How Sphinx builds this documentation: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import configuration_keys

import dynrefine

project = "dynrefine"
author = "dynrefine developers"
copyright = f"2026, {author}"
version = release = dynrefine.__version__

extensions = ["mathml", "myst_parser"]
myst_enable_extensions = ["amsmath", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True  # a reference that leads nowhere is a warning

html_theme = "pydata_sphinx_theme"
html_title = "dynrefine"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["dynrefine.css"]
html_sidebars = {"**": []}  # the pages are in the line at the top
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}

KEYS = "<!-- keys of the configuration -->"


def setup(app):
    """Put the keys of the configuration, as the models hold them now, where the page asks for them."""

    def insert_keys(app, name, source):
        source[0] = source[0].replace(KEYS, configuration_keys.page())

    app.connect("source-read", insert_keys)
