"""Read clips in parallel threads, a few layers at a time, and verify their digests on the way.

A clip is read once: hashed, tested for NaN and passed on while it is in the processor's cache. Hashing and array
operations release the interpreter's lock, so two threads take half the time of one.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.features import StoredFeatures
from ravfeat.cache.format import ClipRecord, features_sha256, shard_file
from ravfeat.cache.reader import Cache
from ravfeat.errors import ShardError
from ravfeat.numerics.float16 import all_finite
from ravfeat.resources import processors

__all__ = ["Take", "read_verified"]

Take = Callable[[ClipRecord, slice, NDArray[Any]], None]
"""Consumer of a part of a clip: its record, the range of the requested layers, their block (L', T, D).

Called from several threads, but for each clip by one thread and in the order of the layers. The block is reused
afterwards: copy what is needed.
"""

_BLOCK_BYTES = 1 << 20  # one block, also as float32, stays in the second-level cache of a processor
_MAX_QUEUED = 16  # tasks submitted ahead; bounds the time until an error stops the others


def read_verified(cache: Cache, clip_ids: Iterable[str], layers: Sequence[int] | None, take: Take) -> Iterator[int]:
    """Read clips in the order of the files and pass them to ``take``.

    Parameters
    ----------
    cache : Cache
    clip_ids : iterable of str
        Stored clips; the order does not matter.
    layers : sequence of int, optional
        Layer numbers; default all.
    take : callable
        See `Take`.

    Yields
    ------
    int
        Number of clips read since the last one. This is a generator: nothing is read unless it is iterated.

    Raises
    ------
    ShardError
        Where a clip holds NaN or infinite values, does not match its digests, or a shard cannot be read.

    Notes
    -----
    Every layer has a digest. In shards of version 1 only the clip as a whole has one: there all layers are read and
    hashed, whichever are asked for.
    """
    positions = cache.positions(layers)
    work = _work(cache, set(clip_ids), layers, whole=len(positions) == len(cache.layers))
    with ThreadPoolExecutor(processors()) as pool:
        waiting = []
        try:
            for piece in work:
                waiting.append(pool.submit(partial(_read, cache, positions, take), piece))
                if len(waiting) == _MAX_QUEUED:
                    yield waiting.pop(0).result()
            for future in waiting:
                yield future.result()
        finally:
            # After an error, or if the caller stops iterating: start nothing that is still queued.
            for future in waiting:  # where one has failed
                future.cancel()


@dataclass(frozen=True)
class _Stretch:
    """Consecutive clips of one shard."""

    shard: int
    features: StoredFeatures
    clips: tuple[ClipRecord, ...]


def _work(cache: Cache, wanted: set[str], layers: Sequence[int] | None, *, whole: bool) -> Iterator[_Stretch]:
    for number, clip_ids in cache.by_shard(wanted).items():
        cache.fetch(sorted(clip_ids), layers)
        header, features = cache.header(number), cache.features(number)
        # Only if the whole shard will be read; otherwise the system would read ahead what nobody needs.
        if whole and wanted >= cache.clips_of(number):
            features.expect()
        bytes_of_frame = features.shape[0] * features.shape[2] * features.dtype.itemsize
        together: list[ClipRecord] = []
        for clip in header.clips:
            size = bytes_of_frame * (clip.n_frames + sum(other.n_frames for other in together))
            if together and (clip.clip_id not in wanted or size > _BLOCK_BYTES):
                yield _Stretch(number, features, tuple(together))
                together = []
            if clip.clip_id in wanted:
                together.append(clip)
        if together:
            yield _Stretch(number, features, tuple(together))


def _read(cache: Cache, positions: Sequence[int], take: Take, stretch: _Stretch) -> int:
    every_layer = list(range(stretch.features.shape[0]))
    by_layer = all(clip.layers_sha256 for clip in stretch.clips)
    if not by_layer and list(positions) != every_layer:
        # Only the clip as a whole has a digest, so all of it is read first; the second time it comes from memory.
        _read(cache, every_layer, lambda *_: None, stretch)
    digests = [hashlib.sha256() for _ in stretch.clips]
    for first, some, block in _blocks(cache, positions, stretch):
        begin = stretch.clips[0].frame_start
        for clip, digest in zip(stretch.clips, digests, strict=True):
            part = block[:, clip.frame_start - begin : clip.frame_start - begin + clip.n_frames]
            if by_layer:
                intact = all(features_sha256(part[row]) == clip.layers_sha256[layer] for row, layer in enumerate(some))
            else:
                digest.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
                intact = True  # known after the last layer
            # NaN is damage as well, and heads trained on it fail silently.
            if not intact or not all_finite(part):
                raise _damaged(cache, stretch.shard, clip)
            take(clip, slice(first, first + len(some)), part)
    for clip, digest in zip(stretch.clips, digests, strict=True):
        if not by_layer and list(positions) == every_layer and digest.hexdigest() != clip.features_sha256:
            raise _damaged(cache, stretch.shard, clip)
    return len(stretch.clips)


def _blocks(
    cache: Cache, positions: Sequence[int], stretch: _Stretch
) -> Iterator[tuple[int, Sequence[int], NDArray[Any]]]:
    """Read layers of a stretch, a few at a time; yield the place of the first, their positions, and the block."""
    features, clips = stretch.features, stretch.clips
    begin, end = clips[0].frame_start, clips[-1].frame_start + clips[-1].n_frames
    width = features.shape[2]
    at_once = max(1, _BLOCK_BYTES // max(1, (end - begin) * width * features.dtype.itemsize))
    # One buffer per task, reused for every group of layers: fresh memory costs more than reading.
    memory = np.empty((min(at_once, len(positions)), end - begin, width), features.dtype)
    for first in range(0, len(positions), at_once):
        some = positions[first : first + at_once]
        block = memory[: len(some)]
        with cache.reading_shard(stretch.shard):
            for target, position in zip(block, some, strict=True):
                features.read(slice(position, position + 1), slice(begin, end), target)
        yield first, some, block


def _damaged(cache: Cache, shard: int, clip: ClipRecord) -> ShardError:
    return ShardError(
        f"clip '{clip.clip_id}' in {cache.path / shard_file(shard)} is damaged: it does not match its digest;"
        f" 'ravfeat cache verify {cache.path}' says what to do"
    )
