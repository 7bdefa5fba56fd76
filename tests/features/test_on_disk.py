"""Frames that stay on the disk, and what a training makes of them."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from ravfeat.cache import open_cache
from ravfeat.errors import HeadError, ShardError
from ravfeat.features import load
from ravfeat.features.clips import Reading
from ravfeat.features.load import load_features
from ravfeat.features.on_disk import StoredFrames
from ravfeat.features.statistics import select_clips
from ravfeat.features.training_rows import in_memory, stack_features
from ravfeat.heads.base import Job
from ravfeat.heads.registry import get_head
from ravfeat.heads.windows import Windows
from tests.toycaches import actors_and_emotions, build_cache


@pytest.fixture(scope="module")
def takes():
    return actors_and_emotions(actors=4, repeats=2)


@pytest.fixture
def cache(takes, tmp_path, small_shards):
    return open_cache(build_cache(tmp_path, takes))


@pytest.fixture
def on_disk(monkeypatch):
    monkeypatch.setattr(load, "features_budget", lambda: 0)


def wanted(takes):
    return [takes[i].clip_id for i in (20, 3, 4, 0, 17, 9)]


def test_features_that_do_not_fit_stay_where_they_are(cache, takes, on_disk) -> None:
    names = wanted(takes)
    features = load_features(cache, names, Reading(), layers=(2, 0))
    assert features.frames.shape == (0, 2, takes[0].features.shape[2])
    assert isinstance(features.stored, StoredFrames)
    for row, number in enumerate((20, 3, 4, 0, 17, 9)):
        np.testing.assert_array_equal(features.stored.read(row), takes[number].features[:, [2, 0]])
    np.testing.assert_array_equal(np.diff(features.offsets), features.stored.lengths)
    features.stored.expect(np.arange(6))


def test_features_that_are_narrowed_do_not_stay_there(cache, takes, on_disk) -> None:
    assert load_features(cache, wanted(takes), Reading(window=4)).stored is None
    assert load_features(cache, wanted(takes), Reading(statistics=("mean",))).stored is None


def test_a_damaged_clip_is_found_before_anything_is_trained(cache, takes, on_disk) -> None:
    shard, data = cache.path / "shard-00000.h5", takes[0].features[0, 1].tobytes()
    shard.write_bytes(shard.read_bytes().replace(data, bytes([data[0] ^ 1]) + data[1:]))
    with pytest.raises(ShardError, match="is damaged: it does not match its digest"):
        load_features(open_cache(cache.path), [take.clip_id for take in takes], Reading())


def test_clips_of_stored_features_are_selected_stacked_and_held(cache, takes, on_disk, monkeypatch) -> None:
    mapped = load_features(cache, wanted(takes), Reading())
    monkeypatch.undo()
    plain = load_features(cache, wanted(takes), Reading())
    rows = np.array([4, 1])
    np.testing.assert_array_equal(select_clips(mapped, rows).frames, select_clips(plain, rows).frames)
    for parts in ([mapped, mapped], [mapped, plain], [plain, mapped]):
        both = in_memory(stack_features(parts))
        np.testing.assert_array_equal(both.frames, stack_features([plain, plain]).frames)
        np.testing.assert_array_equal(both.offsets, stack_features([plain, plain]).offsets)
    assert in_memory(plain) is plain


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_the_same_numbers_come_out_wherever_the_frames_are(name, cache, takes, on_disk, monkeypatch) -> None:
    names = [take.clip_id for take in takes]
    mapped = load_features(cache, names, Reading())
    monkeypatch.undo()
    plain = load_features(cache, names, Reading())
    labels = sorted({take.label for take in takes})
    y = np.array([labels.index(take.label) for take in takes], np.int64)
    rows = np.arange(len(takes))
    jobs = [Job(rows[rows % 3 != 0], rows[rows % 3 == 0], 1), Job(rows[rows % 3 != 1], rows[rows % 3 == 1], 1)]
    head = get_head(name, frame_average=1, epochs=3, hidden=8)
    one, other = (head.fit_chosen(features, y, len(labels), jobs) for features in (mapped, plain))
    for first, second in zip(one, other, strict=True):
        for key, values in first.arrays().items():
            np.testing.assert_array_equal(values, second.arrays()[key])
        np.testing.assert_array_equal(first.logits(mapped, rows), second.logits(plain, rows))


def test_stored_frames_are_not_averaged_any_more(cache, takes, on_disk) -> None:
    features = load_features(cache, wanted(takes), Reading())
    with pytest.raises(HeadError, match="are not averaged any more, and the head reads windows of 4"):
        Windows.of(replace(features), layers=None, window=4, device="cpu")


def test_a_shard_that_is_cut_short_later_is_an_error_and_not_the_end_of_the_process(cache, takes, on_disk) -> None:
    names = [take.clip_id for take in takes]
    windows = Windows.of(load_features(cache, names, Reading()), layers=None, window=1, device="cpu")
    for shard in cache.path.glob("shard-*.h5"):
        os.truncate(shard, 3000)
    with pytest.raises(ShardError, match=r"cannot be read \(it ends at byte"):
        windows.batch(torch.arange(len(names))[None])
