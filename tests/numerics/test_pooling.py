import numpy as np
import pytest

from ravfeat.errors import RavfeatError
from ravfeat.numerics.pooling import STATISTICS, average_block, average_frames, pool_block, pool_frames

OFFSETS = np.array([0, 7, 8, 20], np.int64)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(20, 3, 4)).astype(np.float16)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("mean", lambda x: x.mean(0)),
        ("std", lambda x: x.std(0)),
        ("min", lambda x: x.min(0)),
        ("max", lambda x: x.max(0)),
        ("median", lambda x: np.median(x, axis=0)),
        ("q10", lambda x: np.quantile(x, 0.1, axis=0)),
        ("q25", lambda x: np.quantile(x, 0.25, axis=0)),
        ("q75", lambda x: np.quantile(x, 0.75, axis=0)),
        ("q90", lambda x: np.quantile(x, 0.9, axis=0)),
        ("speed", lambda x: np.abs(np.diff(x, axis=0)).mean(0) if len(x) > 1 else np.zeros(x.shape[1:])),
    ],
)
def test_a_statistic_equals_numpy_clip_by_clip(frames, name, oracle):
    pooled = pool_frames(frames, OFFSETS, [name])
    for clip in range(3):
        own = frames[OFFSETS[clip] : OFFSETS[clip + 1]].astype(np.float64)
        np.testing.assert_allclose(pooled[clip, :, 0], oracle(own), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("log_std", lambda x: np.log(np.maximum(x.std(0), 1e-4))),
        ("log_speed", lambda x: np.log(np.maximum(np.abs(np.diff(x, axis=0)).mean(0), 1e-4))),
        ("log_acceleration", lambda x: np.log(np.maximum(np.abs(np.diff(x, 2, axis=0)).mean(0), 1e-4))),
        ("third1", lambda x: x[:4].mean(0)),
        ("third2", lambda x: x[4:8].mean(0)),
        ("third3", lambda x: x[8:].mean(0)),
        ("third1_rise", lambda x: x[:4].mean(0) - x[:6].mean(0)),
        ("third2_rise", lambda x: x[4:8].mean(0) - x[:6].mean(0)),
        ("third3_rise", lambda x: x[8:].mean(0) - x[:6].mean(0)),
        ("q10_rise", lambda x: np.quantile(x, 0.1, axis=0) - x[:6].mean(0)),
        ("q90_rise", lambda x: np.quantile(x, 0.9, axis=0) - x[:6].mean(0)),
    ],
)
def test_a_statistic_of_motion_equals_numpy(frames, name, whole):
    pooled = pool_frames(frames, OFFSETS, [name])
    np.testing.assert_allclose(pooled[2, :, 0], whole(frames[8:].astype(np.float64)), atol=1e-5)


def test_powers_are_those_of_the_bands_of_a_spectrum(frames):
    pooled = pool_frames(frames, OFFSETS, [f"power{band}" for band in range(1, 7)])
    clip = frames[8:].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(clip - clip.mean(0), 256, axis=0)) ** 2 / 12
    for band, (low, high) in enumerate([(1, 3), (3, 5), (5, 9), (9, 17), (17, 33), (33, 65)]):
        np.testing.assert_allclose(pooled[2, :, band], np.log(spectrum[low:high].mean(0)), atol=1e-5)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 256, 257])
@pytest.mark.parametrize("still", [True, False])
def test_every_statistic_of_short_and_still_clips_is_finite(n_frames, still):
    frames = np.random.default_rng(0).normal(size=(n_frames, 1, 3)).astype(np.float32)
    frames = np.full_like(frames, 1.1) if still else frames
    pooled = dict(zip(STATISTICS, pool_frames(frames, np.array([0, n_frames]), STATISTICS)[0, 0], strict=True))
    assert np.isfinite(list(pooled.values())).all()
    if still or n_frames == 1:
        # What does not move has the least spread, speed and power, not less in one clip than in another.
        least = [pooled[name] for name in ("log_std", "log_speed", "log_acceleration")]
        np.testing.assert_allclose(least, np.log(1e-4), rtol=1e-6)
        np.testing.assert_allclose([pooled[f"power{band}"] for band in range(1, 7)], np.log(1e-8), rtol=1e-6)
        np.testing.assert_allclose([pooled[name] for name in pooled if name.endswith("_rise")], 0, atol=1e-6)


def test_statistics_come_in_the_order_asked_for_and_as_float32(frames):
    pooled = pool_frames(frames, OFFSETS, ["max", "mean"])
    assert pooled.dtype == np.float32
    assert pooled.shape == (3, 3, 2, 4)
    np.testing.assert_array_equal(pooled[:, :, 1], pool_frames(frames, OFFSETS, ["mean"])[:, :, 0])


def test_pooling_some_layers_equals_cutting_them_out_of_all(frames):
    np.testing.assert_array_equal(
        pool_frames(frames, OFFSETS, STATISTICS, layers=[2, 0]), pool_frames(frames, OFFSETS, STATISTICS)[:, [2, 0]]
    )


def test_large_half_precision_values_do_not_overflow():
    frames = np.full((4000, 1, 1), 60000, np.float16)
    pooled = pool_frames(frames, np.array([0, 4000]), ["mean", "std"])
    np.testing.assert_allclose(pooled.ravel(), [np.float16(60000), 0], rtol=1e-5)


def test_an_unknown_statistic_lists_the_choices(frames):
    with pytest.raises(RavfeatError, match="no statistic kurtosis; choose from mean, std"):
        pool_frames(frames, OFFSETS, ["mean", "kurtosis"])


def test_a_clip_without_frames_is_named(frames):
    with pytest.raises(RavfeatError, match="clip 1 of 3 has no frames"):
        pool_frames(frames, np.array([0, 8, 8, 20]))


def test_offsets_that_miss_frames_are_refused(frames):
    with pytest.raises(RavfeatError, match="offsets must run from 0 to the 20 frames"):
        average_frames(frames, np.array([0, 7]), 2)


def test_the_last_window_averages_the_frames_it_has(frames):
    averaged, offsets = average_frames(frames.astype(np.float32), OFFSETS, 4)
    np.testing.assert_array_equal(offsets, [0, 2, 3, 6])
    np.testing.assert_allclose(averaged[0], frames[:4].astype(np.float32).mean(0), atol=1e-6)
    np.testing.assert_allclose(averaged[1], frames[4:7].astype(np.float32).mean(0), atol=1e-6)
    np.testing.assert_allclose(averaged[2], frames[7], atol=1e-6)
    np.testing.assert_allclose(averaged[5], frames[16:20].astype(np.float32).mean(0), atol=1e-6)


def test_averaging_keeps_half_precision_and_sums_in_single():
    frames = np.full((64, 1, 1), 50000, np.float16)
    averaged, _ = average_frames(frames, np.array([0, 64]), 64)
    assert averaged.dtype == np.float16
    assert averaged[0, 0, 0] == np.float16(50000)


def test_windows_of_one_frame_change_nothing(frames):
    averaged, offsets = average_frames(frames, OFFSETS, 1, layers=[1])
    np.testing.assert_array_equal(averaged, frames[:, [1]])
    np.testing.assert_array_equal(offsets, OFFSETS)


def test_a_window_of_no_frames_is_refused(frames):
    with pytest.raises(RavfeatError, match="at least 1 frame, got 0"):
        average_frames(frames, OFFSETS, 0)


def clip_of(n_frames: int, dtype: type) -> np.ndarray:
    clip = np.random.default_rng(n_frames).normal(size=(n_frames, 2, 5)).astype(dtype)
    clip[:, 1, 2] = -0.0
    return clip


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 16, 31, 127, 128, 129, 184, 265, 1000])
def test_sums_have_the_bits_that_numpy_gives_row_by_row(dtype, n_frames):
    clip = clip_of(n_frames, dtype)
    rows = np.ascontiguousarray(clip.transpose(1, 2, 0), dtype=np.float32)  # (L, D, T)
    expected = np.stack(
        [rows.mean(-1), rows.std(-1), np.abs(np.diff(rows)).mean(-1) if n_frames > 1 else np.zeros_like(rows[..., 0])],
        1,
    )
    pooled = pool_frames(clip, np.array([0, n_frames]), ["mean", "std", "speed"])[0]
    assert pooled.tobytes() == expected.tobytes()
    for window in (2, 4, 8, 16, 17, 150):
        starts = np.arange(0, n_frames, window)
        sizes = np.minimum(window, n_frames - starts).astype(np.float32)[:, None, None]
        means = (np.add.reduceat(clip.astype(np.float32), starts, axis=0) / sizes).astype(dtype)
        averaged, _ = average_frames(clip, np.array([0, n_frames]), window)
        assert averaged.tobytes() == means.tobytes()


def test_blocks_are_the_clips_layer_by_layer(frames):
    block = frames[:7].transpose(1, 0, 2)
    np.testing.assert_array_equal(
        pool_block(block, STATISTICS), pool_frames(frames[:7], np.array([0, 7]), STATISTICS)[0]
    )
    averaged, _ = average_frames(frames[:7], np.array([0, 7]), 3)
    np.testing.assert_array_equal(average_block(block, 3).astype(np.float16), averaged.transpose(1, 0, 2))
    np.testing.assert_array_equal(average_block(block, 1), block)


def test_a_window_wider_than_any_clip_gives_the_mean_of_every_clip_at_once() -> None:
    block = np.arange(12, dtype=np.float16).reshape(2, 3, 2)
    np.testing.assert_allclose(average_block(block, 10**12), block.astype(np.float32).mean(1, keepdims=True))
