"""From hidden states to what a shard keeps."""

from typing import Any

import numpy as np
import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import ClipError
from ravfeat.extract.store import to_stored

TIMES = np.arange(7) / 50 + 0.01


@pytest.fixture
def states() -> Any:
    return np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)


def test_frames_are_stored_layer_major_and_narrowed(states: Any) -> None:
    block, times_s = to_stored(states, TIMES, StoreRecipe())
    assert (block.dtype, block.flags.c_contiguous) == (np.float16, True)
    np.testing.assert_array_equal(block, states.transpose(1, 0, 2).astype(np.float16))
    np.testing.assert_array_equal(times_s, TIMES)


def test_float32_is_stored_as_it_is(states: Any) -> None:
    block, _ = to_stored(states, TIMES, StoreRecipe(dtype="float32"))
    np.testing.assert_array_equal(block, states.transpose(1, 0, 2))


def test_only_wanted_layers_are_stored(states: Any) -> None:
    block, _ = to_stored(states, TIMES, StoreRecipe(layers=(0, 2), dtype="float32"))
    np.testing.assert_array_equal(block, states[:, [0, 2]].transpose(1, 0, 2))


def test_a_stride_averages_windows_and_the_rest(states: Any) -> None:
    block, times_s = to_stored(states, TIMES, StoreRecipe(frame_stride=3, dtype="float32"))
    windows = [slice(0, 3), slice(3, 6), slice(6, 7)]
    np.testing.assert_allclose(block, np.stack([states[w].mean(0) for w in windows], axis=1), atol=1e-6)
    np.testing.assert_allclose(times_s, [TIMES[w].mean() for w in windows])


def test_pooling_keeps_mean_and_std_of_every_layer(states: Any) -> None:
    block, times_s = to_stored(states, TIMES, StoreRecipe(store="pooled", dtype="float32"))
    expected = np.concatenate([states.mean(0), states.std(0)], axis=-1)[:, None]
    np.testing.assert_allclose(block, expected, atol=1e-6)
    np.testing.assert_allclose(times_s, [TIMES.mean()])


def test_values_that_do_not_fit_fail_the_clip_and_name_the_way_out(states: Any) -> None:
    states[2, 1, 3] = -70_000
    with pytest.raises(
        ClipError, match=r"values up to 7e\+04 in layers \[1\] do not fit into float16.*--dtype float32"
    ):
        to_stored(states, TIMES, StoreRecipe())
    assert to_stored(states, TIMES, StoreRecipe(dtype="float32"))[0].min() == -70_000


@pytest.mark.parametrize("store", ["frames", "pooled"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_nan_from_the_encoder_fails_the_clip(states: Any, store: Any, dtype: Any) -> None:
    states[2, 2, 3] = np.nan
    with pytest.raises(ClipError, match=r"NaN or infinite values in layers \[5\]"):
        to_stored(np.repeat(states, 2, axis=1), TIMES, StoreRecipe(layers=(0, 5), store=store, dtype=dtype))
