"""Render the report as Markdown, with figures as files beside it."""

from collections.abc import Iterator

from ravfeat.report.page.document import Document, PageFigure, Section, Table

__all__ = ["render_markdown"]


def render_markdown(document: Document, figures: str = "figures") -> str:
    """Write headings, pipe tables and image links; `figures` is the folder they point to."""
    lines = [f"# {_plain(document.title)}", ""]
    for word, sentence in document.warnings:
        lines += [f"> **{_plain(word)}.** {_plain(sentence)}", ""]
    lines += [_plain(" ".join(document.summary)), ""]
    for section in document.sections:
        lines += _section(section, 2, figures)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section, level: int, figures: str) -> Iterator[str]:
    suffix = " (LEAKY)" if section.leaky and "LEAKY" not in section.title else ""
    yield from (f"{'#' * level} {_plain(section.title)}{suffix}", "")
    for paragraph in section.paragraphs:
        yield from (_plain(paragraph), "")
    for figure in section.figures:
        yield from _figure(figure, figures)
    for table in section.tables:
        yield from _table(table)
    if section.points:
        yield from (f"- {_plain(point)}" for point in section.points)
        yield ""
    if section.code:
        yield from ("```json", section.code, "```", "")
    for part in section.subsections:
        yield from _section(part, level + 1, figures)


def _figure(figure: PageFigure, folder: str) -> Iterator[str]:
    alt = _plain(figure.alt).replace("[", "(").replace("]", ")")
    yield from (f"![{alt}]({folder}/{figure.name}.png)", "", f"*{_plain(figure.caption)}*", "")
    yield from _table(figure.table)


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(_plain(column.title) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for row in table.rows:
        yield "| " + " | ".join(_plain(cell) for cell in row.cells) + " |"
    yield from ("", _plain(table.caption), "")


def _plain(text: str) -> str:
    """Keep a name from being read as markup."""
    for mark in ("\\", "|", "*", "_", "`", "<"):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")
