"""openSMILE's features: those of openSMILE itself, named, with the licence said; without the package, what to do."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import opensmile
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.opensmile import OpenSmileEncoder
from ravfeat.encoders.registry import ENCODERS, load_encoder, stream_of
from ravfeat.errors import ClipError, MissingExtraError
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from ravfeat.media.sound import Waveform

DIMS = {"egemaps": 88, "egemaps-lld": 25, "compare": 6373, "compare-lld": 65}


@pytest.fixture(scope="module")
def encoders() -> dict[str, OpenSmileEncoder]:
    return {name: load_encoder(name, "cpu") for name in DIMS}


def voice(seconds: float, level: float = 0.3) -> np.ndarray:
    """A hum of 120 Hz with harmonics, in a little noise."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    hum = sum(np.sin(2 * np.pi * 120 * n * time) / n for n in range(1, 12))
    return (level * hum / np.abs(hum).max() + 0.001 * np.random.default_rng(0).normal(size=len(time))).astype("f4")


@pytest.mark.parametrize("name", DIMS)
def test_features_are_those_of_opensmile_itself(encoders, name) -> None:
    samples = voice(0.5)
    encoder = encoders[name]
    piece = encoder.prepare(Waveform(samples, 16_000))
    (states,) = encoder.encode([piece])
    kind = "LowLevelDescriptors" if name.endswith("lld") else "Functionals"
    which = "eGeMAPSv02" if name.startswith("egemaps") else "ComParE_2016"
    smile = opensmile.Smile(opensmile.FeatureSet[which], opensmile.FeatureLevel[kind])
    np.testing.assert_array_equal(states[:, 0], smile(samples, 16_000)[0].T)
    assert states.shape == (len(piece.times_s), 1, DIMS[name]) == (len(states), encoder.spec.n_layers, encoder.spec.dim)
    assert list(encoder.spec.feature_names) == smile.feature_names
    assert (states.dtype, encoder.spec.dtype) == (np.float32, "float32")


def test_functionals_are_one_frame_in_the_middle_and_contours_one_every_ten_milliseconds(encoders) -> None:
    clip = Waveform(voice(0.7), 16_000)
    assert encoders["egemaps"].prepare(clip).times_s == pytest.approx([0.35])
    for name, first in (("egemaps-lld", 0.01), ("compare-lld", 0.03)):
        times = encoders[name].prepare(clip).times_s
        assert times[0] == pytest.approx(first)
        np.testing.assert_allclose(np.diff(times), 0.01)
        assert 0.6 < times[-1] < 0.7


def test_what_is_beyond_full_scale_is_clipped_and_does_not_change_its_sign(encoders) -> None:
    loud = voice(0.3, level=1.4)
    clipped = np.clip(loud, -1, 32767 / 32768)
    assert (loud > 1).any()
    one, other = (encoders["egemaps"].prepare(Waveform(samples, 16_000)).values for samples in (loud, clipped))
    np.testing.assert_array_equal(one, other)
    wrapped = encoders["egemaps"]._smile(loud, 16_000)[0].T
    assert np.abs(one[:, 0] - wrapped).max() > 1


def test_many_threads_give_what_one_gives(encoders) -> None:
    clips = [Waveform(voice(0.2 + 0.05 * n), 16_000) for n in range(8)]
    one = [encoders["egemaps"].prepare(clip).values for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda clip: encoders["egemaps"].prepare(clip).values, clips))
    for first, second in zip(one, many, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", DIMS)
def test_clips_shorter_than_a_window_are_refused_and_the_shortest_has_numbers(encoders, name) -> None:
    with pytest.raises(ClipError, match=r"too short: 959 samples at 16 kHz \(60 ms\), openSMILE needs at least 960"):
        encoders[name].prepare(Waveform(voice(1)[:959], 16_000))
    assert np.isfinite(encoders[name].prepare(Waveform(voice(1)[:960], 16_000)).values).all()


def test_version_and_configuration_are_part_of_the_identity(encoders, tmp_path: Path, monkeypatch) -> None:
    spec = encoders["egemaps"].spec
    assert spec.preprocessing[-1] == f"opensmile {opensmile.__version__}: eGeMAPSv02 Functionals/1"
    assert len({encoder.spec.layer_convention for encoder in encoders.values()}) == 4
    assert spec.weights == encoders["egemaps-lld"].spec.weights != encoders["compare"].spec.weights
    monkeypatch.setattr("ravfeat.encoders.opensmile.version", lambda _: "9.9")
    assert OpenSmileEncoder("egemaps").spec.identity() != spec.identity()


def test_the_licence_is_recorded_and_no_weights_are_fetched(encoders) -> None:
    for name in DIMS:
        assert stream_of(name) == "audio"
        assert "no commercial use" in ENCODERS[name].licence
        assert encoders[name].spec.source["licence"] == ENCODERS[name].licence


def test_without_the_package_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    monkeypatch.delitem(sys.modules, "ravfeat.encoders.opensmile")
    with pytest.raises(MissingExtraError, match=r"the package 'opensmile': pip install 'ravfeat\[opensmile\]'"):
        load_encoder("egemaps", "cpu")


def test_a_cache_knows_the_names_and_keeps_the_large_numbers(corpus, tmp_path: Path) -> None:
    few = corpus.manifest.with_clips(corpus.manifest.clips[:3])
    loaded = [load_encoder(name, "cpu") for name in ("compare", "egemaps-lld")]
    results = extract_stream(few, corpus.root, loaded, tmp_path, faces=FaceOptions(), recipe=StoreRecipe())
    compare, contours = (open_cache(result.path) for result in results)
    assert (compare.dtype, compare.dim, len(compare.feature_names)) == (np.float32, 6373, 6373)
    assert compare[few.clips[0].clip_id].shape == (1, 1, 6373)
    assert contours.feature_names[0] == "Loudness_sma3"
    assert not any(result.failed for result in results)
