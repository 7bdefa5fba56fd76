"""What is encoded of an unfinished shard is kept, and taken over by the run that continues."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.index import present_shards
from ravfeat.cache.parts import part_file, read_part
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.extract import Extraction, ExtractResult, open_caches, run_extraction
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.extract.postprocess import PostprocessPool
from ravfeat.files import sha256_of

N_CLIPS = 22
N_KEPT = 12


class Stopping(LogMelEncoder):
    """The real encoder; the user interrupts it after some clips."""

    batching = "padded"

    def __init__(self, after: int = 10**6) -> None:
        super().__init__()
        self.after = after
        self.clips = 0

    def encode(self, batch: Sequence[EncoderInput]) -> list[Any]:
        if self.clips + len(batch) > self.after:
            raise KeyboardInterrupt
        self.clips += len(batch)
        # Rounding that depends on what shares the batch, as in a GPU's products.
        longest = max(piece.n_frames for piece in batch)
        return [states * np.float32(1 + longest * 1e-2) for states in super().encode(batch)]


def extract(clips: Path, out: Path, encoder: Any, **options: Any) -> ExtractResult:
    return run_extraction(Extraction(scan_ravdess(clips), clips, encoder, batch_clips=4, **options), out)


def interrupted(clips: Path, out: Path) -> Path:
    """Stop in the fourth batch of four clips, with the three before it reduced: their `N_KEPT` clips are kept.

    How far the background threads are at that moment is otherwise up to the machine, and it may be that nothing is.
    """
    collect = PostprocessPool.collect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostprocessPool, "collect", lambda pool, *, wait: collect(pool, wait=True))
        with pytest.raises(KeyboardInterrupt):
            extract(clips, out, Stopping(after=13))
    (folder,) = out.glob("ravdess/*")
    return folder


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.extract.shard_writer.SAVE_EVERY_S", 0.0)


@pytest.fixture
def whole(clips: Path, tmp_path: Path, contents: Any) -> Any:
    return contents(extract(clips, tmp_path / "whole", Stopping()).path)


def test_the_next_run_encodes_only_what_is_missing(clips: Path, tmp_path: Path, whole: Any, contents: Any) -> None:
    folder = interrupted(clips, tmp_path / "out")
    assert not present_shards(folder)
    kept = sum(len(read_part(path).clips) for path in folder.glob("*.part-*.h5"))
    assert kept == N_KEPT
    problems = [str(problem) for problem in verify_cache(folder)]
    assert sum("is part of a shard that is not finished" in problem for problem in problems) >= 1
    result = extract(clips, tmp_path / "out", encoder := Stopping())
    assert encoder.clips == N_CLIPS - kept
    assert (result.restored, result.encoded) == (kept, N_CLIPS - kept)
    assert contents(folder) == whole
    assert verify_cache(folder) == []  # no part is left
    assert extract(clips, tmp_path / "out", Stopping(0)).written == 0


def test_what_is_kept_needs_no_file_any_more(clips: Path, tmp_path: Path) -> None:
    folder = interrupted(clips, tmp_path / "out")
    kept = [clip.clip_id for path in folder.glob("*.part-*.h5") for clip in read_part(path).clips]
    intact = shutil.copytree(clips, tmp_path / "intact")
    for clip in scan_ravdess(intact):
        if clip.clip_id in kept:
            (clips / clip.path).write_bytes(b"gone")
    manifest = scan_ravdess(intact)
    result = run_extraction(Extraction(manifest, clips, Stopping(), batch_clips=4), tmp_path / "out")
    assert not result.failed
    assert len(open_cache(folder)) == N_CLIPS


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty", "other_versions", "other_shard"])
def test_a_part_that_cannot_be_trusted_is_encoded_again(
    clips: Path, tmp_path: Path, whole: Any, contents: Any, spoil: str, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = interrupted(clips, tmp_path / "out")
    paths = sorted(folder.glob("*.part-*.h5"))
    kept = {path: len(read_part(path).clips) for path in paths}
    assert sum(kept.values()) == N_KEPT
    data = paths[0].read_bytes()
    elsewhere = folder / part_file(7, 0, sha256_of(paths[0]))
    if spoil == "flip":
        middle = data.index(read_part(paths[0]).features[0].tobytes()[:64])
        paths[0].write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif spoil == "cut":
        paths[0].write_bytes(data[: len(data) // 2])
    elif spoil == "empty":
        paths[0].write_bytes(b"")
    elif spoil == "other_shard":
        paths[0].rename(elsewhere)
    if spoil == "other_versions":
        original = open_caches.provenance_of
        monkeypatch.setattr(open_caches, "provenance_of", lambda request: original(request) | {"python": "9.9"})
        kept = dict.fromkeys(kept, 0)
    with caplog.at_level(logging.WARNING):
        result = extract(clips, tmp_path / "out", Stopping())
    if spoil == "other_shard":  # its shard does not exist: nothing reads it, and verify names it
        assert [problem.where for problem in verify_cache(folder)] == [elsewhere.name]
        elsewhere.unlink()
    else:
        assert "is not used, its clips are encoded again" in caplog.text
        assert verify_cache(folder) == []
    assert result.restored == sum(count for path, count in kept.items() if path != paths[0])
    if spoil != "other_versions":
        assert contents(folder) == whole


def test_batches_across_shards_stay_the_same_whatever_is_there(
    clips: Path, tmp_path: Path, contents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 5)
    monkeypatch.setattr(BatchLimits, "of", lambda *_, **__: BatchLimits(4, 32.0, across_shards=True))
    whole = contents(extract(clips, tmp_path / "whole", encoder := Stopping()).path)
    assert encoder.clips == N_CLIPS
    folder = extract(clips, tmp_path / "out", Stopping()).path
    for number in (1, 3):  # a shard in the middle is lost: its batches hold clips of shards that are still there
        present_shards(folder)[number].unlink()
    result = extract(clips, tmp_path / "out", encoder := Stopping())
    assert result.written == 2
    assert 10 < encoder.clips < 22
    assert contents(folder) == whole
    for index in range(3):
        result = extract(clips, tmp_path / "array", Stopping(), shard_index=index, num_shards=3)
    assert contents(result.path) == whole
    for after in (3, 6, 6, 6):
        with pytest.raises(KeyboardInterrupt):
            extract(clips, tmp_path / "again", Stopping(after))
    assert contents(extract(clips, tmp_path / "again", Stopping()).path) == whole


def test_parts_of_a_finished_shard_are_removed(clips: Path, tmp_path: Path) -> None:
    folder = interrupted(clips, tmp_path / "out")
    (part, *_) = sorted(folder.glob("*.part-*.h5"))
    data = part.read_bytes()
    extract(clips, tmp_path / "out", Stopping())
    part.write_bytes(data)  # killed after the shard was written and before its parts were removed
    extract(clips, tmp_path / "out", Stopping(0))
    assert not part.exists()
