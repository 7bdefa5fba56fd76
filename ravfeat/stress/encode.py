"""Encode test recordings under a condition, with the run's own encoders, into caches that `ravfeat.extract` fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.cache import Cache, open_cache
from ravfeat.errors import UsageError
from ravfeat.extract import Extraction, extract_together
from ravfeat.files import sha256_of
from ravfeat.manifest import Manifest
from ravfeat.media.augment import CLEAN
from ravfeat.media.conditions import Condition
from ravfeat.media.data_folder import find_recordings
from ravfeat.progress import track_progress
from ravfeat.published.head_models import ModelGroup, load_models_of
from ravfeat.published.models import ModelFinder
from ravfeat.published.parts import Need
from ravfeat.published.predictor import recipe_of
from ravfeat.runs.stress_file import Changeable
from ravfeat.stress.open_run import OpenedRun, OpenedSystem

__all__ = ["Encoded", "StreamRecordings", "open_recordings", "under"]


@dataclass(frozen=True)
class Encoded:
    """Recordings of a stream under a condition, encoded.

    Attributes
    ----------
    caches : tuple of Cache
    failed : mapping of str to str
        Performances that could not be read or encoded, with the reason.
    """

    caches: tuple[Cache, ...]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class _Pass:
    """Encoders that read the same clips from the same recordings."""

    group: ModelGroup
    manifest: Manifest
    root: Path
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class StreamRecordings:
    """The recordings of a stream that can be changed, and the encoders of the systems that read it.

    Attributes
    ----------
    stream : {"audio", "face"}
    systems : tuple of OpenedSystem
    """

    stream: Changeable
    systems: tuple[OpenedSystem, ...]
    _passes: tuple[_Pass, ...]

    def digests(self) -> list[tuple[str, str]]:
        """Give path and SHA-256 of every recording; no digest of what is no file, or cannot be read."""
        files = {(clip.path, each.root / clip.path) for each in self._passes for clip in each.manifest}
        return sorted((str(name), _digest(path)) for name, path in track_progress(files, unit="recording"))

    def encode(self, condition: Condition | None, folder: Path) -> Encoded:
        """Encode all recordings of the sample; what is there already is kept, as by ``ravfeat extract``.

        Parameters
        ----------
        condition : Condition or None
            None encodes them as they are.
        folder : Path
            Of all caches.

        Raises
        ------
        CacheError
            Where the disk is full, or another process writes the same caches.
        UsageError
            Where no recording at all can be read.
        """
        caches: list[Cache] = []
        failed: dict[str, str] = {}
        for each in self._passes:
            of_clip = {clip.clip_id: clip.performance_id for clip in each.manifest}
            for result in extract_together(_requests(each, condition), folder):
                if len(result.failed) == len(of_clip):
                    raise UsageError(
                        f"none of the {len(of_clip)} recordings of the stream '{self.stream}' could be read under"
                        f" {each.root}: {next(iter(result.failed.values()))}; --data says where they lie"
                    )
                failed |= {of_clip[clip_id]: reason for clip_id, reason in result.failed.items()}
                caches.append(open_cache(result.path))
        return Encoded(tuple(caches), failed)


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:  # encoding it says why
        return ""


def under(need: Need, condition: Condition | None) -> Need:
    """Give the cache of changed recordings in place of that of the recordings, with the same views of them."""
    if condition is None:
        return need
    views = tuple(map(condition.view_name, need.view_names))
    return replace(need.of_view(condition.view_name(CLEAN)), view_names=views)


def _requests(each: _Pass, condition: Condition | None) -> list[Extraction]:
    source = replace(each.group.source, condition=condition)  # type: ignore[type-var]  # both sources are dataclasses
    options: dict[str, Any] = {"source": source}
    needs = [(each.group.encoders[need.fingerprint], under(need, condition)) for need in each.needs]
    return [
        Extraction(each.manifest, each.root, encoder, recipe_of(read), **options)
        for encoder, need in needs
        for read in (need, *need.views)
    ]


def open_recordings(
    opened: OpenedRun, stream: Changeable, systems: Sequence[OpenedSystem], data: Sequence[Path], finder: ModelFinder
) -> StreamRecordings:
    """Find the recordings of a stream, and load the encoders of the systems that read it.

    Parameters
    ----------
    opened : OpenedRun
    stream : {"audio", "face"}
    systems : sequence of OpenedSystem
        Those whose caches of the stream were encoded from recordings.
    data : sequence of Path
        Folders that the caches' paths are relative to, or tables in them.
    finder : ModelFinder

    Raises
    ------
    EncoderError, MissingExtraError
        Where an encoder is not to be had, or is another one than that of the cache.
    UsageError
        Where there are no recordings.
    """
    pairs = {need.fingerprint: (need, cache) for system in systems for need, cache in system.reads(stream)}
    manifests = {name: _sampled(cache, opened.performances) for name, (_, cache) in pairs.items()}
    roots = {name: find_recordings(manifest, data, f"the stream '{stream}'") for name, manifest in manifests.items()}
    models = load_models_of([need for need, _ in pairs.values()], finder)
    passes: list[_Pass] = []
    for group in models.groups:
        for name in group.encoders:
            _join(passes, _Pass(group, manifests[name], roots[name], (pairs[name][0],)))
    return StreamRecordings(stream, tuple(systems), tuple(passes))


def _join(passes: list[_Pass], new: _Pass) -> None:
    """Add encoders to the pass that reads the same clips, so that each is decoded once for all of them."""
    for number, old in enumerate(passes):
        if (old.group, old.root, old.manifest) == (new.group, new.root, new.manifest):
            passes[number] = replace(old, needs=(*old.needs, *new.needs))
            return
    passes.append(new)


def _sampled(cache: Cache, performances: frozenset[str]) -> Manifest:
    manifest = cache.planned_manifest
    return manifest.with_clips(clip for clip in manifest if clip.performance_id in performances)
