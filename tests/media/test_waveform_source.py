"""Voices as a source: clips as they are, and views of them, one by one and several in one pass."""

import shutil
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import CacheError, UsageError
from ravfeat.extract import Extraction, ExtractResult, extract_together, open_caches, run_extraction
from ravfeat.extract.open_caches import planned_folder_of
from ravfeat.extract.size import missing_bytes
from ravfeat.extract.streams import stream_requests
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Clip
from ravfeat.media.active import ActivePart, active_part
from ravfeat.media.augment import View, augment
from ravfeat.media.sound import Waveform, read_waveform
from ravfeat.media.source import Recording
from ravfeat.media.waveform_source import WaveformSource, viewed

pytestmark = pytest.mark.usefixtures("small_shards")

NAME = View("published", 3).name


def extract(corpus: Any, out: Path, view: str = NAME) -> ExtractResult:
    return run_extraction(corpus.extraction(recipe=StoreRecipe(view=view)), out)


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
    heard = viewed(clean, View("published", 3), clip.performance_id)
    rate = clean.sample_rate_hz
    expected = augment(clean.samples, rate, view="published", seed=3, key=clip.performance_id)
    assert np.array_equal(heard.samples, expected)
    assert heard.sample_rate_hz == rate
    assert recording.input_sha256 == read_waveform(corpus.root / clip.path).sha256
    assert recording.further == active_part(clean.samples, rate).columns()


def test_an_unknown_view_is_refused_before_anything_is_read(corpus: Any) -> None:
    with pytest.raises(UsageError, match="no view 'reverb'; choose from gain, noise"):
        corpus.extraction(recipe=StoreRecipe(view="reverb-1:seed0"))


def test_faces_have_no_views(corpus: Any) -> None:
    looking = LogMelEncoder()
    looking.spec = replace(looking.spec, stream="face")
    with pytest.raises(UsageError, match="view 'gain-1:seed0' is a view of sound, and logmel looks at faces"):
        Extraction(corpus.manifest, corpus.root, looking, StoreRecipe(view=View("gain").name))


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
        assert view[clip_id].further == record.further
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


# --- the speech-active part


def test_a_cache_of_before_goes_on_and_its_clips_lack_the_active_part(
    corpus: Any, whole_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(ActivePart, "columns", lambda _: {})
        folder = run_extraction(corpus.extraction(), tmp_path).path
    (folder / shard_file(1)).unlink()
    result = run_extraction(corpus.extraction(), tmp_path)
    assert (result.path, result.written, result.failed) == (folder, 1, {})
    assert verify_cache(folder) == []
    cache, whole = open_cache(folder), open_cache(whole_cache)
    assert (cache.identity, cache.content_sha256()) == (whole.identity, whole.content_sha256())
    new = {clip_id for clip_id, record in cache.records().items() if record.further}
    assert new == {clip.clip_id for clip in cache.header(1).clips}
    assert (folder / shard_file(1)).read_bytes() == (whole_cache / shard_file(1)).read_bytes()


# --- several views in one pass

NAMES = ("speed-1:0.8", "clean", "gain-1:seed2", "published-1:seed3")


def several(corpus: Any, names: Sequence[str] = NAMES, **options: Any) -> list[Extraction]:
    what = (corpus.manifest, corpus.root, [LogMelEncoder()])
    return stream_requests(*what, faces=FaceOptions(), recipe=StoreRecipe(), views=names, **options)


@pytest.fixture(scope="module")
def together(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Four views of `corpus` from one pass, six shards each, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 4)
        results = extract_together(several(corpus), tmp_path_factory.mktemp("together"))
    return {name: result.path for name, result in zip(NAMES, results, strict=True)}


def test_several_views_in_one_pass_are_the_caches_of_one_at_a_time(
    corpus: Any, together: Mapping[str, Path], published: Path, whole_cache: Path, tmp_path: Path, contents: Any
) -> None:
    assert contents(together["clean"]) == contents(whole_cache)
    assert contents(together["published-1:seed3"]) == contents(published)
    for name in ("speed-1:0.8", "gain-1:seed2"):
        alone = extract(corpus, tmp_path, name).path
        assert alone.name == together[name].name
        assert contents(alone) == contents(together[name])


def test_a_clip_of_several_views_is_decoded_once(corpus: Any, tmp_path: Path) -> None:
    reads = Counter[str]()

    class Counting(WaveformSource):
        def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
            reads[clip.clip_id] += 1
            return (yield from super().read(clip, root))

    work = [replace(request, source=Counting()) for request in several(corpus)]
    assert [result.encoded for result in extract_together(work, tmp_path)] == [len(corpus.manifest)] * 4
    assert reads == dict.fromkeys((clip.clip_id for clip in corpus.manifest), 1)


def test_a_slower_view_has_more_frames_and_the_same_active_part(together: Mapping[str, Path]) -> None:
    slow, clean = (open_cache(together[name]).records() for name in ("speed-1:0.8", "clean"))
    for clip_id, record in clean.items():
        assert slow[clip_id].n_frames == pytest.approx(record.n_frames / 0.8, abs=2)
        assert slow[clip_id].further == record.further
        assert 0 <= record.further["active1_start"] < record.further["active1_end"] <= 1


def test_each_view_is_gone_on_with_by_itself(
    corpus: Any, together: Mapping[str, Path], tmp_path: Path, contents: Any
) -> None:
    for folder in together.values():
        shutil.copytree(folder, tmp_path / "synth" / folder.name)
    (tmp_path / "synth" / together["speed-1:0.8"].name / shard_file(1)).unlink()
    (tmp_path / "synth" / together["gain-1:seed2"].name / shard_file(4)).unlink()
    results = extract_together(several(corpus), tmp_path)
    assert [result.written for result in results] == [1, 0, 1, 0]
    assert [contents(result.path) for result in results] == [contents(folder) for folder in together.values()]


def test_processes_share_the_shards_of_every_view(
    corpus: Any, together: Mapping[str, Path], tmp_path: Path, contents: Any
) -> None:
    for index in range(2):
        results = extract_together(several(corpus, shard_index=index, num_shards=2), tmp_path)
        assert [result.written for result in results] == [3, 3, 3, 3]
    assert [contents(result.path) for result in results] == [contents(folder) for folder in together.values()]


def test_a_view_that_cannot_be_made_of_a_clip_fails_it_for_that_view_alone(corpus: Any, tmp_path: Path) -> None:
    class Short(WaveformSource):
        def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
            cut = Waveform(next(iter(super().read(clip, root))).samples[:401], 16_000)
            yield cut
            return Recording(401, 16_000.0, cut.sha256)

    few = replace(corpus, manifest=corpus.manifest.with_clips(corpus.manifest.clips[:2]))
    work = [replace(request, source=Short()) for request in several(few, ["clean", "speed-1:2"])]
    clean, fast = extract_together(work, tmp_path)
    assert clean.failed == {}
    for clip in few.manifest:
        too_short = "too short: 201 samples at 16 kHz (13 ms), logmel needs at least 400 (view speed-1:2)"
        assert fast.failed[clip.clip_id] == f"{clip.path}: {too_short}"


def test_the_disk_is_planned_for_the_length_of_a_view(corpus: Any, tmp_path: Path) -> None:
    slow, clean = several(corpus, ["speed-1:0.5", "clean"], layers="0")
    sizes = [missing_bytes(what, planned_folder_of(what, tmp_path), range(6)).total for what in (slow, clean)]
    assert 1.5 < sizes[0] / sizes[1] < 2


def test_a_view_named_twice_is_refused(corpus: Any) -> None:
    with pytest.raises(UsageError, match=r"the view 'speed-1:0\.8' is named twice; name every --view once"):
        several(corpus, ["speed-1:0.8", "clean", "speed-1:0.8"])
