"""From hidden states to what a shard keeps."""

from typing import Any

import numpy as np
import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import EncoderInput
from ravfeat.errors import ClipError
from ravfeat.extract.reduce import ClipReducer, StoredClip, _finite

TIMES = np.arange(7) / 50 + 0.01
WAYS = [[7], [3, 4], [1, 1, 1, 1, 1, 1, 1], [2, 0, 5], [4, 2, 1]]
"""How seven frames may come in pieces."""


@pytest.fixture
def states() -> Any:
    return np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)


def store(
    states: Any, recipe: StoreRecipe, *, pieces: Any = (7,), columns: Any = None, stream: Any = "audio"
) -> StoredClip:
    clip, start = ClipReducer(recipe, stream), 0
    for n in pieces:
        own = slice(start, start + n)
        prepared = EncoderInput(
            np.zeros(n), TIMES[own], {name: values[own] for name, values in (columns or {}).items()}
        )
        clip.add(prepared, states[own] if n else None)
        start += n
    return clip.finish()


def test_frames_are_stored_layer_major_and_narrowed(states: Any) -> None:
    stored = store(states, StoreRecipe())
    assert (stored.block.dtype, stored.block.flags.c_contiguous) == (np.float16, True)
    np.testing.assert_array_equal(stored.block, states.transpose(1, 0, 2).astype(np.float16))
    np.testing.assert_array_equal(stored.times_s, TIMES)


def test_float32_is_stored_as_it_is(states: Any) -> None:
    stored = store(states, StoreRecipe(dtype="float32"))
    np.testing.assert_array_equal(stored.block, states.transpose(1, 0, 2))


def test_only_wanted_layers_are_stored(states: Any) -> None:
    stored = store(states, StoreRecipe(layers=(0, 2), dtype="float32"))
    np.testing.assert_array_equal(stored.block, states[:, [0, 2]].transpose(1, 0, 2))


@pytest.mark.parametrize("pieces", WAYS)
def test_a_stride_averages_windows_and_the_rest(states: Any, pieces: list[int]) -> None:
    box = np.arange(28, dtype=np.float32).reshape(7, 4)
    stored = store(states, StoreRecipe(frame_stride=3, dtype="float32"), pieces=pieces, columns={"box": box})
    windows = [slice(0, 3), slice(3, 6), slice(6, 7)]
    np.testing.assert_allclose(stored.block, np.stack([states[w].mean(0) for w in windows], axis=1), atol=1e-6)
    np.testing.assert_allclose(stored.times_s, [TIMES[w].mean() for w in windows])
    np.testing.assert_allclose(stored.columns["box"], [box[w].mean(0) for w in windows])


@pytest.mark.parametrize("stream", ["audio", "face"])
def test_pooling_keeps_the_statistics_of_the_stream(states: Any, stream: Any) -> None:
    stored = store(states, StoreRecipe(store="pooled", dtype="float32"), stream=stream)
    statistics = [states.mean(0), states.std(0)]
    if stream == "face":
        statistics.append(np.abs(np.diff(states, axis=0)).mean(0))
    np.testing.assert_allclose(stored.block, np.concatenate(statistics, axis=-1)[:, None], atol=1e-6)
    np.testing.assert_allclose(stored.times_s, [TIMES.mean()])


@pytest.mark.parametrize("pieces", WAYS)
@pytest.mark.parametrize(
    "recipe", [StoreRecipe(), StoreRecipe(store="pooled"), StoreRecipe(frame_stride=3), StoreRecipe(frame_stride=9)]
)
def test_the_way_a_clip_is_cut_into_pieces_changes_no_bit(states: Any, recipe: StoreRecipe, pieces: list[int]) -> None:
    columns = {"found": np.array([1, 1, 0, 1, 0, 1, 1], np.float32)}
    whole = store(states, recipe, columns=columns)
    cut = store(states, recipe, pieces=pieces, columns=columns)
    assert cut.block.tobytes() == whole.block.tobytes()
    assert cut.times_s.tobytes() == whole.times_s.tobytes()
    assert cut.columns["found"].tobytes() == whole.columns["found"].tobytes()
    assert (cut.n_frames, cut.n_fallback) == (7, 2)


def test_a_clip_without_a_face_is_no_clip(states: Any) -> None:
    with pytest.raises(ClipError, match="no face was found in any of its 7 pictures"):
        store(states, StoreRecipe(), columns={"found": np.zeros(7, np.float32)})


@pytest.mark.parametrize("pieces", [[], [0, 0]])
def test_a_clip_without_a_frame_is_no_clip(states: Any, pieces: list[int]) -> None:
    with pytest.raises(ClipError, match="gave no frame"):
        store(states, StoreRecipe(), pieces=pieces)
    if pieces:
        with pytest.raises(ClipError, match="no face was found in any of its pictures"):
            store(states, StoreRecipe(), pieces=pieces, columns={"found": np.zeros(7, np.float32)})


def test_values_that_do_not_fit_fail_the_clip_and_name_the_way_out(states: Any) -> None:
    states[2, 1, 3] = -70_000
    with pytest.raises(
        ClipError, match=r"values up to 7e\+04 in layers \[1\] do not fit into float16.*--dtype float32"
    ):
        store(states, StoreRecipe())
    assert store(states, StoreRecipe(dtype="float32")).block.min() == -70_000


@pytest.mark.parametrize("kept", ["frames", "pooled"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_nan_from_the_encoder_fails_the_clip(states: Any, kept: Any, dtype: Any) -> None:
    states[2, 2, 3] = np.nan
    with pytest.raises(ClipError, match=r"NaN or infinite values in layers \[5\]"):
        store(np.repeat(states, 2, axis=1), StoreRecipe(layers=(0, 5), store=kept, dtype=dtype))


def test_every_half_precision_number_is_told_from_what_is_none() -> None:
    numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with np.errstate(invalid="ignore"):
        told = [_finite(numbers[i : i + 1]) for i in range(0, len(numbers), 7)]
    np.testing.assert_array_equal(told, np.isfinite(numbers[::7]))
    assert _finite(numbers[:0])
    assert not _finite(numbers)
