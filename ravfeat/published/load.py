"""Load a published head from its folder; every file is checked before anything in it is used."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ravfeat.errors import HeadError, UsageError
from ravfeat.heads.base import Model
from ravfeat.published.checks import check_clips, check_document, check_learned, check_models
from ravfeat.published.documents import FoldClips, LearnedFile
from ravfeat.published.format import CLIPS_FILE, HEAD_FILE, LEARNED_FILE, REMEDY, HeadFolder, open_folder
from ravfeat.published.head import PublishedHead
from ravfeat.published.parts import Learned, PublishedClip, PublishedSystem, Source, clips_of, stem_of
from ravfeat.published.pull import find_head
from ravfeat.published.scores import check_scores
from ravfeat.resources import format_size, physical_memory

__all__ = ["load_head"]

_MAX_LEARNED_BYTES = 4 << 20
_MAX_CLIPS_BYTES = 16 << 20  # 200,000 names of clips


def load_head(
    path: str | Path, *, device: str = "cpu", sources: Source | Sequence[Source] | None = None
) -> PublishedHead:
    """Load a published head.

    Parameters
    ----------
    path : str or Path
        A folder that ``ravfeat export-heads`` made; or the address of a published head, such as
        ``hf://USER/NAME@REVISION``, ``https://…`` or ``s3://…``, which is fetched once and kept below the user's cache
        folder.
    device : str
        Where networks are computed.
    sources : int, "refit" or sequence of them, optional
        Whose heads to read from the disk: numbers of folds, and ``"refit"``; default all. Others cannot be asked then.

    Returns
    -------
    PublishedHead

    Raises
    ------
    HeadError
        Where there is none, it was written by a newer version, or a file is missing, damaged, not listed with its
        digest, or holds what does not fit together.
    RemoteError
        Where an address cannot be read.
    UsageError
        For a source that is not in the folder.

    Examples
    --------
    >>> head = ravfeat.load_head("heads/voice-and-face")  # doctest: +SKIP
    >>> head.predict(["cache/ravdess/audio-…", "cache/ravdess/face-…"], ["03-01-06-01-02-01-12"])  # doctest: +SKIP
    """
    from ravfeat.heads.checkpoint import load_model  # brings torch

    folder = open_folder(find_head(path))
    parts = tuple(PublishedSystem.of(entry) for entry in folder.document["systems"])
    check_document(folder.path, folder.document, parts)
    learned, tested = _read_learned(folder, parts)
    wanted = _wanted(folder, learned, sources)
    _check_memory(folder, parts, wanted)
    models: dict[Source, tuple[tuple[Model, ...], ...]] = {}
    for source in wanted:
        stems = [[stem_of(folder.path, part, source, seed) for seed in part.seeds] for part in parts]
        models[source] = tuple(
            tuple(load_model(stem, device=device, read=folder.read) for stem in of_system) for of_system in stems
        )
        for part, system_models in zip(parts, models[source], strict=True):
            check_models(folder.path, part, system_models, folder.document["classes"])
    check_scores(folder.path, folder.document, parts)
    return PublishedHead(folder, tuple(folder.document["classes"]), parts, learned, models, tested)


def _wanted(folder: HeadFolder, learned: Collection[Source], sources: Source | Sequence[Source] | None) -> list[Source]:
    there = folder.document.get("sources", list(learned))
    if unknown := [source for source in there if source not in learned]:
        raise HeadError(
            f"{folder.path / HEAD_FILE}: sources names {unknown[0]!r}, and {LEARNED_FILE} has none; {REMEDY}"
        )
    asked = [sources] if isinstance(sources, int | str) else sources
    wanted = there if asked is None else list(dict.fromkeys(asked))
    if not wanted or (odd := [source for source in wanted if source not in there]):
        what = f"no heads of {odd[0]!r}" if wanted else "no use without heads, and sources is empty"
        raise UsageError(f"{folder.path} has {what}; choose sources from {', '.join(map(repr, there))}")
    return wanted


def _read_learned(
    folder: HeadFolder, parts: Sequence[PublishedSystem]
) -> tuple[dict[Source, Learned], dict[int, tuple[tuple[PublishedClip, ...], ...]]]:
    record = folder.read_json(LEARNED_FILE, LearnedFile, _MAX_LEARNED_BYTES)
    check_learned(folder.path, folder.document, record, parts)
    clips = folder.read_json(CLIPS_FILE, list[FoldClips], _MAX_CLIPS_BYTES)
    check_clips(folder.path, folder.document, clips, record, parts)
    learned: dict[Source, Learned] = {entry["fold"]: Learned.of(entry) for entry in record["folds"]}
    if "refit" in record:
        learned["refit"] = Learned.of(record["refit"])
    return learned, clips_of(clips)


def _check_memory(folder: HeadFolder, parts: Sequence[PublishedSystem], sources: Iterable[Source]) -> None:
    """Refuse heads that are larger together than the memory, before the first is read."""
    stems = [stem_of(folder.path, part, source, seed) for source in sources for part in parts for seed in part.seeds]
    files = [stem.with_name(stem.name + ".safetensors") for stem in stems]
    total = sum(path.stat().st_size for path in files if path.is_file())
    if total > physical_memory():
        raise HeadError(
            f"the heads in {folder.path} take {format_size(total)}, and this machine has"
            f" {format_size(physical_memory())} of memory; load them on a larger one"
        )
