"""What Sphinx needs to know to make HTML of these documents: ``make docs``."""

project = "qtwisted"
author = "the qtwisted authors"
root_doc = "index"
source_suffix = {".rst": "restructuredtext"}
html_theme = "alabaster"
html_theme_options = {"description": "The qmail mail system on Twisted", "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sphinx = False
html_copy_source = False
# A reference that leads nowhere is an error; `make docs` turns warnings into one.
nitpicky = True
