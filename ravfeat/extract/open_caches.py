"""Caches opened for writing: what is there, what is to be done, what may be added."""

import math
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat import __version__
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.errors import UsageError
from ravfeat.extract.decode import Taker
from ravfeat.extract.encoder_job import BatchLimits, Lane
from ravfeat.extract.request import Extraction, read_for
from ravfeat.extract.resume import EncodeOne, Worklist, check_same_features, find_work
from ravfeat.extract.retry import Trial, try_again
from ravfeat.manifest import Clip

__all__ = ["folder_of", "open_lanes", "provenance_of"]

_ASSUMED_S = 30.0  # for planning, where a file does not say how long it is
_RECORD_BYTES = 1024  # of metadata per clip, generously


def open_lanes(work: Sequence[Extraction], out: Path, here: Mapping[str, Clip], locks: ExitStack) -> list[Lane]:
    """Find or make the cache of every extraction, lock it, and find out what is to be done.

    Parameters
    ----------
    work : sequence of Extraction
    out : Path
    here : mapping of str to Clip
        The clips at hand, by ``clip_id``.
    locks : ExitStack
        Holds the locks.

    Raises
    ------
    CacheError, UsageError
        See `ravfeat.extract.extract_together`.
    """
    folders = [folder_of(what, out) for what in work]
    _check_distinct(work, folders)
    opened = [
        _open(what, folder, locks.enter_context(WorkLock(folder.path)))
        for what, folder in zip(work, folders, strict=True)
    ]
    return [_lane(taker, one, here, mended) for taker, (one, mended) in enumerate(_retried(opened, here))]


def _check_distinct(work: Sequence[Extraction], folders: Sequence[CacheFolder]) -> None:
    for number, folder in enumerate(folders):
        for before in range(number):
            if folders[before].path == folder.path:
                names = f"'{work[before].encoder.spec.name}' and '{work[number].encoder.spec.name}'"
                raise UsageError(f"the encoders {names} are the same; name every --encoder once")


@dataclass(frozen=True)
class _Opened:
    """A cache that this run may write, and what is there of it."""

    what: Extraction
    folder: CacheFolder
    lock: WorkLock
    work: Worklist


def _open(what: Extraction, folder: CacheFolder, lock: WorkLock) -> _Opened:
    mine = [n for n in folder.planned.numbers if n % what.num_shards == what.shard_index]
    lock.claim(mine)
    folder.remove_leftovers(mine)
    return _Opened(what, folder, lock, find_work(folder, mine))


def _retried(opened: Sequence[_Opened], here: Mapping[str, Clip]) -> list[tuple[_Opened, set[str]]]:
    """Give with every cache its failed clips that can be stored now."""
    failed = {taker: list(one.work.failed) for taker, one in enumerate(opened)}
    clips = {clip.clip_id: clip for one in opened for clip in one.folder.planned.manifest}
    mended = try_again(
        failed,
        lambda taker: Trial(opened[taker].what.encoder, opened[taker].what.recipe),
        clips,
        partial(read_for, opened[0].what, here),
    )
    return [(one, mended[taker]) for taker, one in enumerate(opened)]


def _lane(taker: Taker, opened: _Opened, here: Mapping[str, Clip], mended: set[str]) -> Lane:
    what, work = opened.what, opened.work
    pending, provenance = work.pending(mended), provenance_of(what)
    if pending:
        others = [header for number, header in work.headers.items() if number not in pending]
        encode_one = EncodeOne(partial(read_for, what, here, {taker: what.encoder}), what.encoder, what.recipe)
        check_same_features(opened.folder, others, provenance, encode_one)
    limits = BatchLimits.of(
        str(provenance.get("device", "cpu")), clips=what.batch_clips, seconds=what.batch_s, frames=what.batch_frames
    )
    return Lane(
        taker, what.encoder, what.recipe, opened.folder, opened.lock, provenance, work.mine, pending, limits
    )  # fmt: skip


def folder_of(what: Extraction, out: Path) -> CacheFolder:
    """Find or make the cache of an extraction."""
    spec, recipe = what.encoder.spec, what.recipe
    about = {
        "corpus": what.manifest.corpus,
        "synthetic": what.manifest.synthetic,
        "stream": spec.stream,
        "encoder": spec.name,
    }

    def n_bytes(clip: Clip) -> int:
        duration_s = _ASSUMED_S if math.isnan(clip.duration_s) else clip.duration_s
        n_frames = int(duration_s * spec.frame_rate_hz) + 1
        shape = recipe.stored_shape(n_frames, spec.n_layers, spec.dim, spec.stream)
        return math.prod(shape) * (2 if recipe.dtype == "float16" else 4) + 8 * shape[1] + _RECORD_BYTES

    identity = spec.identity() | recipe.identity(spec.n_layers, spec.stream)
    return prepare_cache(out, what.manifest, about, identity, n_bytes)


def provenance_of(what: Extraction) -> dict[str, Any]:
    """Give versions and device of this run; recorded per shard, never part of the identity."""
    libraries = {name: version(name) for name in ("numpy", "h5py")}
    own = {"python": platform.python_version(), "ravfeat": __version__} | libraries
    return own | what.source.provenance() | what.encoder.provenance()
