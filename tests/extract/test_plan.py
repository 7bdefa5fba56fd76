"""The plan of an extraction is what the extraction then does, and making it leaves nothing behind."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.cache.parts import read_part
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import ClipError, CorpusError, ShardError
from ravfeat.extract import Extraction, run_extraction
from ravfeat.extract.open_caches import planned_folder_of
from ravfeat.extract.plan import ExtractionPlan, plan_extraction
from ravfeat.faces.source import FaceOptions
from ravfeat.files import sha256_of
from tests.tinyfaces import write_net, write_videos


def tree(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file and folder, with what a change would change."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def plan(out: Path, *requests: Extraction, **options: float) -> ExtractionPlan:
    before = tree(out.parent)
    planned = plan_extraction([requests], out, **options)
    assert tree(out.parent) == before
    return planned


def test_a_new_cache_is_planned_and_then_made_as_planned(corpus, tmp_path, small_shards) -> None:
    request = corpus.extraction()
    planned = plan(tmp_path / "out", request)
    (encoder,) = planned.passes[0].encoders
    assert (encoder.n_new, encoder.n_stored, encoder.n_failed, encoder.n_unknown) == (22, 0, 0, 0)
    assert encoder.shards == (0, 1, 2, 3, 4, 5)
    assert encoder.media_s == pytest.approx(sum(clip.duration_s for clip in corpus.manifest))
    assert (encoder.device, encoder.batch_bytes, encoder.batch_fits) == ("cpu", None, True)
    assert (encoder.limits.clips, encoder.limits.seconds) == (8, 32)
    assert planned.missing == encoder.missing
    assert (planned.free_bytes or 0) > planned.missing.total
    result = run_extraction(request, tmp_path / "out")
    assert (result.path, result.written, result.encoded) == (encoder.path, 6, 22)


def test_an_unfinished_cache_is_planned_to_its_end(corpus, tmp_path, small_shards) -> None:
    request = corpus.extraction()
    path = run_extraction(request, tmp_path / "out").path
    for number in (1, 5):
        (path / f"shard-0000{number}.h5").unlink()
    (encoder,) = plan(tmp_path / "out", request).passes[0].encoders
    assert (encoder.n_new, encoder.n_stored, encoder.shards, encoder.n_present) == (6, 16, (1, 5), 4)
    others = replace(request, shard_index=1, num_shards=2)
    planned = plan(tmp_path / "out", others)
    (encoder,) = planned.passes[0].encoders
    assert set(encoder.shards) < {1, 5} or set(encoder.shards) == {1, 5}
    assert planned.missing.total >= encoder.missing.total > 0


def test_a_finished_cache_has_nothing_to_do(corpus, tmp_path) -> None:
    request = corpus.extraction()
    run_extraction(request, tmp_path / "out")
    planned = plan(tmp_path / "out", request)
    (encoder,) = planned.passes[0].encoders
    assert (encoder.n_new, encoder.n_stored, encoder.shards) == (0, 22, ())
    assert (planned.missing.total, planned.passes[0].seconds, planned.passes[0].sample) == (0, 0, None)


def test_clips_that_failed_are_counted_apart(corpus, tmp_path, clips, small_shards) -> None:
    bad = sorted(clips.rglob("*.wav"))[3]
    bad.write_bytes(b"RIFF")
    request = corpus.extraction(root=clips)
    run_extraction(request, tmp_path / "out")
    (encoder,) = plan(tmp_path / "out", request).passes[0].encoders
    assert (encoder.n_new, encoder.n_stored, encoder.n_failed) == (0, 21, 1)


def test_new_clips_are_added_to_the_plan_of_a_cache_and_not_to_its_files(corpus, tmp_path) -> None:
    few = corpus.manifest.with_clips(corpus.manifest.clips[:10])
    run_extraction(corpus.extraction(manifest=few), tmp_path / "out")
    (encoder,) = plan(tmp_path / "out", corpus.extraction()).passes[0].encoders
    assert (encoder.n_new, encoder.n_stored, encoder.shards) == (12, 10, (1,))


def test_the_time_is_measured_on_clips_or_not_at_all(corpus, tmp_path) -> None:
    (measured,) = plan(tmp_path / "out", corpus.extraction()).passes
    assert measured.sample is not None
    assert 0 < measured.sample.seconds < 10
    assert measured.seconds == pytest.approx(measured.sample.seconds * measured.media_s / measured.sample.media_s)
    (unmeasured,) = plan(tmp_path / "out", corpus.extraction(), measure_s=0).passes
    assert (unmeasured.sample, unmeasured.seconds) == (None, None)


def test_the_sample_is_of_all_clips_where_that_is_quick(corpus, tmp_path) -> None:
    (planned,) = plan(tmp_path / "out", corpus.extraction(), measure_s=100).passes
    assert planned.sample is not None
    assert planned.sample.n_clips == 22
    assert planned.sample.media_s == pytest.approx(planned.media_s)


def test_clips_that_cannot_be_encoded_are_not_taken_for_fast_ones(corpus, tmp_path, monkeypatch) -> None:
    def refuse(*_: Any) -> None:
        raise ClipError("too short")

    monkeypatch.setattr("ravfeat.encoders.logmel.LogMelEncoder.encode", refuse)
    (planned,) = plan(tmp_path / "out", corpus.extraction()).passes
    assert (planned.sample, planned.seconds) == (None, None)


def test_unknown_lengths_are_counted(corpus, tmp_path) -> None:
    first, *others = corpus.manifest.clips
    manifest = corpus.manifest.with_clips([replace(first, duration_s=math.nan), *others])
    (encoder,) = plan(tmp_path / "out", corpus.extraction(manifest=manifest)).passes[0].encoders
    assert encoder.n_unknown == encoder.missing.n_unknown == 1
    assert encoder.media_s == pytest.approx(30 + sum(clip.duration_s for clip in others))


def test_pictures_are_counted_at_the_rate_of_the_videos(corpus, tmp_path) -> None:
    write_videos(tmp_path / "videos", [f"02{clip.clip_id[2:]}" for clip in corpus.manifest.clips[:4]], rate=15)
    from ravfeat.corpora.ravdess import scan_ravdess

    faces = FaceOptions(cropped=True)
    encoder = load_encoder(str(write_net(tmp_path / "tiny.onnx")), "cpu", faces=faces)
    manifest = scan_ravdess(tmp_path / "videos", "face")
    source = faces.source(boxes=True, meshes=False)
    request = Extraction(manifest, tmp_path / "videos", encoder, source=source)
    (planned,) = plan(tmp_path / "out", request).passes
    assert planned.frame_rate_hz == pytest.approx(15, rel=0.05)
    (assumed,) = plan(tmp_path / "out", request, measure_s=0).passes
    assert assumed.frame_rate_hz == 30
    ratio = planned.encoders[0].missing.total / assumed.encoders[0].missing.total
    assert ratio == pytest.approx(planned.frame_rate_hz / 30, rel=1e-3)


def test_encoders_of_one_pass_are_planned_together(corpus, tmp_path) -> None:
    requests = [corpus.extraction(), corpus.extraction(recipe=StoreRecipe(store="pooled"))]
    planned = plan(tmp_path / "out", *requests)
    assert [encoder.n_new for encoder in planned.passes[0].encoders] == [22, 22]
    assert planned.missing.total == sum(encoder.missing.total for encoder in planned.passes[0].encoders)


def test_what_the_extraction_would_refuse_the_plan_refuses(corpus, tmp_path) -> None:
    path = run_extraction(corpus.extraction(), tmp_path / "out").path
    first, *others = corpus.manifest.clips
    longer = corpus.manifest.with_clips([replace(first, duration_s=first.duration_s + 1), *others])
    with pytest.raises(CorpusError, match="another recording"):
        plan(tmp_path / "out", corpus.extraction(manifest=longer))
    relabelled = corpus.manifest.with_clips([replace(first, actor="synth:99"), *others])
    with pytest.raises(CorpusError, match="stored clips are never relabelled"):
        plan(tmp_path / "out", corpus.extraction(manifest=relabelled))
    (path / "shard-00000.h5").write_bytes(b"no HDF5")
    with pytest.raises(ShardError, match="cannot be opened"):
        plan(tmp_path / "out", corpus.extraction())


def test_what_an_interrupted_run_has_encoded_is_not_counted_as_work(corpus, tmp_path, small_shards) -> None:
    request = corpus.extraction()
    folder = planned_folder_of(request, tmp_path / "out")
    path = run_extraction(request, tmp_path / "out").path / "shard-00001.h5"
    digest = sha256_of(path)[:16]
    whole = read_part(path.rename(path.with_name(f"shard-00001.part-0000-{digest}.h5")))
    (path.parent / f"shard-00001.part-0000-{digest}.h5").unlink()
    two = replace(whole, clips=whole.clips[:2], features=whole.features[:2], times_s=whole.times_s[:2])
    folder.write_part(two, 0)
    (encoder,) = plan(tmp_path / "out", request).passes[0].encoders
    assert (encoder.n_new, encoder.n_kept, encoder.n_stored) == (4, 2, 18)
    lengths = {clip.clip_id: clip.duration_s for clip in corpus.manifest}
    assert encoder.media_s == pytest.approx(sum(lengths[clip.clip_id] for clip in whole.clips[2:]))
    for part in folder.path.glob("shard-00001.part-*"):
        part.unlink()
    folder.write_part(replace(two, provenance={"python": "2.7"}), 0)  # which the next run would not take over
    (encoder,) = plan(tmp_path / "out", request).passes[0].encoders
    assert (encoder.n_new, encoder.n_kept) == (4, 0)
    for part in folder.path.glob("shard-00001.part-*"):
        part.write_bytes(b"damaged")
    (encoder,) = plan(tmp_path / "out", request).passes[0].encoders
    assert (encoder.n_new, encoder.n_kept) == (4, 0)
