"""Write complete shards, and from time to time parts of others, in a background thread while the encoders go on."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Self

from ravfeat.cache.format import ShardContent, shard_file
from ravfeat.cache.index import IndexedShard
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.extract.journal import SAVE_EVERY_S
from ravfeat.extract.resume import lost_clips
from ravfeat.extract.shard_builder import ShardBuilder

__all__ = ["ShardWriter"]

_log = logging.getLogger(__name__)


class ShardWriter:
    """Background writer of one shard at a time; a second shard in memory would double what a run needs."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._writing: tuple[EncoderJob, Future[IndexedShard | None]] | None = None
        self._saved_at = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def submit(self, job: EncoderJob, builder: ShardBuilder) -> None:
        """Start to write a complete shard, after the previous one is on the disk."""
        self.collect(wait=True)
        self._writing = job, self._pool.submit(_write_one, job, builder)

    def save_parts(self, jobs: Sequence[EncoderJob]) -> None:
        """Start to write what is ready of unfinished shards, if that was not done lately and the thread is idle."""
        if self._writing is not None or monotonic() - self._saved_at < SAVE_EVERY_S:
            return
        self._saved_at = monotonic()
        # One thread writes in order, so the shard that replaces a part comes after it.
        parts = [(job, part) for job in jobs for part in job.next_parts()]
        if parts:
            self._writing = jobs[0], self._pool.submit(_write_parts, parts)

    def collect(self, *, wait: bool) -> None:
        """Record a written shard in its job; an error of the background thread is raised here."""
        if self._writing is None:
            return
        job, future = self._writing
        if wait or future.done():
            self._writing = None
            if (shard := future.result()) is not None:
                job.written[shard.number] = shard


def _write_parts(parts: Sequence[tuple[EncoderJob, tuple[int, ShardContent]]]) -> None:
    for job, (number, content) in parts:
        job.folder.write_part(content, number)


def _write_one(job: EncoderJob, builder: ShardBuilder) -> IndexedShard | None:
    content = builder.content(job.folder.about, job.folder.identity, job.provenance)
    content = job.with_origin(content)
    # A shard with failed clips is written again when one of them can be stored. If another of its clips has become
    # unreadable since, replacing the shard would lose features that are there.
    if lost := lost_clips(job.folder, content):
        _log.warning(
            "%s stays as it is: it holds %s, which cannot be read now, and would lose it",
            shard_file(builder.number),
            ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else ""),
        )
        return None
    written = job.folder.write_shard(content)
    job.frames += builder.n_frames
    job.fallback += builder.n_fallback
    job.several += builder.n_several
    return written
