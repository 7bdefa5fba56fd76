"""List the performances of a corpus, in whatever modality the data folder holds them.

Features of faces can be imported where only the voices were downloaded: actor and label of a performance are
the same in each modality.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from ravfeat.corpora import data_root, load_corpus
from ravfeat.corpora.ravdess import scan_performances
from ravfeat.corpora.synth import MARKER, generate
from ravfeat.errors import CorpusError, UsageError
from ravfeat.manifest import Manifest

__all__ = ["load_performances"]


def load_performances(
    kind: str,
    data: Path | None = None,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    as_written: Collection[str] = (),
) -> Manifest:
    """Build the manifest of a corpus's performances.

    Parameters
    ----------
    kind : {"ravdess", "folder", "synth"}
    data, name, columns, as_written
        As for `ravfeat.corpora.load_corpus`.

    Returns
    -------
    Manifest
        One clip per performance; of a ``folder`` corpus its whole table.

    Raises
    ------
    UsageError, CorpusError
        As `ravfeat.corpora.load_corpus`.
    """
    if kind not in {"ravdess", "synth"}:
        return load_corpus(kind, data, name=name, columns=columns, as_written=as_written)
    if columns or as_written:
        raise UsageError(f"--corpus-columns and --as-written go with --corpus folder; '{kind}' is read from file names")
    if name is not None:
        raise UsageError(f"--corpus-name goes with --corpus folder; the corpus '{kind}' has its own name")
    folder = data_root(kind, data)
    if kind == "synth":
        generate(folder)
        return scan_performances(folder, corpus="synth", synthetic=True)
    if (folder / MARKER).is_file():
        raise CorpusError(f"{folder} holds a generated corpus, spoken by nobody: name it with --corpus synth")
    return scan_performances(folder)
