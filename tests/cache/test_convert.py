"""A smaller cache out of a larger one: what an extraction would have stored, or it says that it is not."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import Conversion, convert_cache, open_cache, verify_cache
from ravfeat.cache.format import FailedClip, StoreRecipe, shard_file
from ravfeat.cache.reader import Cache
from ravfeat.cache.shard import read_header
from ravfeat.errors import CacheError, ShardError, UsageError
from ravfeat.schema import ACTIVE_COLUMNS
from tests.toycaches import Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions(actors=3)


@pytest.fixture
def extracted(tmp_path: Path, takes: list[Take]) -> Any:
    """Extract the takes with a recipe."""

    def extract(**recipe: Any) -> Cache:
        name = "-".join(f"{key}{value}" for key, value in recipe.items()).replace(" ", "")
        return open_cache(build_cache(tmp_path / f"made-{name}", takes, recipe=StoreRecipe(**recipe)))

    return extract


CHANGES: list[dict[str, Any]] = [
    {"frame_stride": 2},
    {"frame_stride": 4, "layers": (1,)},
    {"store": "pooled"},
    {"store": "pooled", "layers": (0, 2)},
    {"dtype": "float16"},
    {"frame_stride": 3, "dtype": "float16"},
    {"store": "pooled", "dtype": "float16"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_of_single_precision_it_is_the_extracted_cache_bit_for_bit(extracted, tmp_path, change) -> None:
    done = convert_cache(extracted(dtype="float32"), tmp_path / "out", Conversion(**change))
    derived, expected = open_cache(done.path), extracted(**{"dtype": "float32", **change})
    assert derived.identity == expected.identity
    assert done.path.name == expected.path.name
    assert derived.content_sha256() == expected.content_sha256()
    assert derived.about == expected.about
    for clip_id in expected.clip_ids:
        np.testing.assert_array_equal(derived.times(clip_id), expected.times(clip_id))
        further = derived.records()[clip_id].further
        assert further == expected.records()[clip_id].further
        assert set(further) == set(ACTIVE_COLUMNS)
    assert verify_cache(done.path) == []
    assert (done.written, done.present, done.failed) == (len(derived.shards), 0, {})


@pytest.mark.parametrize("change", [c for c in CHANGES if c.get("dtype") != "float16"], ids=str)
def test_of_half_precision_it_is_as_near_as_that_permits_and_says_so(extracted, tmp_path, change) -> None:
    source = extracted(dtype="float16")
    derived = open_cache(convert_cache(source, tmp_path / "out", Conversion(**change)).path)
    expected = extracted(**{"dtype": "float16", **change})
    assert derived.identity == {**expected.identity, "derived": ["from float16 frames/1"]}
    assert derived.fingerprint != expected.fingerprint
    for clip_id in expected.clip_ids:
        np.testing.assert_allclose(derived[clip_id], expected[clip_id], atol=4e-3)
        np.testing.assert_array_equal(derived.times(clip_id), expected.times(clip_id))
    for number in derived.shards:
        provenance = derived.header(number).provenance
        assert provenance["derived_from"] == source.fingerprint
        assert provenance["extracted_with"] == [source.header(0).provenance]


def test_fewer_layers_alone_are_the_extracted_cache_in_half_precision_too(extracted, tmp_path) -> None:
    done = convert_cache(extracted(dtype="float16"), tmp_path / "out", Conversion(layers=(0, 2)))
    expected = extracted(dtype="float16", layers=(0, 2))
    assert open_cache(done.path).fingerprint == expected.fingerprint
    assert open_cache(done.path).content_sha256() == expected.content_sha256()


def test_means_of_means_and_wider_numbers_are_told_apart(extracted, tmp_path) -> None:
    half = extracted(dtype="float16", frame_stride=2)
    twice = open_cache(convert_cache(half, tmp_path / "a", Conversion(frame_stride=4)).path)
    assert twice.identity["derived"] == ["from float16 means of 2 frames/1"]
    assert (twice.frame_stride, twice.identity["frame_stride"]) == (4, 4)
    wider = open_cache(convert_cache(twice, tmp_path / "b", Conversion(dtype="float32")).path)
    assert wider.identity["derived"] == ["from float16 means of 2 frames/1", "from float16 means of 4 frames/1"]
    np.testing.assert_array_equal(wider[wider.clip_ids[0]], twice[wider.clip_ids[0]])


def test_faces_keep_what_is_known_of_every_frame(whole_face_cache, tmp_path) -> None:
    source = open_cache(whole_face_cache)
    stride = open_cache(convert_cache(source, tmp_path, Conversion(frame_stride=4)).path)
    pooled = open_cache(convert_cache(source, tmp_path, Conversion(store="pooled")).path)
    assert pooled.statistics == ("mean", "std", "speed")
    clip_id = next(clip_id for clip_id in source.clip_ids if source.n_frames(clip_id) > 4)
    for name, values in source.columns(clip_id).items():
        np.testing.assert_allclose(stride.columns(clip_id)[name][0], values[:4].mean(0), rtol=1e-6)
        np.testing.assert_allclose(pooled.columns(clip_id)[name][0], values.mean(0), rtol=1e-6)
    frames = source[clip_id].astype(np.float64)
    expected = np.concatenate([frames.mean(0), frames.std(0), np.abs(np.diff(frames, axis=0)).mean(0)], axis=-1)
    np.testing.assert_allclose(pooled[clip_id][0], expected, rtol=2e-3, atol=2e-3)
    assert verify_cache(stride.path) == verify_cache(pooled.path) == []


def test_what_is_there_is_kept_and_what_is_missing_is_made(extracted, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 5)
    source, change = extracted(dtype="float32"), Conversion(frame_stride=2)
    first = convert_cache(source, tmp_path / "out", change)
    assert first.written == 3
    before = {path.name: path.read_bytes() for path in first.path.iterdir()}
    assert convert_cache(source, tmp_path / "out", change).present == 3
    (first.path / shard_file(1)).unlink()
    again = convert_cache(source, tmp_path / "out", change)
    assert (again.written, again.present) == (1, 2)
    assert {path.name: path.read_bytes() for path in first.path.iterdir()} == before


KILLED = """
import os, signal, sys
from pathlib import Path
from ravfeat.cache import Conversion, convert_cache, open_cache, writer
writer.MAX_SHARD_CLIPS = 5
write = writer.CacheFolder.write_shard
def die(self, content):
    if content.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, content)
writer.CacheFolder.write_shard = die
convert_cache(open_cache(sys.argv[1]), Path(sys.argv[2]), Conversion(frame_stride=2))
"""


def test_a_killed_conversion_goes_on_and_equals_one_that_was_not(extracted, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 5)
    source, change = extracted(dtype="float32"), Conversion(frame_stride=2)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(source.path), str(tmp_path / "out")], check=False)
    assert killed.returncode == -signal.SIGKILL
    done = convert_cache(source, tmp_path / "out", change)
    assert (done.written, done.present) == (1, 2)
    whole = convert_cache(source, tmp_path / "whole", change)
    assert {path.name: path.read_bytes() for path in done.path.iterdir()} == {
        path.name: path.read_bytes() for path in whole.path.iterdir()
    }


def test_failed_clips_are_carried_over_and_made_when_the_source_has_them(cache_copy, rewrite, tmp_path) -> None:
    path = cache_copy / shard_file(1)
    whole, header = path.read_bytes(), read_header(path)
    lost = [
        FailedClip(c.clip_id, c.performance_id, c.actor, c.gender, c.label, "decode", "x is empty")
        for c in header.clips
    ]
    rewrite(path, clips=(), features=(), times_s=(), failed=tuple(lost))
    done = convert_cache(open_cache(cache_copy), tmp_path, Conversion(store="pooled"))
    assert done.failed == {clip.clip_id: "x is empty" for clip in header.clips}
    path.write_bytes(whole)
    from ravfeat.cache import rebuild_index

    rebuild_index(cache_copy)
    again = convert_cache(open_cache(cache_copy), tmp_path, Conversion(store="pooled"))
    assert (again.failed, again.present + again.written) == ({}, done.written)
    assert set(open_cache(again.path).clip_ids) == set(open_cache(cache_copy).clip_ids)


def test_values_that_do_not_fit_fail_their_clip_only(tmp_path, takes) -> None:
    large = replace(takes[3], features=takes[3].features * 1e6)
    source = open_cache(write_cache(tmp_path / "in", [*takes[:3], large, *takes[4:]], stream="audio"))
    for _ in range(2):
        done = convert_cache(source, tmp_path / "out", Conversion(dtype="float16"))
        (reason,) = done.failed.values()
        assert "do not fit into float16 (at most 65504); convert with --dtype float32" in reason
        assert list(done.failed) == [large.clip_id]
    assert done.present == 1


@pytest.mark.parametrize("pooled", [False, True])
def test_a_dimension_that_half_precision_would_flatten_is_named(tmp_path, takes, pooled) -> None:
    narrow = []
    for take in takes:
        features = take.features.copy()
        features[:, 1, 2] = 0.5 + features[:, 1, 2] * 1e-5
        narrow.append(replace(take, features=features))
    source = open_cache(write_cache(tmp_path / "in", narrow, stream="audio"))
    store = "pooled" if pooled else None
    with pytest.raises(
        CacheError,
        match=r"float16 would lose most of what dimension 2 of layer 1 \(\d+ distinct values .*; convert with --dtype",
    ):
        convert_cache(source, tmp_path / "out", Conversion(store=store, dtype="float16"))
    assert not (tmp_path / "out").exists()
    assert convert_cache(source, tmp_path / "out", Conversion(layers=(0, 2), dtype="float16")).failed == {}


def test_what_cannot_be_done_is_refused(extracted, tmp_path) -> None:
    pooled, means, frames = extracted(store="pooled"), extracted(frame_stride=2), extracted(dtype="float16")

    def convert(source: Cache, **change: Any) -> None:
        convert_cache(source, tmp_path / "out", Conversion(**change))

    with pytest.raises(UsageError, match=r"holds pooled \['mean', 'std'\]: frames cannot be made of them"):
        convert(pooled, store="frames")
    with pytest.raises(UsageError, match="a frame_stride goes with store 'frames'"):
        convert(pooled, frame_stride=4)
    with pytest.raises(UsageError, match="holds means of 2 frames: a frame stride of 3 is no multiple"):
        convert(means, frame_stride=3)
    with pytest.raises(UsageError, match="holds means of 2 frames: pooled statistics are over all frames"):
        convert(means, store="pooled")
    with pytest.raises(UsageError, match="is such a cache; name what is to be different"):
        convert(frames, frame_stride=1, layers=(0, 1, 2))
    with pytest.raises(CacheError, match=r"layers \[9\] are not stored"):
        convert(frames, layers=(1, 9))
    assert not (tmp_path / "out").exists()


def test_an_unfinished_source_is_refused(tmp_path, takes) -> None:
    source = open_cache(write_cache(tmp_path / "in", takes, lost=[takes[0].clip_id, takes[5].clip_id]))
    with pytest.raises(
        CacheError, match=r"2 clips of .* are not extracted yet \(01-00, .*run the same 'ravfeat extract'"
    ):
        convert_cache(source, tmp_path / "out", Conversion(frame_stride=2))


def test_a_damaged_clip_is_not_carried_over(cache_copy, tmp_path) -> None:
    path = cache_copy / shard_file(2)
    data = bytearray(path.read_bytes())
    data[-3000] ^= 16
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-00002\.h5"):
        convert_cache(open_cache(cache_copy), tmp_path, Conversion(frame_stride=2))
    assert not list(tmp_path.rglob("*.tmp"))


def test_some_clips_become_a_cache_and_others_join_it_later(whole_cache: Path, tmp_path: Path) -> None:
    source = open_cache(whole_cache)
    some, more = source.clip_ids[:5], source.clip_ids[3:9]
    first = convert_cache(source, tmp_path, Conversion(), clips=some)
    assert open_cache(first.path).identity == source.identity
    assert open_cache(first.path).clip_ids == tuple(some)
    (
        first.path / "shard-00000.h5"
    ).unlink()  # made again with the clips that were planned, also those not asked for now
    again = convert_cache(source, tmp_path, Conversion(), clips=more)
    assert (again.path, again.written) == (first.path, 2)
    assert open_cache(first.path).clip_ids == source.clip_ids[:9]
    assert convert_cache(source, tmp_path, Conversion(), clips=more).written == 0
    assert verify_cache(first.path) == []
