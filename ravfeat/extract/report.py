"""What became of some shards: `ShardReport`, from the process that wrote them to the one that ends the extraction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ravfeat.cache.index import IndexedShard
from ravfeat.cache.shard import read_header
from ravfeat.extract.encoder_job import EncoderJob
from ravfeat.extract.request import ExtractResult
from ravfeat.extract.work_plan import CachePlan

__all__ = ["CacheReport", "ShardReport", "cache_report", "merge_reports"]


@dataclass(frozen=True)
class CacheReport:
    """What became of shards of one cache.

    Attributes
    ----------
    written : mapping of int to IndexedShard
        Shards that were written.
    failed : mapping of int to mapping of str to str
        Failed clips of these, and of shards that another process wrote meanwhile: the reason, by ``clip_id``.
    encoded, restored, frames, fallback, several, busy_s
        See `ravfeat.extract.request.ExtractResult`.
    """

    written: Mapping[int, IndexedShard] = field(default_factory=dict)
    failed: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    encoded: int = 0
    restored: int = 0
    frames: int = 0
    fallback: int = 0
    several: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True)
class ShardReport:
    """What became of some shards.

    Attributes
    ----------
    caches : tuple of CacheReport
        In the order of the plan.
    """

    caches: tuple[CacheReport, ...]


def cache_report(job: EncoderJob, plan: CachePlan) -> CacheReport:
    """Report what a job has written so far."""
    # From the index rows, not from a counter: a clip counts when it is on the disk.
    stored = sum(row["status"] == "stored" for shard in job.written.values() for row in shard.rows)
    restored = sum(len(shard.clips) for number, shard in job.restored.items() if number in job.written)
    failed = {number: _failed(shard) for number, shard in job.written.items()}
    for number in set(job.assigned) - set(job.pending):
        if number in plan.absent:  # another process wrote it after the plan was made
            header = read_header(job.folder.fetched(number))
            failed[number] = {clip.clip_id: clip.reason for clip in header.failed}
    return CacheReport(
        dict(job.written), failed, stored - restored, restored, job.frames, job.fallback, job.several, job.busy_s
    )


def _failed(shard: IndexedShard) -> dict[str, str]:
    return {row["clip_id"]: row["reason"] for row in shard.rows if row["status"] == "failed"}


def merge_reports(plan: CachePlan, reports: Sequence[CacheReport], numbers: Sequence[int]) -> ExtractResult:
    """Sum up what became of some shards of a cache.

    Parameters
    ----------
    plan : CachePlan
    reports : sequence of CacheReport
    numbers : sequence of int
        The shards that were to be there.
    """
    failed = {number: plan.failed[number] for number in numbers if number in plan.failed}
    for report in reports:
        failed |= report.failed
    written = {number for report in reports for number in report.written}
    return ExtractResult(
        path=plan.path,
        address=plan.address,
        written=len(written),
        present=len(numbers) - len(written),
        encoded=sum(report.encoded for report in reports),
        restored=sum(report.restored for report in reports),
        failed={clip_id: failed[n][clip_id] for n in sorted(failed) for clip_id in failed[n]},
        absent=len(plan.lacking),
        frames=sum(report.frames for report in reports),
        fallback=sum(report.fallback for report in reports),
        several=sum(report.several for report in reports),
        busy_s=sum(report.busy_s for report in reports),
    )
