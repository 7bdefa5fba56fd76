"""Shards written behind the encoders."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from ravfeat.cache.format import shard_file
from ravfeat.cache.index import IndexedShard
from ravfeat.extract.encoder_job import Lane
from ravfeat.extract.resume import lost_clips
from ravfeat.extract.shard_builder import ShardBuilder

__all__ = ["ShardWriter"]

_log = logging.getLogger(__name__)


class ShardWriter:
    """Writes one shard at a time behind the encoders."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._writing: tuple[Lane, Future[IndexedShard | None]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def submit(self, lane: Lane, builder: ShardBuilder) -> None:
        """Begin to write a complete shard, after the one before has been written."""
        self.collect(wait=True)
        self._writing = lane, self._pool.submit(_write_one, lane, builder)

    def collect(self, *, wait: bool) -> None:
        """Note what was written in its lane; what went wrong in the background is raised here."""
        if self._writing is None:
            return
        lane, future = self._writing
        if wait or future.done():
            self._writing = None
            if (shard := future.result()) is not None:
                lane.written[shard.number] = shard


def _write_one(lane: Lane, builder: ShardBuilder) -> IndexedShard | None:
    content = builder.content(lane.folder.about, lane.folder.identity, lane.provenance)
    if lost := lost_clips(lane.folder, content):
        _log.warning(
            "%s stays as it is: it holds %s, which cannot be read now, and would lose it",
            shard_file(builder.number),
            ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else ""),
        )
        return None
    written = lane.folder.write_shard(content)
    lane.frames += builder.n_frames
    lane.fallback += builder.n_fallback
    lane.several += builder.n_several
    return written
