"""A cache as a torch Dataset."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import ravfeat
from ravfeat.errors import CacheError, UsageError
from ravfeat.torch import CacheDataset, LengthBatches, collate


def test_an_item_is_a_clip_with_label_and_speaker(whole_cache) -> None:
    cache = ravfeat.open_cache(whole_cache)
    clips = CacheDataset(whole_cache, layers=[1, 2])
    assert len(clips) == len(cache)
    for place in (0, 7, -1):
        item = clips[place]
        record = cache.records(item.clip_id)[item.clip_id]
        assert item.frames.dtype == torch.float32
        np.testing.assert_array_equal(item.frames, cache.read(item.clip_id, layers=[1, 2])[0].astype(np.float32))
        assert (clips.classes[item.label], item.actor) == (record.label, record.actor)
        assert len(item.frames) == clips.lengths[place]
    with pytest.raises(IndexError):
        clips[len(clips)]


def test_clips_are_chosen_and_classes_keep_their_places(whole_cache) -> None:
    cache = ravfeat.open_cache(whole_cache)
    clips = CacheDataset(cache, layers="last", where="label in ('sad', 'calm')")
    assert clips.layers == (2,)
    assert clips.classes == cache.classes
    assert {clips.classes[label] for label in clips.labels} == {"sad", "calm"}


def test_the_dataset_that_was_used_can_be_sent_to_another_process(whole_cache, tmp_path, monkeypatch) -> None:
    clips = CacheDataset(whole_cache)
    first = clips[0]
    sent = pickle.dumps(clips)
    assert len(sent) < 20_000
    monkeypatch.chdir(tmp_path)
    assert torch.equal(pickle.loads(sent)[0].frames, first.frames)


# Spawned, two interpreters import torch: ten seconds of a processor.
@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_two_workers_give_what_one_process_gives(context, whole_cache) -> None:
    clips = CacheDataset(whole_cache, layers=1)
    _ = clips[0]  # the parent has open files
    loader = DataLoader(
        clips, batch_sampler=LengthBatches(clips, 5, seed=3), collate_fn=collate, num_workers=2,
        multiprocessing_context=context,
    )  # fmt: skip
    batches = list(loader)
    assert sorted(clip_id for batch in batches for clip_id in batch.clip_ids) == sorted(clips.clip_ids)
    for batch in batches:
        for row, clip_id in enumerate(batch.clip_ids):
            item = clips[clips.clip_ids.index(clip_id)]
            assert torch.equal(batch.frames[row][batch.mask[row]], item.frames)
            assert batch.labels[row] == item.label


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 9}, "layers '9': there are 0-2"),
        ({"where": "label == 'bored'"}, "no clip has label 'bored'"),
        ({"cache": 3}, "cache: 3 is not a path"),
    ],
)
def test_what_is_wrong_is_refused_by_name(options, message, whole_cache) -> None:
    with pytest.raises(UsageError, match=message):
        CacheDataset(**{"cache": whole_cache} | options)


def test_no_cache_is_refused(tmp_path) -> None:
    with pytest.raises(CacheError, match="no cache at or below"):
        CacheDataset(tmp_path)
