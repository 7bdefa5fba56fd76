"""Reading a cache."""

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ravfeat
from ravfeat.cache import open_cache
from ravfeat.cache.format import MANIFEST_FILE, SUMS_FILE, shard_file
from ravfeat.cache.reader import Cache
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import CacheError, ShardError
from ravfeat.media.sound import read_waveform
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture
def cache(whole_cache: Path) -> Cache:
    return open_cache(whole_cache)


def encoded(corpus: Any, clip_id: str) -> np.ndarray[Any, Any]:
    encoder = LogMelEncoder()
    wave = read_waveform(corpus.root / corpus.manifest.by_id()[clip_id].path)
    return encoder.encode([encoder.prepare(wave)])[0]


def test_every_clip_is_what_the_encoder_gives(cache: Cache, corpus: Any) -> None:
    assert cache.clip_ids == tuple(clip.clip_id for clip in corpus.manifest)
    assert len(cache) == 22
    for clip_id in cache.clip_ids:
        states = encoded(corpus, clip_id)
        assert cache[clip_id].shape == states.shape  # (T, L, D)
        np.testing.assert_array_equal(cache[clip_id], states.astype(np.float16))
        np.testing.assert_allclose(cache.times(clip_id), np.arange(len(states)) / 100 + 0.0125)


def test_a_cache_says_what_it_is(cache: Cache, whole_cache: Path) -> None:
    assert cache.about == {"corpus": "synth", "synthetic": True, "stream": "audio", "encoder": "logmel"}
    assert (cache.layers, cache.dim, cache.statistics, cache.frame_stride) == ((0, 1, 2), 64, (), 1)
    assert whole_cache.name == f"audio-logmel-{cache.fingerprint}"
    assert cache.classes[0] == "neutral"
    assert cache.manifest.num_rows == 22
    assert (cache.missing, cache.failed) == ((), {})
    assert "22 clips, layers 0-2, dim 64" in repr(cache)
    assert "nobody" not in cache


def test_records_come_from_the_shards(cache: Cache, corpus: Any) -> None:
    records = cache.records()
    for clip in corpus.manifest:
        record = records[clip.clip_id]
        wave = read_waveform(corpus.root / clip.path)
        assert (record.performance_id, record.actor) == (clip.performance_id, clip.actor)
        assert (record.gender, record.label) == (clip.gender, clip.label)
        assert (record.n_samples, record.rate_hz) == (len(wave.samples), 16_000.0)
        assert record.input_sha256 == wave.sha256


@pytest.mark.parametrize("layers", [[1], [0, 1], [2, 0], [0, 2], [1, 1]])
def test_layers_come_in_the_order_asked_for(cache: Cache, layers: list[int]) -> None:
    wanted = [cache.clip_ids[7], cache.clip_ids[0]]
    for clip_id, part in zip(wanted, cache.read(wanted, layers=layers), strict=True):
        np.testing.assert_array_equal(part, cache[clip_id][:, layers])
    whole = cache.read_shard(1)
    np.testing.assert_array_equal(cache.read_shard(1, layers=layers).features, whole.features[layers])


def test_iteration_goes_through_all_clips_once(cache: Cache) -> None:
    seen = dict(cache.iter(layers=[2]))
    assert sorted(seen) == list(cache.clip_ids)
    np.testing.assert_array_equal(seen[cache.clip_ids[3]], cache[cache.clip_ids[3]][:, [2]])
    assert [clip_id for clip_id, _ in cache.iter(cache.clip_ids[5:3:-1])] == list(cache.clip_ids[5:3:-1])


def test_a_whole_shard_holds_its_clips_one_after_another(cache: Cache) -> None:
    shard = cache.read_shard(2)
    for clip in shard.clips:
        own = shard.features[:, clip.frame_start : clip.frame_start + clip.n_frames]
        np.testing.assert_array_equal(own.transpose(1, 0, 2), cache[clip.clip_id])


def bytes_read() -> int:
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar: ")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs /proc")
def test_one_layer_of_many_costs_its_share_of_the_bytes(tmp_path: Path, corpus: Any, small_shards: None) -> None:
    # 256 layers, so that the file's own bookkeeping does not count.
    from ravfeat.extract import run_extraction

    class Tall(LogMelEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.spec = type(self.spec)(**{**self.spec.__dict__, "n_layers": 255})

        def encode(self, batch: Sequence[Any]) -> list[Any]:
            return [np.tile(states, (1, 85, 1)) for states in super().encode(batch)]

    cache = open_cache(run_extraction(corpus.extraction(encoder=Tall()), tmp_path).path)
    cache.read([cache.clip_ids[0]], layers=[0])  # the file is open now
    costs = []
    for layers in ([5], None):
        before = bytes_read()
        cache.read([cache.clip_ids[1]], layers=layers)
        costs.append(bytes_read() - before)
    assert costs[1] >= cache[cache.clip_ids[1]].nbytes
    assert costs[0] < costs[1] / 20


def test_opening_reads_no_features(whole_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = h5py.Dataset.__getitem__
    asked: list[object] = []

    def watch(self: Any, key: Any) -> Any:
        assert not self.name.endswith("features")
        return read(self, key)

    def watch_file(*what: Any) -> int:
        asked.append(what)
        return read_file(*what)

    read_file = os.preadv
    monkeypatch.setattr(h5py.Dataset, "__getitem__", watch)
    monkeypatch.setattr("ravfeat.cache.features.os.preadv", watch_file)
    cache = open_cache(whole_cache)
    assert len(cache.records()) == 22
    assert asked == []
    cache[cache.clip_ids[0]]
    assert len(asked) == 3  # its layers


def checksum(cache: Cache, clip_ids: Sequence[str], queue: Any) -> None:
    queue.put([float(cache[clip_id].astype(np.float64).sum()) for clip_id in clip_ids])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_other_processes_read_the_same(cache: Cache, method: Any) -> None:
    expected = [float(cache[clip_id].astype(np.float64).sum()) for clip_id in cache.clip_ids]  # files are open now
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    workers = [context.Process(target=checksum, args=(cache, cache.clip_ids, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert results == [expected, expected]
    assert [float(cache[clip_id].astype(np.float64).sum()) for clip_id in cache.clip_ids] == expected


def test_a_pickled_cache_is_small_and_reads_on(cache: Cache) -> None:
    before = cache[cache.clip_ids[4]]
    data = pickle.dumps(cache)
    assert len(data) < 50_000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again[cache.clip_ids[4]], before)


def test_what_is_not_there_is_named(cache: Cache) -> None:
    with pytest.raises(CacheError, match="clip 'nobody' is not stored in"):
        cache["nobody"]
    with pytest.raises(CacheError, match=r"layers \[7\] are not stored.*it has \[0, 1, 2\]"):
        cache.read(cache.clip_ids[:1], layers=[0, 7])
    with pytest.raises(CacheError, match="no layers asked for"):
        cache.read(cache.clip_ids[:1], layers=[])


def test_columns_of_all_clips_are_those_of_each(whole_face_cache: Path) -> None:
    cache = open_cache(whole_face_cache)
    seen = dict(cache.all_columns())
    assert sorted(seen) == list(cache.clip_ids)
    for clip_id, columns in seen.items():
        assert len(columns["found"]) == cache.n_frames(clip_id)
        for name, values in cache.columns(clip_id).items():
            np.testing.assert_array_equal(columns[name], values)


def test_a_damaged_manifest_or_index_is_not_opened(cache_copy: Path) -> None:
    path = cache_copy / MANIFEST_FILE
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CacheError, match=r"manifest.parquet does not match its digest"):
        open_cache(cache_copy)
    path.write_bytes(data)
    (cache_copy / SUMS_FILE).unlink()
    with pytest.raises(CacheError, match="SHA256SUMS is missing; 'ravfeat cache rebuild-index"):
        open_cache(cache_copy)


def test_a_truncated_shard_is_named_when_it_is_read(cache_copy: Path) -> None:
    cache = open_cache(cache_copy)
    path = cache_copy / shard_file(3)
    path.write_bytes(path.read_bytes()[:1000])
    cache[cache.clip_ids[0]]
    with pytest.raises(ShardError, match=r"shard-00003\.h5 is not the file that the index was made from.*cache verify"):
        cache[cache.clip_ids[-8]]


def test_a_shard_that_was_replaced_is_not_misread(cache_copy: Path) -> None:
    cache = open_cache(cache_copy)
    shutil.copy(cache_copy / shard_file(1), cache_copy / shard_file(0))
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is not the file that the index was made from"):
        cache[cache.clip_ids[0]]
    with pytest.raises(ShardError, match="is not the file that the index was made from"):
        cache.records()


def test_a_cache_moved_to_another_name_is_the_same_cache(cache_copy: Path, tmp_path: Path, cache: Cache) -> None:
    moved = cache_copy.rename(tmp_path / "mine")
    (moved / ".lock").unlink()
    again = open_cache(moved)
    assert (again.fingerprint, again.clip_ids) == (cache.fingerprint, cache.clip_ids)


def test_reading_needs_neither_torch_nor_media_libraries(whole_cache: Path) -> None:
    code = (
        f"import sys, ravfeat; c = ravfeat.open_cache({str(whole_cache)!r}); c[c.clip_ids[0]]; c.manifest\n"
        "print(sorted({'torch', 'av', 'soundfile', 'soxr', 'sklearn', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_door_opens_folders_as_this_room_does(whole_cache: Path) -> None:
    cache = ravfeat.open_cache(whole_cache)
    assert isinstance(cache, Cache)
    assert issubclass(ravfeat.Cache, Cache)
    assert cache.content_sha256() == open_cache(whole_cache).content_sha256()


def test_the_content_digest_tells_changed_clips_and_no_other_layout(tmp_path) -> None:
    takes = actors_and_emotions(actors=3)
    first = open_cache(write_cache(tmp_path / "a", takes)).content_sha256()
    assert open_cache(write_cache(tmp_path / "b", takes)).content_sha256() == first
    assert open_cache(write_cache(tmp_path / "c", takes[:-1])).content_sha256() != first
    relabelled = [*takes[:-1], replace(takes[-1], label="surprised")]
    assert open_cache(write_cache(tmp_path / "d", relabelled)).content_sha256() != first
