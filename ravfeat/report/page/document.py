"""What a report is made of, before it becomes HTML or Markdown."""

from dataclasses import dataclass, field

from markupsafe import Markup
from matplotlib.figure import Figure as Canvas

__all__ = ["Card", "Column", "Document", "PageFigure", "Section", "Table", "TableRow"]


@dataclass(frozen=True)
class Column:
    """A column's title, whether it holds numbers (set flush right) and whether these are `short`."""

    title: str
    numeric: bool = False
    short: bool = False


@dataclass(frozen=True)
class TableRow:
    """Cells of one row, as text; `leaky` rows are set apart, `quiet` ones step back."""

    cells: tuple[str, ...]
    leaky: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    folded : str
        Where not empty, the table opens on demand in HTML, under these words.
    cards : bool
        On narrow screens each row becomes a card; other tables scroll sideways.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    folded: str = ""
    cards: bool = False


@dataclass(frozen=True)
class PageFigure:
    """A drawing with its words.

    Attributes
    ----------
    name : str
        File name without suffix, unique in the report.
    alt : str
        What the drawing shows, for those who cannot see it.
    """

    name: str
    title: str
    caption: str
    alt: str
    canvas: Canvas
    table: Table


@dataclass(frozen=True)
class Card:
    """One clip: only in HTML; a table says the same in Markdown.

    Attributes
    ----------
    title, facts, sentence : str
    bars : Markup
        Of `ravfeat.demo.page`, names in it escaped.
    audio : str
        Its recording, as a data URI; empty where it is not shown.
    """

    title: str
    facts: str
    sentence: str
    bars: Markup
    audio: str = ""


@dataclass(frozen=True)
class Section:
    """A headed part: paragraphs, then figures or cards side by side where there is room, tables, points.

    Attributes
    ----------
    folded : bool
        Opens on demand in HTML, under its title.
    """

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    tables: tuple[Table, ...] = ()
    points: tuple[str, ...] = ()
    code: str = ""
    subsections: "tuple[Section, ...]" = ()
    leaky: bool = False
    folded: bool = False
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True)
class Document:
    """The whole report.

    Attributes
    ----------
    warnings : tuple of (word, sentence)
        What must be read first, e.g. that the corpus is synthetic.
    """

    title: str
    summary: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...] = field(default=())

    def figures(self) -> list[PageFigure]:
        """All figures in reading order."""
        return [figure for section in self.sections for figure in _figures(section)]


def _figures(section: Section) -> list[PageFigure]:
    return [*section.figures, *(figure for part in section.subsections for figure in _figures(part))]
