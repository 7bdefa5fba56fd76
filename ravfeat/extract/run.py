"""The extraction itself: read ahead, encode, write behind; resume and retry.

Files are read in the background, the encoders work in the foreground, what they give is narrowed and
written behind them. What is done and what is missing is decided once, before the first clip. Encoders that read the
same clips go through them together, so that every file is read once.
"""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ravfeat.cache.format import shard_file
from ravfeat.cache.shard import read_header
from ravfeat.errors import CacheError
from ravfeat.extract.decode import ClipEnd, Event, PreparedPiece, read_ahead
from ravfeat.extract.encoder_job import Lane, common_order
from ravfeat.extract.open_caches import open_lanes
from ravfeat.extract.postprocess import Behind
from ravfeat.extract.request import Extraction, ExtractResult, read_for
from ravfeat.extract.shard_writer import ShardWriter
from ravfeat.manifest import Clip

__all__ = ["ExtractResult", "Extraction", "extract_together", "run_extraction"]

_log = logging.getLogger(__name__)

_LONG_S = 30.0  # clips of which the bar says how far it has come


def run_extraction(what: Extraction, out: Path) -> ExtractResult:
    """Extract what is missing of one encoder; see `extract_together`."""
    return extract_together([what], out)[0]


def extract_together(work: Sequence[Extraction], out: Path) -> list[ExtractResult]:
    """Extract what is missing, reading every file once for all encoders.

    Parameters
    ----------
    work : sequence of Extraction
        Of one manifest, root and source.
    out : Path
        The cache's home; the features go to ``out/<corpus>/<stream>-<encoder>-<fingerprint>/``.

    Returns
    -------
    list of ExtractResult
        One per extraction.

    Raises
    ------
    CacheError
        Where another process does the same work, the disk is full, or stored features cannot be
        continued under today's library versions.
    UsageError
        Where two of them are the same.

    Notes
    -----
    However it ends, shards that were finished are kept and the next call goes on from there.
    """
    first = work[0]
    here = {clip.clip_id: clip for clip in first.manifest}
    with ExitStack() as locks:
        lanes = open_lanes(work, out, here, locks)
        try:
            _write_shards(lanes, first, here)
        except BaseException:
            for lane in lanes:
                _keep_finished(lane)
            raise
        _update_all(lanes)
        return [_result(lane, here) for lane in lanes]


def _update_all(lanes: Sequence[Lane]) -> None:
    """Bring every cache's index up to date; one that cannot be written does not cost the others theirs."""
    errors = []
    for lane in lanes:
        try:
            lane.folder.update_index(lane.lock, lane.written)
        except CacheError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _keep_finished(lane: Lane) -> None:
    # What stopped the run is what the user must hear of, not that the index could not be written either.
    try:
        lane.folder.update_index(lane.lock, lane.written)
    except CacheError as error:
        _log.info("the index is not up to date: %s", error)


def _write_shards(lanes: Sequence[Lane], what: Extraction, here: Mapping[str, Clip]) -> None:
    """Take every clip through every lane that wants it; shards are written as they are complete."""

    def read(clip: Clip) -> Generator[Event, None, None]:
        return read_for(what, here, {lane.taker: lane.encoder for lane in lanes if lane.wants(clip)}, clip)

    order = common_order([lane for lane in lanes if lane.pending])
    with (
        ShardWriter() as writer,
        Behind() as behind,
        closing(read_ahead(order, read, _ahead(lanes, what))) as events,
        tqdm(total=len(order), desc="encoding", unit="clip", smoothing=0.05, disable=None) as bar,
    ):
        for event in events:
            for lane in lanes:
                if lane.wants(event.clip):
                    lane.take(event, behind)
            _write_completed(lanes, behind, writer)
            _show(bar, event)
        behind.collect(wait=True)
        _write_completed(lanes, behind, writer)
        writer.collect(wait=True)


def _ahead(lanes: Sequence[Lane], what: Extraction) -> int:
    # A batch must be there when the one before it is under way.
    planned = [lane.limits.clips for lane in lanes if lane.encoder.batching != "pieces"]
    return max([what.source.ahead, *(2 * clips for clips in planned)])


def _write_completed(lanes: Sequence[Lane], behind: Behind, writer: ShardWriter) -> None:
    behind.collect(wait=False)
    for lane in lanes:
        for builder in lane.completed():
            writer.submit(lane, builder)
    writer.collect(wait=False)  # a full disk is noticed now, not a shard later


def _show(bar: "tqdm[Any]", event: Event) -> None:
    if isinstance(event, ClipEnd):
        bar.update()
    elif event.clip.duration_s > _LONG_S:
        bar.set_postfix_str(_place(event), refresh=False)
        bar.update(0)


def _place(event: PreparedPiece) -> str:
    last = max((piece.times_s[-1] for piece in event.prepared.values() if piece.n_frames), default=0.0)
    return f"{event.clip.clip_id} at {last:.0f} of {event.clip.duration_s:.0f} s"


def _result(lane: Lane, here: Mapping[str, Clip]) -> ExtractResult:
    headers = [read_header(lane.folder.path / shard_file(number)) for number in lane.mine]
    return ExtractResult(
        path=lane.folder.path,
        written=len(lane.written),
        kept=len(lane.mine) - len(lane.written),
        encoded=sum(row["status"] == "stored" for shard in lane.written.values() for row in shard.rows),
        failed={clip.clip_id: clip.reason for header in headers for clip in header.failed},
        absent=sum(clip.clip_id not in here for clip in lane.folder.planned.manifest),
        frames=lane.frames,
        fallback=lane.fallback,
        several=lane.several,
        busy_s=lane.busy_s,
    )
