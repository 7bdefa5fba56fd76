"""Copy a published head with some of its heads only, such as the refitted ones."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.files import replace_file
from ravfeat.published.format import CARD_FILE, read_inside, write_document
from ravfeat.published.load import load_head
from ravfeat.published.parts import Source, stem_of

__all__ = ["copy_subset"]

_MAX_FILE_BYTES = 2 << 30
_MAX_CARD_BYTES = 4 << 20


def copy_subset(folder: Path, to: Path, sources: Sequence[Source]) -> None:
    """Copy a head; the copy says which heads it has (`sources` in ``head.toml``), and loads like any other.

    Parameters
    ----------
    folder : Path
    to : Path
        An empty folder, or none yet.
    sources : sequence of (int or "refit")

    Raises
    ------
    HeadError
        Where the head is not whole; see `ravfeat.published.load_head`.
    UsageError
        For heads that are not here.
    """
    head = load_head(folder, sources=sources)  # checks everything, before anything is written
    stems = [stem_of(folder, part, source, seed) for part in head.parts for source in sources for seed in part.seeds]
    kept = {stem.relative_to(folder).as_posix() for stem in stems}
    for name in head.folder.document["files"]:
        if name.startswith(("folds/", "refit/")) and name.rpartition(".")[0] not in kept:
            continue
        data = head.folder.read(folder / name, _MAX_FILE_BYTES)  # refuses a name that leads out of the folder
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        replace_file(to / name, data)
    if (folder / CARD_FILE).exists():
        replace_file(to / CARD_FILE, read_inside(folder, folder / CARD_FILE, _MAX_CARD_BYTES))
    write_document(to, head.about | {"sources": list(sources)})
