"""Convert a cache to a smaller one without running the encoder: fewer layers, averaged frames, pooled, float16.

The result is what an extraction with these options would have stored. From frames in float32 it is equal bit for
bit, and the derived cache has the identity of an extracted one. Means of frames that were rounded to float16 differ
in the last place from rounded means; the identity then names this in ``derived``, so that the two are never mixed.
"""

import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat import __version__
from ravfeat.cache.format import (
    POOLED_STATISTICS,
    ClipRecord,
    FailedClip,
    ShardContent,
    StoreRecipe,
    features_sha256,
    layers_sha256,
    shard_file,
)
from ravfeat.cache.index import IndexedShard
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.origin_file import read_origin, write_origin
from ravfeat.cache.reader import Cache, open_cache
from ravfeat.cache.shard import ShardHeader, read_header
from ravfeat.cache.verified_reads import read_verified
from ravfeat.cache.writer import CacheFolder, prepare_cache
from ravfeat.errors import CacheError, UsageError
from ravfeat.manifest import Clip
from ravfeat.numerics.float16 import all_finite
from ravfeat.numerics.pooling import average_block, average_frames, pool_block
from ravfeat.numerics.rounding import SAMPLE, describe_flattened, evenly, flattened_columns
from ravfeat.progress import ProgressBar
from ravfeat.schema import Store
from ravfeat.short_repr import short_repr

__all__ = ["Conversion", "Converted", "convert_cache"]

_SAMPLE_CLIPS = 64
_TOO_LARGE = "do not fit into float16 (at most 65504); convert with --dtype float32"


@short_repr
@dataclass(frozen=True)
class Conversion:
    """Requested changes; None leaves a property as it is.

    Attributes
    ----------
    layers : tuple of int, optional
        Layer numbers to keep, ascending.
    store : {"frames", "pooled"}, optional
    frame_stride : int, optional
        Frames of the *encoder* per stored frame: a multiple of the source's stride.
    dtype : {"float16", "float32"}, optional
    """

    layers: tuple[int, ...] | None = None
    store: Store | None = None
    frame_stride: int | None = None
    dtype: Literal["float16", "float32"] | None = None


@short_repr
@dataclass(frozen=True)
class Converted:
    """Result of a conversion.

    Attributes
    ----------
    path : Path
        The derived cache's folder.
    written, present : int
        Shards written now, and shards that existed before.
    failed : dict of str to str
        Clips that are not stored, with the reason; usually because they failed in the source.
    """

    path: Path
    written: int
    present: int
    failed: dict[str, str]


def convert_cache(source: Cache, out: Path, change: Conversion, *, clips: Collection[str] | None = None) -> Converted:
    """Derive a cache from another; after an interruption, a second call writes the missing shards.

    Parameters
    ----------
    source : Cache
        Complete: every clip of its manifest is stored or has failed.
    out : Path
        Folder of caches, as ``--out`` of ``ravfeat extract``.
    change : Conversion
    clips : collection of str, optional
        Ids of the clips to keep; default all.

    Raises
    ------
    UsageError
        For a change that cannot be made from this source, or for no change.
    CacheError
        Where the source is incomplete or damaged, the derived cache cannot be written, or float16 would flatten a
        dimension that the source keeps.
    """
    step = _step(source, change)
    identity = {**source.identity, **step.identity()}
    if identity == source.identity and clips is None:
        raise UsageError(f"{source.path} is such a cache; name what is to be different: layers, stride, store, dtype")
    manifest = source.planned_manifest
    if clips is not None:
        manifest = manifest.with_clips(clip for clip in manifest if clip.clip_id in clips)
    wanted = [clip.clip_id for clip in manifest]
    # A derived shard says of each of its clips either that it is stored or why it failed.
    if lacking := [clip_id for clip_id in wanted if clip_id not in source and clip_id not in source.failed]:
        raise CacheError(
            f"{len(lacking)} clips of {source.path} are not extracted yet ({', '.join(lacking[:3])} …); run the same"
            " 'ravfeat extract' again to finish it"
        )
    # What was rounded before has lost what it could.
    if step.recipe.dtype == "float16" and source.dtype == np.float32:
        _check_float16(source, step)
    folder = prepare_cache(out, manifest, source.about, identity, step.n_bytes)
    # Shards of an earlier conversion of other clips stay as they are.
    numbers = sorted({folder.planned.shards[clip_id] for clip_id in wanted})
    with WorkLock(folder.path) as lock:
        lock.claim(numbers)
        # Only after `claim`: before it, the temporary files could be those of another process that still writes.
        folder.remove_leftovers(numbers)
        together = [clip.clip_id for number in numbers for clip in folder.planned.clips_of(number)]
        headers = [source.header(number) for number in source.shards_of(together)]
        written = _DerivedWriter(source, headers, folder, step).run(numbers)
        folder.update_index(lock, written)
        if origin := read_origin(source.path):
            write_origin(folder.path, origin)
    n_present = len(numbers) - len(written)
    return Converted(folder.path, len(written), n_present, dict(open_cache(folder.path).failed))


def _step(source: Cache, change: Conversion) -> "_StoreChange":
    """Check the requested changes and resolve them against the source."""
    was_pooled, before = source.identity["store"] == "pooled", source.frame_stride
    store: Store = change.store or source.identity["store"]
    # Pooled statistics are over all frames: a stride has no meaning for them.
    stride = change.frame_stride or (1 if store == "pooled" else before)
    layers = change.layers or source.layers
    # Raises for a layer that the source does not hold.
    source.positions(layers)
    recipe = StoreRecipe(layers, store, stride, change.dtype or source.identity["dtype"], source.identity["view"])
    if was_pooled and store == "frames":
        raise UsageError(
            f"{source.path} holds pooled {list(source.statistics)}: frames cannot be made of them; convert a cache of"
            " frames"
        )
    if store == "frames" and stride % before:
        raise UsageError(f"{source.path} holds means of {before} frames: a frame stride of {stride} is no multiple")
    if store == "pooled" and not was_pooled:
        if before > 1:
            raise UsageError(
                f"{source.path} holds means of {before} frames: pooled statistics are over all frames; convert a cache"
                " with frame stride 1"
            )
        if source.about["stream"] not in POOLED_STATISTICS:
            raise UsageError(f"nobody has said what is pooled of the stream '{source.about['stream']}'")
    return _StoreChange(source, recipe)


def _check_float16(source: Cache, step: "_StoreChange") -> None:
    """Compare a sample of what will be stored with the same in float16; clips beyond its range fail by themselves."""
    # Of frames, few clips give enough rows; a pooled clip is one row.
    clip_ids = [source.clip_ids[at] for at in evenly(len(source), SAMPLE if source.statistics else _SAMPLE_CLIPS)]
    per_clip = -(-SAMPLE // max(len(clip_ids), 1))
    for layer in step.layers:
        sample = [np.empty((0, step.dim), np.float32)]
        for clip_id in clip_ids:
            (states,) = source.read([clip_id], layers=(layer,), verify=True)
            rows = np.asarray(step.block(states.transpose(1, 0, 2))[0], np.float32)  # (T, 1, D) -> (T', D')
            sample.append(rows[evenly(len(rows), per_clip)])
        rows = np.concatenate(sample)
        if columns := flattened_columns(rows[(np.abs(rows) <= np.finfo(np.float16).max).all(axis=1)]):
            names = [f"dimension {column.column} of layer {layer}" for column in columns]
            raise CacheError(
                f"{source.path}: float16 would lose most of what {describe_flattened(columns, names)} say; convert with"
                " --dtype float32"
            )


class _StoreChange:
    """Conversion of one clip from the source's store recipe to another."""

    def __init__(self, source: Cache, recipe: StoreRecipe) -> None:
        self._source, self.recipe = source, recipe
        self.layers = source.layers if recipe.layers is None else recipe.layers
        self.pools = recipe.store == "pooled" and not source.statistics
        self.window = 1 if recipe.store == "pooled" else recipe.frame_stride // source.frame_stride
        self.statistics = recipe.statistics(source.about["stream"]) if self.pools else source.statistics

    def identity(self) -> dict[str, Any]:
        """Return the keys of the identity that the conversion determines."""
        identity: dict[str, Any] = {
            "layers": list(self.layers),
            "store": self.recipe.store,
            "statistics": list(self.statistics),
            "frame_stride": self.recipe.frame_stride,
            "dtype": self.recipe.dtype,
        }
        if not self._same_bits():
            before = self._source
            source = f"means of {before.frame_stride} frames" if before.frame_stride > 1 else before.identity["store"]
            identity["derived"] = [*before.identity.get("derived", ()), f"from {before.dtype.name} {source}/1"]
        return identity

    def _same_bits(self) -> bool:
        """Whether an extraction with these options stores the same bits."""
        before = self._source
        if self.window == 1 and not self.pools:
            return before.dtype == np.float32 or before.dtype == self.recipe.dtype
        # Exact only if the same sums are made in the same order: an extraction pools faces piece by piece in double
        # precision, and it averages frames, never means of frames.
        exact = before.dtype == np.float32 and before.frame_stride == 1
        return exact and not (self.pools and before.about["stream"] == "face")

    @property
    def dim(self) -> int:
        """Size of the last axis."""
        return self._source.dim * (len(self.statistics) if self.pools else 1)

    def n_frames(self, clip_id: str) -> int:
        """Return the number of frames to store of a clip."""
        return 1 if self.pools else -(-self._source.n_frames(clip_id) // self.window)

    def n_bytes(self, clip: Clip) -> int:
        """Return the size of a clip on the disk; 0 where it failed."""
        n_frames = self.n_frames(clip.clip_id) if clip.clip_id in self._source else 0
        return len(self.layers) * n_frames * self.dim * np.dtype(self.recipe.dtype).itemsize

    def block(self, block: NDArray[Any]) -> NDArray[Any]:
        """Average or pool some layers, (L', T, D) -> (L', T', D'), not yet cast to the stored dtype."""
        if self.pools:
            return pool_block(block, self.statistics).reshape(len(block), 1, -1)
        return block if self.window == 1 else average_block(block, self.window)

    def times_s(self, clip_id: str) -> NDArray[np.float64]:
        """Return the times of the stored frames."""
        times_s = self._source.times(clip_id)
        if self.pools:
            return np.asarray(times_s.mean(keepdims=True))
        if self.window == 1:
            return times_s
        # np.split at these positions leaves a shorter last window, as `average_block` does for the features.
        starts = range(self.window, len(times_s), self.window)
        return np.array([window.mean() for window in np.split(times_s, starts)])

    def columns(self, clip_id: str) -> dict[str, NDArray[np.float32]]:
        """Return the additional columns of the stored frames."""
        return {name: self._column(values) for name, values in self._source.columns(clip_id).items()}

    def _column(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.pools:
            return np.asarray(values.mean(axis=0, keepdims=True), np.float32)
        # (T, ...) -> (T, 1, n): frames of a single layer, as `average_frames` takes them.
        wide = values.reshape(len(values), 1, -1)
        averaged = np.asarray(average_frames(wide, np.array([0, len(values)]), self.window)[0], np.float32)
        return averaged.reshape(len(averaged), *values.shape[1:])


class _DerivedWriter:
    """Writer of the missing shards of a derived cache."""

    def __init__(self, source: Cache, headers: Sequence[ShardHeader], folder: CacheFolder, step: _StoreChange) -> None:
        self._source, self._folder, self._step = source, folder, step
        self._records = {clip.clip_id: clip for header in headers for clip in header.clips}
        self._failed = {clip.clip_id: clip for header in headers for clip in header.failed}
        self._provenance = _provenance(source, headers)
        self._encoder_source = next((header.source for header in headers if header.source), {})
        self._feature_names = next((header.feature_names for header in headers if header.feature_names), ())

    def run(self, numbers: Sequence[int]) -> dict[int, IndexedShard]:
        """Write those of some shards that are missing, and return them."""
        planned = self._folder.planned
        pending = [number for number in numbers if not self._is_there(number, planned.clips_of(number))]
        written: dict[int, IndexedShard] = {}
        total = sum(len(planned.clips_of(number)) for number in pending)
        with ProgressBar(total=total, desc="converting", unit="clip") as bar:
            for number in pending:
                written[number] = self._folder.write_shard(self._content(number, planned.clips_of(number), bar))
        return written

    def _is_there(self, number: int, clips: Sequence[Clip]) -> bool:
        path = self._folder.path / shard_file(number)
        if not path.is_file():
            return False
        header = read_header(path)
        # A derived shard is current if it holds the same recordings as the source, or failed for a reason that is
        # still true.
        stored = {clip.clip_id: clip.input_sha256 for clip in header.clips}
        refused = {clip.clip_id: clip.reason for clip in header.failed}
        return all(self._is_as_now(clip.clip_id, stored, refused) for clip in clips)

    def _is_as_now(self, clip_id: str, stored: Mapping[str, str], refused: Mapping[str, str]) -> bool:
        if clip_id not in self._records:
            return clip_id in refused
        # A clip that had failed in the source at the last conversion may have been extracted since.
        return stored.get(clip_id) == self._records[clip_id].input_sha256 or _TOO_LARGE in refused.get(clip_id, "")

    def _content(self, number: int, clips: Sequence[Clip], bar: Any) -> ShardContent:
        step = self._step
        blocks, too_large = self._blocks([clip.clip_id for clip in clips if clip.clip_id in self._records], bar)
        failed = [self._failed_clip(clip, too_large) for clip in clips if clip.clip_id not in blocks]
        records, start = [], 0
        # In the order of the plan, whichever thread was done first.
        for clip_id, block in blocks.items():
            place = {"frame_start": start, "n_frames": block.shape[1]}
            records.append(
                replace(
                    self._records[clip_id],
                    features_sha256=features_sha256(block),
                    layers_sha256=layers_sha256(block),
                    **place,
                )
            )
            start += block.shape[1]
        return ShardContent(
            number=number,
            about=self._folder.about,
            identity=self._folder.identity,
            provenance=self._provenance,
            clips=tuple(records),
            failed=tuple(failed),
            features=tuple(blocks.values()),
            times_s=tuple(step.times_s(clip_id) for clip_id in blocks),
            shape=(len(step.layers), step.dim),
            columns=tuple(step.columns(clip_id) for clip_id in blocks),
            source=self._encoder_source,
            feature_names=self._feature_names,
        )

    def _blocks(self, clip_ids: Sequence[str], bar: Any) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
        """Convert clips; return their blocks, and the largest value of each clip that does not fit into the dtype."""
        step = self._step
        blocks = {
            clip_id: np.empty((len(step.layers), step.n_frames(clip_id), step.dim), step.recipe.dtype)
            for clip_id in clip_ids
        }
        too_large: dict[str, float] = {}

        # Called from several threads, but always by one thread per clip, so no lock is needed.
        def take(clip: ClipRecord, rows: slice, block: NDArray[Any]) -> None:
            values, target = step.block(block), blocks[clip.clip_id][rows]
            # Overflow to infinity is detected below and reported as a failed clip, not as a numpy warning.
            with np.errstate(over="ignore"):
                target[...] = values
            if not all_finite(target):
                too_large[clip.clip_id] = max(too_large.get(clip.clip_id, 0.0), float(np.abs(values).max()))

        for read in read_verified(self._source, clip_ids, step.layers, take):
            bar.update(read)
        return {clip_id: block for clip_id, block in blocks.items() if clip_id not in too_large}, too_large

    def _failed_clip(self, clip: Clip, too_large: Mapping[str, float]) -> FailedClip:
        if clip.clip_id not in too_large:
            return self._failed[clip.clip_id]
        facts = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
        reason = f"values up to {too_large[clip.clip_id]:.3g} {_TOO_LARGE}"
        return FailedClip(*facts, "encode", reason)


def _provenance(source: Cache, headers: Sequence[ShardHeader]) -> dict[str, Any]:
    """Return the source's fingerprint, its runs, and the versions of this run."""
    runs: list[Mapping[str, Any]] = []
    for header in headers:
        if header.provenance not in runs:
            runs.append(header.provenance)
    versions = {"python": platform.python_version(), "ravfeat": __version__, "numpy": np.__version__, "device": "cpu"}
    return {**versions, "derived_from": source.fingerprint, "extracted_with": runs}
