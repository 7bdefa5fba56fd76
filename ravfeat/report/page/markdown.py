"""Render the report as Markdown, with figures as files beside it."""

from collections.abc import Iterator

from ravfeat.escape import markdown_text, printable
from ravfeat.report.page.document import Document, PageFigure, Section, Table

__all__ = ["render_markdown"]


def render_markdown(document: Document, figures: str = "figures") -> str:
    """Write headings, pipe tables and image links; `figures` is the folder they point to."""
    lines = [f"# {markdown_text(document.title)}", ""]
    for word, sentence in document.warnings:
        lines += [f"> **{markdown_text(word)}.** {markdown_text(sentence)}", ""]
    lines += [markdown_text(" ".join(document.summary)), ""]
    for section in document.sections:
        lines += _section(section, 2, figures)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section, level: int, figures: str) -> Iterator[str]:
    suffix = " (LEAKY)" if section.leaky and "LEAKY" not in section.title else ""
    yield from (f"{'#' * level} {markdown_text(section.title)}{suffix}", "")
    for paragraph in section.paragraphs:
        yield from (markdown_text(paragraph), "")
    for figure in section.figures:
        yield from _figure(figure, figures)
    for table in section.tables:
        yield from _table(table)
    if section.points:
        yield from (f"- {markdown_text(point)}" for point in section.points)
        yield ""
    if section.code:
        yield from ("```json", printable(section.code, lines=True), "```", "")
    for part in section.subsections:
        yield from _section(part, level + 1, figures)


def _figure(figure: PageFigure, folder: str) -> Iterator[str]:
    alt = markdown_text(figure.alt).replace("[", "(").replace("]", ")")
    yield from (f"![{alt}]({folder}/{figure.name}.png)", "", f"*{markdown_text(figure.caption)}*", "")
    yield from _table(figure.table)


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(markdown_text(column.title) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(markdown_text(cell) for cell in row.cells) + " |"
    yield from ("", markdown_text(table.caption), "")
