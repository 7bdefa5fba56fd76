"""Voices as a source: clips as they are, and views of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import CacheError, UsageError
from ravfeat.extract import ExtractResult, open_caches, run_extraction
from ravfeat.extract.streams import source_of
from ravfeat.faces.source import FaceOptions
from ravfeat.media.augment import View, augment
from ravfeat.media.sound import Waveform, read_waveform
from ravfeat.media.source import Recording
from ravfeat.media.waveform_source import WaveformSource

pytestmark = pytest.mark.usefixtures("small_shards")

NAME = View("published", 3).name


def extract(corpus: Any, out: Path, view: str = NAME) -> ExtractResult:
    what = corpus.extraction(recipe=StoreRecipe(view=view), source=WaveformSource(view=view))
    return run_extraction(what, out)


@pytest.fixture(scope="module")
def published(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view of `corpus`, six shards, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 4)
        return extract(corpus, tmp_path_factory.mktemp("published")).path


def read(source: WaveformSource, corpus: Any, number: int) -> tuple[Waveform, Recording]:
    pieces = source.read(corpus.manifest.clips[number], corpus.root)
    waveform = next(pieces)
    with pytest.raises(StopIteration) as end:
        next(pieces)
    return waveform, end.value.value


def test_a_view_changes_what_is_heard_and_not_what_was_recorded(corpus: Any) -> None:
    clip = corpus.manifest.clips[2]
    clean, recording = read(WaveformSource(), corpus, 2)
    heard, same = read(WaveformSource(view=NAME), corpus, 2)
    rate = clean.sample_rate_hz
    expected = augment(clean.samples, rate, view="published", seed=3, key=clip.performance_id)
    assert np.array_equal(heard.samples, expected)
    assert heard.sample_rate_hz == rate
    assert same == recording
    assert recording.input_sha256 == read_waveform(corpus.root / clip.path).sha256


def test_an_unknown_view_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="no view 'reverb'; choose from gain, noise"):
        WaveformSource(view="reverb-1:seed0")


def test_recipe_and_source_must_speak_of_one_view(corpus: Any) -> None:
    with pytest.raises(UsageError, match="recipe stores the view 'clean' and the source gives 'published-1:seed3'"):
        corpus.extraction(source=WaveformSource(view=NAME))
    with pytest.raises(UsageError, match="recipe stores the view 'published-1:seed3' and the source gives 'clean'"):
        corpus.extraction(recipe=StoreRecipe(view=NAME))


def test_faces_have_no_views() -> None:
    with pytest.raises(UsageError, match="view 'gain-1:seed0' is a view of sound, and logmel looks at faces"):
        source_of("face", [LogMelEncoder()], FaceOptions(), View("gain").name)


# --- caches of views


def test_the_same_seed_gives_the_same_bytes(corpus: Any, published: Path, tmp_path: Path, contents: Any) -> None:
    again = extract(corpus, tmp_path).path
    assert again.name == published.name
    assert contents(again) == contents(published)
    assert verify_cache(again) == []


def test_another_seed_is_another_cache_with_other_features(
    corpus: Any, published: Path, whole_cache: Path, tmp_path: Path
) -> None:
    other = extract(corpus, tmp_path, View("published", 4).name).path
    caches = [open_cache(path) for path in (published, other, whole_cache)]
    assert len({cache.fingerprint for cache in caches}) == 3
    assert len({cache.content_sha256() for cache in caches}) == 3
    assert [cache.identity | {"view": ""} for cache in caches] == 3 * [caches[0].identity | {"view": ""}]


def test_a_view_holds_the_recordings_of_the_clean_cache(published: Path, whole_cache: Path) -> None:
    view, clean = open_cache(published).records(), open_cache(whole_cache).records()
    assert view.keys() == clean.keys()
    kept = ("performance_id", "actor", "gender", "label", "n_samples", "rate_hz", "input_sha256")
    for clip_id, record in clean.items():
        assert all(getattr(record, name) == getattr(view[clip_id], name) for name in kept)
        assert record.features_sha256 != view[clip_id].features_sha256
        assert view[clip_id].n_frames <= record.n_frames
    assert any(view[clip_id].n_frames < record.n_frames for clip_id, record in clean.items())


def test_a_resumed_view_equals_an_uninterrupted_one(
    corpus: Any, published: Path, tmp_path: Path, contents: Any
) -> None:
    folder = extract(corpus, tmp_path).path
    for number in (1, 4):
        (folder / shard_file(number)).unlink()
    assert extract(corpus, tmp_path).written == 2
    assert contents(folder) == contents(published)


def test_a_view_is_gone_on_with_under_other_versions_where_it_comes_out_the_same(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = extract(corpus, tmp_path).path
    (folder / shard_file(1)).unlink()
    original = open_caches.provenance_of
    monkeypatch.setattr(open_caches, "provenance_of", lambda what: original(what) | {"numpy": "9"})
    assert extract(corpus, tmp_path).written == 1
    (folder / shard_file(2)).unlink()
    monkeypatch.setattr(open_caches, "provenance_of", lambda what: original(what) | {"numpy": "10"})
    monkeypatch.setattr("ravfeat.media.augment.GAIN_DB", 12.0)  # another draw under the same name
    with pytest.raises(CacheError, match="stored clips come out differently now"):
        extract(corpus, tmp_path)


def test_a_view_of_clips_elsewhere_is_drawn_by_performance(corpus: Any, published: Path, tmp_path: Path) -> None:
    last = corpus.manifest.clips[-1]
    part = replace(corpus, manifest=corpus.manifest.with_clips([last]))
    alone = open_cache(extract(part, tmp_path).path)
    np.testing.assert_allclose(alone[last.clip_id], open_cache(published)[last.clip_id], rtol=1e-2, atol=1e-2)
