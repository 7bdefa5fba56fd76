"""``ravfeat list``."""

import click

from ravfeat.cli.terminal import aligned, echo

__all__ = ["command"]


@click.command("list")
@click.argument("kind", type=click.Choice(["encoders", "heads", "corpora", "protocols"]))
def command(kind: str) -> None:
    """List encoders, heads, corpora or protocols by the names that options take, in a line each.

    Built in, and brought by installed packages (entry points ravfeat.encoders, ravfeat.heads and ravfeat.corpora);
    one of these that cannot be loaded is named with the reason. Code of your own needs no list: --head, --encoder
    and --corpus take path.py:NAME, too.

    \b
    ravfeat list corpora
    ravfeat list encoders
    ravfeat list heads
    ravfeat list protocols
    """  # noqa: D301
    from ravfeat.api.available import available

    entries = available(kind)  # type: ignore[arg-type]  # click.Choice
    rows = []
    for entry in entries:
        state = "BROKEN: " if entry.broken else ""
        origin = "" if entry.origin == "built in" else f" ({entry.origin})"
        rows.append((entry.name, f"{state}{entry.about}{origin}"))
    for line in aligned(rows):
        echo(line)
