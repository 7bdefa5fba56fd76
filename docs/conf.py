"""How Sphinx builds the site."""

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from docs.commands import write_command_pages  # noqa: E402
from ravfeat import __version__  # noqa: E402

project = "ravfeat"
copyright = "the ravfeat contributors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
default_role = "literal"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = [
    "myst.xref_missing",  # pages that stand elsewhere in the repository (the format) link to files there
    "myst.header",  # they may begin below the top
    "ref.python",  # several classes have an attribute of the same name
]

autodoc_typehints = "none"  # the docstrings state types, with shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "ravfeat"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = "$ "


def setup(app: Any) -> None:
    """Connect what is ours."""
    app.connect("autodoc-process-docstring", name_by_name, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", headings_to_rubrics, priority=1000)  # after it
    write_command_pages(HERE / "commands")


def headings_to_rubrics(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make headings inside docstrings, such as Conventions, plain titles: inside a page they are no sections."""
    text = re.sub(r"^(\w[^\n]*)\n-{3,}$", r".. rubric:: \1\n", "\n".join(lines), flags=re.MULTILINE)
    lines[:] = text.split("\n")


def name_by_name(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give every name of a line such as ``train, val : ndarray`` a line of its own, as napoleon wants it."""
    text = re.sub(
        r"^(\w+(?:, \w+)+) : (.+)$",
        lambda match: "\n".join(f"{part} : {match[2]}" for part in match[1].split(", ")),
        "\n".join(lines),
        flags=re.MULTILINE,
    )
    lines[:] = text.split("\n")
