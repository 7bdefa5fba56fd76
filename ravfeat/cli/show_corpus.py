"""What commands print of a corpus: its classes with their counts, and columns that were not read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.manifest import Manifest

__all__ = ["listed", "show_absent", "show_classes", "show_unread"]

_SHOWN = 30


def show_classes(counts: Mapping[str, int], classes: Iterable[str]) -> None:
    """Print the number of clips of every class; a class that should be no class is seen there."""
    echo(f"classes: {listed([f'{label} {counts.get(label, 0)}' for label in classes])}")


def show_unread(manifest: "Manifest") -> None:
    """Print the columns of a table that were not understood, if any."""
    if manifest.unread:
        echo(f"columns not read: {listed([name or '(without a name)' for name in manifest.unread])}")


def show_absent(caches: Iterable[Path]) -> None:
    """Print on stderr which clips of caches are not in the table that was given last, and are used all the same."""
    from ravfeat.corpora.last_table import read_absent

    for cache in dict.fromkeys(caches):
        if absent := read_absent(cache):
            echo(
                f"{cache}: {len(absent)} clips are not in the table that was last extracted, and are used all the same:"
                f" {listed(absent, 10)}; leave them out with an empty label (--labels), or extract into another --out",
                err=True,
            )


def listed(names: Iterable[str], shown: int = _SHOWN) -> str:
    """Join names by commas, the first of them where there are many."""
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return f"{', '.join(every[:shown])}{more}"
