"""The extraction itself: read ahead, encode, write behind; resume and retry.

Files are read in the background, the encoders work in the foreground, shards are written behind
them. What is done and what is missing is decided once, before the first clip. Encoders that read the
same clips go through them together, so that every file is read once.

Offers
------
Extraction, ExtractResult, run_extraction, extract_together.
"""

import logging
import math
import platform
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ravfeat import __version__
from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.shard import read_header
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.encoders.base import Encoder
from ravfeat.errors import CacheError, UsageError
from ravfeat.extract.decode import ClipEnd, Event, PreparedPiece, Taker, read_ahead, read_clip
from ravfeat.extract.lane import BatchLimits, Lane, common_order
from ravfeat.extract.resume import EncodeOne, Worklist, check_same_features, find_work
from ravfeat.extract.retry import Trial, try_again
from ravfeat.extract.sound import WaveformSource
from ravfeat.extract.writing import ShardWriter
from ravfeat.manifest import Clip, Manifest
from ravfeat.sources import Source

__all__ = ["ExtractResult", "Extraction", "extract_together", "run_extraction"]

_log = logging.getLogger(__name__)

_ASSUMED_S = 30.0  # for planning, where a file does not say how long it is
_RECORD_BYTES = 1024  # of metadata per clip, generously


@dataclass(frozen=True)
class Extraction:
    """What is to be extracted.

    Attributes
    ----------
    manifest : Manifest
    root : Path
        What the manifest's paths are relative to.
    encoder : Encoder
    recipe : StoreRecipe
    source : Source
        How clips are read; the pieces it gives are those the encoder prepares.
    shard_index, num_shards : int
        This process writes the shards whose number leaves ``shard_index`` when divided by
        ``num_shards``; any number of processes fill one cache.
    batch_clips : int
        Clips that are encoded together at most.
    batch_s : float
        Seconds that are encoded together at most, padding included.
    batch_frames : int
        Frames (pictures) that are encoded together, where an encoder takes pieces of any clips.
    """

    manifest: Manifest
    root: Path
    encoder: Encoder[Any]
    recipe: StoreRecipe = field(default_factory=StoreRecipe)
    source: Source[Any] = field(default_factory=WaveformSource)
    shard_index: int = 0
    num_shards: int = 1
    batch_clips: int = 8
    batch_s: float = 32.0
    batch_frames: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.shard_index < self.num_shards:
            raise UsageError(
                f"--shard-index {self.shard_index} with --num-shards {self.num_shards}: the index counts from 0 to"
                f" {self.num_shards - 1}"
            )


@dataclass(frozen=True)
class ExtractResult:
    """What an extraction left behind.

    Attributes
    ----------
    path : Path
        The cache's folder.
    written, kept : int
        Shards written by this run, and shards that were there.
    encoded : int
        Clips encoded by this run.
    failed : dict of str to str
        Clips of this process's shards that could not be stored, with the reason.
    absent : int
        Clips that belong in the cache and are not in the manifest given now; they stay as they are.
    frames, fallback : int
        Frames encoded by this run, and those of them in which no face was found, so that the last box or
        the last landmarks stand in.
    """

    path: Path
    written: int
    kept: int
    encoded: int
    failed: dict[str, str]
    absent: int = 0
    frames: int = 0
    fallback: int = 0


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
    folders = [_folder(what, out) for what in work]
    _check_distinct(work, folders)
    first = work[0]
    here = {clip.clip_id: clip for clip in first.manifest}
    with ExitStack() as locks:
        opened = [
            _open(what, folder, locks.enter_context(WorkLock(folder.path)))
            for what, folder in zip(work, folders, strict=True)
        ]
        lanes = [_lane(taker, one, here, mended) for taker, (one, mended) in enumerate(_retried(opened, here))]
        try:
            _write_shards(lanes, first, here)
        except BaseException:
            for lane in lanes:
                _keep_finished(lane)
            raise
        _update_all(lanes)
        return [_result(lane, here) for lane in lanes]


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
        partial(_read, opened[0].what, here),
    )
    return [(one, mended[taker]) for taker, one in enumerate(opened)]


def _lane(taker: Taker, opened: _Opened, here: Mapping[str, Clip], mended: set[str]) -> Lane:
    what, work = opened.what, opened.work
    pending, provenance = work.pending(mended), _provenance(what)
    if pending:
        others = [header for number, header in work.headers.items() if number not in pending]
        encode_one = EncodeOne(partial(_read, what, here, {taker: what.encoder}), what.encoder, what.recipe)
        check_same_features(opened.folder, others, provenance, encode_one)
    limits = BatchLimits(what.batch_clips, what.batch_s, what.batch_frames)
    return Lane(
        taker, what.encoder, what.recipe, opened.folder, opened.lock, provenance, work.mine, pending, limits
    )  # fmt: skip


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


def _folder(what: Extraction, out: Path) -> CacheFolder:
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


def _read(
    what: Extraction, here: Mapping[str, Clip], encoders: Mapping[Taker, Encoder[Any]], clip: Clip
) -> Generator[Event, None, None]:
    # The cache's manifest may remember another path; what counts is where the clip lies now.
    given = here.get(clip.clip_id)
    return read_clip(given or clip, what.root if given else None, what.source, encoders)


def _provenance(what: Extraction) -> dict[str, Any]:
    libraries = {name: version(name) for name in ("numpy", "h5py")}
    own = {"python": platform.python_version(), "ravfeat": __version__} | libraries
    return own | what.source.provenance() | what.encoder.provenance()


def _write_shards(lanes: Sequence[Lane], what: Extraction, here: Mapping[str, Clip]) -> None:
    """Take every clip through every lane that wants it; shards are written as they are complete."""

    def read(clip: Clip) -> Generator[Event, None, None]:
        return _read(what, here, {lane.taker: lane.encoder for lane in lanes if lane.wants(clip)}, clip)

    order = common_order([lane for lane in lanes if lane.pending])
    with (
        ShardWriter() as writer,
        closing(read_ahead(order, read, what.source.ahead)) as events,
        tqdm(total=len(order), desc="encoding", unit="clip", smoothing=0.05, disable=None) as bar,
    ):
        for event in events:
            for lane in lanes:
                if lane.wants(event.clip) and (complete := lane.take(event)) is not None:
                    writer.submit(lane, complete)
            writer.collect(wait=False)  # a full disk is noticed now, not a shard later
            _show(bar, event)
        writer.collect(wait=True)


def _show(bar: "tqdm[Any]", event: Event) -> None:
    if isinstance(event, ClipEnd):
        bar.update()
    elif event.clip.duration_s > _ASSUMED_S:
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
    )
