"""Plan an import: open the files, match clips to the corpus, choose timing and transform."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from ravfeat.errors import UsageError
from ravfeat.importers.base import FeatureFiles, ImportedClip
from ravfeat.importers.clock import PICTURES_HZ, Clock, set_clock
from ravfeat.importers.encoder import ImportEncoder
from ravfeat.importers.input_files import FeaturePaths, content_digest, find_files
from ravfeat.importers.match import ClipMatch, match_clips, wanted_modalities
from ravfeat.importers.names import FolderNames, RavdessNames
from ravfeat.importers.npz import NpzFiles
from ravfeat.importers.performances import load_performances
from ravfeat.importers.precision import check_float16
from ravfeat.importers.source import HELD, ImportSource, rows_sha256
from ravfeat.importers.tables import TableFiles
from ravfeat.importers.transforms import Transform, get_transform, landmark_shaped, probability_rows
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["ImportOptions", "ImportPlan", "plan_import"]

_NAMED_FILES = 32  # in the provenance of every shard


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import.

    Attributes
    ----------
    path : Path
        A file, or a folder of files of one kind.
    corpus : {"ravdess", "folder", "synth"}
    data : Path, optional
        As for `ravfeat.corpora.load_corpus`; copies of another modality will do.
    name : str
        Name of the features; takes the place of an encoder's name.
    stream : {"audio", "face"}
    array : str, optional
        The feature array; of tables the beginnings of the columns.
    fps : float, optional
        Rows per second.
    modality : {"01", "02", "03"}, optional
        The modality of RAVDESS performances to import.
    transform : str
        ``auto``, ``similarity``, ``geometry``, ``log-softmax`` or ``none``.
    allow_missing : bool
        Whether to go on where names or performances have no match.
    corpus_name : str, optional
        Name of a ``folder`` corpus.
    dtype : {"float16", "float32"}
        How features will be stored; columns that float16 would flatten are refused.
    columns : tuple of str
        Columns of feature tables that are taken whatever they are called and hold; without ``array`` only these.
    corpus_columns, as_written
        Of a ``folder`` corpus; see `ravfeat.corpora.load_corpus`.
    """

    path: Path
    corpus: str
    data: Path | None
    name: str
    stream: Stream = "face"
    array: str | None = None
    fps: float | None = None
    modality: str | None = None
    transform: str = "auto"
    allow_missing: bool = False
    corpus_name: str | None = None
    dtype: Literal["float16", "float32"] = "float16"
    columns: tuple[str, ...] = ()
    corpus_columns: Mapping[str, str] = field(default_factory=dict)
    as_written: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportPlan:
    """A checked import, ready to be extracted.

    Attributes
    ----------
    corpus : Manifest
        All performances.
    files : FeatureFiles
    n_files : int
    taken, left_out : tuple of str
        Columns of tables that are features, and those that are known to be none.
    match : ClipMatch
    clock : Clock
    transform : Transform
    transform_reason : str
        Why this transform was chosen.
    manifest : Manifest
        Clips of the new cache, those without features included.
    absent : frozenset of str
        Ids of clips without imported features; they are in the manifest, and are stored as failed.
    root : Path
    encoder : ImportEncoder
    source : ImportSource
    """

    corpus: Manifest
    files: FeatureFiles
    n_files: int
    taken: tuple[str, ...]
    left_out: tuple[str, ...]
    match: ClipMatch
    clock: Clock
    transform: Transform
    transform_reason: str
    manifest: Manifest
    absent: frozenset[str]
    root: Path
    encoder: ImportEncoder
    source: ImportSource


def plan_import(options: ImportOptions) -> ImportPlan:
    """Open the features, match them to the corpus, choose a transform; write nothing.

    Raises
    ------
    UsageError
        Where an option is missing, has no such value, or conflicts with another.
    CorpusError
        Where files or the corpus cannot be read, contradict themselves, or do not match, or where a column would lose
        its values in float16.
    """
    is_table = options.corpus == "folder"
    if is_table and options.modality is not None:
        raise UsageError("--modality goes with --corpus ravdess and synth; a folder's names have none")
    wanted = wanted_modalities(options.stream, options.modality)
    corpus = load_performances(
        options.corpus,
        options.data,
        name=options.corpus_name,
        columns=options.corpus_columns,
        as_written=options.as_written,
    )
    paths = find_files(options.path)
    files = _open_files(paths, options)
    # Only RAVDESS (and its generated copy) has a known frame rate; a table may be of any corpus.
    default_fps = PICTURES_HZ if options.stream == "face" and not is_table else None
    clock = set_clock(files.timed, options.fps, default_fps, frames="frame" in files.facts)
    names = FolderNames(corpus) if is_table else RavdessNames(corpus)
    match = match_clips(files.clips, corpus, names, wanted, lambda first, second: _same(files, first, second))
    match.check_complete(allow_missing=options.allow_missing, named=files.named)
    if isinstance(files, TableFiles):
        files.check({imported: match.manifest[clip_id] for clip_id, imported in match.clips.items()})
    transform, reason = _choose(options.transform, files, match.clips.values())
    absent = _absent(corpus, match, None if is_table else wanted[0])
    taken = files.taken if isinstance(files, TableFiles) else ()
    manifest = _manifest(corpus, match, clock, absent)
    encoder = _encoder(options, paths, files, clock, transform, match.clips.values(), wanted)
    source = ImportSource(files, match.clips, clock, transform)
    if options.dtype == "float16":
        check_float16(options.path, manifest, source, encoder, taken)
    return ImportPlan(
        corpus=corpus,
        files=files,
        n_files=len(paths.names),
        taken=taken,
        left_out=files.left_out if isinstance(files, TableFiles) else (),
        match=match,
        clock=clock,
        transform=transform,
        transform_reason=reason,
        manifest=manifest,
        absent=frozenset(clip.clip_id for clip in absent),
        root=paths.root,
        encoder=encoder,
        source=source,
    )


def _open_files(paths: FeaturePaths, options: ImportOptions) -> NpzFiles | TableFiles:
    if paths.kind != "npz":
        return TableFiles(paths, options.array, options.columns)
    if options.columns:
        raise UsageError("--columns goes with tables; npz files have arrays: choose one with --array")
    return NpzFiles(paths, options.array)


def _same(files: FeatureFiles, clip: ImportedClip, copy: ImportedClip) -> bool:
    first, second = files.read(clip), files.read(copy)
    return (
        first.values.shape == second.values.shape
        and rows_sha256(first) == rows_sha256(second)
        and all(np.array_equal(fact, second.facts[name], equal_nan=True) for name, fact in first.facts.items())
    )


def _choose(which: str, files: FeatureFiles, clips: Iterable[ImportedClip]) -> tuple[Transform, str]:
    if which != "auto":
        transform = get_transform(which, files.shape)
        if which == "log-softmax" and (bad := _improbable(files, clips)):
            raise UsageError(f"--transform log-softmax: {bad}; give --transform none")
        return transform, "as asked for"
    # By shape alone; the test for probabilities reads every clip.
    if landmark_shaped(files.shape):
        return get_transform("similarity", files.shape), "landmarks"
    if len(files.shape) == 1 and files.shape[0] > 1 and not _improbable(files, clips):
        return get_transform("log-softmax", files.shape), "probabilities"
    return get_transform("none", files.shape), "neither landmarks nor probabilities"


def _improbable(files: FeatureFiles, clips: Iterable[ImportedClip]) -> str:
    """Describe the first row that is not a probability distribution; empty where all are.

    Rows that are refused or filled later anyway (NaN, no face found) are not looked at.
    """
    for clip in clips:
        rows = files.read(clip)
        counts = np.isfinite(rows.values).all(axis=1)
        if "found" in rows.facts:
            counts &= rows.facts["found"] > 0
        if (wrong := np.flatnonzero(counts & ~probability_rows(rows.values))).size:
            return (
                f"row {wrong[0]} of '{clip.name}' is no distribution, its {len(rows.values[0])} values add up to"
                f" {rows.values[wrong[0]].astype(np.float64).sum():.4g} and lie between"
                f" {rows.values[wrong[0]].min():.4g} and {rows.values[wrong[0]].max():.4g}"
            )
    return ""


def _absent(corpus: Manifest, match: ClipMatch, modality: str | None) -> list[Clip]:
    """Return the clips without imported features, with the id of the preferred copy of their performance."""
    missing = set(match.missing)
    lacking = {clip.performance_id: clip for clip in corpus if clip.performance_id in missing}
    return [
        replace(clip, path="", clip_id=clip.clip_id if modality is None else f"{modality}-{clip.performance_id}")
        for clip in lacking.values()
    ]


def _manifest(corpus: Manifest, match: ClipMatch, clock: Clock, absent: Iterable[Clip]) -> Manifest:
    # Missing clips go into the cache as failed ones, so that whoever reads it later sees that they are missing.
    clips = list(absent)
    for clip_id, imported in match.clips.items():
        duration_s = imported.n_frames / clock.rate_hz(imported)
        clips.append(replace(match.manifest[clip_id], path=imported.file, duration_s=duration_s))
    return corpus.with_clips(clips)


def _encoder(
    options: ImportOptions,
    paths: FeaturePaths,
    files: FeatureFiles,
    clock: Clock,
    transform: Transform,
    clips: Iterable[ImportedClip],
    wanted: Sequence[str],
) -> ImportEncoder:
    # Without folders: provenance is stored in shards, which hold no paths of this machine.
    names = sorted(PurePosixPath(name).name for name in paths.names)
    more = [f"and {len(names) - _NAMED_FILES} more"] if len(names) > _NAMED_FILES else []
    held = (HELD,) if "found" in files.facts else ()
    copies = () if options.corpus == "folder" else (f"copies {' before '.join(wanted)}/1",)
    return ImportEncoder(
        options.name,
        stream=options.stream,
        digest=content_digest(paths, files.array, named=files.named),
        shape=files.shape,
        transform=transform,
        steps=(f"read from {files.kind}/1", *copies, clock.step, *held),
        # The fastest clip, so that shards are not planned too large.
        fps=max(map(clock.rate_hz, clips)),
        files=(*names[:_NAMED_FILES], *more),
    )
