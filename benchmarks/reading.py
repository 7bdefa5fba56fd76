"""Reading: a cache of the shape of WavLM-large's, generated, against plain reads and digests of the same files.

The files are in the system's memory, as they are when heads are trained from them twice; what a disk adds is the
same on both sides and printed as a ratio of its own.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import h5py
import numpy as np

from benchmarks.generated import write_cache
from ravfeat.cache import Cache, open_cache, verify_cache
from ravfeat.features.clips import Reading
from ravfeat.features.load import load_features
from ravfeat.resources import processors

__all__ = ["measure"]

ROUNDS = 5
SOME_LAYERS = (6, 7, 8)


def measure(*, n_clips: int = 144, dim: int = 1024) -> Iterator[str]:
    """Measure and give one line for each figure.

    Parameters
    ----------
    n_clips, dim : int
        Of the generated cache, which has 25 layers; 144 clips make 1.36 GB.
    """
    with tempfile.TemporaryDirectory() as scratch:
        cache = open_cache(write_cache(Path(scratch), n_clips=n_clips, dim=dim))
        yield _sequential(cache)
        yield _some_layers(cache)
        yield _one_clip(cache)
        yield _narrowed(cache)
        yield _verified(cache)


def _sequential(cache: Cache) -> str:
    files, whole = _files(cache), _bytes_of(cache)
    buffer = np.empty(max(cache[clip_id].nbytes for clip_id in cache.clip_ids), np.uint8)

    def ours() -> None:
        for _ in cache.iter():
            pass

    def plain() -> None:
        for path in files:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer.data):
                    pass

    warm, raw = _in_turn(ours, plain)
    cold, cold_raw = _in_turn(ours, plain, before=lambda: _forget(files))
    return (
        f"reading all clips of {whole / 1e9:.2f} GB one after another: {whole / median(warm) / 1e9:.1f} GB/s against"
        f" {whole / median(raw) / 1e9:.1f} GB/s of readinto into one buffer, {_ratio(raw, warm)} of its speed; from the"
        f" disk {whole / median(cold) / 1e9:.1f} GB/s against {whole / median(cold_raw) / 1e9:.1f},"
        f" {_ratio(cold_raw, cold)}"
    )


def _some_layers(cache: Cache) -> str:
    def some() -> None:
        for _ in cache.iter(layers=SOME_LAYERS):
            pass

    def all_of_them() -> None:
        for _ in cache.iter():
            pass

    few, whole = _in_turn(some, all_of_them)
    parts = [_bytes_read(work) for work in (some, all_of_them)]
    n = len(cache.layers)
    return (
        f"reading {len(SOME_LAYERS)} of {n} layers: {parts[0] / parts[1]:.4f} of the bytes (3/25 is"
        f" {len(SOME_LAYERS) / n:.4f}), {_ratio(few, whole)} of the time"
    )


def _one_clip(cache: Cache) -> str:
    chosen = np.random.default_rng(0).permutation(cache.clip_ids).tolist()[:50]
    records = cache.records()
    places = {clip.clip_id: number for number in cache.shards for clip in cache.header(number).clips}
    names = dict(zip(cache.shards, _files(cache), strict=True))

    def ours() -> None:
        for clip_id in chosen:
            cache[clip_id]

    def plain() -> None:
        for clip_id in chosen:
            clip = records[clip_id]
            with h5py.File(names[places[clip_id]], "r", locking=False) as file:
                file["features"][:, clip.frame_start : clip.frame_start + clip.n_frames]

    one, hdf5 = _in_turn(ours, plain)
    share = _bytes_read(ours) / sum(cache[clip_id].nbytes for clip_id in chosen)
    return (
        f"one clip anywhere: {1e3 * median(one) / len(chosen):.2f} ms against {1e3 * median(hdf5) / len(chosen):.2f} ms"
        f" of opening its shard with h5py, ratio {_ratio(hdf5, one)}; {share:.3f} of the clip's bytes are read"
    )


def _narrowed(cache: Cache) -> str:
    whole = _bytes_of(cache)

    def narrow() -> None:
        load_features(cache, cache.clip_ids, Reading(window=16))

    ours, digest = _in_turn(narrow, _digests(cache))
    plain = _timed(lambda: _narrow_plainly(cache))
    return (
        f"all clips averaged by 16 frames, digests checked: {median(ours):.2f} s"
        f" ({whole / median(ours) / 1e9:.2f} GB/s, {processors()} threads) against {median(digest):.2f} s of SHA-256"
        f" alone in one, ratio {_ratio(ours, digest)}, {_processor_time(narrow, _digests(cache))}; a loop over h5py,"
        f" hashlib and add.reduceat {plain:.2f} s,"
        f" {plain / median(ours):.1f} times as long (timed once)"
    )


def _narrow_plainly(cache: Cache) -> None:
    kept = []
    for number, path in zip(cache.shards, _files(cache), strict=True):
        with h5py.File(path, "r", locking=False) as file:
            features = file["features"][...]
        for clip in cache.header(number).clips:
            block = np.ascontiguousarray(features[:, clip.frame_start : clip.frame_start + clip.n_frames])
            hashlib.sha256(block.data).hexdigest()
            starts = np.arange(0, clip.n_frames, 16)
            sums = np.add.reduceat(block.astype(np.float32), starts, axis=1)
            sizes = np.minimum(16, clip.n_frames - starts).astype(np.float32)
            kept.append((sums / sizes[:, None]).astype(np.float16).transpose(1, 0, 2))
    np.concatenate(kept)


def _verified(cache: Cache) -> str:
    whole = _bytes_of(cache)

    def verify() -> None:
        verify_cache(cache.path)

    ours, digest = _in_turn(verify, _digests(cache))
    return (
        f"verifying, two digests of every byte: {median(ours):.2f} s ({whole / median(ours) / 1e9:.2f} GB/s,"
        f" {processors()} threads) against {median(digest):.2f} s of one digest in one process, ratio"
        f" {_ratio(ours, digest)}, {_processor_time(verify, _digests(cache))}"
    )


def _digests(cache: Cache) -> Callable[[], None]:
    def digest() -> None:
        for path in _files(cache):
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")

    return digest


def _processor_time(one: Callable[[], object], other: Callable[[], object]) -> str:
    """Say what both cost whoever else is using the machine, each once."""
    seconds = []
    for work in (one, other):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return f"{seconds[0] / seconds[1]:.2f} of its processor time"


def _files(cache: Cache) -> list[Path]:
    return sorted(cache.path.glob("shard-*.h5"))


def _bytes_of(cache: Cache) -> int:
    return sum(path.stat().st_size for path in _files(cache))


def _forget(files: Sequence[Path]) -> None:
    """Have the system forget what it keeps of files."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _bytes_read(work: Callable[[], object]) -> int:
    def so_far() -> int:
        return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])

    before = so_far()
    work()
    return so_far() - before


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _in_turn(
    one: Callable[[], object], other: Callable[[], object], *, before: Callable[[], object] = lambda: None
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    one(), other()
    for _ in range(ROUNDS):
        for work, own in zip((one, other), times, strict=True):
            before()
            own.append(_timed(work))
    return times


def _ratio(first: Sequence[float], second: Sequence[float]) -> str:
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
