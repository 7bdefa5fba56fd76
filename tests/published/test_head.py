"""A published head gives the run's probabilities back, and refuses what it was not made for."""

import json
import shutil
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.calibrate import calibrate
from ravfeat.errors import CacheError, HeadError, UsageError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.predictions import Predictions, System, SystemProbs
from ravfeat.published import PublishedHead
from ravfeat.published.caches import match, read_clips
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.published.conftest import seen
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

VOICE = System("audio", "voice", "attentive")
FUSED = System("fused", "voice+landmarks+expressions", "attentive+logreg+kernel")

pytestmark = pytest.mark.filterwarnings("error")

IN_A_FRESH_PROCESS = """
import json, sys
import numpy as np
import ravfeat
told = json.load(sys.stdin)
head = ravfeat.load_head(told["head"])
for fold, clips in enumerate(told["clips"]):
    for system, probs in head.probabilities(told["caches"], clips, fold=fold).items():
        np.save(f"{told['out']}/{fold} {'-'.join(system)}.npy", probs)
"""


@pytest.fixture(scope="module")
def head(published: Path) -> PublishedHead:
    return load_head(published)


@cache
def calibrated(path: Path, system: System) -> SystemProbs:
    return calibrate(Predictions.read(path), system).test


def said(run: Path, system: System, fold: int) -> dict[str, np.ndarray]:
    """What a run says of a fold's test clips, calibrated: performance to probabilities."""
    test = calibrated(run / "predictions.parquet", system)
    own = test.folds == fold
    return dict(zip(test.performance_ids[own].tolist(), test.probs[own], strict=True))


def clips_of(run: Path, fold: int) -> list[str]:
    return sorted(said(run, VOICE, fold))


def test_a_fresh_process_gives_every_test_row_of_the_run_bit_for_bit(published, places, run, tmp_path) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.permutation(clips_of(run, fold)).tolist() for fold in range(6)]
    told = {"head": str(published), "caches": [str(path) for path in places.values()], "clips": clips}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_FRESH_PROCESS],
        input=json.dumps(told | {"out": str(tmp_path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    systems = Predictions.read(run / "predictions.parquet").systems()
    assert len(list(tmp_path.iterdir())) == 6 * len(systems)
    for fold, own in enumerate(clips):
        for system in systems:
            expected = said(run, system, fold)
            found = np.load(tmp_path / f"{fold} {'-'.join(system)}.npy")
            assert np.array_equal(found, np.stack([expected[clip] for clip in own])), (fold, system)


def test_some_clips_of_a_fold_get_the_same_bits_as_all_of_them(head, places, run) -> None:
    clips = clips_of(run, 3)[5:2:-1]
    expected = said(run, FUSED, 3)
    probs = head.predict(places.values(), clips, fold=3)
    assert np.array_equal(probs, np.stack([expected[clip] for clip in clips]))


def test_a_clip_may_be_named_as_any_of_the_caches_calls_it(head, places, run) -> None:
    clips = clips_of(run, 0)[:2]
    faces = [clip for clip in open_cache(places["landmarks"]).clip_ids if clip.endswith(tuple(clips))]
    faces.sort(key=lambda name: clips.index(name.partition("-face-")[2]))
    assert np.array_equal(head.predict(places.values(), faces, fold=0), head.predict(places.values(), clips, fold=0))


def test_a_clip_may_be_asked_for_twice_and_under_two_names(head, places, run) -> None:
    first, second = clips_of(run, 2)[:2]
    face = next(clip for clip in open_cache(places["landmarks"]).clip_ids if clip.endswith(f"-face-{first}"))
    for fold in (2, "mean"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if fold == "mean" else "error")
            expected = head.predict(places.values(), [first, second], fold=fold)
            found = head.predict(places.values(), [first, second, first, face], fold=fold)
        np.testing.assert_allclose(found, expected[[0, 1, 0, 0]], atol=1e-6)


def test_no_clip_gives_no_row_of_every_system(head, places, run) -> None:
    whole = head.probabilities(places.values(), clips_of(run, 0)[:1], fold=0)
    none = head.probabilities(places.values(), [], fold=0)
    assert list(none) == list(whole)
    assert {probs.shape for probs in none.values()} == {(0, 4)}
    assert head.predict(places.values(), []).shape == (0, 4)


def test_it_says_what_it_is(head) -> None:
    assert head.classes == ("calm", "happy", "sad", "angry")
    assert head.systems == (
        VOICE,
        System("audio", "voice", "logreg"),
        System("face", "landmarks+expressions", "kernel"),
        FUSED,
    )
    assert head.folds == (0, 1, 2, 3, 4, 5)
    assert head.refitted
    assert "audio / voice / attentive" in repr(head)


def test_without_a_fold_the_heads_of_all_actors_answer(head, places) -> None:
    stranger = write_strangers(places["voice"].parents[1] / "strangers")
    clips = ["01-00", "02-03"]
    probs = head.predict(stranger, clips)
    assert np.array_equal(probs, head.predict(stranger, clips, fold="refit"))
    assert not np.allclose(probs, head.predict(stranger, clips, fold="mean"))
    np.testing.assert_allclose(probs.sum(1), 1)


def test_the_mean_is_that_of_the_calibrated_probabilities_of_all_folds(head, places) -> None:
    stranger = write_strangers(places["voice"].parents[1] / "others")
    clips = ["01-00", "02-03", "24-01"]
    for system in (VOICE, FUSED):
        by_fold = [head.predict(stranger, clips, fold=fold, system=system) for fold in head.folds]
        np.testing.assert_allclose(head.predict(stranger, clips, fold="mean", system=system), np.mean(by_fold, axis=0))


def write_strangers(folder: Path) -> list[Path]:
    """Another corpus through the same encoders."""
    takes = actors_and_emotions(seed=7, corpus="other")
    return [
        write_cache(folder, takes, name="voice", stream="audio", corpus="other"),
        write_cache(folder, seen(takes, 8), name="landmarks", corpus="other"),
        write_cache(folder, seen(takes, 9), name="expressions", corpus="other"),
    ]


def test_clips_that_taught_the_heads_are_warned_of(head, places, run) -> None:
    clips = clips_of(run, 1)
    for fold in (0, None, "mean"):
        message = r"16 of 16 clips, the first '.*', are of those that these heads learned"
        for score in (head.predict, head.probabilities):
            with pytest.warns(UserWarning, match=message) as warned:
                score(places.values(), clips, fold=fold)
            assert [warning.filename for warning in warned] == [__file__]  # the line that can be mended


def test_a_cache_of_another_encoder_is_refused_with_what_differs(head, places, tmp_path) -> None:
    takes = actors_and_emotions()
    other = write_cache(tmp_path, takes, name="wavlm", stream="audio")
    with pytest.raises(
        CacheError, match=r"attentive was trained on features of 'voice' .* another kind: weights is wavlm, expected vo"
    ):
        head.predict([other, places["landmarks"], places["expressions"]], ["01-00"], fold=0)
    with pytest.raises(CacheError, match="no cache of the stream 'audio' is given"):
        head.predict([places["landmarks"], places["expressions"]], ["01-00"], fold=0)


def test_caches_of_two_corpora_are_refused(head, places, tmp_path) -> None:
    other = write_cache(tmp_path, actors_and_emotions(corpus="other"), name="voice", stream="audio", corpus="other")
    with pytest.raises(CacheError, match=r"caches are of several corpora \(other, ravdess\)"):
        head.predict([other, *places.values()], ["01-00"], fold=0)


def test_unknown_clips_folds_and_systems_are_refused(head, places) -> None:
    caches = list(places.values())
    with pytest.raises(CacheError, match=r"no clip 'nobody' in .* \(1 such names\)"):
        head.predict(caches, ["01-00", "nobody"], fold=0)
    with pytest.raises(UsageError, match="has no heads of fold 9; choose from 0, 1, 2, 3, 4, 5, refit, mean"):
        head.predict(caches, ["01-00"], fold=9)
    with pytest.raises(UsageError, match=r"has no system 'audio / x / y'; choose from audio / voice / attentive"):
        head.predict(caches, ["11-00"], fold=0, system=System("audio", "x", "y"))


def test_a_cache_without_a_clip_of_the_performance_is_refused(head, places, tmp_path) -> None:
    faces = seen(actors_and_emotions(), 1)[1:]
    short = write_cache(tmp_path, faces, name="landmarks")
    with pytest.raises(CacheError, match="has no '01-00'; a clip is scored by all systems"):
        head.predict([places["voice"], short, places["expressions"]], ["01-00"], fold=4)


def test_one_cache_stands_for_a_list_of_one(places, tmp_path) -> None:
    write_run(tmp_path / "run", fit_heads(FitPlan((places["voice"],), heads=("logreg",), layers="1")), {})
    export_heads(tmp_path / "run", tmp_path / "head")
    alone = load_head(tmp_path / "head")
    expected = alone.predict([places["voice"]], ["11-00"], fold=0)
    for caches in (places["voice"], str(places["voice"]), open_cache(places["voice"])):
        assert np.array_equal(alone.predict(caches, ["11-00"], fold=0), expected)


# --- one stream is missing


def test_a_system_whose_features_are_missing_gives_no_mixture_and_the_others_their_own_bits(head, places) -> None:
    groups = match(head.parts, places.values())
    clips = head.tested[0]
    features = [read_clips(*system) for system in zip(head.parts, groups, clips, strict=True)]
    whole = head.score(features, clips, [0, "refit"])
    without = head.score([None, features[1], None], [(), clips[1], ()], [0, "refit"])
    assert list(without) == [head.systems[1]]
    assert np.array_equal(without[head.systems[1]], whole[head.systems[1]])
    assert head.score([None] * 3, clips, [0]) == {}


def test_without_the_control_the_mixture_is_what_it_is_with_it(places, tmp_path) -> None:
    caches = (places["voice"], places["landmarks"])
    plan = FitPlan(caches, heads=("audio:logreg", "face:kernel", "joint"), settings={"epochs": 1, "hidden": 4})
    write_run(tmp_path / "run", fit_heads(plan), {})
    export_heads(tmp_path / "run", tmp_path / "head")
    head = load_head(tmp_path / "head")
    clips = head.tested[0]
    groups = match(head.parts, caches)
    features = [read_clips(*system) for system in zip(head.parts, groups, clips, strict=True)]
    whole = head.score(features, clips, [0])
    (joint,) = (number for number, part in enumerate(head.parts) if part.system.stream == "joint")
    left = [None if number == joint else of_system for number, of_system in enumerate(features)]
    without = head.score(left, clips, [0])
    assert set(whole) - set(without) == {head.parts[joint].system}
    assert all(np.array_equal(probs, whole[system]) for system, probs in without.items())


# --- attention


def test_attention_is_the_mean_over_seeds_and_sources(head, places) -> None:
    (voice,), clips = match(head.parts, places.values())[0], head.tested[0][0][:3]
    features = read_clips(head.parts[0], (voice,), clips)
    attention = head.attention(VOICE, features, [0, 1])
    models = [model for source in (0, 1) for model in head.models[source][0]]
    assert len(models) == 4
    for row, weights in enumerate(attention):
        by_model = [model.attention(features.features, np.array([row]))[0] for model in models]
        np.testing.assert_allclose(weights, np.mean(by_model, axis=0), atol=1e-6)
        assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert head.attention(head.systems[1], features, [0]) is None
    with pytest.raises(UsageError, match=r"has no heads of 'fused / .*'; choose from audio / voice / attentive; audio"):
        head.attention(FUSED, features, [0])


# --- damage


def test_where_there_is_none_it_is_said_how_to_make_one(tmp_path) -> None:
    with pytest.raises(HeadError, match=r"no published head at .*: head.toml is missing; 'ravfeat export-heads' makes"):
        load_head(tmp_path)


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_newer_format_is_refused(copy) -> None:
    edit(copy / "head.toml", "format_version = 1", "format_version = 3")
    with pytest.raises(HeadError, match="version 3, this ravfeat reads ravfeat-published-head version 2; use the rav"):
        load_head(copy)


def test_an_edited_recipe_is_refused(copy) -> None:
    edit(copy / "head.toml", '"calm",\n    "happy"', '"happy",\n    "calm"')
    with pytest.raises(HeadError, match=r"head.toml does not match its own digest; it was changed or is damaged"):
        load_head(copy)


def test_what_is_no_toml_is_refused(copy) -> None:
    (copy / "head.toml").write_text("format = ")
    with pytest.raises(HeadError, match=r"head.toml is not valid TOML .* fetch or export it again"):
        load_head(copy)


def test_a_changed_or_missing_file_is_refused(copy) -> None:
    edit(copy / "learned.json", "0.", "1.")
    with pytest.raises(HeadError, match=r"learned.json does not match its digest in head.toml; it is damaged"):
        load_head(copy)
    (copy / "learned.json").unlink()
    with pytest.raises(HeadError, match=r"learned.json is missing; fetch or export it again"):
        load_head(copy)


def test_a_flipped_bit_in_the_weights_is_refused(copy) -> None:
    path = next(copy.rglob("refit/*/*.safetensors"))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(HeadError, match=r"seed-\d.safetensors does not match its digest"):
        load_head(copy)


def test_the_card_may_be_added_to(copy) -> None:
    edit(copy / "card.md", "## Data terms", "## Data terms\n\nAsk us.")
    assert load_head(copy).refitted


def test_importing_ravfeat_names_it_and_loads_no_torch() -> None:
    code = "import ravfeat, sys; ravfeat.__all__.index('load_head'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
