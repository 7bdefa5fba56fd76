"""The speech-active part of stored clips: read with them, pooled, and missed where it is not there."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import Cache, open_cache
from ravfeat.errors import CacheError, HeadError, RavfeatError
from ravfeat.features.active_part import active_part
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.load import check_reading, load_concatenated, load_features
from ravfeat.features.narrow import StoredLayout, narrow_blocks
from ravfeat.features.statistics import clip_statistics
from ravfeat.numerics.parts import active_frames
from ravfeat.schema import ACTIVE_COLUMNS
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

NAMES = ("mean", "active:mean", "active:std")
READING = Reading(statistics=NAMES)


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions(actors=3)


@pytest.fixture(scope="module")
def parts(takes) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(3)
    starts = rng.uniform(0, 0.6, len(takes)).tolist()
    return {take.clip_id: (start, start + 0.4) for take, start in zip(takes, starts, strict=True)}


@pytest.fixture(scope="module")
def cache(takes, parts, tmp_path_factory) -> Cache:
    return open_cache(write_cache(tmp_path_factory.mktemp("active"), takes, stream="audio", active=parts))


def expected(take: Take, active: tuple[float, float]) -> np.ndarray:
    inside = take.features[active_frames(active, len(take.features))]
    return np.concatenate([take.features.mean(0), inside.mean(0), inside.std(0)], axis=-1)


def test_every_clip_is_pooled_over_its_own_part(cache, takes, parts) -> None:
    wanted = [takes[i] for i in (7, 2, 7)]
    features = load_features(cache, [take.clip_id for take in wanted], READING)
    for row, take in enumerate(wanted):
        np.testing.assert_allclose(features.frames[row], expected(take, parts[take.clip_id]), rtol=1e-5, atol=1e-6)
    assert features.statistics == NAMES
    np.testing.assert_array_equal(
        clip_statistics(features, ("active:std",), layers=(1,))[:, 0, 0], features.frames[:, 1, 8:]
    )


def test_concatenated_caches_pool_the_part_of_each(cache, takes, parts) -> None:
    ids = [take.clip_id for take in takes[:3]]
    both = load_concatenated([cache, cache], [ids, ids], NAMES, layers=[(1,), (2,)])
    blocks = both.frames.reshape(3, 3, 2, 4)  # (N, S, cache, D)
    for row, take in enumerate(takes[:3]):
        values = expected(take, parts[take.clip_id]).reshape(3, 3, 4)  # (L, S, D)
        np.testing.assert_allclose(blocks[row], values[1:].transpose(1, 0, 2), rtol=1e-5, atol=1e-6)


def test_blocks_in_memory_give_the_same_numbers_as_a_cache(cache, takes, parts) -> None:
    ids = [take.clip_id for take in takes]
    blocks = [block.transpose(1, 0, 2) for block in cache.read(ids)]
    layout = StoredLayout(cache.dim, cache.dtype)
    again = narrow_blocks(blocks, layout, cache.layers, READING, [parts[clip_id] for clip_id in ids])
    np.testing.assert_array_equal(again.frames, load_features(cache, ids, READING).frames)
    with pytest.raises(RavfeatError, match="where a clip's speech begins and ends is not known here"):
        narrow_blocks(blocks, layout, cache.layers, READING)


def test_clips_without_a_part_are_named_with_what_to_do(takes, parts, tmp_path) -> None:
    some = {clip_id: part for clip_id, part in parts.items() if not clip_id.startswith("02")}
    path = write_cache(tmp_path, takes, stream="audio", active=some)
    cache, ids = open_cache(path), [take.clip_id for take in takes]
    message = (
        rf"{path} does not say where the speech of 4 of 12 clips begins and ends \(02-00, 02-01, 02-02 and 1 more\).*"
        " Extract again into another --out, or pool the whole clips"
    )
    for read in (load_features, lambda *given: check_reading(given[0], given[2], given[1])):
        with pytest.raises(CacheError, match=message):
            read(cache, ids, READING)
    check_reading(cache, READING, [clip_id for clip_id in ids if clip_id in some])
    assert len(load_features(cache, ids, Reading(statistics=("mean",)))) == 12


@pytest.mark.parametrize("part", [(0.5, 0.5), (-0.1, 0.5), (0.5, 1.5)])
def test_numbers_that_are_no_part_are_refused(part, takes, tmp_path: Path) -> None:
    cache = open_cache(write_cache(tmp_path, takes[:4], stream="audio", active={take.clip_id: part for take in takes}))
    with pytest.raises(
        CacheError, match=f"clip '{takes[0].clip_id}' is said to be active from .*, expected two shares"
    ):
        load_features(cache, [takes[0].clip_id], READING)


def test_a_record_says_its_part(cache, takes, parts) -> None:
    (record,) = cache.records([takes[5].clip_id]).values()
    assert active_part(record) == parts[takes[5].clip_id]
    assert set(ACTIVE_COLUMNS) <= record.further.keys()


def test_a_pooled_cache_holds_statistics_of_the_whole_alone(takes, parts, tmp_path) -> None:
    pooled = open_cache(write_cache(tmp_path, takes, stream="audio", pooled=("mean", "std"), active=parts))
    with pytest.raises(
        CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \['active:mean', 'active:std"
    ):
        check_reading(pooled, READING)


def test_frames_in_memory_do_not_say_where_a_part_lies() -> None:
    frames = ClipFeatures(np.zeros((4, 1, 2), np.float32), np.array([0, 2, 4]), (0,))
    with pytest.raises(HeadError, match="parts of clips are pooled while a cache is read; load the features with"):
        clip_statistics(frames, ("active:mean",))
