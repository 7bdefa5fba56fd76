"""An import from its options to a cache."""

import shutil

import numpy as np
import pytest

from ravfeat import open_cache, verify_cache
from ravfeat.cache import writer
from ravfeat.errors import CorpusError, UsageError
from ravfeat.extract import Extraction, run_extraction
from ravfeat.importers import ImportOptions, plan_import
from tests.importers.conftest import STEMS


@pytest.fixture
def plan(voices):
    def make(path, **changes):
        return plan_import(
            ImportOptions(**({"path": path, "corpus": "ravdess", "data": voices, "name": "x"} | changes))
        )

    return make


def run(plan, out):
    return run_extraction(Extraction(plan.manifest, plan.root, plan.encoder, source=plan.source), out)


def test_clips_are_called_as_brought_and_known_as_in_the_corpus(plan, save) -> None:
    made = plan(save())
    assert [clip.clip_id for clip in made.manifest] == sorted(STEMS)
    first = made.manifest.clips[0]
    assert (first.performance_id, first.actor, first.gender, first.label) == (
        "01-01-01-01-01-01", "ravdess:01", "male", "neutral"
    )  # fmt: skip
    assert (first.path, first.duration_s) == ("features.npz", pytest.approx(3 / 29.97))


def test_features_go_into_a_cache_that_verifies(plan, save, tmp_path) -> None:
    x = np.random.default_rng(0).normal(size=(18, 2, 5)).astype(np.float16)
    made = plan(save(x=x, frame=np.tile([2, 3, 4], 6), confidence=np.linspace(0, 1, 18)), name="mine")
    result = run(made, tmp_path / "out")
    assert (result.failed, result.path.name[:10]) == ({}, "face-mine-")
    cache = open_cache(result.path)
    assert (len(cache), cache.layers, cache.dim) == (6, (0, 1), 5)
    clip = cache[STEMS[1]]
    np.testing.assert_array_equal(clip, x[3:6])
    np.testing.assert_allclose(cache.times(STEMS[1]), np.array([2, 3, 4]) / 29.97)
    np.testing.assert_allclose(cache.columns(STEMS[1])["confidence"], np.linspace(0, 1, 18)[3:6], rtol=1e-6)
    assert verify_cache(result.path) == []


def test_an_import_that_was_cut_short_goes_on_to_the_same_bytes(plan, save, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(writer, "MAX_SHARD_CLIPS", 2)
    path = save()
    whole = run(plan(path), tmp_path / "whole").path
    part = shutil.copytree(whole, tmp_path / "part" / "ravdess" / whole.name)
    (part / "shard-00001.h5").unlink()
    result = run(plan(path), tmp_path / "part")
    assert (result.written, result.present) == (1, 2)
    assert (part / "shard-00001.h5").read_bytes() == (whole / "shard-00001.h5").read_bytes()


def test_equal_takes_have_equal_digests(plan, save, tmp_path) -> None:
    x = np.arange(72, dtype=np.int16).reshape(18, 4)
    x[15:] = x[:3]
    records = open_cache(run(plan(save(x=x)), tmp_path / "out").path).records()
    digests = [records[stem].input_sha256 for stem in STEMS]
    assert digests[0] == digests[5]
    assert len(set(digests)) == 5


def test_the_identity_is_the_contents_and_says_nothing_of_the_machine(plan, save, tmp_path) -> None:
    one = plan(save()).encoder
    (tmp_path / "elsewhere").mkdir()
    other = plan(shutil.copy(tmp_path / "features.npz", tmp_path / "elsewhere/renamed.npz")).encoder
    assert one.spec.identity() == other.spec.identity()
    assert str(tmp_path) not in str(one.spec.identity()) + str(one.provenance())
    for change in ({"fps": 25.0}, {"transform": "log-softmax"}):
        probabilities = save(x=np.full((18, 4), 0.25, np.float32))
        assert (
            plan(probabilities, **change).encoder.spec.identity()
            != plan(probabilities, transform="none").encoder.spec.identity()
        )


@pytest.mark.parametrize(
    ("row", "transform", "why"),
    [
        (np.full((68, 2), 2.0), "similarity", "landmarks"),
        (np.full(4, 0.25), "log-softmax", "probabilities"),
        (np.full(4, 0.3), "none", "neither landmarks nor probabilities"),
        (np.ones(1), "none", "neither landmarks nor probabilities"),
        (np.full((2, 4), 0.25), "none", "neither landmarks nor probabilities"),
    ],
)
def test_a_transform_is_chosen_from_what_rows_are(row, transform, why, plan, save) -> None:
    made = plan(save(x=np.tile(row, (18, *[1] * row.ndim))))
    assert (made.transform.name, made.transform_reason) == (transform, why)


def test_one_row_that_adds_up_to_something_else_is_enough(plan, save) -> None:
    x = np.full((18, 4), 0.25)
    x[7] = [0.5, 0.5, 0.5, 0.0]
    assert plan(save(x=x)).transform.name == "none"
    with pytest.raises(UsageError, match=r"row 1 of '02-.*' is no distribution, .* add up to 1\.5.*--transform none"):
        plan(save(x=x), transform="log-softmax")


def test_rows_that_will_not_be_used_do_not_choose(plan, save) -> None:
    x, success = np.full((18, 4), 0.25), np.ones(18)
    x[4], x[8], success[8] = np.nan, 0.0, 0
    assert plan(save(x=x, success=success)).transform.name == "log-softmax"


def test_a_rate_is_known_of_ravdess_faces_only(plan, save, tmp_path) -> None:
    assert plan(save()).clock.fps == 29.97
    voices = save([f"03{stem[2:]}" for stem in STEMS])
    with pytest.raises(UsageError, match="say with --fps"):
        plan(voices, stream="audio")
    assert plan(voices, stream="audio", fps=100.0).clock.fps == 100
    (tmp_path / "t.csv").write_text("path,actor,label\n" + "".join(f"{s}.mp4,1,x\n" for s in STEMS), encoding="utf-8")
    with pytest.raises(UsageError, match="say with --fps"):
        plan(save(), corpus="folder", data=tmp_path / "t.csv")
    with pytest.raises(UsageError, match="--modality goes with --corpus ravdess"):
        plan(save(), corpus="folder", data=tmp_path / "t.csv", modality="02")


def test_the_longest_stride_of_times_plans_the_shards(plan, save) -> None:
    assert plan(save(x=np.ones((18, 4)), time_s=np.tile([0.0, 0.01, 0.02], 6))).encoder.spec.frame_rate_hz == (
        pytest.approx(100)
    )


def test_names_in_two_files_must_agree(plan, save, tmp_path) -> None:
    save(file="all/1.npz")
    save(file="all/2.npz")
    assert plan(tmp_path / "all").match.duplicates == 6
    save(file="all/2.npz", x=np.zeros((18, 4), np.float32))
    with pytest.raises(CorpusError, match=r"there twice, with different contents: .* in 1\.npz and .* in 2\.npz"):
        plan(tmp_path / "all")


def test_frames_at_other_times_are_other_contents(plan, save, tmp_path) -> None:
    save(file="all/1.npz", x=np.ones((18, 4)), frame=np.tile([0, 1, 2], 6))
    save(file="all/2.npz", x=np.ones((18, 4)), frame=np.tile([0, 1, 3], 6))
    with pytest.raises(CorpusError, match="there twice, with different contents"):
        plan(tmp_path / "all")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "unused", "dim", "transform"),
    [
        ("landmarks68", 0, 136, "similarity"),
        ("landmarks68", 0, 36, "geometry"),
        ("xception_fer2013_framewise.npz", 1440, 7, "log-softmax"),
    ],
)
def test_the_real_features_match_all_1440_performances(path, unused, dim, transform, plan, shared, tmp_path) -> None:
    asked = {"transform": transform} if transform == "geometry" else {}  # the others are what `auto` takes
    made = plan(shared / "data/ravdess_face" / path, data=shared / "data/ravdess", **asked)
    assert (len(made.files.clips), len(made.manifest), made.transform.name) == (1440 + unused, 1440, transform)
    assert (made.match.unused, made.match.missing, made.match.unmatched) == (unused, (), ())
    assert {clip.clip_id[:2] for clip in made.manifest} == {"02"}
    few = made.manifest.with_clips(made.manifest.clips[::30])
    result = run_extraction(Extraction(few, made.root, made.encoder, source=made.source), tmp_path)
    cache = open_cache(result.path)
    assert (result.failed, len(cache), cache.dim) == ({}, 48, dim)
    values = np.asarray(cache[cache.clip_ids[0]], np.float32)[:, 0]
    if transform != "log-softmax":
        assert np.abs(values).max() < 10
    else:
        np.testing.assert_allclose(np.exp(values).sum(1), 1, atol=5e-3)


@pytest.mark.shared
def test_the_known_equal_pictures_are_equal_in_their_landmarks(plan, shared, tmp_path) -> None:
    made = plan(shared / "data/ravdess_face/landmarks68", data=shared / "data/ravdess")
    some = made.manifest.with_clips(clip for clip in made.manifest if clip.actor in {"ravdess:07", "ravdess:18"})
    result = run_extraction(Extraction(some, made.root, made.encoder, source=made.source), tmp_path)
    by_digest: dict[str, list[str]] = {}
    for clip_id, record in open_cache(result.path).records().items():
        by_digest.setdefault(record.input_sha256, []).append(clip_id)
    assert sorted(sorted(ids) for ids in by_digest.values() if len(ids) > 1) == [
        ["02-01-01-01-02-01-18", "02-01-01-01-02-02-18"],
        ["02-01-03-01-02-01-07", "02-01-03-01-02-02-07"],
    ]
