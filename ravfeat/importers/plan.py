"""An import from its options to what an extraction needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ravfeat.errors import UsageError
from ravfeat.importers.base import BroughtClip, FeatureFiles
from ravfeat.importers.clock import PICTURES_HZ, Clock, set_clock
from ravfeat.importers.encoder import ImportEncoder
from ravfeat.importers.input_files import BroughtFiles, content_digest, find_files
from ravfeat.importers.join import Joined, join, wanted_modalities
from ravfeat.importers.names import FolderNames, RavdessNames
from ravfeat.importers.npz import NpzFiles
from ravfeat.importers.performances import load_performances
from ravfeat.importers.source import HELD, ImportSource, rows_sha256
from ravfeat.importers.tables import TableFiles
from ravfeat.importers.transforms import Transform, get_transform, landmark_shaped, probability_rows
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["ImportOptions", "ImportPlan", "plan_import"]

_NAMED_FILES = 32  # in the provenance of every shard


@dataclass(frozen=True)
class ImportOptions:
    """What is to be imported, and how.

    Attributes
    ----------
    path : Path
        A file, or a folder of files of one kind.
    corpus : {"ravdess", "folder", "synth"}
    data : Path, optional
        As for `ravfeat.corpora.load_corpus`; copies of another modality will do.
    name : str
        What to call the features.
    stream : {"audio", "face"}
    array : str, optional
        The feature array; of tables the beginnings of the columns.
    fps : float, optional
        Rows per second.
    modality : {"01", "02", "03"}, optional
        Which copies of RAVDESS performances are taken.
    transform : str
        ``auto``, ``similarity``, ``log-softmax`` or ``none``.
    allow_missing : bool
        Whether an incomplete match will do.
    corpus_name : str, optional
        Name of a ``folder`` corpus.
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


@dataclass(frozen=True)
class ImportPlan:
    """What an extraction needs, and what there is to say about it.

    Attributes
    ----------
    corpus : Manifest
        Every performance there is.
    files : FeatureFiles
    n_files : int
    joined : Joined
    clock : Clock
    transform : Transform
    why : str
        Why this transform.
    manifest : Manifest
        Clips of the new cache, those without features included.
    absent : frozenset of str
        Ids of clips that nothing was brought for; they are in the manifest, and fail.
    root : Path
    encoder : ImportEncoder
    source : ImportSource
    """

    corpus: Manifest
    files: FeatureFiles
    n_files: int
    joined: Joined
    clock: Clock
    transform: Transform
    why: str
    manifest: Manifest
    absent: frozenset[str]
    root: Path
    encoder: ImportEncoder
    source: ImportSource


def plan_import(options: ImportOptions) -> ImportPlan:
    """Open the features, join them to the corpus, choose a transform; writes nothing.

    Raises
    ------
    UsageError
        Where options name nothing, do not go together, or are missing.
    CorpusError
        Where files or the corpus cannot be read, contradict themselves, or do not match.
    """
    is_table = options.corpus == "folder"
    if is_table and options.modality is not None:
        raise UsageError("--modality goes with --corpus ravdess and synth; a folder's names have none")
    wanted = wanted_modalities(options.stream, options.modality)
    corpus = load_performances(options.corpus, options.data, name=options.corpus_name)
    found = find_files(options.path)
    files: FeatureFiles = (NpzFiles if found.kind == "npz" else TableFiles)(found, options.array)
    default_fps = PICTURES_HZ if options.stream == "face" and not is_table else None
    clock = set_clock(files.timed, options.fps, default_fps, frames="frame" in files.facts)
    names = FolderNames(corpus) if is_table else RavdessNames(corpus)
    joined = join(files.clips, corpus, names, wanted, lambda one, other: _same(files, one, other))
    joined.check_complete(allow_missing=options.allow_missing, named=files.named)
    transform, why = _choose(options.transform, files, joined.clips.values())
    absent = _absent(corpus, joined, None if is_table else wanted[0])
    return ImportPlan(
        corpus=corpus,
        files=files,
        n_files=len(found.names),
        joined=joined,
        clock=clock,
        transform=transform,
        why=why,
        manifest=_manifest(corpus, joined, clock, absent),
        absent=frozenset(clip.clip_id for clip in absent),
        root=found.root,
        encoder=_encoder(options, found, files, clock, transform, joined.clips.values(), wanted),
        source=ImportSource(files, joined.clips, clock, transform),
    )


def _same(files: FeatureFiles, one: BroughtClip, other: BroughtClip) -> bool:
    first, second = files.read(one), files.read(other)
    return (
        first.values.shape == second.values.shape
        and rows_sha256(first) == rows_sha256(second)
        and all(np.array_equal(fact, second.facts[name], equal_nan=True) for name, fact in first.facts.items())
    )


def _choose(which: str, files: FeatureFiles, clips: Iterable[BroughtClip]) -> tuple[Transform, str]:
    if which != "auto":
        transform = get_transform(which, files.shape)
        if which == "log-softmax" and (bad := _improbable(files, clips)):
            raise UsageError(f"--transform log-softmax: {bad}; give --transform none")
        return transform, "as asked for"
    if landmark_shaped(files.shape):
        return get_transform("similarity", files.shape), "landmarks"
    if len(files.shape) == 1 and files.shape[0] > 1 and not _improbable(files, clips):
        return get_transform("log-softmax", files.shape), "probabilities"
    return get_transform("none", files.shape), "neither landmarks nor probabilities"


def _improbable(files: FeatureFiles, clips: Iterable[BroughtClip]) -> str:
    """Name the first row that is no distribution; rows that will be refused or held anyway do not count."""
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


def _absent(corpus: Manifest, joined: Joined, modality: str | None) -> list[Clip]:
    """Give the clips that nothing was brought for, called like the wanted copy of their performance."""
    missing = set(joined.missing)
    lacking = {clip.performance_id: clip for clip in corpus if clip.performance_id in missing}
    return [
        replace(clip, path="", clip_id=clip.clip_id if modality is None else f"{modality}-{clip.performance_id}")
        for clip in lacking.values()
    ]


def _manifest(corpus: Manifest, joined: Joined, clock: Clock, absent: Iterable[Clip]) -> Manifest:
    # What is missing belongs in the cache: who reads it later must be told.
    clips = list(absent)
    for clip_id, brought in joined.clips.items():
        duration_s = brought.n_frames / clock.rate_hz(brought)
        clips.append(replace(joined.manifest[clip_id], path=brought.file, duration_s=duration_s))
    return corpus.with_clips(clips)


def _encoder(
    options: ImportOptions,
    found: BroughtFiles,
    files: FeatureFiles,
    clock: Clock,
    transform: Transform,
    clips: Iterable[BroughtClip],
    wanted: Sequence[str],
) -> ImportEncoder:
    names = sorted(PurePosixPath(name).name for name in found.names)
    more = [f"and {len(names) - _NAMED_FILES} more"] if len(names) > _NAMED_FILES else []
    held = (HELD,) if "found" in files.facts else ()
    copies = () if options.corpus == "folder" else (f"copies {' before '.join(wanted)}/1",)
    return ImportEncoder(
        options.name,
        stream=options.stream,
        digest=content_digest(found, files.array, named=files.named),
        shape=files.shape,
        transform=transform,
        steps=(f"read from {files.kind}/1", *copies, clock.step, *held),
        fps=max(map(clock.rate_hz, clips)),
        files=(*names[:_NAMED_FILES], *more),
    )
