"""Render the report as one self-contained HTML file that loads nothing from the network."""

import re
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ravfeat.demo.page import stylesheet
from ravfeat.report.drawings.style import Drawing
from ravfeat.report.page.document import Document, PageFigure
from ravfeat.schema import UNCHECKED

__all__ = ["render_html"]

_INTERVAL = re.compile(r"\[[-+]?\d+\.\d+, [-+]?\d+\.\d+\]")

_SIGN = re.compile(r"(?<=\w)[+_](?=\w)")


def render_html(document: Document, drawings: Mapping[str, Drawing]) -> str:
    """Fill the template; the drawing of each figure, by its name, is placed inline as SVG."""
    numbers = {figure.name: number for number, figure in enumerate(document.figures(), start=1)}

    def draw(figure: PageFigure) -> Markup:
        # The SVG is ours: matplotlib and `inline` have escaped every name in it.
        return Markup(drawings[figure.name].inline(f"f{numbers[figure.name]}", figure.title, figure.alt))

    environment = Environment(
        loader=PackageLoader("ravfeat.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["marked"] = _marked
    environment.filters["named"] = _named
    environment.filters["drawing"] = draw
    return environment.get_template("report.html.j2").render(document=document, cards_css=Markup(stylesheet()))


def _named(text: str) -> Markup:
    """Let a long name break behind its signs."""
    return Markup(_SIGN.sub(r"\g<0><wbr>", str(_marked(text))))


def _marked(text: str) -> Markup:
    """Set LEAKY and UNCHECKED apart wherever they stand, keep n by its number, give intervals a line of their own."""
    safe = escape(text).replace("n = ", Markup("n&nbsp;=&nbsp;"))
    for word in ("LEAKY", UNCHECKED):
        safe = safe.replace(word, Markup(f'<b class="leaky">{word}</b>'))
    return Markup(_INTERVAL.sub(r'<span class="interval">\g<0></span>', str(safe)))
