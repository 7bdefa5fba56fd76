"""Read a corpus from the disk into a manifest: RAVDESS, any table, or the generated corpus."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, get_args

from ravfeat.errors import CorpusError, UsageError
from ravfeat.manifest import Manifest
from ravfeat.schema import Stream

__all__ = ["CORPORA", "CorpusKind", "data_root", "load_corpus"]

CorpusKind = Literal["ravdess", "folder", "synth"]
CORPORA: tuple[str, ...] = get_args(CorpusKind)


def load_corpus(
    kind: str,
    data: Path | None = None,
    *,
    stream: Stream = "audio",
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    as_written: Collection[str] = (),
) -> Manifest:
    """Build the manifest of a corpus.

    Parameters
    ----------
    kind : {"ravdess", "folder", "synth"}
    data : Path, optional
        ``ravdess``: a folder, searched recursively (default ``data/ravdess``); ``folder``: a CSV or
        Parquet table; ``synth``: where the generated clips lie or are put (default ``data/synth``).
    stream : {"audio", "face"}
    name : str, optional
        Name of a ``folder`` corpus.
    columns, as_written
        Of a ``folder`` corpus; see `ravfeat.corpora.folder.read_folder_corpus`.

    Raises
    ------
    UsageError, CorpusError
    """
    if kind not in CORPORA:
        raise UsageError(f"no corpus '{kind}'; choose from {', '.join(CORPORA)}")
    if name is not None and kind != "folder":
        raise UsageError(f"--name goes with --corpus folder; the corpus '{kind}' has its own name")
    if (columns or as_written) and kind != "folder":
        raise UsageError(
            f"--columns and --as-written go with a table, --corpus folder; the corpus '{kind}' is read from file names"
        )
    if kind == "folder":
        from ravfeat.corpora.folder import read_folder_corpus

        if data is None:
            raise UsageError(
                "--corpus folder needs --data TABLE: a CSV or Parquet file with path, actor (or speaker), label"
            )
        return read_folder_corpus(data, name=name, stream=stream, columns=columns, as_written=as_written)
    from ravfeat.corpora.ravdess import scan_ravdess
    from ravfeat.corpora.synth import MARKER, generate

    folder = data_root(kind, data)
    if kind == "ravdess":
        # Generated clips have RAVDESS's names, and would pass for recordings of people.
        if (folder / MARKER).is_file():
            raise CorpusError(f"{folder} holds a generated corpus, spoken by nobody: name it with --corpus synth")
        return scan_ravdess(folder, stream)
    generate(folder)
    return scan_ravdess(folder, stream, corpus="synth", synthetic=True)


def data_root(kind: str, data: Path | None) -> Path:
    """Give the folder that a manifest's paths are relative to."""
    if kind == "folder" and data is not None:
        return data.parent
    return data or Path("data") / kind
