"""Read a corpus from the disk into a manifest: one of those known by name, any table, or the generated corpus."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ravfeat.errors import CorpusError, UsageError
from ravfeat.manifest import Manifest, is_unknown
from ravfeat.schema import Stream

__all__ = ["data_root", "load_corpus"]


def load_corpus(
    kind: str,
    data: Path | None = None,
    *,
    stream: Stream = "audio",
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    as_written: Collection[str] = (),
    audio: Path | None = None,
    speaker_pattern: str | None = None,
) -> Manifest:
    """Build the manifest of a corpus.

    Parameters
    ----------
    kind : str
        One of `ravfeat.corpora.registry.BUILT_IN`, a name that an installed package brings, or code that reads a
        corpus: ``path.py:NAME``.
    data : Path, optional
        The folder of the corpus (default ``data/KIND``); ``folder``: a CSV or Parquet table; ``emobox``: EmoBox's
        folder of lists; ``synth``: where the generated clips lie or are put.
    stream : {"audio", "face"}
    name : str, optional
        Name of a ``folder`` corpus, or of one that code reads.
    columns, as_written
        Of a ``folder`` corpus; see `ravfeat.corpora.folder.read_folder_corpus`.
    audio, speaker_pattern
        Of ``emobox``: where the recordings lie, and a regular expression whose first group names the speaker in a key
        or a path.

    Raises
    ------
    UsageError, CorpusError
    PluginError
        Where code that is brought fails.
    """
    from ravfeat.corpora.readers.base import read_corpus
    from ravfeat.corpora.registry import BUILT_IN, check_kind, corpus_name, find_reader

    check_kind(kind)
    has_own_name = kind in BUILT_IN and kind != "folder"
    if name is not None and has_own_name:
        raise UsageError(f"--name goes with --corpus folder; the corpus '{kind}' has its own name")
    if (columns or as_written) and kind != "folder":
        raise UsageError(
            f"--columns and --as-written go with a table, --corpus folder; the corpus '{kind}' is read from file names"
        )
    if (audio is not None or speaker_pattern is not None) and kind != "emobox":
        raise UsageError(f"--audio and --speaker-pattern go with --corpus emobox, not with '{kind}'")
    if kind == "folder":
        return _table(data, name, stream, columns, as_written)
    if kind == "emobox":
        return _emobox(data, audio, speaker_pattern, stream)
    folder = data_root(kind, data)
    if kind in ("ravdess", "synth"):
        return _ravdess_names(kind, folder, stream)
    return read_corpus(find_reader(kind), folder, name or corpus_name(kind), stream)


def data_root(kind: str, data: Path | None, audio: Path | None = None) -> Path:
    """Give the folder that a manifest's paths are relative to."""
    if kind == "folder" and data is not None:
        return data if data.is_dir() else data.parent
    if kind == "emobox" and audio is not None:
        return audio
    return data or Path("data") / kind.rpartition(":")[2]


def _table(
    data: Path | None,
    name: str | None,
    stream: Stream,
    columns: Mapping[str, str] | None,
    as_written: Collection[str],
) -> Manifest:
    from ravfeat.corpora.folder import read_folder_corpus

    if data is None:
        raise UsageError(
            "--corpus folder needs --data TABLE: a CSV, JSON lines or Parquet file with path, actor (or speaker),"
            " label, or a folder of Kaldi, lhotse, audformat or Hugging Face's audiofolder"
        )
    return read_folder_corpus(data, name=name, stream=stream, columns=columns, as_written=as_written)


def _emobox(data: Path | None, audio: Path | None, pattern: str | None, stream: Stream) -> Manifest:
    from ravfeat.corpora.readers.emobox import LAYOUT, read_emobox, speaker_pattern
    from ravfeat.corpora.registry import speakers_of

    if data is None or audio is None:
        raise UsageError(
            f"--corpus emobox needs --data EMOBOX/data/NAME, a folder of {LAYOUT}, and --audio FOLDER, where the"
            " recordings lie"
        )
    who = speakers_of(data.resolve().name) if pattern is None else speaker_pattern(pattern)
    manifest = read_emobox(data, audio, who, stream)
    if pattern is not None and all(map(is_unknown, manifest.actors)):
        raise UsageError(
            f"--speaker-pattern '{pattern}' matches no key and no path, such as {manifest.clips[0].clip_id} and"
            f" {manifest.clips[0].path}; expected a regular expression whose first group is the speaker"
        )
    return manifest


def _ravdess_names(kind: str, folder: Path, stream: Stream) -> Manifest:
    from ravfeat.corpora.ravdess import scan_ravdess
    from ravfeat.corpora.synth import MARKER, generate

    if kind == "ravdess":
        # Generated clips have RAVDESS's names, and would pass for recordings of people.
        if (folder / MARKER).is_file():
            raise CorpusError(f"{folder} holds a generated corpus, spoken by nobody: name it with --corpus synth")
        return scan_ravdess(folder, stream)
    generate(folder)
    return scan_ravdess(folder, stream, corpus="synth", synthetic=True)
