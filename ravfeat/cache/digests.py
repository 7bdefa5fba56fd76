"""Check a shard file against its digests in a single pass from the first byte to the last.

Every byte enters the digest of the file, and the bytes of features also that of their clip; both are computed
while a block is in the processor's cache.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.cache.features import StoredFeatures, stored_features
from ravfeat.cache.format import ClipRecord, features_sha256, layers_sha256
from ravfeat.cache.shard import UNREADABLE, ShardHeader, open_shard
from ravfeat.errors import ShardError
from ravfeat.files import sha256_of
from ravfeat.numerics.float16 import all_finite

__all__ = ["ShardCheck", "check_shard", "head_sha256"]

_BLOCK_BYTES = 1 << 20
_Digest = Any  # hashlib's objects have no public type


@dataclass(frozen=True)
class ShardCheck:
    """Result of checking a shard file.

    Attributes
    ----------
    sha256 : str
        Of the file.
    problems : tuple of str
        One sentence each: digests that do not match, NaN or infinite values.
    features : tuple (offset, size)
        Bytes of the features in the file; (0, 0) where they are not one range of it.
    """

    sha256: str
    problems: tuple[str, ...]
    features: tuple[int, int]


def head_sha256(path: Path, features: tuple[int, int]) -> str:
    """Compute the digest of a shard file without its features, which is what HDF5 interprets; a small part of the file.

    Parameters
    ----------
    path : Path
    features : tuple (offset, size)
        Bytes to leave out.
    """
    offset, size = features
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(offset))
        file.seek(offset + size)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def check_shard(path: Path, header: ShardHeader) -> ShardCheck:
    """Read a shard file and compare every stored clip with its record; `read_header` has checked the layout.

    Raises
    ------
    ShardError
        Where the file cannot be read to its end.
    """
    with open_shard(path) as file:
        try:
            features = stored_features(path, file)
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its features cannot be read ({error})") from error
        # Chunked by another program: clips are no ranges of bytes, so the file's digest takes a read of its own.
        if features.offset is None:
            return ShardCheck(sha256_of(path), tuple(_read_apart(features, header.clips)), (0, 0))
    # Unbuffered: a buffer would copy every byte once more.
    with path.open("rb", buffering=0) as raw:
        return _read_through(path, raw, features, features.offset, header.clips)


def _read_through(
    path: Path, raw: FileIO, features: StoredFeatures, offset: int, clips: Sequence[ClipRecord]
) -> ShardCheck:
    # The features are one array, (L, F, D): reading it in the order of the file visits all clips of layer 0, then all
    # clips of layer 1 and so on. A clip's digest covers its layers in that order, so each clip keeps one open digest.
    n_layers, _, width = features.shape
    digest, clip_digests = hashlib.sha256(), [hashlib.sha256() for _ in clips]
    layer_digests: list[list[str]] = [[] for _ in clips]
    finite = [True] * len(clips)
    bytes_of_frame = width * features.dtype.itemsize
    stretches = list(_stretches(clips, bytes_of_frame))
    longest = max(sum(clips[i].n_frames for i in stretch) for stretch in stretches) * bytes_of_frame if clips else 0
    # One buffer for the whole file; at least as large as the longest clip, which is never divided.
    memory = np.empty(max(longest, _BLOCK_BYTES), np.uint8)
    _pass(path, raw, memory, digest, offset)
    for _ in range(n_layers):
        for stretch in stretches:
            size = sum(clips[i].n_frames for i in stretch) * bytes_of_frame
            _fill(path, raw, memory[:size].data)
            digest.update(memory[:size].data)
            start = 0
            for i in stretch:
                part = memory[start : start + clips[i].n_frames * bytes_of_frame]
                clip_digests[i].update(part.data)
                if clips[i].layers_sha256:
                    layer_digests[i].append(hashlib.sha256(part.data).hexdigest())
                finite[i] &= all_finite(part.view(features.dtype))
                start += len(part)
    _pass(path, raw, memory, digest, None)
    problems = (
        _judge(clip, clip_digests[i].hexdigest(), tuple(layer_digests[i]), finite[i]) for i, clip in enumerate(clips)
    )
    size = int(np.prod(features.shape)) * features.dtype.itemsize
    return ShardCheck(digest.hexdigest(), tuple(problem for problem in problems if problem), (offset, size))


def _stretches(clips: Sequence[ClipRecord], bytes_of_frame: int) -> Iterator[range]:
    """Yield ranges of clips that are read together, about one block of bytes per layer."""
    start, frames = 0, 0
    for i, clip in enumerate(clips):
        if frames and (frames + clip.n_frames) * bytes_of_frame > _BLOCK_BYTES:
            yield range(start, i)
            start, frames = i, 0
        frames += clip.n_frames
    if frames:
        yield range(start, len(clips))


def _pass(path: Path, raw: FileIO, memory: np.ndarray[Any, Any], digest: _Digest, n_bytes: int | None) -> None:
    """Read ``n_bytes``, or the rest of the file, into the file's digest only."""
    if n_bytes is None:
        while n := raw.readinto(memory.data):
            digest.update(memory[:n].data)
        return
    while n_bytes:
        block = memory[: min(n_bytes, len(memory))].data
        _fill(path, raw, block)
        digest.update(block)
        n_bytes -= len(block)


def _fill(path: Path, raw: FileIO, block: memoryview) -> None:
    while len(block):
        # An unbuffered read may return less than was asked for.
        n = raw.readinto(block)
        if not n:
            raise ShardError(f"{path} is damaged: it ends at byte {raw.tell()}, within its features")
        block = block[n:]


def _read_apart(features: StoredFeatures, clips: Sequence[ClipRecord]) -> Iterator[str]:
    n_layers, _, width = features.shape
    for clip in clips:
        block = np.empty((n_layers, clip.n_frames, width), features.dtype)
        try:
            features.read(slice(0, n_layers), slice(clip.frame_start, clip.frame_start + clip.n_frames), block)
        except UNREADABLE as error:
            yield f"clip '{clip.clip_id}' cannot be read ({error})"
            continue
        layers = layers_sha256(block) if clip.layers_sha256 else ()
        if problem := _judge(clip, features_sha256(block), layers, all_finite(block)):
            yield problem


def _judge(clip: ClipRecord, digest: str, layers: tuple[str, ...], finite: bool) -> str:  # noqa: FBT001 (a finding)
    if digest != clip.features_sha256:
        return f"clip '{clip.clip_id}' does not match its features_sha256"
    if layers != clip.layers_sha256:
        return f"clip '{clip.clip_id}' does not match its layers_sha256"
    return "" if finite else f"clip '{clip.clip_id}' holds NaN or infinite values"
