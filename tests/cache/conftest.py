"""Shards made by hand, so that a test can say exactly what is in them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.cache.format import ClipRecord, FailedClip, ShardContent, features_sha256, shard_file
from ravfeat.cache.rebuild import rebuild_index
from ravfeat.cache.serialise import serialise_shard
from ravfeat.cache.shard import read_header

IDENTITY: dict[str, Any] = {
    "stream": "audio",
    "weights": "none",
    "layer_convention": "test/1",
    "preprocessing": [],
    "layers": [0, 3, 4],
    "store": "frames",
    "statistics": [],
    "frame_stride": 1,
    "dtype": "float16",
    "view": "clean",
}
ABOUT = {"corpus": "c", "synthetic": True, "stream": "audio", "encoder": "test"}


def make_content(number: int, clips: dict[str, NDArray[Any]], failed: tuple[str, ...] = ()) -> ShardContent:
    """A shard of the given (L, T, D) blocks, digests right whatever the blocks hold."""
    records, start = [], 0
    for clip_id, block in clips.items():
        source = (16_000, 16_000.0, clip_id.encode().hex().ljust(64, "0"), features_sha256(block))
        records.append(ClipRecord(clip_id, f"p-{clip_id}", "c:1", "male", "sad", *source, start, block.shape[1]))
        start += block.shape[1]
    blocks = tuple(clips.values())
    return ShardContent(
        number=number,
        about=ABOUT,
        identity=IDENTITY,
        provenance={"device": "cpu", "numpy": "2"},
        clips=tuple(records),
        failed=tuple(FailedClip(i, f"p-{i}", "c:1", "male", "sad", "decode", f"{i}.wav is empty") for i in failed),
        features=blocks,
        times_s=tuple(np.arange(block.shape[1]) / 50 for block in blocks),
        shape=(3, 5),
    )


def block(seed: int, n_frames: int = 4) -> NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=(3, n_frames, 5)).astype(np.float16)


@pytest.fixture
def content() -> ShardContent:
    return make_content(0, {"a": block(1, 2), "b": block(2, 7)}, failed=("f",))


@pytest.fixture
def shard(content: ShardContent, tmp_path: Path) -> Path:
    path = tmp_path / shard_file(0)
    path.write_bytes(serialise_shard(content).data)
    return path


@pytest.fixture
def with_columns(content: ShardContent) -> ShardContent:
    """A shard that knows more of its frames than their times."""
    lengths = [clip.n_frames for clip in content.clips]
    boxes = [np.arange(4 * n, dtype=np.float32).reshape(n, 4) for n in lengths]
    columns = tuple({"box": box, "found": np.ones(n, np.float32)} for box, n in zip(boxes, lengths, strict=True))
    return replace(content, columns=columns)


@pytest.fixture
def make() -> Callable[..., ShardContent]:
    return make_content


Rewrite = Callable[..., None]


@pytest.fixture
def rewrite() -> Rewrite:
    """Write a stored shard anew with other contents and all digests right, then the index."""

    def write(path: Path, *, to: Path | None = None, **changes: Any) -> None:
        header = read_header(path)
        with h5py.File(path) as file:
            stored = file["features"][...]
            times = file["frames/time_s"][...]
        spans = [slice(clip.frame_start, clip.frame_start + clip.n_frames) for clip in header.clips]
        content = ShardContent(
            number=header.number,
            about=header.about,
            identity=header.identity,
            provenance=header.provenance,
            clips=header.clips,
            failed=header.failed,
            features=tuple(stored[:, span] for span in spans),
            times_s=tuple(times[span] for span in spans),
            shape=(stored.shape[0], stored.shape[2]),
        )
        (to or path).write_bytes(serialise_shard(replace(content, **changes)).data)
        rebuild_index(path.parent)

    return write
