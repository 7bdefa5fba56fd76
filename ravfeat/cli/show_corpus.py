"""What commands print of a corpus: its classes with their counts, columns that were not read, what to know of it."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ravfeat.cli.terminal import echo
from ravfeat.errors import listed

if TYPE_CHECKING:
    from ravfeat.manifest import Manifest

__all__ = ["show_classes", "show_columns"]


def show_classes(counts: Mapping[str, int], classes: Iterable[str]) -> None:
    """Print the number of clips of every class; a class that should be no class is seen there."""
    echo(f"classes: {listed([f'{label} {counts.get(label, 0)}' for label in classes])}")


def show_columns(manifest: "Manifest") -> None:
    """Print the further columns of a table, those that are not kept, and on stderr what is odd about its rows."""
    if kept := manifest.columns.further:
        echo(f"further columns: {listed(kept)}")
    if manifest.unread:
        echo(f"columns not kept: {listed(manifest.unread)}")
    for note in manifest.notes:
        echo(note, err=True)
