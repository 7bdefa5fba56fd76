"""The extraction itself: decode ahead, encode, write behind; resume and retry.

Files are decoded in the background, the encoder works in the foreground, shards are written behind
it. What is done and what is missing is decided once, before the first clip.

Offers
------
Extraction, ExtractResult, run_extraction.
"""

import logging
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ravfeat import __version__
from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.shard import read_header
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.encoders.base import Encoder, plan_batches
from ravfeat.errors import CacheError, ClipError, UsageError
from ravfeat.extract.decode import DecodedClip, decode, decode_ahead
from ravfeat.extract.resume import EncodeOne, check_same_features, find_work, lost_clips
from ravfeat.extract.store import ShardBuilder
from ravfeat.manifest import Clip, Manifest

__all__ = ["ExtractResult", "Extraction", "run_extraction"]

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
    shard_index, num_shards : int
        This process writes the shards whose number leaves ``shard_index`` when divided by
        ``num_shards``; any number of processes fill one cache.
    batch_clips : int
        Clips that are encoded together at most.
    batch_s : float
        Seconds that are encoded together at most, padding included.
    """

    manifest: Manifest
    root: Path
    encoder: Encoder
    recipe: StoreRecipe = field(default_factory=StoreRecipe)
    shard_index: int = 0
    num_shards: int = 1
    batch_clips: int = 8
    batch_s: float = 32.0

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
    """

    path: Path
    written: int
    kept: int
    encoded: int
    failed: dict[str, str]
    absent: int = 0


def run_extraction(what: Extraction, out: Path) -> ExtractResult:
    """Extract what is missing.

    Parameters
    ----------
    what : Extraction
    out : Path
        The cache's home; the features go to ``out/<corpus>/<stream>-<encoder>-<fingerprint>/``.

    Returns
    -------
    ExtractResult

    Raises
    ------
    CacheError
        Where another process does the same work, the disk is full, or stored features cannot be
        continued under today's library versions.

    Notes
    -----
    However it ends, shards that were finished are kept and the next call goes on from there.
    """
    folder = _folder(what, out)
    mine = [n for n in folder.planned.numbers if n % what.num_shards == what.shard_index]
    paths = {clip.clip_id: clip for clip in what.manifest}
    decode_one = partial(_decode_planned, what, paths)
    provenance = _provenance(what.encoder)
    encode_one = EncodeOne(decode_one, what.encoder, what.recipe)
    with WorkLock(folder.path) as lock:
        lock.claim(mine)
        folder.remove_leftovers(mine)
        work = find_work(folder, mine, encode_one)
        if work.pending:
            check_same_features(folder, work.others, provenance, encode_one)
        written: dict[int, IndexedShard] = {}
        try:
            for shard in _write_shards(what, folder, work.pending, provenance, decode_one):
                written[shard.number] = shard
        except BaseException:
            _keep_finished(folder, lock, written)
            raise
        folder.update_index(lock, written)
        failed = _failed(folder, mine)
    absent = sum(clip.clip_id not in paths for clip in folder.planned.manifest)
    encoded = sum(row["status"] == "stored" for shard in written.values() for row in shard.rows)
    return ExtractResult(folder.path, len(written), len(mine) - len(written), encoded, failed, absent)


def _keep_finished(folder: CacheFolder, lock: WorkLock, written: Mapping[int, IndexedShard]) -> None:
    # What stopped the run is what the user must hear of, not that the index could not be written either.
    try:
        folder.update_index(lock, written)
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
        shape = recipe.stored_shape(int(duration_s * spec.frame_rate_hz) + 1, spec.n_layers, spec.dim)
        return math.prod(shape) * (2 if recipe.dtype == "float16" else 4) + 8 * shape[1] + _RECORD_BYTES

    identity = spec.identity() | recipe.identity(spec.n_layers)
    return prepare_cache(out, what.manifest, about, identity, n_bytes)


def _decode_planned(what: Extraction, paths: dict[str, Clip], clip: Clip) -> DecodedClip:
    # The cache's manifest may remember another path; what counts is where the clip lies now.
    here = paths.get(clip.clip_id)
    return decode(here or clip, what.root if here else None, what.encoder)


def _provenance(encoder: Encoder) -> dict[str, Any]:
    libraries = {name: version(name) for name in ("numpy", "h5py", "soundfile", "soxr", "av")}
    return {"python": platform.python_version(), "ravfeat": __version__} | libraries | encoder.provenance()


def _write_shards(
    what: Extraction,
    folder: CacheFolder,
    pending: Sequence[int],
    provenance: Mapping[str, Any],
    decode_one: Callable[[Clip], DecodedClip],
) -> Iterator[IndexedShard]:
    """Encode shard after shard; give each as soon as it is known to be on the disk."""
    plans = [(number, _batches(what, folder.planned.clips_of(number))) for number in pending]
    order = [clip for _, batches in plans for batch in batches for clip in batch]
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="write") as writer,
        closing(decode_ahead(order, decode_one)) as decoded,
        tqdm(total=len(order), desc="encoding", unit="clip", smoothing=0.05, disable=None) as bar,
    ):
        writing: Future[IndexedShard | None] | None = None
        for number, batches in plans:
            builder = ShardBuilder(number, folder.planned.clips_of(number), what.encoder, what.recipe)
            for batch in batches:
                _encode_batch(what.encoder, list(islice(decoded, len(batch))), builder)
                bar.update(len(batch))
                if writing is not None and writing.done():  # a full disk is noticed now, not a shard later
                    yield from _finished(writing)
                    writing = None
            if writing is not None:
                yield from _finished(writing)
            writing = writer.submit(_write_one, folder, builder, provenance)
        if writing is not None:
            yield from _finished(writing)


def _finished(writing: Future[IndexedShard | None]) -> Iterator[IndexedShard]:
    shard = writing.result()
    if shard is not None:
        yield shard


def _batches(what: Extraction, clips: Sequence[Clip]) -> list[list[Clip]]:
    plan = plan_batches(
        [clip.duration_s for clip in clips],
        what.encoder.batching,
        max_clips=what.batch_clips,
        max_seconds=what.batch_s,
    )
    return [[clips[position] for position in batch] for batch in plan]


def _encode_batch(encoder: Encoder, batch: Sequence[DecodedClip], builder: ShardBuilder) -> None:
    ready = []
    for item in batch:
        if item.prepared is None:
            builder.fail(item.clip, "decode", item.reason)
        else:
            ready.append((item, item.prepared))
    if not ready:
        return
    try:
        states = encoder.encode([prepared for _, prepared in ready])
    except (MemoryError, ClipError):
        states = None
    if states is not None:
        for (item, _), state in zip(ready, states, strict=True):
            builder.add(item, state)
        return
    # One by one gives the same features; what is too much even alone has failed.
    for item, prepared in ready:
        try:
            builder.add(item, encoder.encode([prepared])[0])
        except MemoryError as error:
            reason = f"{item.clip.path}: {error}; split the clip or use a machine with more memory"
            builder.fail(item.clip, "encode", reason)
        except ClipError as error:
            builder.fail(item.clip, "encode", f"{item.clip.path}: {error}")


def _write_one(folder: CacheFolder, builder: ShardBuilder, provenance: Mapping[str, Any]) -> IndexedShard | None:
    content = builder.content(folder.about, folder.identity, provenance)
    if lost := lost_clips(folder, content):
        _log.warning(
            "%s stays as it is: it holds %s, which cannot be read now, and would lose it",
            shard_file(builder.number),
            ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else ""),
        )
        return None
    return folder.write_shard(content)


def _failed(folder: CacheFolder, mine: Sequence[int]) -> dict[str, str]:
    headers = (read_header(folder.path / shard_file(number)) for number in mine)
    return {clip.clip_id: clip.reason for header in headers for clip in header.failed}
