"""Print to the terminal: nothing that comes from outside steers it, or passes for a message of ours."""

import io
from collections.abc import Iterator, Sequence

import click

from ravfeat.escape import printable

__all__ = ["aligned", "echo", "message", "show_wrong_call"]


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text with its control characters, ends of lines and tabs aside, as escapes; see `message` for errors."""
    click.echo(message(str(text)) if err else printable(str(text), lines=True), err=err)


def show_wrong_call(error: click.ClickException) -> None:
    """Print what click says of a wrong call."""
    text = io.StringIO()
    error.show(text)
    click.echo(printable(text.getvalue(), lines=True), err=True, nl=False)


def message(text: str) -> str:
    r"""Escape a message, and indent its further lines: one that came in a name is none that begins a line.

    Examples
    --------
    >>> print(message("no clip 'a\nravfeat: all is well'"))
    no clip 'a
      ravfeat: all is well'
    """
    first, *more = printable(text, lines=True).split("\n")
    return "\n".join([first, *(line if line.startswith("  ") or not line else f"  {line}" for line in more)])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the rows of a table as lines, their cells under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
