"""An extraction in one process: what it writes, what it keeps, what it refuses."""

import errno
import json
import logging
import os
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import MAX_SHARD_BYTES, StoreRecipe, shard_file
from ravfeat.cache.index import present_shards
from ravfeat.cache.shard import read_header
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import CacheError, CorpusError, ShardError, UsageError
from ravfeat.extract import Extraction, ExtractResult, open_caches, run_extraction
from ravfeat.manifest import Manifest

pytestmark = pytest.mark.usefixtures("small_shards")

Batch = Sequence[EncoderInput]


class Counting(LogMelEncoder):
    """The real encoder; counts clips, and does to features what a test wants done."""

    def __init__(self, change: Any = lambda states: states) -> None:
        super().__init__()
        self.encoded = 0
        self.change = change

    def encode(self, batch: Batch) -> list[Any]:
        self.encoded += len(batch)
        return [self.change(states) for states in super().encode(batch)]


def extract(clips: Path, out: Path, encoder: Any = None, **options: Any) -> ExtractResult:
    manifest = options.pop("manifest", None) or scan_ravdess(clips)
    return run_extraction(Extraction(manifest, clips, encoder or LogMelEncoder(), **options), out)


def names(manifest: Manifest) -> list[str]:
    return [clip.clip_id for clip in manifest]


def test_the_same_clips_elsewhere_give_the_same_bytes(
    corpus: Any, whole_cache: Path, tmp_path: Path, contents: Any
) -> None:
    shutil.copytree(corpus.root, tmp_path / "moved")
    result = run_extraction(replace(corpus.extraction(), root=tmp_path / "moved"), tmp_path / "out")
    assert contents(result.path) == contents(whole_cache)
    assert (result.written, result.present, result.encoded, result.failed) == (6, 0, 22, {})


def test_shards_say_nothing_of_machine_or_place(clips: Path, tmp_path: Path) -> None:
    bad = next(iter(clips.rglob("*.wav")))
    bad.write_bytes(b"")
    folder = extract(clips, tmp_path / "out").path
    for path in folder.glob("shard-*.h5"):
        data = path.read_bytes()
        assert str(tmp_path).encode() not in data
        assert os.uname().nodename.encode() not in data
    assert f"{bad.relative_to(clips)} is empty (0 bytes)" in open_cache(folder).failed.values()


def test_doing_it_again_does_nothing(clips: Path, tmp_path: Path, contents: Any, stamps: Any) -> None:
    first = extract(clips, tmp_path / "out")
    before = contents(first.path), stamps(first.path)
    encoder = Counting()
    again = extract(clips, tmp_path / "out", encoder)
    assert (again.written, again.present, again.encoded, encoder.encoded) == (0, 6, 0, 0)
    assert (contents(first.path), stamps(first.path)) == before


@pytest.mark.parametrize("batch_clips", [1, 3, 8])
def test_the_batch_size_does_not_matter(clips: Path, tmp_path: Path, batch_clips: int, whole_cache: Path) -> None:
    cache = open_cache(extract(clips, tmp_path / "out", batch_clips=batch_clips).path)
    whole = open_cache(whole_cache)
    for clip_id, frames in cache.iter():
        np.testing.assert_array_equal(frames, whole[clip_id])


@pytest.mark.parametrize("seed", [1, 2])
def test_missing_shards_come_back_as_they_were(
    clips: Path, tmp_path: Path, contents: Any, stamps: Any, seed: int
) -> None:
    folder = extract(clips, tmp_path / "out").path
    whole, before = contents(folder), stamps(folder)
    lost = random.Random(seed).sample(sorted(before), 3)
    for name in lost:
        (folder / name).unlink()
    result = extract(clips, tmp_path / "out")
    assert (result.written, result.present) == (3, 3)
    assert contents(folder) == whole
    assert {name for name, stamp in stamps(folder).items() if before[name] != stamp} == set(lost)


def test_a_lost_manifest_is_made_anew_and_the_shards_are_kept(
    clips: Path, tmp_path: Path, contents: Any, stamps: Any
) -> None:
    folder = extract(clips, tmp_path / "out").path
    whole, before = contents(folder), stamps(folder)
    (folder / "manifest.parquet").unlink()
    extract(clips, tmp_path / "out")
    assert (contents(folder), stamps(folder)) == (whole, before)


def test_a_grown_corpus_extends_its_cache(clips: Path, tmp_path: Path, stamps: Any) -> None:
    whole = scan_ravdess(clips)
    first = extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[::2]))
    before = stamps(first.path)
    second = extract(clips, tmp_path / "out", manifest=whole)
    assert (second.path, second.present, second.written, second.encoded) == (first.path, 3, 3, 11)
    assert {name: stamps(first.path)[name] for name in before} == before
    assert list(open_cache(second.path).clip_ids) == names(whole)
    assert verify_cache(second.path) == []


def test_a_cache_that_is_being_extended_can_be_read(clips: Path, tmp_path: Path) -> None:
    whole = scan_ravdess(clips)
    extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[::2]))
    folder = open_caches.folder_of(Extraction(whole, clips, LogMelEncoder()), tmp_path / "out").path  # killed here
    cache = open_cache(folder)
    assert (len(cache), len(cache.missing)) == (11, 11)


def test_part_of_the_data_does_not_shrink_a_cache(clips: Path, tmp_path: Path, contents: Any) -> None:
    whole = scan_ravdess(clips)
    folder = extract(clips, tmp_path / "out", manifest=whole).path
    before = contents(folder)
    assert extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[:3])).written == 0
    assert contents(folder) == before


def test_clips_not_at_hand_fail_and_are_fetched_later(clips: Path, tmp_path: Path, whole_cache: Path) -> None:
    whole = scan_ravdess(clips)
    folder = extract(clips, tmp_path / "out", manifest=whole).path
    (folder / shard_file(0)).unlink()
    part = extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[2:]))
    assert list(part.failed) == names(whole)[:2]
    assert "not among the data given now" in part.failed[names(whole)[0]]
    assert extract(clips, tmp_path / "out", manifest=whole).failed == {}
    assert verify_cache(folder) == []


def test_a_relabelled_clip_is_refused(clips: Path, tmp_path: Path) -> None:
    whole = scan_ravdess(clips)
    extract(clips, tmp_path / "out", manifest=whole)
    swapped = whole.with_clips([replace(whole.clips[0], actor="ravdess:24"), *whole.clips[1:]])
    with pytest.raises(CorpusError, match=f"clip '{whole.clips[0].clip_id}' has actor 'ravdess:24' now"):
        extract(clips, tmp_path / "out", manifest=swapped)


def test_other_recipes_are_other_caches(clips: Path, tmp_path: Path) -> None:
    recipes = [StoreRecipe(), StoreRecipe(store="pooled"), StoreRecipe(dtype="float32"), StoreRecipe(layers=(1,))]
    paths = {extract(clips, tmp_path / "out", recipe=recipe).path for recipe in recipes}
    assert len(paths) == 4
    assert all(verify_cache(path) == [] for path in paths)
    pooled = next(cache for cache in map(open_cache, paths) if cache.statistics)
    assert pooled[pooled.clip_ids[0]].shape == (1, 3, 128)


def test_wrong_numbers_of_a_job_array_are_a_usage_error(corpus: Any) -> None:
    with pytest.raises(UsageError, match="--shard-index 2 with --num-shards 2: the index counts from 0 to 1"):
        corpus.extraction(shard_index=2, num_shards=2)


def test_more_processes_than_shards_leave_some_with_nothing_to_do(clips: Path, tmp_path: Path) -> None:
    results = [extract(clips, tmp_path / "out", shard_index=i, num_shards=8) for i in range(8)]
    assert sorted(result.written for result in results) == [0, 0, 1, 1, 1, 1, 1, 1]
    assert verify_cache(results[0].path) == []


def test_planned_shards_stay_under_the_limit_even_with_clips_of_unknown_length(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wide(LogMelEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.spec = replace(self.spec, n_layers=25, dim=1024, frame_rate_hz=50.0)

    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 128)
    for seconds, most in ((3.7, 26), (float("nan"), 3)):
        clips = tuple(replace(clip, duration_s=seconds) for clip in corpus.manifest)
        manifest = corpus.manifest.with_clips(
            replace(clip, clip_id=f"{i}-{clip.clip_id}", performance_id=f"{i}-{clip.performance_id}")
            for i in range(3)
            for clip in clips
        )
        planned = open_caches.folder_of(
            corpus.extraction(manifest=manifest, encoder=Wide()), tmp_path / str(most)
        ).planned
        counts = [len(planned.clips_of(number)) for number in planned.numbers]
        assert max(counts) == most
        frames = int((30 if np.isnan(seconds) else seconds) * 50) + 1
        assert most * frames * 25 * 1024 * 2 <= MAX_SHARD_BYTES


# Failing clips


def noise(seconds: float, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)


def spoil(clips: Path) -> dict[str, str]:
    """One clip of each kind of trouble, and what is to be said of it."""
    paths = sorted(clips.rglob("*.wav"))
    rng = np.random.default_rng(3)
    paths[0].write_bytes(b"")
    paths[1].write_bytes(rng.bytes(4000))
    soundfile.write(paths[2], np.zeros(16_000), 16_000)
    soundfile.write(paths[3], noise(0.02), 16_000)
    soundfile.write(paths[4], np.where(np.arange(8000) == 7, np.nan, 0.1), 16_000, subtype="FLOAT")
    paths[5].write_bytes(paths[5].read_bytes()[:9000])
    reasons = [
        "is empty",
        "cannot be decoded as audio",
        "is silent",
        "too short",
        "1 samples that are NaN",
        "is truncated",
    ]
    return {path.stem: reason for path, reason in zip(paths, reasons, strict=False)}


def test_bad_clips_do_not_cost_the_others(clips: Path, tmp_path: Path, whole_cache: Path) -> None:
    expected = spoil(clips)
    result = extract(clips, tmp_path / "out")
    assert set(result.failed) == set(expected)
    for clip_id, reason in expected.items():
        assert reason in result.failed[clip_id]
        assert f"{clip_id}.wav" in result.failed[clip_id]
    assert result.encoded == 16
    cache, whole = open_cache(result.path), open_cache(whole_cache)
    assert set(cache.missing) == set(cache.failed) == set(expected)
    for clip_id, frames in cache.iter():
        np.testing.assert_array_equal(frames, whole[clip_id])
    with pytest.raises(CacheError, match=r"it failed: .* is empty"):
        cache[sorted(expected)[0]]


def test_failed_clips_are_tried_again_and_only_their_shards_are_written(
    clips: Path, corpus: Any, tmp_path: Path, stamps: Any
) -> None:
    expected = sorted(spoil(clips))
    folder = extract(clips, tmp_path / "out").path
    before = stamps(folder)
    encoder = Counting()
    assert set(extract(clips, tmp_path / "out", encoder).failed) == set(expected)
    assert (stamps(folder), encoder.encoded) == (before, 0)

    mended = next(clip for clip in corpus.manifest if clip.clip_id == expected[0])
    shutil.copy(corpus.root / mended.path, clips / mended.path)
    result = extract(clips, tmp_path / "out")
    assert set(result.failed) == set(expected[1:])
    changed = {name for name, stamp in stamps(folder).items() if stamp != before[name]}
    assert len(changed) == result.written == 1
    assert mended.clip_id in open_cache(folder)


def test_a_mended_corpus_equals_one_that_never_failed(clips: Path, corpus: Any, tmp_path: Path, contents: Any) -> None:
    whole = contents(extract(clips, tmp_path / "whole").path)
    spoil(clips)
    folder = extract(clips, tmp_path / "out").path
    for clip in corpus.manifest:
        shutil.copy(corpus.root / clip.path, clips / clip.path)
    extract(clips, tmp_path / "out")
    mended = contents(folder)
    assert {name: data for name, data in mended.items() if name.startswith("shard")} == {
        name: data for name, data in whole.items() if name.startswith("shard")
    }
    assert verify_cache(folder) == []


def test_mending_one_clip_never_loses_another(
    clips: Path, corpus: Any, tmp_path: Path, stamps: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = corpus.manifest.clips[:2]
    (clips / first.path).write_bytes(b"")
    folder = extract(clips, tmp_path / "out").path
    before = stamps(folder)
    shutil.copy(corpus.root / first.path, clips / first.path)
    (clips / second.path).write_bytes(b"")  # was fine, is stored
    result = extract(clips, tmp_path / "out")
    assert stamps(folder) == before
    assert second.clip_id in open_cache(folder)
    assert set(result.failed) == {first.clip_id}
    assert (result.written, result.present) == (0, 6)
    assert f"shard-00000.h5 stays as it is: it holds {second.clip_id}, which cannot be read now" in caplog.text


def test_a_clip_that_overflows_float16_fails_and_names_the_way_out(clips: Path, tmp_path: Path, stamps: Any) -> None:
    loud = sorted(clips.rglob("*.wav"))[9]
    soundfile.write(loud, noise(0.5), 16_000)

    def overflow(states: Any) -> Any:
        return states * (1e5 if len(states) == 48 else 1)  # only the loud clip is 48 frames long

    encoder = Counting(overflow)
    result = extract(clips, tmp_path / "out", encoder)
    assert set(result.failed) == {loud.stem}
    assert "do not fit into float16" in result.failed[loud.stem]
    assert "--dtype float32" in result.failed[loud.stem]
    before, encoder.encoded = stamps(result.path), 0
    extract(clips, tmp_path / "out", encoder)
    assert (stamps(result.path), encoder.encoded) == (before, 1)  # tried again alone, its shard is left alone
    assert extract(clips, tmp_path / "out", encoder, recipe=StoreRecipe(dtype="float32")).failed == {}


def test_nan_from_the_encoder_fails_the_clip(clips: Path, tmp_path: Path) -> None:
    def spoilt(states: Any) -> Any:
        spoilt.calls += 1  # type: ignore[attr-defined]
        return states * np.float32(np.nan if spoilt.calls == 5 else 1)  # type: ignore[attr-defined]

    spoilt.calls = 0  # type: ignore[attr-defined]
    result = extract(clips, tmp_path / "out", Counting(spoilt))
    (reason,) = result.failed.values()
    assert "the encoder gave NaN or infinite values in layers [0, 1, 2]" in reason


def test_a_batch_too_large_for_memory_is_encoded_clip_by_clip(clips: Path, tmp_path: Path, whole_cache: Path) -> None:
    class Small(LogMelEncoder):
        batching = "fixed"

        def encode(self, batch: Batch) -> list[Any]:
            if len(batch) > 1 or len(batch[0].values) == 8000:
                raise MemoryError("no room")
            return super().encode(batch)

    huge = sorted(clips.rglob("*.wav"))[9]
    soundfile.write(huge, noise(0.5), 16_000)
    result = extract(clips, tmp_path / "out", Small())
    assert list(result.failed) == [huge.stem]
    assert "no room; split the clip or use a machine with more memory" in result.failed[huge.stem]
    whole = open_cache(whole_cache)
    for clip_id, frames in open_cache(result.path).iter():
        np.testing.assert_array_equal(frames, whole[clip_id])


# Other versions, other devices


def under(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    original = open_caches.provenance_of
    monkeypatch.setattr(open_caches, "provenance_of", lambda encoder: original(encoder) | versions)


def interrupted(clips: Path, out: Path) -> Path:
    folder = extract(clips, out).path
    (folder / shard_file(2)).unlink()
    return folder


def test_provenance_is_recorded_with_versions_and_device(whole_cache: Path) -> None:
    provenance = read_header(whole_cache / shard_file(0)).provenance
    assert {"python", "ravfeat", "numpy", "h5py", "soundfile", "soxr", "av", "device"} <= set(provenance)
    assert provenance["numpy"] == np.__version__
    identity = json.loads((whole_cache / "identity.json").read_text())
    assert not {"numpy", "device"} & set(identity)


def test_other_versions_go_on_where_two_stored_clips_come_out_the_same(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = interrupted(clips, tmp_path / "out")
    under(monkeypatch, soxr="9.9")
    encoder = Counting(lambda states: states * np.float32(1.0005))
    with caplog.at_level(logging.INFO, logger="ravfeat"):  # a command of another test may have set it
        assert extract(clips, tmp_path / "out", encoder).written == 1
    assert encoder.encoded == 4 + 2
    assert "(this run: 9.9)" in caplog.text
    assert read_header(folder / shard_file(2)).provenance["soxr"] == "9.9"
    assert read_header(folder / shard_file(1)).provenance["soxr"] != "9.9"
    assert verify_cache(folder) == []


def test_other_versions_are_refused_where_features_differ(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Any
) -> None:
    folder = interrupted(clips, tmp_path / "out")
    before = contents(folder)
    under(monkeypatch, soxr="9.9")
    with pytest.raises(CacheError, match="come out differently now") as caught:
        extract(clips, tmp_path / "out", Counting(lambda states: states * np.float32(1.002)))
    ids = names(scan_ravdess(clips))
    message = str(caught.value)
    assert f"'{ids[0]}' by 2.0e-03" in message
    assert f"'{ids[-1]}' by 2.0e-03" in message
    assert "at most 1e-03" in message
    assert "(this run: 9.9)" in message
    assert contents(folder) == before


def test_another_shape_is_a_difference(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(clips, tmp_path / "out")
    under(monkeypatch, soxr="9.9")
    with pytest.raises(CacheError, match="by inf"):
        extract(clips, tmp_path / "out", Counting(lambda states: states[1:]))


def test_a_process_of_a_job_array_compares_with_the_shards_of_the_others(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(clips, tmp_path / "out", shard_index=0, num_shards=2)
    under(monkeypatch, soxr="9.9")
    with pytest.raises(CacheError, match="come out differently now"):
        extract(
            clips, tmp_path / "out", Counting(lambda states: states * np.float32(1.002)), shard_index=1, num_shards=2
        )


def test_where_nothing_can_be_compared_nothing_is_added(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan_ravdess(clips)
    extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[:8]))
    under(monkeypatch, soxr="9.9")
    with pytest.raises(CacheError, match="none of the stored clips is among the data given now"):
        extract(clips, tmp_path / "out", manifest=whole.with_clips(whole.clips[8:]))


def test_a_stored_clip_that_is_gone_is_passed_over_for_another(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(clips, tmp_path / "out")
    under(monkeypatch, soxr="9.9")
    for path in (sorted(clips.rglob("*.wav"))[0], sorted(clips.rglob("*.wav"))[-1]):
        path.write_bytes(b"")
    encoder = Counting()
    assert extract(clips, tmp_path / "out", encoder).written == 1
    assert encoder.encoded == 4 + 2


def test_a_finished_cache_needs_no_comparison(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract(clips, tmp_path / "out")
    under(monkeypatch, soxr="9.9")
    encoder = Counting(lambda states: states * 2)
    assert extract(clips, tmp_path / "out", encoder).written == 0
    assert encoder.encoded == 0


# Damage and full disks


def test_a_damaged_or_foreign_shard_stops_a_resume_by_name(clips: Path, tmp_path: Path) -> None:
    folder = extract(clips, tmp_path / "out").path
    os.truncate(folder / shard_file(3), 4000)
    with pytest.raises(ShardError, match=r"shard-00003\.h5 .*delete it and run the same 'ravfeat extract' again"):
        extract(clips, tmp_path / "out")
    (folder / shard_file(3)).unlink()
    assert extract(clips, tmp_path / "out").written == 1
    other = extract(clips, tmp_path / "out", recipe=StoreRecipe(store="pooled")).path
    shutil.copy(other / shard_file(0), folder)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is foreign"):
        extract(clips, tmp_path / "out")
    shutil.copy(folder / shard_file(1), folder / shard_file(0))
    with pytest.raises(ShardError, match=r"shard-00000\.h5 holds 4 clips, the manifest plans 4 there, 8 differ"):
        extract(clips, tmp_path / "out")


def test_a_full_disk_keeps_what_was_finished(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: Any, whole_cache: Path
) -> None:
    flush, full = os.fsync, False
    out = tmp_path / "out"

    def fill_up(handle: int) -> None:
        nonlocal full
        full = full or len(list(out.rglob("shard-*.h5"))) >= 3
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill_up)
        with pytest.raises(CacheError, match=r"the disk is full: shard-\d+\.h5 needs .*run the same command again"):
            extract(clips, out)
    (folder,) = out.glob("ravdess/*")
    assert 2 <= len(present_shards(folder)) <= 3
    assert not list(folder.glob(".*.tmp"))
    assert extract(clips, out).present >= 2
    assert verify_cache(folder) == []


@pytest.mark.shared
def test_the_voices_of_real_videos_fill_a_cache(shared: Path, tmp_path: Path) -> None:
    result = extract(shared / "data/ravdess_video", tmp_path / "out")
    assert (result.encoded, result.failed) == (7, {})
    cache = open_cache(result.path)
    assert {record.rate_hz for record in cache.records().values()} == {48_000.0}
    assert verify_cache(result.path) == []


@pytest.mark.shared
def test_the_identical_pair_of_real_clips_has_equal_digests_in_the_shards(shared: Path, tmp_path: Path) -> None:
    result = extract(shared / "data/ravdess/Actor_07", tmp_path / "out", recipe=StoreRecipe(store="pooled"))
    digests: dict[str, list[str]] = {}
    for clip_id, record in open_cache(result.path).records().items():
        digests.setdefault(record.input_sha256, []).append(clip_id)
    assert [ids for ids in digests.values() if len(ids) > 1] == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]


def test_another_recording_under_a_stored_id_is_refused(corpus: Any, tmp_path: Path) -> None:
    run_extraction(corpus.extraction(), tmp_path / "out")
    clip = corpus.manifest.clips[0]
    longer = replace(clip, duration_s=clip.duration_s + 1)
    changed = corpus.manifest.with_clips([longer, *corpus.manifest.clips[1:]])
    with pytest.raises(CorpusError, match=f"clip '{clip.clip_id}' .* lasts .* another recording"):
        run_extraction(corpus.extraction(manifest=changed), tmp_path / "out")


def test_clips_that_are_not_given_any_more_are_counted(corpus: Any, tmp_path: Path) -> None:
    assert run_extraction(corpus.extraction(), tmp_path / "out").absent == 0
    fewer = corpus.manifest.with_clips(corpus.manifest.clips[3:])
    assert run_extraction(corpus.extraction(manifest=fewer), tmp_path / "out").absent == 3
